"""What triage knows before it looks."""

from dataclasses import dataclass

from agents.calibration import Calibration
from agents.incident.catalogue import Catalogue
from agents.signatures.model import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What triage knows before it looks."""

    catalogue: Catalogue
    signatures: tuple[Signature, ...]
    calibration: Calibration
