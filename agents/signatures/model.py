"""The values a signature file is turned into."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from agents.incident.claims import FactName, Op
from agents.incident.finding import Remedy
from agents.incident.incident import ChangeKind


class Subject(StrEnum):
    """What a signature convicts."""

    SERVICE = "service"
    REPLICA = "replica"
    EDGE = "edge"


class On(StrEnum):
    """Where a predicate looks, seen from the convicted entity."""

    SELF = "self"
    PEERS = "peers"
    CALLERS = "callers"
    CALLERS_TO_PEERS = "callers_to_peers"
    CALLEES = "callees"
    EDGE = "edge"
    BELOW = "below"


class Strength(StrEnum):
    """How much a true group raises a hypothesis; likelihood ratios are starting values until counted."""

    SPECIFIC = "specific"
    SUPPORTIVE = "supportive"
    WEAK = "weak"


LIKELIHOOD_RATIO = {Strength.SPECIFIC: 12.0, Strength.SUPPORTIVE: 4.0, Strength.WEAK: 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """One fact held against one threshold. Exactly one of ``quantity`` and ``log`` is set."""

    quantity: str
    log: str
    on: On
    fact: FactName
    op: Op
    value: float
    strength: Strength | None


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """True when every part is; unknown parts keep it unknown."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Any:
    """True when one part is."""

    parts: tuple["Condition", ...]


Condition = Predicate | All | Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One confirming signal. ``mechanism`` marks what is specific to this fault."""

    id: str
    vantage: str
    strength: Strength
    mechanism: bool
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuter:
    """A look-alike. Hard removes the hypothesis, soft weighs 1/6.

    A required one must have been answered before the fault may be named: without it the two cannot be told apart.
    """

    id: str
    means: str
    hard: bool
    required: bool
    then: str
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A recovery criterion as the file states it, before it is tied to an entity."""

    role: str
    quantity: str
    on: On
    fact: FactName
    op: Op
    value: float
    of_baseline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One known fault."""

    id: str
    version: int
    title: str
    note: str
    family: str
    subject: Subject
    lookback: timedelta
    base_rate: float
    change: ChangeKind | None
    change_boost: float
    diagnosed_at: float
    groups: tuple[Group, ...]
    refuters: tuple[Refuter, ...]
    remedies: tuple[Remedy, ...]
    checks: tuple[Check, ...]


def predicates(condition: Condition) -> tuple[Predicate, ...]:
    """The leaves of a condition."""
    if isinstance(condition, Predicate):
        return (condition,)
    return tuple(p for part in condition.parts for p in predicates(part))
