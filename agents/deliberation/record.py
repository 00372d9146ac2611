"""What came of a model's part in one look: kept beside the finding, and never mixed into it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agents.deliberation.budgets import Off, Spent
from agents.incident.claims import Claim
from agents.incident.finding import Dropped, Suspect
from agents.incident.ids import FindingId, IncidentId


class Step(StrEnum):
    """Where the loop is. Nothing but code moves it."""

    PLAN = "plan"
    QUERY = "query"
    HYPOTHESISE = "hypothesise"
    REFUTE = "refute"
    VERIFY = "verify"
    ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something in the telemetry that reads like an instruction: which rule, and where. Never the words."""

    rule: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A claim that the model pointed at and that passed every gate; its words come from the engine."""

    claim: Claim
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberation:
    """One model's part in one look.

    ``off`` says why it had none; then the finding is the engine's alone, and ``suspects`` and ``facts`` are empty.
    ``refused`` counts what the broker would not ask, by code. ``settle`` names what would settle an ``OTHER``.
    """

    incident_id: IncidentId
    finding_id: FindingId
    attempt: int
    look: int
    model: str
    off: Off | None
    steps: tuple[Step, ...]
    rounds: int
    suspects: tuple[Suspect, ...] = ()
    facts: tuple[Fact, ...] = ()
    settle: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    abstained: str = ""
    spent: Spent = field(default_factory=Spent)

    @property
    def suspected_injection(self) -> bool:
        """Whether the engine alone was heard because of what the telemetry holds."""
        return bool(self.flags)
