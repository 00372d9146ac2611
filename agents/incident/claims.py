"""The closed grammar of what a finding may say. Every claim cites evidence; every value is recomputed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

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

    type: ClassVar[str] = "METRIC_VALUE"
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

    type: ClassVar[str] = "METRIC_CHANGE"
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
class LogPresent:
    """Lines that match a pattern of the library, with one quoted byte for byte."""

    type: ClassVar[str] = "LOG_PRESENT"
    evidence: EvidenceId
    entity: str
    pattern: str
    quote: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFact:
    """A change record exists. It confirms nothing."""

    type: ClassVar[str] = "CHANGE_FACT"
    evidence: EvidenceId
    entity: str
    change_id: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedes:
    """One interval ended before the other began."""

    type: ClassVar[str] = "PRECEDES"
    first_evidence: EvidenceId
    second_evidence: EvidenceId
    first: tuple[datetime, datetime]
    second: tuple[datetime, datetime]
    first_what: str
    second_what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What broke. Made by the engine alone, when scoring and gates pass."""

    type: ClassVar[str] = "CAUSE"
    signature: str
    title: str
    entity: str
    evidence: tuple[EvidenceId, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise UngroundedClaim(f"cause {self.signature} on {self.entity} cites no evidence")


Claim = MetricValue | MetricChange | LogPresent | ChangeFact | Precedes | Cause


def cites(claim: Claim) -> tuple[EvidenceId, ...]:
    """The evidence a claim stands on."""
    match claim:
        case Cause():
            return claim.evidence
        case Precedes():
            return (claim.first_evidence, claim.second_evidence)
        case _:
            return (claim.evidence,)


MIN_QUOTE = 12
"""Characters; a shorter quote proves nothing unless it is a whole line."""

MAX_SKEW = timedelta(seconds=2)
