"""When something began, as an interval: two detectors must agree, and every source of doubt widens it.

A robust z against median and spread finds the first abnormal sample; a change point by ranks must lie inside the
interval that this gives. What only one of them sees has no onset, and nothing is said to come before or after it.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.incident.claims import MAX_SKEW
from agents.incident.clock import from_ms, to_ms

Points = Sequence[tuple[float, float]]
Interval = tuple[datetime, datetime]

MIN_POINTS = 5
ABNORMAL_Z = 3.0
REACH = 240
"""Samples before the first abnormal one that the second detector looks at; an older change is another matter."""

CHANGE_AT = 0.05
"""The chance, over every place looked at, that ranks part as well in a line that did not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What makes an onset uncertain, beside the time between two samples.

    A value taken over a rate window, or that comes late, shows a change later than it was and never earlier: these
    widen the interval towards the past alone.
    """

    step: timedelta
    rate_window: timedelta = timedelta(0)
    ingest_lag: timedelta = timedelta(0)
    skew: timedelta = MAX_SKEW

    def around(self, last_normal: datetime, first_abnormal: datetime) -> Interval:
        """The interval between two neighbouring samples, widened."""
        late = self.step + self.skew
        return last_normal - late - self.rate_window - self.ingest_lag, first_abnormal + late


def onset(line: Points, before: Sequence[float], floor: float, doubt: Doubt) -> Interval | None:
    """Last normal to first abnormal sample of the run that reaches the present, widened by *doubt*.

    Args:
        line: (ms, value) in order of time.
        before: The values taken as normal; with fewer than five there is no onset.
        floor: The smallest spread taken for one, in the unit of the values.
    """
    if len(before) < MIN_POINTS:
        return None
    first = first_abnormal(line, before, floor)
    if first is None or first == 0:
        return None
    found = doubt.around(from_ms(line[first - 1][0]), from_ms(line[first][0]))
    near = line[max(0, first - REACH) :]
    at = change_point([v for _, v in near])
    return found if at is not None and to_ms(found[0]) <= near[at][0] <= to_ms(found[1]) else None


def robust_z(value: float, before: Sequence[float], floor: float) -> float:
    """How far *value* lies from the median, in spreads: ``(x - median) / max(IQR, floor)``."""
    return (value - statistics.median(before)) / spread(before, floor)


def spread(before: Sequence[float], floor: float) -> float:
    """The distance of the quartiles, but no less than *floor*: a line that hardly moves must not raise alarms."""
    quartiles = statistics.quantiles(before, n=4)
    return max(quartiles[2] - quartiles[0], floor)


def first_abnormal(line: Points, before: Sequence[float], floor: float) -> int | None:
    """Where the run of abnormal samples that reaches the present begins; one normal sample inside it is noise."""
    median, scale = statistics.median(before), spread(before, floor)
    first: int | None = None
    for i in range(len(line) - 1, -1, -1):
        if abs(line[i][1] - median) / scale >= ABNORMAL_Z:
            first = i
        elif first is not None and i + 1 < first:
            break
    return first


def change_point(values: Sequence[float]) -> int | None:
    """Where ranks part best into before and after (the first sample after), or ``None`` where they do not.

    A Mann-Whitney statistic is taken at every place and its chance is multiplied by the places looked at.
    """
    n = len(values)
    if n < MIN_POINTS + 1:
        return None
    ranked = ranks(values)
    mean, variance = (n + 1) / 2, _variance(ranked)
    if variance == 0:
        return None
    best, at, total = 0.0, None, 0.0
    for k in range(1, n):
        total += ranked[k - 1] - mean
        z = abs(total) / math.sqrt(k * (n - k) / (n - 1) * variance)
        if z > best:
            best, at = z, k
    return at if at is not None and chance(best) * (n - 1) <= CHANGE_AT else None


def parted(before: Sequence[float], after: Sequence[float]) -> float:
    """The chance that two samples of one kind part as these do (Mann-Whitney, two-sided, normal approximation)."""
    n, m = len(before), len(after)
    if not n or not m:
        return 1.0
    ranked = ranks([*before, *after])
    variance = _variance(ranked)
    if variance == 0:
        return 1.0
    total = sum(ranked[n:]) - m * (n + m + 1) / 2
    return chance(abs(total) / math.sqrt(n * m / (n + m - 1) * variance))


def chance(z: float) -> float:
    """The two-sided tail of the normal distribution beyond *z*."""
    return math.erfc(z / math.sqrt(2))


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties sharing their mean."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out = [0.0] * len(values)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            out[order[k]] = (i + j) / 2 + 1
        i = j + 1
    return out


def _variance(ranked: Sequence[float]) -> float:
    """Population variance of ranks, ties and all."""
    return statistics.pvariance(ranked)


def ends_before(first: Interval, second: Interval) -> bool:
    """Whether the first began before the second; intervals that overlap have no order."""
    return first[1] <= second[0]
