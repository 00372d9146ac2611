"""Reads a Prometheus API (Prometheus, VictoriaMetrics, Thanos): range queries from a table of templates."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx

from agents.gather import could_not_look
from agents.incident.catalogue import Scope, Service
from agents.incident.errors import ProbeUnreachable, Refused
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Window
from agents.incident.quantities import QUANTITIES
from agents.ports import Asked
from agents.probes.backend import Backend

Labels = tuple[tuple[str, str], ...]
Points = dict[float, float]
RATE_WINDOW = "$window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """PromQL with ``$service``, ``$environment`` and ``$window``; a value, or a ratio in its two parts."""

    value: str = ""
    numerator: str = ""
    denominator: str = ""


class Prometheus:
    """One API and the services it may be asked about: no question about another ever reaches it."""

    def __init__(self, templates: Mapping[str, Template], *, interval: timedelta, backend: Backend) -> None:
        self.name = backend.reach.name
        self._templates = templates
        self._interval = interval
        self._rate_window = timedelta(seconds=max(2, round(4 * interval.total_seconds())))
        self._backend = backend

    def answers(self, question: Question, service: Service) -> bool:
        """Quantities of the table, of services that this API holds."""
        return (
            question.kind is QuestionKind.QUANTITY
            and question.name in self._templates
            and self._backend.reach.holds(service)
        )

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """Every question as one or two range queries, a few at a time."""
        kept, refused = self._backend.reach.parted(asked, scope, self.name)
        yield from refused
        with ThreadPoolExecutor(max_workers=4) as pool:
            yield from pool.map(lambda pair: self._answer(pair[0], pair[1], window, scope), kept)

    def _answer(self, question: Question, service: Service, window: Window, scope: Scope) -> Answer:
        template = self._templates[question.name]
        texts = [self._fill(t, service) for t in _parts(template)]
        try:
            results = [self._range(text, window, service, scope) for text in texts]
        except (ProbeUnreachable, Refused) as error:
            gap = could_not_look(question, self.name, str(error), " / ".join(texts))
            return replace(gap, backend=self._backend.fingerprint)
        warnings = [w for _, found in results for w in found]
        top = results[0][0]
        series = []
        newest = 0.0
        for labels, points in sorted(top.items()):
            if len(results) == 1:
                line = [[t, v] for t, v in sorted(points.items())]
            else:
                below = results[1][0].get(labels, {})
                line = [[t, v, below[t]] for t, v in sorted(points.items()) if t in below]
            if line:
                series.append({"labels": dict(labels), "points": line})
                newest = max(newest, line[-1][0])
        fresh = newest >= (window.end - 3 * self._interval).timestamp() * 1000
        instances = sorted({dict(labels).get("instance", "") for labels in top} - {""})
        status = Status.EMPTY if not series else Status.PARTIAL if warnings else Status.COMPLETE
        return Answer(
            question=question,
            status=status,
            query=" / ".join(texts),
            reason="; ".join(warnings) if warnings else "no series" if not series else "",
            unit=QUANTITIES[question.name].unit,
            lineage=Lineage(
                producers=tuple(f"{question.entity}/{i}" for i in instances) or (question.entity,),
                pipeline=f"prometheus of {service.environment}",
                quantity=question.name,
                place=question.entity,
            ),
            body={"series": series},
            entities=(question.entity, *(f"{question.entity}/{i}" for i in instances)),
            alive=True if series and fresh else None,
            backend=self._backend.fingerprint,
            step=self._interval,
            rate_window=self._rate_window if any(RATE_WINDOW in t for t in _parts(template)) else timedelta(0),
            # Each point already stands for a rate window: the newest ones are "now".
            window=Window(start=window.start, end=window.end, recent=1.5 * self._interval),
        )

    def _fill(self, template: str, service: Service) -> str:
        return (
            template.replace("$service", _escape(service.name))
            .replace("$environment", _escape(service.environment))
            .replace(RATE_WINDOW, f"{self._rate_window.total_seconds():.0f}s")
        )

    def _range(
        self, query: str, window: Window, service: Service, scope: Scope
    ) -> tuple[dict[Labels, Points], list[str]]:
        try:
            response = self._backend.send(
                "POST",
                "/api/v1/query_range",
                about=service,
                scope=scope,
                data={
                    "query": query,
                    "start": f"{window.start.timestamp():.3f}",
                    "end": f"{window.end.timestamp():.3f}",
                    "step": f"{self._interval.total_seconds():g}",
                },
            )
            answer: Any = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProbeUnreachable(f"Prometheus did not answer: {type(error).__name__}") from error
        if response.is_error or answer.get("status") != "success":
            raise ProbeUnreachable(f"Prometheus answered {response.status_code} {answer.get('errorType', '')}")
        found: dict[Labels, Points] = {}
        for item in answer["data"]["result"]:
            labels = tuple(sorted((k, v) for k, v in item["metric"].items() if k != "__name__"))
            found[labels] = {
                float(t) * 1000: float(v) for t, v in item["values"] if v not in {"NaN", "+Inf", "-Inf"}
            }
        return found, list(answer.get("warnings", ()))


def _parts(template: Template) -> tuple[str, ...]:
    return tuple(t for t in (template.value or template.numerator, template.denominator) if t)


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
