"""Samples held against their criteria."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.verification import Check, Sample, Target, mark
from agents.incident.ids import EvidenceId
from agents.incident.quantities import QUANTITIES
from agents.render import number
from bot.page import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One criterion in one sample."""

    value: str
    says: str
    good: bool
    evidence: tuple[EvidenceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What must hold for a fix to be one, and what was read last."""

    what: str
    role: str
    must: str
    before: str
    latest: Cell | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One sample: every criterion at one time."""

    number: int
    at: datetime
    says: str
    tone: str
    cells: tuple[Cell, ...]


def place(target: Target) -> str:
    """Where a criterion is read."""
    where = target.criterion.where
    at = where.instance or (f"peers of {where.not_instance}" if where.not_instance else target.criterion.service)
    upstream = where.upstream_instance or where.upstream
    return f"{at} → {upstream}" if upstream else at


def must(target: Target) -> str:
    """A criterion in one line."""
    c = target.criterion
    return f"{c.op} {number(target.threshold, c.quantity)}"


def criterion(index: int, target: Target, samples: Sequence[Sample]) -> Criterion:
    """One row of what must hold."""
    c = target.criterion
    return Criterion(
        what=f"{place(target)} {QUANTITIES[c.quantity].title}",
        role=words.ROLES.get(c.role, c.role),
        must=must(target),
        before=number(target.before, c.quantity) if target.before is not None else "not read",
        latest=_cell(target, samples[-1], index) if samples else None,
    )


def _cell(target: Target, sample: Sample, index: int) -> Cell:
    measured = sample.measured[index]
    value = measured.value
    if value is None:
        return Cell(value="–", says="not read", good=False, evidence=measured.evidence)
    says = "holds" if target.holds(value) else "worse" if target.worse(value) else "does not hold"
    return Cell(
        value=number(value, target.criterion.quantity),
        says=says,
        good=target.holds(value),
        evidence=measured.evidence,
    )


def reading(number_: int, sample: Sample, check: Check) -> Reading:
    """One sample, judged."""
    found = mark(check, sample)
    return Reading(
        number=number_,
        at=sample.at,
        says=words.MARKS[found],
        tone="good" if found.value == "good" else "bad" if found.value == "worse" else "wait",
        cells=tuple(_cell(x, sample, i) for i, x in enumerate(check.targets)),
    )
