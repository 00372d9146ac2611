"""Numbers computed from stored bytes. Nothing shown comes from anywhere else.

A metric answer's body is ``{"series": [{"labels": {...}, "points": [...]}], "baseline": [...]}``. A point is
``[ms, value]`` or ``[ms, numerator, denominator]``; a rate's denominator is seconds. ``baseline`` is there
only when the source itself has one (counters since a process started), else earlier points serve.
What is no number that can be reckoned with is no reading: neither a point nor what points come to.
"""

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.incident.claims import FactName, Where
from agents.incident.clock import EARLIEST, LATEST, to_ms
from agents.incident.evidence import Evidence, QuestionKind
from agents.incident.quantities import QUANTITIES, Across, Quantity
from agents.onset import Doubt, onset

Point = tuple[float, ...]

BASELINE_GAP = 3
"""Recent windows left out before the baseline: an onset needs time to be noticed."""

MIN_BASELINE_POINTS = 3

HUGE = 1e21
"""No system measures more: what is larger is written in no sentence and taken into no sum."""

_FIRST_MS, _LAST_MS = to_ms(EARLIEST), to_ms(LATEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One labelled line of points, in order of time."""

    labels: Mapping[str, str]
    points: tuple[Point, ...]

    def within(self, start_ms: float, end_ms: float) -> "Series":
        """The points with start <= time <= end."""
        return Series(labels=self.labels, points=tuple(p for p in self.points if start_ms <= p[0] <= end_ms))


def _series(items: object) -> tuple[Series, ...]:
    return tuple(
        Series(
            labels={str(k): str(v) for k, v in item["labels"].items()},
            points=tuple(point for p in item["points"] if _readable(point := tuple(float(x) for x in p))),
        )
        for item in (items if isinstance(items, list) else [])
    )


def _readable(point: Point) -> bool:
    return _FIRST_MS <= point[0] <= _LAST_MS and all(abs(x) <= HUGE for x in point[1:])


class Reader:
    """Facts of one piece of evidence, from its blob."""

    def __init__(self, evidence: Evidence, blob: bytes) -> None:
        self.evidence = evidence
        self.blob = blob
        self._body = json.loads(blob) if blob else {}
        self._series = _series(self._body.get("series"))
        self._baseline = _series(self._body.get("baseline"))
        self._lines: dict[Where, Sequence[tuple[float, float]]] = {}
        self._onsets: dict[Where, tuple[datetime, datetime] | None] = {}

    @property
    def quantity(self) -> Quantity:
        """What the numbers mean."""
        return QUANTITIES[self.evidence.question.name]

    def unit(self, name: FactName) -> str:
        """The unit of a fact; what is no quantity, and so many times a baseline, have none."""
        number = self.evidence.question.kind is QuestionKind.QUANTITY
        return self.quantity.unit if number and name is not FactName.RATIO_TO_BASELINE else ""

    def matching(self, where: Where) -> tuple[Series, ...]:
        """The series *where* names."""
        return tuple(s for s in self._series if _match(s.labels, where))

    def lines(self) -> tuple[Mapping[str, str], ...]:
        """Log lines kept: ``at``, ``instance`` and ``text`` each."""
        return tuple(self._body.get("lines", ()))

    def changes(self) -> tuple[Mapping[str, object], ...]:
        """Change records kept."""
        return tuple(self._body.get("changes", ()))

    def spans(self) -> tuple[Mapping[str, Any], ...]:
        """Spans kept: ``trace_id``, ``span_id``, ``service``, ``at_ms`` and ``attributes`` each."""
        return tuple(self._body.get("spans", ()))

    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What the platform recorded of its objects: ``uid``, ``reason`` and ``at_ms`` each."""
        return tuple(self._body.get("events", ()))

    def value(self, name: FactName, where: Where) -> float | None:
        """The fact as a number in the quantity's unit; ``None`` where the bytes do not hold it."""
        if self.evidence.question.kind is not QuestionKind.QUANTITY:
            return float(self.count()) if name is FactName.COUNT else None
        recent = self._recent(where)
        match name:
            case FactName.RECENT:
                return _together(recent, self.quantity.across)
            case FactName.MAX | FactName.MIN:
                each = [v for s in recent for p in s.points if (v := _value((p,))) is not None]
                return None if not each else (max(each) if name is FactName.MAX else min(each))
            case FactName.LAST:
                newest = [Series(labels=s.labels, points=s.points[-1:]) for s in recent]
                return _together(newest, self.quantity.across)
            case FactName.BASELINE:
                return self._base(where)
            case FactName.RATIO_TO_BASELINE:
                base, now = self._base(where), _together(recent, self.quantity.across)
                if base is None or now is None:
                    return None
                return now / max(base, self.quantity.floor)
            case FactName.COUNT:
                return None

    def _recent(self, where: Where) -> Sequence[Series]:
        window = self.evidence.window
        return [s.within(to_ms(window.recent_start), to_ms(window.end)) for s in self.matching(where)]

    def idle(self, where: Where) -> bool:
        """Whether the window's ratio was read and had nothing to divide by: measured, and nothing happened."""
        points = [p for s in self._recent(where) for p in s.points]
        return bool(points) and all(len(p) == 3 and p[2] == 0 for p in points)

    def _base(self, where: Where) -> float | None:
        given = [s for s in self._baseline if _match(s.labels, where)]
        if given:
            return _together(given, self.quantity.across)
        before = self._before(where)
        return statistics.median(v for _, v in before) if len(before) >= MIN_BASELINE_POINTS else None

    def _before(self, where: Where) -> list[tuple[float, float]]:
        window = self.evidence.window
        edge = to_ms(window.end) - BASELINE_GAP * window.recent.total_seconds() * 1000
        return [(t, v) for t, v in self.line(where) if t < edge]

    def line(self, where: Where) -> Sequence[tuple[float, float]]:
        """(ms, value) of the matching series taken together, one point a step."""
        if where not in self._lines:
            self._lines[where] = self._line(where)
        return self._lines[where]

    def _line(self, where: Where) -> Sequence[tuple[float, float]]:
        step = max(self.evidence.step.total_seconds() * 1000, 1)
        buckets: dict[int, list[Series]] = defaultdict(list)
        for series in self.matching(where):
            for point in series.points:
                buckets[int(point[0] // step)].append(Series(labels=series.labels, points=(point,)))
        out = []
        for _, parts in sorted(buckets.items()):
            together = _together(parts, self.quantity.across)
            if together is not None:
                out.append((max(s.points[0][0] for s in parts), together))
        return out

    def past(self, where: Where) -> list[float]:
        """The values before anything recent, as normal as this answer knows."""
        return [v for _, v in self._before(where)]

    def present(self, where: Where) -> list[float]:
        """The values of the recent part of the window."""
        start = to_ms(self.evidence.window.recent_start)
        return [v for t, v in self.line(where) if t >= start]

    def onset(self, where: Where) -> tuple[datetime, datetime] | None:
        """When this quantity left its past, as an interval; ``None`` where that cannot be told."""
        if where not in self._onsets:
            evidence = self.evidence
            doubt = Doubt(step=evidence.step, rate_window=evidence.rate_window, ingest_lag=evidence.ingest_lag)
            self._onsets[where] = onset(self.line(where), self.past(where), self.quantity.floor, doubt)
        return self._onsets[where]

    def samples(self, name: FactName, where: Where) -> int:
        """How many stored points (or lines) the fact is computed from."""
        if self.evidence.question.kind is not QuestionKind.QUANTITY:
            return self.count()
        if name is FactName.BASELINE:
            given = sum(len(s.points) for s in self._baseline if _match(s.labels, where))
            return given or len(self._before(where))
        return sum(len(s.points) for s in self._recent(where))

    def count(self) -> int:
        """How many kept lines match the question's pattern, counted again."""
        pattern = re.compile(self.evidence.question.name)
        return sum(1 for line in self.lines() if pattern.search(line["text"]))

    def quote(self) -> str | None:
        """The first matching part of a kept line, byte for byte."""
        pattern = re.compile(self.evidence.question.name)
        for line in self.lines():
            found = pattern.search(line["text"])
            if found:
                return found.group(0)
        return None


def _match(labels: Mapping[str, str], where: Where) -> bool:
    wanted = (
        ("instance", where.instance, True),
        ("instance", where.not_instance, False),
        ("upstream", where.upstream, True),
        ("upstream_instance", where.upstream_instance, True),
        ("upstream_instance", where.not_upstream_instance, False),
    )
    return all(value is None or (labels.get(label) == value) is equal for label, value, equal in wanted)


def _value(points: Iterable[Point]) -> float | None:
    pairs = tuple(points)
    if not pairs:
        return None
    if len(pairs[0]) == 2:
        return statistics.fmean(p[1] for p in pairs)
    denominator = sum(p[2] for p in pairs)
    quotient = sum(p[1] for p in pairs) / denominator if denominator else None
    return quotient if quotient is not None and abs(quotient) <= HUGE else None


def _together(series: Sequence[Series], across: Across) -> float | None:
    if across is Across.POOL:
        points = [p for s in series for p in s.points]
        if points and len(points[0]) == 2:
            values = [v for s in series if (v := _value(s.points)) is not None]
            return statistics.fmean(values) if values else None
        return _value(points)
    values = [v for s in series if (v := _value(s.points)) is not None]
    if not values:
        return None
    return sum(values) if across is Across.SUM else max(values)
