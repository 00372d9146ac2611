"""How good probabilities were, once the truth is known: proper scores, a table, risk against coverage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from agents.calibration import error_bound, interval

ENOUGH_FOR_ECE = 200
"""With fewer labels the expected calibration error is mostly noise."""

TARGET_ERROR = 0.10
_ROWS = 5
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The labels whose probability fell in [low, high): what was said, what was so, and how well that is known."""

    low: float
    high: float
    total: int
    said: float
    right: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Who answers from a *threshold* on answers this share of the labels, and errs in this share of those."""

    threshold: float
    coverage: float
    risk: float
    bound: float


def brier(said: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared distance; 0 is perfect, 0.25 is a coin that says so."""
    return sum((p - r) ** 2 for p, r in zip(said, right, strict=True)) / len(said)


def log_loss(said: Sequence[float], right: Sequence[bool]) -> float:
    """The mean surprise, in nats."""
    kept = [min(max(p, _LEAST), 1 - _LEAST) for p in said]
    return -sum(log(p if r else 1 - p) for p, r in zip(kept, right, strict=True)) / len(kept)


def table(said: Sequence[float], right: Sequence[bool]) -> tuple[Row, ...]:
    """Five rows of equal width, those without labels left out; intervals are Clopper–Pearson's, of 95%."""
    rows = []
    for n in range(_ROWS):
        low, high = n / _ROWS, (n + 1) / _ROWS
        here = [(p, r) for p, r in zip(said, right, strict=True) if low <= p < high or (n == _ROWS - 1 and p == 1)]
        if here:
            hits = sum(r for _, r in here)
            least, most = interval(hits, len(here))
            rows.append(
                Row(
                    low=low,
                    high=high,
                    total=len(here),
                    said=sum(p for p, _ in here) / len(here),
                    right=hits / len(here),
                    least=least,
                    most=most,
                )
            )
    return tuple(rows)


def ece(said: Sequence[float], right: Sequence[bool]) -> float | None:
    """The expected calibration error over the table's rows; None under 200 labels."""
    if len(said) < ENOUGH_FOR_ECE:
        return None
    return sum(row.total * abs(row.said - row.right) for row in table(said, right)) / len(said)


def risk_coverage(said: Sequence[float], right: Sequence[bool]) -> tuple[Point, ...]:
    """One point for each threshold that parts the labels, the strictest first."""
    ranked = sorted(zip(said, right, strict=True), key=lambda pair: -pair[0])
    points, wrong = [], 0
    for n, (p, r) in enumerate(ranked, 1):
        wrong += not r
        if n == len(ranked) or ranked[n][0] != p:
            points.append(
                Point(threshold=p, coverage=n / len(ranked), risk=wrong / n, bound=error_bound(wrong, n))
            )
    return tuple(points)


def aurc(said: Sequence[float], right: Sequence[bool]) -> float:
    """The area under risk against coverage: the mean, over all coverages, of the risk among those answered.

    Labels of one probability enter together, each with the risk that all of them have.
    """
    area, before = 0.0, 0.0
    for point in risk_coverage(said, right):
        area += (point.coverage - before) * point.risk
        before = point.coverage
    return area


def threshold(points: Sequence[Point], target: float = TARGET_ERROR) -> Point | None:
    """The lowest threshold whose upper bound on the error is within *target*; None where there is none."""
    return min((p for p in points if p.bound <= target), key=lambda p: p.threshold, default=None)


def report(said: Sequence[float], right: Sequence[bool]) -> Mapping[str, object]:
    """All of it, as JSON has it."""
    points = risk_coverage(said, right)
    chosen = threshold(points)
    return {
        "labels": len(said),
        "right": sum(right),
        "brier": round(brier(said, right), 4),
        "log_loss": round(log_loss(said, right), 4),
        "ece": None if (found := ece(said, right)) is None else round(found, 4),
        "aurc": round(aurc(said, right), 4),
        "table": [
            {
                "said": round(row.said, 3),
                "right": round(row.right, 3),
                "interval": [round(row.least, 3), round(row.most, 3)],
                "n": row.total,
            }
            for row in table(said, right)
        ],
        "curve": [
            {"threshold": round(p.threshold, 4), "coverage": round(p.coverage, 3), "risk": round(p.risk, 3)}
            for p in points
        ],
        "threshold": None
        if chosen is None
        else {
            "at": round(chosen.threshold, 4),
            "coverage": round(chosen.coverage, 3),
            "bound": round(chosen.bound, 3),
        },
    }
