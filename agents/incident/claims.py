"""The closed grammar of what a finding may say. Every claim cites evidence; every value is recomputed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from agents.incident.errors import Refused
from agents.incident.ids import EvidenceId


class UngroundedClaim(Refused):
    """A claim that cites nothing cannot be built."""


class Op(StrEnum):
    """How a fact is held against a threshold."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="

    def holds(self, left: float, right: float) -> bool:
        """Whether ``left op right``."""
        match self:
            case Op.EQ:
                return left == right
            case Op.NE:
                return left != right
            case Op.LT:
                return left < right
            case Op.LE:
                return left <= right
            case Op.GT:
                return left > right
            case Op.GE:
                return left >= right


class FactName(StrEnum):
    """What the engine can compute from a stored answer."""

    RECENT = "recent"  # the recent part of the window as one number
    MAX = "max"
    MIN = "min"
    LAST = "last"
    BASELINE = "baseline"
    RATIO_TO_BASELINE = "ratio_to_baseline"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which series of an answer are meant; ``None`` leaves a label open."""

    instance: str | None = None
    not_instance: str | None = None
    upstream: str | None = None
    upstream_instance: str | None = None
    not_upstream_instance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A number read from one answer."""

    type: Literal["METRIC_VALUE"] = "METRIC_VALUE"
    evidence: EvidenceId
    entity: str
    fact: FactName
    where: Where
    value: float
    op: Op
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """A number that moved against its own baseline; onset is an interval, never the alert's time."""

    type: Literal["METRIC_CHANGE"] = "METRIC_CHANGE"
    evidence: EvidenceId
    entity: str
    where: Where
    before: float
    after: float
    onset: tuple[datetime, datetime] | None
    op: Op
    threshold: float
    fact: FactName = FactName.RATIO_TO_BASELINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Two facts of one unit, held against each other over windows that overlap."""

    type: Literal["COMPARE"] = "COMPARE"
    evidence: EvidenceId
    other_evidence: EvidenceId
    entity: str
    fact: FactName
    where: Where
    other_fact: FactName
    other_where: Where
    value: float
    other_value: float
    op: Op


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPresent:
    """Lines that match a pattern of the library, with one quoted byte for byte."""

    type: Literal["LOG_PRESENT"] = "LOG_PRESENT"
    evidence: EvidenceId
    entity: str
    pattern: str
    quote: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAbsent:
    """No line matches a pattern, in a stream that was read whole and was alive."""

    type: Literal["LOG_ABSENT"] = "LOG_ABSENT"
    evidence: EvidenceId
    entity: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFact:
    """One attribute of one stored span."""

    type: Literal["SPAN_FACT"] = "SPAN_FACT"
    evidence: EvidenceId
    entity: str
    trace_id: str
    span_id: str
    attribute: str
    value: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeFact:
    """A number on calls from one service to another that it is known to call."""

    type: Literal["EDGE_FACT"] = "EDGE_FACT"
    evidence: EvidenceId
    client: str
    server: str
    fact: FactName
    value: float
    op: Op
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact:
    """Something the platform recorded of one of its objects."""

    type: Literal["EVENT_FACT"] = "EVENT_FACT"
    evidence: EvidenceId
    entity: str
    uid: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFact:
    """A change record exists. It confirms nothing."""

    type: Literal["CHANGE_FACT"] = "CHANGE_FACT"
    evidence: EvidenceId
    entity: str
    change_id: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedes:
    """One interval ended before the other began. Both are onsets, found again in the bytes."""

    type: Literal["PRECEDES"] = "PRECEDES"
    first_evidence: EvidenceId
    second_evidence: EvidenceId
    first: tuple[datetime, datetime]
    second: tuple[datetime, datetime]
    first_what: str
    second_what: str
    first_where: Where = Where()
    second_where: Where = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """Two numbers moved together. It confirms nothing. ``lag`` is how much later the second one moved."""

    type: Literal["ASSOCIATED"] = "ASSOCIATED"
    evidence: EvidenceId
    other_evidence: EvidenceId
    where: Where
    other_where: Where
    rho: float
    lag: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """From the cause up to the symptom, every hop a call that was seen and went wrong."""

    type: Literal["PATH"] = "PATH"
    hops: tuple[EdgeFact, ...]

    def __post_init__(self) -> None:
        if not self.hops:
            raise UngroundedClaim("a path without a hop cites no evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuted:
    """A known fault is not what happened here: the number that its refuter asks for."""

    type: Literal["REFUTED"] = "REFUTED"
    signature: str
    entity: str
    refuter: str
    reading: MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An earlier incident that looked like this one. It confirms nothing."""

    type: Literal["SIMILAR"] = "SIMILAR"
    incident: str
    score: float
    evidence: EvidenceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Short prose without a number, a foreign name or a causal verb. Off by default."""

    type: Literal["NOTE"] = "NOTE"
    text: str
    evidence: tuple[EvidenceId, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise UngroundedClaim("a note cites no evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What broke. Made by the engine alone, when scoring and gates pass."""

    type: Literal["CAUSE"] = "CAUSE"
    signature: str
    title: str
    entity: str
    evidence: tuple[EvidenceId, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise UngroundedClaim(f"cause {self.signature} on {self.entity} cites no evidence")


Claim = (
    MetricValue
    | MetricChange
    | Compare
    | LogPresent
    | LogAbsent
    | SpanFact
    | EdgeFact
    | EventFact
    | ChangeFact
    | Precedes
    | Associated
    | Path
    | Refuted
    | Similar
    | Cause
    | Note
)


def cites(claim: Claim) -> tuple[EvidenceId, ...]:
    """The evidence a claim stands on."""
    match claim:
        case Cause() | Note():
            return claim.evidence
        case Precedes():
            return (claim.first_evidence, claim.second_evidence)
        case Compare() | Associated():
            return (claim.evidence, claim.other_evidence)
        case Path():
            return tuple(hop.evidence for hop in claim.hops)
        case Refuted():
            return (claim.reading.evidence,)
        case _:
            return (claim.evidence,)


MIN_QUOTE = 12
"""Characters; a shorter quote proves nothing unless it is a whole line."""

MAX_SKEW = timedelta(seconds=2)
