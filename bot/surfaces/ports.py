"""What a chat, or a terminal, must be able to do."""

from dataclasses import dataclass
from typing import Protocol

from agents.incident.ids import ApprovalId, IncidentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A label and an opaque id; no authority, at most 64 bytes."""

    label: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The cited metric: (ms, value) in order of time, with the quantity it is."""

    caption: str
    quantity: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The one root message of an incident, as the journal has it now."""

    incident_id: IncidentId
    version: int
    headline: str
    state: str
    lines: tuple[str, ...]
    chart: Chart | None
    buttons: tuple[Button, ...]
    approval_id: ApprovalId | None
    has_finding: bool
    reported: bool
    over: bool


class Surface(Protocol):
    """One root message an incident, edited in place; detail below it; every press answered."""

    @property
    def name(self) -> str:
        """As accounts in config/people.yaml are filed under."""

    def show(self, card: Card, ref: str | None) -> str:
        """Post the root message, or edit the one *ref* names. Returns its reference."""

    def detail(self, ref: str, line: str) -> None:
        """Add one line below the root message."""
