"""What every catalogue entry says: what it needs, what it does, what puts it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol

from actions.steps import Step
from agents.incident.finding import Finding

if TYPE_CHECKING:
    from actions.ports import Deployment, LockSet

Parameters = Mapping[str, str | int]


class Tier(IntEnum):
    """The least supervision an action ever gets; policy may raise it, never lower it."""

    SAFE = 1
    SUPERVISED = 2
    NEVER_RUN = 3


class UndoKind(StrEnum):
    """Whether an inverse exists."""

    INVERSE = "inverse"
    NOTHING = "nothing to undo"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A precondition as read."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why an action does not apply to a finding."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What puts a step back, with the state captured before it."""

    step: Step | None
    captured: Mapping[str, str | int]


class Action(Protocol):
    """One row of the catalogue. Parameters are checked by ``parse`` wherever they come in."""

    @property
    def name(self) -> str:
        """As written in signatures, policy and chat."""

    @property
    def tier(self) -> Tier:
        """The floor of supervision."""

    @property
    def undo_kind(self) -> UndoKind:
        """Whether it can be put back."""

    def fit(self, finding: Finding) -> Parameters | Unfit:
        """Typed parameters for this finding."""

    def parse(self, parameters: Parameters) -> Parameters:
        """The same parameters, complete and of the right types, or BadInput. An empty target is an error."""

    def effect(self, parameters: Parameters) -> str:
        """The exact effect in one sentence."""

    def undo_says(self, parameters: Parameters) -> str:
        """What putting it back means."""

    def requires(self, parameters: Parameters) -> tuple[str, ...]:
        """The preconditions in words, as shown before anybody says yes."""

    def lock_set(self, parameters: Parameters) -> "LockSet":
        """The resources taken from reservation through verification and undo."""

    def check(self, parameters: Parameters, seen: "Deployment") -> Sequence[Condition]:
        """The preconditions, read again at the write."""

    def steps(self, parameters: Parameters, seen: "Deployment") -> tuple[tuple[Step, Undo], ...]:
        """Each effect with its undo, from the state just read."""

    def runbook(self, parameters: Parameters) -> tuple[str, ...]:
        """For what is never run: the lines a person may follow."""
