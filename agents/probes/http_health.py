"""Asks each replica's health endpoint from outside, as a caller would."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import httpx

from agents.canonical import fingerprint
from agents.gather import could_not_look
from agents.incident.catalogue import Replica, Scope, Service
from agents.incident.clock import from_ms
from agents.incident.errors import Refused
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Trust, Window
from agents.ports import Asked
from agents.probes.backend import Backend

TIMEOUT = timedelta(seconds=0.9)
"""A health endpoint that takes longer fails, whatever it would have said; its backend waits no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """``ok`` is ``None`` where nothing was sent."""

    replica: str
    at_ms: float
    ok: bool | None
    outcome: str
    latency_ms: float
    body: object


class HttpHealth:
    """``health_failing`` and ``health_ok`` from outside; named JSON fields as the service reports them itself."""

    name = "http"

    def __init__(self, fields: Mapping[str, str], *, backend: Backend) -> None:
        self._fields = fields
        self._backend = backend

    def answers(self, question: Question, service: Service) -> bool:
        """Health and the table's fields, where a replica has an address."""
        return (
            question.kind is QuestionKind.QUANTITY
            and (question.name in {"health_failing", "health_ok"} or question.name in self._fields)
            and any(r.health_url for r in service.replicas)
            and self._backend.reach.holds(service)
        )

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """Every replica concerned once, side by side."""
        kept, refused = self._backend.reach.parted(asked, scope, "health")
        yield from refused
        replicas = {(s.id, r.name): (s, r) for _, s in kept for r in s.replicas if r.health_url}
        with ThreadPoolExecutor(max_workers=max(1, min(len(replicas), 16))) as pool:
            found = pool.map(lambda pair: self._check(pair[0], pair[1], scope), replicas.values())
            checked = dict(zip(replicas, found, strict=True))
        for question, service in kept:
            yield self._answer(question, service, [checked[k] for k in replicas if k[0] == service.id])

    def _check(self, service: Service, replica: Replica, scope: Scope) -> _Checked:
        started = time.monotonic()
        body: object = None
        ok: bool | None
        try:
            response = self._backend.send("GET", replica.health_url or "", about=service, scope=scope)
            ok, outcome = response.is_success, f"HTTP {response.status_code}"
            if response.headers.get("content-type", "").startswith("application/json"):
                body = response.json()
        except Refused as error:
            ok, outcome = None, str(error)
        except httpx.TimeoutException:
            ok, outcome = False, "timeout"
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            ok, outcome = False, type(error).__name__
        return _Checked(
            replica=replica.name,
            at_ms=round(time.time() * 1000),  # whole, as a window's edges are
            ok=ok,
            outcome=outcome,
            latency_ms=(time.monotonic() - started) * 1000,
            body=body,
        )

    def _answer(self, question: Question, service: Service, checked: Sequence[_Checked]) -> Answer:
        path = self._fields.get(question.name)
        series = []
        for c in checked:
            if c.ok is None:
                continue
            value = float(c.ok is (question.name == "health_ok")) if path is None else _field(c.body, path)
            if value is not None:
                series.append(
                    {
                        "labels": {"service": service.name, "instance": c.replica},
                        "points": [[c.at_ms, value]],
                    }
                )
        query = f"GET health of {len(checked)} replicas" + (f", field {path}" if path else "")
        if not series:
            failed = "; ".join(f"{c.replica}: {c.outcome}" for c in checked)
            return could_not_look(question, "health", f"no field {path} ({failed})" if path else failed, query)
        # A field is the service's own word; whether it answers at all was measured by us.
        producers = (
            ("firstresponder/http",) if path is None else tuple(f"{service.id}/{c.replica}" for c in checked)
        )
        first, last = min(c.at_ms for c in checked), max(c.at_ms for c in checked)
        return Answer(
            question=question,
            status=Status.COMPLETE if len(series) == len(checked) else Status.PARTIAL,
            query=query,
            lineage=Lineage(
                producers=producers,
                pipeline="health",
                quantity=question.name,
                place=question.entity,
                trust=Trust.PLATFORM if path is None else Trust.APP,
            ),
            body={
                "series": series,
                "checks": [
                    {"instance": c.replica, "outcome": c.outcome, "latency_ms": round(c.latency_ms, 1)}
                    for c in checked
                ],
            },
            entities=(question.entity, *(f"{service.id}/{c.replica}" for c in checked)),
            alive=True,
            backend=fingerprint(self.name, service.id),
            window=Window(start=from_ms(first), end=from_ms(last), recent=timedelta(milliseconds=last - first)),
        )


def _field(body: object, path: str) -> float | None:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    if isinstance(body, bool) or not isinstance(body, int | float):
        return None
    try:
        value = float(body)
    except OverflowError:  # more digits than a float can stand for
        return None
    return value if math.isfinite(value) else None
