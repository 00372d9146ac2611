"""What a claim is judged against: one incident's stored evidence, the services as known, the present."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.canonical import sha256
from agents.facts import Reader
from agents.incident.catalogue import Catalogue
from agents.incident.claims import Claim
from agents.incident.errors import BadInput
from agents.incident.evidence import Evidence
from agents.incident.finding import Dropped
from agents.incident.ids import IncidentId
from agents.signatures.model import Signature

RELATIVE = 0.005
"""A claimed number may differ from the recomputed one by this share, no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """One incident's evidence by id, and what some claims need beside it.

    ``max_age`` is how old the end of a window may be to be called now; a system that is read more seldom gets two
    of its own steps and its lag. Without a ``catalogue`` no call between services can be verified, without
    ``signatures`` nothing is refuted. ``similar`` are the scores of the memory index. Notes are off by default.
    """

    incident_id: IncidentId
    readers: Mapping[str, Reader]
    now: datetime
    max_age: timedelta
    lookback: timedelta
    catalogue: Catalogue | None = None
    signatures: tuple[Signature, ...] = ()
    similar: Mapping[str, float] = field(default_factory=dict)
    notes: bool = False

    @property
    def superseded(self) -> Mapping[str, str]:
        """Evidence that was read again, and as what."""
        return {
            r.evidence.supersedes: r.evidence.id
            for r in self.readers.values()
            if r.evidence.supersedes is not None
        }


Gate = Callable[[Claim, Court], Dropped | None]


def admit(
    evidence: Sequence[Evidence], read_blob: Callable[[str], bytes]
) -> tuple[tuple[Reader, ...], tuple[Dropped, ...]]:
    """Readers over bytes that still have the hash they were stored under; the others are dropped (G2).

    Args:
        read_blob: The bytes under a hash; ``BadInput`` where they are gone or are others.
    """
    readers, dropped = [], []
    for item in evidence:
        blob = _read(item, read_blob)
        if blob is not None:
            readers.append(Reader(item, blob))
        else:
            dropped.append(Dropped(code="BLOB_MISMATCH", what=f"{item.probe} {item.id}"))
    return tuple(readers), tuple(dropped)


def _read(item: Evidence, read_blob: Callable[[str], bytes]) -> bytes | None:
    try:
        blob = read_blob(item.blob_sha256)
    except BadInput:
        return None
    return blob if sha256(blob) == item.blob_sha256 else None


def agrees(claimed: float, again: float | None) -> bool:
    """Whether a claim's number is the one that the bytes give."""
    return again is not None and abs(again - claimed) <= abs(again) * RELATIVE
