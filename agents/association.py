"""Whether two lines moved together, and how much later the second one did. It confirms nothing."""

import statistics
from collections.abc import Sequence
from datetime import timedelta

from agents.onset import ranks

MIN_POINTS = 8
MAX_STEPS = 5
"""Steps by which the second line may lag."""

Points = Sequence[tuple[float, float]]


def associated(first: Points, second: Points, step: timedelta) -> tuple[float, timedelta] | None:
    """Spearman's rho at the lag where it is strongest; ``None`` with too few points in common."""
    width = max(step.total_seconds() * 1000, 1)
    left = {round(t / width): v for t, v in first}
    right = {round(t / width): v for t, v in second}
    best: tuple[float, timedelta] | None = None
    for lag in range(MAX_STEPS + 1):
        pairs = [(v, right[at + lag]) for at, v in left.items() if at + lag in right]
        rho = _rho(pairs)
        if rho is not None and (best is None or abs(rho) > abs(best[0]) + 1e-9):
            best = (rho, lag * step)
    return best


def _rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < MIN_POINTS:
        return None
    a, b = ranks([x for x, _ in pairs]), ranks([y for _, y in pairs])
    if min(a) == max(a) or min(b) == max(b):
        return None
    return statistics.correlation(a, b)
