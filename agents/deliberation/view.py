"""What a model is shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One JSON text about one incident.

    ``lines`` are ids of a finding's lines, where they are to be ordered. ``refused`` says, in our words, what was
    wrong with the last answer to the same.
    """

    incident: str
    text: str
    lines: tuple[str, ...] = ()
    refused: str = ""
