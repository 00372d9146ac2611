"""Reads ``/metrics`` of each replica directly, several times over a short window: for those without Prometheus.

Two readings of a counter give its growth; its value since the process started gives a baseline.
"""

import itertools
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families

from agents.canonical import fingerprint
from agents.gather import could_not_look
from agents.incident.catalogue import Replica, Scope, Service
from agents.incident.clock import from_ms
from agents.incident.errors import Refused
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Window
from agents.incident.quantities import QUANTITIES
from agents.ports import Asked
from agents.probes.backend import Backend

Labels = tuple[tuple[str, str], ...]
INTERVAL_S = 0.5
MIN_AGE = 10
"""Windows a process must have lived through before its counters are a baseline."""

START = "process_start_time_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Samples of one metric whose labels match these regular expressions, whole value."""

    metric: str
    match: Mapping[str, str]
    sign: int = 1

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a sample is meant."""
        return name == self.metric and all(
            re.fullmatch(pattern, labels.get(label, "")) for label, pattern in self.match.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """How one quantity is made of samples. ``level`` reads values; otherwise growth is read."""

    top: tuple[Selector, ...]
    bottom: tuple[Selector, ...]
    labels: Mapping[str, str]
    level: bool


@dataclass(frozen=True, slots=True)
class _Scrape:
    at_ms: float
    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    def groups(self, query: Query) -> set[Labels]:
        return {
            _labels(query, labels)
            for name, labels, _ in self.samples
            if any(s.takes(name, labels) for s in (*query.top, *query.bottom))
        }

    def total(self, selectors: Sequence[Selector], query: Query, group: Labels) -> float | None:
        found = [
            s.sign * value
            for name, labels, value in self.samples
            for s in selectors
            if s.takes(name, labels) and _labels(query, labels) == group
        ]
        return sum(found) if found else None

    @property
    def started_ms(self) -> float | None:
        return next((v * 1000 for name, _, v in self.samples if name == START), None)


def _labels(query: Query, labels: Mapping[str, str]) -> Labels:
    return tuple((ours, labels.get(theirs, "")) for ours, theirs in sorted(query.labels.items()))


class OpenMetrics:
    """One probe for every service whose catalogue entry names a metrics address."""

    name = "openmetrics"

    def __init__(self, queries: Mapping[str, Query], *, window: timedelta, backend: Backend) -> None:
        self._queries = queries
        self._window = window
        self._backend = backend
        self._names = {s.metric for q in queries.values() for s in (*q.top, *q.bottom)} | {START}

    def answers(self, question: Question, service: Service) -> bool:
        """Quantities of the table, where a replica has an address."""
        return (
            question.kind is QuestionKind.QUANTITY
            and question.name in self._queries
            and any(r.metrics_url for r in service.replicas)
            and self._backend.reach.holds(service)
        )

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """Scrape every replica concerned once an interval over the window, then answer all questions from it."""
        kept, refused = self._backend.reach.parted(asked, scope, "direct")
        yield from refused
        replicas = {(s.id, r.name): (s, r) for _, s in kept for r in s.replicas if r.metrics_url}
        with ThreadPoolExecutor(max_workers=max(1, min(len(replicas), 16))) as pool:
            found = pool.map(lambda pair: self._scrapes(pair[0], pair[1], scope), replicas.values())
            taken = dict(zip(replicas, found, strict=True))
        for question, service in kept:
            yield self._answer(question, service, taken, window)

    def _scrapes(self, service: Service, replica: Replica, scope: Scope) -> tuple[list[_Scrape], str]:
        scrapes: list[_Scrape] = []
        started = time.monotonic()
        count = max(2, round(self._window.total_seconds() / INTERVAL_S) + 1)
        for i in range(count):
            pause = started + i * self._window.total_seconds() / (count - 1) - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            try:
                response = self._backend.send(
                    "GET",
                    replica.metrics_url or "",
                    about=service,
                    scope=scope,
                    headers={"Accept": "text/plain"},
                )
                response.raise_for_status()
                scrapes.append(self._parse(response.text))
            except Refused as error:
                return scrapes, str(error)
            except (httpx.HTTPError, ValueError) as error:
                return scrapes, f"/metrics of {replica.name} could not be read: {type(error).__name__}"
        return scrapes, ""

    def _parse(self, text: str) -> _Scrape:
        wanted = "\n".join(
            line for line in text.splitlines() if re.split(r"[{ ]", line, maxsplit=1)[0] in self._names
        )
        samples = tuple(
            (sample.name, sample.labels, float(sample.value))
            for family in text_string_to_metric_families(wanted + "\n")
            for sample in family.samples
        )
        # Whole milliseconds: a window's edges are whole, and the newest point must not fall beyond its own edge.
        return _Scrape(round(time.time() * 1000), samples)

    def _answer(
        self,
        question: Question,
        service: Service,
        taken: Mapping[tuple[str, str], tuple[list[_Scrape], str]],
        window: Window,
    ) -> Answer:
        query = self._queries[question.name]
        series, baseline, failures = [], [], []
        times: list[float] = []
        seen: list[str] = []
        for replica in service.replicas:
            scrapes, failure = taken.get((service.id, replica.name), ([], "no metrics address"))
            if failure:
                failures.append(failure)
            if len(scrapes) < 2:
                continue
            times += [s.at_ms for s in scrapes]
            found = _series(query, scrapes, {"service": service.name, "instance": replica.name})
            if found[0]:
                seen.append(replica.name)
            series += found[0]
            baseline += found[1]
        metrics = ", ".join(sorted({s.metric for s in (*query.top, *query.bottom)}))
        text = f"GET /metrics of {len(service.replicas)} replicas: {metrics}"
        if not times:
            return could_not_look(question, "direct", "; ".join(failures), text)
        step = timedelta(milliseconds=(max(times) - min(times)) / 4 or 1)
        status = Status.EMPTY if not series else Status.PARTIAL if failures else Status.COMPLETE
        body: dict[str, object] = {"series": series}
        if baseline:
            body["baseline"] = baseline
        return Answer(
            question=question,
            status=status,
            query=text,
            reason="; ".join(failures) if failures else "no such metric" if not series else "",
            unit=QUANTITIES[question.name].unit,
            lineage=Lineage(
                producers=tuple(f"{service.id}/{name}" for name in seen),
                pipeline="direct",
                quantity=question.name,
                place=question.entity,
            ),
            body=body,
            entities=(question.entity, *(f"{service.id}/{name}" for name in seen)),
            alive=not failures,
            backend=fingerprint(self.name, service.id),
            step=step,
            rate_window=timedelta(0) if query.level else step,
            window=Window(
                start=from_ms(min(times)),
                end=from_ms(max(times)),
                recent=from_ms(max(times)) - from_ms(min(times)),
            ),
        )


def _series(
    query: Query, scrapes: Sequence[_Scrape], base: Mapping[str, str]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    series: list[dict[str, object]] = []
    baseline: list[dict[str, object]] = []
    for group in sorted({g for s in scrapes for g in s.groups(query)}):
        points: list[list[float]] = []
        labels = {**base, **dict(group)}
        if query.level:
            for scrape in scrapes:
                top = scrape.total(query.top, query, group)
                bottom = scrape.total(query.bottom, query, group) if query.bottom else 1.0
                if top is not None and bottom:
                    points.append([scrape.at_ms, top / bottom])
        else:
            totals = [(s.at_ms, s.total(query.top, query, group) or 0.0, _below(query, s, group)) for s in scrapes]
            for (at0, top0, low0), (at1, top1, low1) in itertools.pairwise(totals):
                bottom = _growth(low0, low1) if query.bottom else (at1 - at0) / 1000
                points.append([at1, _growth(top0, top1), bottom])
            first, started = scrapes[0], scrapes[0].started_ms
            age_s = (first.at_ms - started) / 1000 if started else 0.0
            span_s = (scrapes[-1].at_ms - first.at_ms) / 1000
            if age_s >= MIN_AGE * span_s:  # a process younger than that has no past to compare with
                below = totals[0][2] if query.bottom else age_s
                baseline.append({"labels": labels, "points": [[first.at_ms, totals[0][1], below]]})
        if points:
            series.append({"labels": labels, "points": points})
    return series, baseline


def _below(query: Query, scrape: _Scrape, group: Labels) -> float:
    if not query.bottom:
        return 0.0
    exact = scrape.total(query.bottom, query, group)
    return exact or 0.0


def _growth(before: float, after: float) -> float:
    """A counter that fell was restarted: what it counts since then is its growth."""
    return after - before if after >= before else after
