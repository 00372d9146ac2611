"""Incident → Evidence: every question asked of every probe that could answer it, within one time budget."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

from agents.canonical import canonical, evidence_id, sha256
from agents.incident.clock import iso, now
from agents.incident.evidence import Answer, Evidence, Lineage, Question, Status, Window
from agents.incident.ids import IncidentId
from agents.incident.incident import Catalogue, Service
from agents.incident.redaction import redact, redact_tree
from agents.ports import Probe

Asked = tuple[Question, Service]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Evidence and the blobs it points to, by hash; and the questions no probe could take."""

    evidence: tuple[Evidence, ...]
    blobs: Mapping[str, bytes]
    unasked: tuple[Question, ...]


def gather(
    questions: Iterable[Question],
    *,
    incident_id: IncidentId,
    catalogue: Catalogue,
    probes: Sequence[Probe],
    window: Window,
    budget: timedelta,
) -> Gathered:
    """Ask every probe about *questions* side by side and keep every answer.

    A question outside the catalogue goes to no probe: an incident of one environment cannot reach another's
    backends. A probe that is late or fails becomes one "could not look" for each of its questions.
    """
    ordered = sorted(set(questions), key=lambda q: (q.environment, q.service, q.kind, q.name))
    plan: dict[int, list[Asked]] = defaultdict(list)
    unasked = []
    for question in ordered:
        service = catalogue.find(question.service, question.environment)
        takers = [i for i, p in enumerate(probes) if p.answers(question, service)] if service is not None else []
        for i in takers:
            assert service is not None  # noqa: S101  # takers is empty without a service
            plan[i].append((question, service))
        if not takers:
            unasked.append(question)
    evidence: list[Evidence] = []
    blobs: dict[str, bytes] = {}
    started = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=max(len(plan), 1), thread_name_prefix="probe")
    try:
        futures = {i: pool.submit(_look, probes[i], asked, window, budget) for i, asked in plan.items()}
        wait(futures.values(), timeout=budget.total_seconds())
        for i, future in futures.items():
            took = timedelta(seconds=time.monotonic() - started)
            if future.done():
                answers, took = future.result()
            else:
                answers = _unreachable(probes[i], plan[i], f"no answer within {budget.total_seconds():g} s")
            for answer in answers:
                item, blob = _kept(answer, incident_id, probes[i].name, window, took)
                evidence.append(item)
                blobs[item.blob_sha256] = blob
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Gathered(evidence=tuple(evidence), blobs=blobs, unasked=tuple(unasked))


def _look(
    probe: Probe, asked: Sequence[Asked], window: Window, budget: timedelta
) -> tuple[tuple[Answer, ...], timedelta]:
    started = time.monotonic()
    try:
        answers = tuple(probe.look(asked, window, budget))
    except Exception as error:  # noqa: BLE001  # a probe's own fault is a gap in one reading, never the end of triage
        answers = _unreachable(probe, asked, f"the probe failed: {type(error).__name__}")
    missing = [a for a in asked if a[0] not in {answer.question for answer in answers}]
    answers += _unreachable(probe, missing, "the probe gave no answer")
    return answers, timedelta(seconds=time.monotonic() - started)


def _unreachable(probe: Probe, asked: Sequence[Asked], reason: str) -> tuple[Answer, ...]:
    return tuple(could_not_look(question, probe.name, reason) for question, _ in asked)


def _kept(
    answer: Answer, incident_id: IncidentId, probe: str, window: Window, took: timedelta
) -> tuple[Evidence, bytes]:
    """``keep``, or a gap where an answer has no canonical form."""
    try:
        return keep(answer, incident_id, probe, window, took)
    except (ValueError, TypeError) as error:
        gap = could_not_look(
            answer.question, answer.lineage.pipeline, f"unreadable answer: {type(error).__name__}"
        )
        return keep(gap, incident_id, probe, window, took)


def could_not_look(question: Question, pipeline: str, reason: str, query: str = "") -> Answer:
    """An answer that says why there is none."""
    return Answer(
        question=question,
        status=Status.ERROR,
        query=query or question.name,
        reason=reason,
        lineage=Lineage(producers=(), pipeline=pipeline, quantity=question.name, place=question.entity),
        entities=(question.entity,),
    )


def keep(
    answer: Answer, incident_id: IncidentId, probe: str, window: Window, latency: timedelta
) -> tuple[Evidence, bytes]:
    """*answer* redacted, made canonical and named after its bytes."""
    window = answer.window or window
    counts: Counter[str] = Counter()
    blob = canonical(redact_tree(answer.body, counts))
    digest = sha256(blob)
    query = redact(answer.query, counts)
    identity = {
        "schema": 1,
        "kind": answer.question.kind.value,
        "name": answer.question.name,
        "incident": incident_id,
        "probe": probe,
        "pipeline": answer.lineage.pipeline,
        "entity": answer.question.entity,
        "query": query,
        "start": iso(window.start),
        "end": iso(window.end),
        "step_ms": round(answer.step.total_seconds() * 1000),
        "status": answer.status.value,
        "result_sha256": digest,
    }
    evidence = Evidence(
        id=evidence_id(identity),
        incident_id=incident_id,
        probe=probe,
        question=answer.question,
        query=query,
        window=window,
        status=answer.status,
        reason=redact(answer.reason, counts),
        unit=answer.unit,
        blob_sha256=digest,
        size_bytes=len(blob),
        lineage=answer.lineage,
        entities=answer.entities,
        alive=answer.alive,
        step=answer.step,
        fetched_at=now(),
        latency=latency,
        redactions=dict(counts),
    )
    return evidence, blob
