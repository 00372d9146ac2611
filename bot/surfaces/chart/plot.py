"""The rectangle the line is drawn in: from when to when, and the pieces of the line within."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from bot.surfaces.ports import Chart

Point = tuple[float, float]

PAD = 16  # around everything
GAP = 2.5  # a step this many times the usual one is a hole in the data, not a line
STRETCH = 0.25  # how much longer the time axis may get for a mark outside the data


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The rectangle of the line, and what its edges stand for."""

    left: float
    right: float
    top: float
    bottom: float
    t0: float
    t1: float
    lo: float
    hi: float

    def x(self, at_ms: float) -> float:
        """Where a time is."""
        return self.left + (at_ms - self.t0) / (self.t1 - self.t0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where a value is."""
        return self.bottom - (value - self.lo) / (self.hi - self.lo) * (self.bottom - self.top)


def window(chart: Chart) -> Point:
    """The time axis: the data's, a little longer if that brings a mark into view."""
    noted = [mark.at_ms for mark in chart.marks] + list(chart.onset or ())
    own = [t for t, _ in chart.points] or noted or [0.0]
    t0, t1 = min(own), max(own)
    if t1 - t0 < 1000:
        return t0 - 60_000, t1 + 60_000
    reach = (t1 - t0) * STRETCH
    margin = reach / 12
    before = [t for t in noted if t0 - reach <= t < t0]
    after = [t for t in noted if t1 < t <= t1 + reach]
    return min(before) - margin if before else t0, max(after) + margin if after else t1


def band_of(chart: Chart, plot: Plot) -> Point | None:
    """From where to where the onset reaches within the plot, at least wide enough to be seen."""
    if chart.onset is None or chart.onset[1] < plot.t0 or chart.onset[0] > plot.t1:
        return None
    start, end = (plot.x(min(max(t, plot.t0), plot.t1)) for t in chart.onset)
    wider = max(0.0, 4 - (end - start)) / 2
    return max(plot.left, start - wider), min(plot.right, end + wider)


def strokes_of(points: Sequence[Point], plot: Plot) -> Iterator[list[Point]]:
    """The line's pieces between holes in the data, with what one column of pixels cannot show left out."""
    steps = sorted(b[0] - a[0] for a, b in pairwise(points))
    usual = steps[len(steps) // 2] if len(steps) > 1 else math.inf
    hole = usual * GAP if usual > 0 else math.inf
    dense = len(points) > 4 * (plot.right - plot.left)
    stroke: list[Point] = []
    before = points[0][0]
    for at, value in points:
        if at - before > hole:
            yield _thinned(stroke) if dense else stroke
            stroke = []
        stroke.append((plot.x(at), plot.y(value)))
        before = at
    yield _thinned(stroke) if dense else stroke


def _thinned(stroke: Sequence[Point]) -> list[Point]:
    kept: list[Point] = []
    for _, column in groupby(stroke, key=lambda p: int(p[0])):
        inside = list(column)
        ends = sorted((min(inside, key=_second), max(inside, key=_second)), key=lambda p: p[0])
        kept += dict.fromkeys((inside[0], *ends, inside[-1]))
    return kept


def _second(point: Point) -> float:
    return point[1]
