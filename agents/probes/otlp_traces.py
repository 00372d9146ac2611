"""Reads the short window of spans that our own OTLP endpoint keeps, as series of one second a point."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from agents.gather import could_not_look
from agents.incident.catalogue import Scope, Service
from agents.incident.clock import from_ms
from agents.incident.errors import Transient
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Window
from agents.incident.quantities import QUANTITIES
from agents.ports import Asked
from agents.probes.reach import part
from agents.spans import Span

ReadSpans = Callable[[float, float], tuple[Sequence[Span], bool]]
"""(from ms, to ms) → spans that ended in between, newest kept; and whether older ones were left out."""

Placed = Callable[[str], str | None]
"""The environment that a span counts for, from what it or its source says (empty: neither); ``None`` for none."""

STEP_MS = 1000
SLOW_MS = 1000
INGEST_LAG_MS = 1000
"""Exporters send in batches: the last second is not whole yet and is left out."""

SERVER = frozenset({"request_rate", "server_error_ratio", "slow_request_ratio"})
CLIENT = frozenset({"upstream_failure_ratio"})


class OtlpTraces:
    """One probe over all spans kept."""

    name = "otlp_traces"

    def __init__(self, read: ReadSpans, *, keep: timedelta, placed: Placed) -> None:
        self._read = read
        self._placed = placed
        self._keep = keep

    def answers(self, question: Question, service: Service) -> bool:
        """Rates and shares of requests and of calls to upstreams."""
        return question.kind is QuestionKind.QUANTITY and question.name in SERVER | CLIENT

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """All questions from one read."""
        kept, refused = part(asked, "otlp", lambda service: service.closed_to(scope))
        yield from refused
        if not kept:
            return
        end = (time.time() * 1000 - INGEST_LAG_MS) // STEP_MS * STEP_MS
        start = max(end - self._keep.total_seconds() * 1000, window.start.timestamp() * 1000 // STEP_MS * STEP_MS)
        try:
            spans, cut = self._read(start, end)
        except Transient as error:
            for question, _ in kept:
                yield could_not_look(question, "otlp", str(error))
            return
        span_window = Window(start=from_ms(start), end=from_ms(end), recent=window.recent)
        said = {word: self._placed(word) for word in {s.environment for s in spans}}
        for question, service in kept:
            mine = [s for s in spans if s.service == service.name and said[s.environment] == service.environment]
            yield _answer(question, mine, span_window, cut=cut)


def _answer(question: Question, spans: Sequence[Span], window: Window, *, cut: bool) -> Answer:
    client = question.name in CLIENT
    chosen = [s for s in spans if s.client is client]
    buckets: dict[tuple[str, str, str], dict[float, list[float]]] = defaultdict(dict)
    for s in chosen:
        line = buckets[(s.instance, s.upstream, s.upstream_instance)]
        point = line.setdefault(s.end_ms // STEP_MS * STEP_MS, [0.0, 0.0])
        point[0] += _counts(question.name, s)
        point[1] += 1
    rate = question.name == "request_rate"
    first = min((t for line in buckets.values() for t in line), default=0.0)
    series = []
    for (instance, upstream, upstream_instance), line in sorted(buckets.items()):
        labels = {"service": question.service, "instance": instance}
        if client:
            labels |= {"upstream": upstream, "upstream_instance": upstream_instance}
        if rate:  # a second without a span is a second without a request
            steps = range(int(first), int(window.end.timestamp() * 1000), STEP_MS)
            points = [[float(t), line.get(float(t), [0.0, 0.0])[1], STEP_MS / 1000] for t in steps]
        else:
            points = [[t, top, bottom] for t, (top, bottom) in sorted(line.items())]
        series.append({"labels": labels, "points": points})
    instances = sorted({s.instance for s in chosen})
    kind = "client" if client else "server"
    return Answer(
        question=question,
        status=Status.EMPTY if not series else Status.TRUNCATED if cut else Status.COMPLETE,
        query=f"{kind} spans of {question.service}, one second a point",
        reason="" if series else "no spans of this service in the window kept",
        unit=QUANTITIES[question.name].unit,
        lineage=Lineage(
            producers=tuple(f"{question.entity}/{i}" for i in instances),
            pipeline="otlp",
            quantity=question.name,
            place=question.entity,
        ),
        body={"series": series},
        entities=(question.entity, *(f"{question.entity}/{i}" for i in instances)),
        alive=True if series else None,
        limit_hit=cut,
        step=timedelta(milliseconds=STEP_MS),
        rate_window=timedelta(milliseconds=STEP_MS),
        ingest_lag=timedelta(milliseconds=INGEST_LAG_MS),
        window=window,
    )


def _counts(quantity: str, span: Span) -> float:
    match quantity:
        case "server_error_ratio":
            return float(span.status >= 500)
        case "slow_request_ratio":
            return float(span.duration_ms > SLOW_MS)
        case "upstream_failure_ratio":
            return float(span.failed)
        case _:
            return 1.0
