"""Whether a fix was one: criteria fixed before the effect, samples after it, one of four outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agents.incident.finding import Criterion
from agents.incident.ids import EvidenceId


class Outcome(StrEnum):
    """There are four, and no other."""

    SUCCEEDED = "SUCCEEDED"
    INEFFECTIVE = "INEFFECTIVE"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One criterion with its number fixed: the reading must stand ``op threshold``.

    ``before`` is what was read when the plan was made; ``None`` when it could not be.
    """

    criterion: Criterion
    threshold: float
    before: float | None

    def holds(self, value: float) -> bool:
        """Whether *value* meets it."""
        return self.criterion.op.holds(value, self.threshold)

    def worse(self, value: float) -> bool:
        """Whether *value* is harm: a neighbour that was well is not, or users suffer clearly more."""
        if self.before is None or self.holds(value):
            return False
        if self.criterion.role == "neighbour":
            return self.holds(self.before)
        return self.criterion.role == "user_facing" and value > self.before * WORSE_FACTOR + WORSE_FLOOR


WORSE_FACTOR = 1.5
WORSE_FLOOR = 0.05
MAX_ERRORS = 4
WORSE_SAMPLES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a fix will be verified; part of the plan people approve."""

    targets: tuple[Target, ...]
    settle: timedelta
    interval: timedelta
    horizon: timedelta
    good_samples: int
    give_up: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One criterion as read in one sample; ``None`` is a measurement error, never a success."""

    value: float | None
    evidence: tuple[EvidenceId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Every criterion at one time, in the order of the check's targets."""

    at: datetime
    measured: tuple[Measured, ...]


class Mark(StrEnum):
    """What one sample says."""

    GOOD = "good"
    BAD = "bad"
    WORSE = "worse"
    ERROR = "error"


def mark(check: Check, sample: Sample) -> Mark:
    """Good only when every criterion was read and holds."""
    marks = set()
    for target, measured in zip(check.targets, sample.measured, strict=True):
        if measured.value is None:
            marks.add(Mark.ERROR)
        elif target.worse(measured.value):
            marks.add(Mark.WORSE)
        elif not target.holds(measured.value):
            marks.add(Mark.BAD)
    for worst in (Mark.WORSE, Mark.ERROR, Mark.BAD):
        if worst in marks:
            return worst
    return Mark.GOOD


def verify(check: Check, samples: Sequence[Sample], *, opened: datetime, now: datetime) -> Outcome | None:
    """The outcome, or ``None`` while the window is open."""
    marks = [mark(check, s) for s in samples]
    if len(marks) >= WORSE_SAMPLES and set(marks[-WORSE_SAMPLES:]) == {Mark.WORSE}:
        return Outcome.REGRESSED
    if len(marks) >= MAX_ERRORS and set(marks[-MAX_ERRORS:]) == {Mark.ERROR}:
        return Outcome.INCONCLUSIVE
    held = now - opened >= check.settle + check.horizon
    if held and len(marks) >= check.good_samples and set(marks[-check.good_samples :]) == {Mark.GOOD}:
        return Outcome.SUCCEEDED
    if now - opened >= check.give_up:
        read = [m for m in marks if m is not Mark.ERROR]
        return Outcome.INEFFECTIVE if read else Outcome.INCONCLUSIVE
    return None
