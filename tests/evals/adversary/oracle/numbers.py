"""What the points of one answer come to, worked out again: of which series, over which part, by which rule."""

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.evals.adversary.oracle.raw import Told

TITLES: Mapping[str, tuple[str, str, str, float]] = {
    "requests completed": ("request_rate", "add", "/s", 0.5),
    "server error ratio": ("server_error_ratio", "pool", "%", 0.005),
    "requests slower than 1 s": ("slow_request_ratio", "pool", "%", 0.01),
    "failed calls to its upstream": ("upstream_failure_ratio", "pool", "%", 0.005),
    "upstream calls per request": ("calls_per_request", "pool", "", 0.1),
    "requests in flight": ("in_flight", "add", "", 1.0),
    "database sessions that wait for a lock": ("database_lock_waits", "add", "", 1.0),
    "mean time of a query": ("query_time", "pool", "s", 0.005),
    "pool waiters": ("pool_waiters", "add", "", 1.0),
    "pool in use": ("pool_used_ratio", "most", "%", 0.01),
    "database connections in use": ("database_connections_used_ratio", "most", "%", 0.01),
    "migrations the schema cache is behind": ("schema_cache_behind", "most", "", 1.0),
    "failing health checks": ("health_failing", "add", "", 1.0),
    "passing health checks": ("health_ok", "add", "", 1.0),
}
"""By the words that are said: the quantity, how series are put together, the unit, the smallest change
worth the word."""

Series = Mapping[str, Any]
Points = Sequence[Sequence[float]]
GAP = 3
FEWEST = 3
LARGEST = 1e21
"""What is beyond it was not measured."""

SOONEST, LATEST = 946_684_800_000, 7_258_118_400_000
"""Milliseconds of the years 2000 and 2200: a point elsewhere has no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The numbers that may be said of one choice of series; ``None`` where there is none."""

    recent: float | None
    most: float | None
    least: float | None
    last: float | None
    before: float | None
    ratio: float | None
    line: tuple[tuple[float, float], ...]


def _finite(points: Points) -> Points:
    return [p for p in points if SOONEST <= p[0] <= LATEST and all(abs(x) <= LARGEST for x in p[1:])]


def _one(points: Points) -> float | None:
    """A mean of levels; of parts and wholes, all parts over all wholes."""
    if not points:
        return None
    if len(points[0]) == 2:
        return sum(p[1] for p in points) / len(points)
    whole = sum(p[2] for p in points)
    share = sum(p[1] for p in points) / whole if whole else math.inf
    return share if abs(share) <= LARGEST else None


def _together(parts: Sequence[Points], rule: str) -> float | None:
    levels = [len(p[0]) == 2 for p in parts if p]
    if rule == "pool" and levels and not levels[0]:
        return _one([point for part in parts for point in part])
    each = [v for part in parts if (v := _one(part)) is not None]
    if not each:
        return None
    return {"add": sum(each), "most": max(each), "pool": sum(each) / len(each)}[rule]


def facts(told: Told, rule: str, floor: float, chosen: Callable[[Mapping[str, str]], bool]) -> Facts:
    """The numbers of the series whose labels are *chosen*."""
    own = [_finite(s["points"]) for s in told.body.get("series", ()) if chosen(s["labels"])]
    now = [[p for p in points if told.recent_from <= p[0] <= told.until] for points in own]
    singles = [v for points in now for p in points if (v := _one([p])) is not None]
    recent = _together(now, rule)
    line = tuple(_line(own, told.step_ms, rule))
    given = [_finite(s["points"]) for s in told.body.get("baseline", ()) if chosen(s["labels"])]
    past = [v for t, v in line if t < told.until - GAP * told.recent_ms]
    usual = statistics.median(past) if len(past) >= FEWEST else None
    before = _together(given, rule) if given else usual
    return Facts(
        recent=recent,
        most=max(singles, default=None),
        least=min(singles, default=None),
        last=_together([points[-1:] for points in now], rule),
        before=before,
        ratio=recent / max(before, floor) if recent is not None and before is not None else None,
        line=line,
    )


def _line(series: Sequence[Points], step: float, rule: str) -> Iterator[tuple[float, float]]:
    buckets: dict[int, list[Points]] = defaultdict(list)
    for points in series:
        for point in points:
            buckets[int(point[0] // max(step, 1))].append([point])
    for _, parts in sorted(buckets.items()):
        value = _together(parts, rule)
        if value is not None:
            yield max(p[0][0] for p in parts), value


def instances(told: Told) -> frozenset[str]:
    """Every process and every callee that the series are about."""
    return frozenset(
        str(s["labels"][label])
        for s in told.body.get("series", ())
        for label in ("instance", "upstream", "upstream_instance")
        if label in s["labels"]
    )


def rule_of(quantity: str) -> tuple[str, str, float]:
    """How series of *quantity* are put together, its unit, the smallest change worth the word."""
    return next((rule, unit, floor) for name, rule, unit, floor in TITLES.values() if name == quantity)


def at_place(place: str | None) -> Callable[[Mapping[str, str]], bool]:
    """Series that one process or callee is named in; all of them for ``None``."""
    return lambda labels: place is None or place in labels.values()


def not_at(place: str | None) -> Callable[[Mapping[str, str]], bool]:
    """Series that one process or callee is not named in; all of them for ``None``."""
    return lambda labels: place is None or place not in labels.values()


LAGS = 5


def likeness(first: Told, second: Told) -> tuple[float, float]:
    """The strongest rank correlation of two answers, the second being a few steps later at most.

    Twice, as the samples of two sources may be paired: by the step that they lie in, and by the nearest one.
    """
    step = max(first.step_ms, second.step_ms, 1)
    lines = []
    for told in (first, second):
        rule, _, floor = rule_of(told.asked.name)
        lines.append(facts(told, rule, floor, lambda _: True).line)
    within, nearest = ([{int(t / step + off): v for t, v in line} for line in lines] for off in (0, 0.5))
    return _strongest(*within), _strongest(*nearest)


def _strongest(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    best = 0.0
    for lag in range(LAGS + 1):
        both = [(first[t], second[t + lag]) for t in sorted(first) if t + lag in second]
        if len(both) > FEWEST:
            ranked = [_ranks([pair[side] for pair in both]) for side in (0, 1)]
            if all(statistics.pstdev(r) for r in ranked):
                best = max(best, statistics.correlation(*ranked), key=abs)
    return best


def _ranks(values: Sequence[float]) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


NUMBER = r"-?\d[\d.]*(?:%|/s| ms| s)?"
_WRITTEN = re.compile(r"(-?[\d.]+)(.*)")
_WRITTEN_AS: Mapping[str, Mapping[str, float]] = {
    "%": {"%": 100.0},
    "/s": {"/s": 1.0},
    "s": {" ms": 1000.0, " s": 1.0},
    "": {"": 1.0},
}
"""How a number of a unit may be written, and by what it is multiplied then."""


def printed_as(said: str, value: float | None, unit: str) -> bool:
    """Whether *value*, in *unit*, is what *said* shows, to the last digit that is printed."""
    parts = _WRITTEN.fullmatch(said)
    if value is None or parts is None or parts[2] not in _WRITTEN_AS[unit]:
        return False
    shown = float(parts[1])
    digits = len(parts[1].partition(".")[2])
    real = value * _WRITTEN_AS[unit][parts[2]]
    return (
        abs(real - shown) <= 0.5 * 10**-digits * (1 + 1e-6) + abs(real) * 1e-9
        if digits
        else abs(real - shown) < 1e-6
    )
