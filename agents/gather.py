"""Incident → Evidence: every question asked of every probe that could answer it, within one time budget."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import timedelta

from agents.canonical import canonical, fingerprint, normalised, sha256
from agents.identity import completeness, identified, traced
from agents.incident.catalogue import Catalogue, Scope
from agents.incident.clock import now
from agents.incident.evidence import Answer, Evidence, FetchedBy, Lineage, Question, Status, Window
from agents.incident.ids import EvidenceId, IncidentId
from agents.incident.redaction import redact, redact_tree
from agents.ports import Asked, Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Evidence and the blobs it points to, by hash; and the questions nobody was asked, each with the reason."""

    evidence: tuple[Evidence, ...]
    blobs: Mapping[str, bytes]
    unasked: Mapping[Question, str]


def gather(
    questions: Iterable[Question],
    *,
    incident_id: IncidentId,
    catalogue: Catalogue,
    probes: Sequence[Probe],
    window: Window,
    budget: timedelta,
    scope: Scope,
    fetched_by: FetchedBy = FetchedBy.ENGINE,
) -> Gathered:
    """Ask every probe about *questions* side by side and keep every answer.

    A probe that is late or fails becomes one "could not look" for each of its questions.

    Args:
        scope: The incident's own: a question that it does not admit goes to no probe, nor does one about a service
            the catalogue does not have.
        fetched_by: Whose wish the questions are.
    """
    plan: dict[int, list[Asked]] = defaultdict(list)
    unasked = {}
    found = {q: catalogue.find(q.service, q.environment) for q in _ordered(questions)}
    for question, service in found.items():
        if service is None:
            unasked[question] = f"{question.entity} is not in config/services.yaml"
            continue
        if why := service.closed_to(scope):
            unasked[question] = why
            continue
        takers = [i for i, p in enumerate(probes) if p.answers(question, service)]
        for i in takers:
            plan[i].append((question, service))
        if not takers:
            unasked[question] = "no probe is configured for it"
    evidence: list[Evidence] = []
    blobs: dict[str, bytes] = {}
    started = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=max(len(plan), 1), thread_name_prefix="probe")
    try:
        futures = {i: pool.submit(_look, probes[i], asked, window, budget, scope) for i, asked in plan.items()}
        wait(futures.values(), timeout=budget.total_seconds())
        for i, future in futures.items():
            took = timedelta(seconds=time.monotonic() - started)
            if future.done():
                answers, took = future.result()
            else:
                answers = _unreachable(probes[i], plan[i], f"no answer within {budget.total_seconds():g} s")
            for answer in answers:
                item, blob = _kept(answer, incident_id, probes[i].name, window, took, fetched_by)
                evidence.append(item)
                blobs[item.blob_sha256] = blob
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Gathered(evidence=tuple(evidence), blobs=blobs, unasked=unasked)


def _ordered(questions: Iterable[Question]) -> Sequence[Question]:
    return sorted(set(questions), key=lambda q: (q.environment, q.service, q.kind, q.name))


def _look(
    probe: Probe, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope
) -> tuple[tuple[Answer, ...], timedelta]:
    started = time.monotonic()
    try:
        answers = tuple(probe.look(asked, window, budget, scope))
    except Exception as error:  # noqa: BLE001  # a probe's own fault is a gap in one reading, never the end of triage
        answers = _unreachable(probe, asked, f"the probe failed: {type(error).__name__}")
    missing = [a for a in asked if a[0] not in {answer.question for answer in answers}]
    answers += _unreachable(probe, missing, "the probe gave no answer")
    return answers, timedelta(seconds=time.monotonic() - started)


def _unreachable(probe: Probe, asked: Sequence[Asked], reason: str) -> tuple[Answer, ...]:
    return tuple(could_not_look(question, probe.name, reason) for question, _ in asked)


def _kept(
    answer: Answer, incident_id: IncidentId, probe: str, window: Window, took: timedelta, fetched_by: FetchedBy
) -> tuple[Evidence, bytes]:
    """``keep``, or a gap where an answer has no canonical form."""
    try:
        return keep(answer, incident_id, probe, window, took, fetched_by)
    except (ValueError, TypeError) as error:
        gap = could_not_look(
            answer.question, answer.lineage.pipeline, f"unreadable answer: {type(error).__name__}"
        )
        return keep(gap, incident_id, probe, window, took, fetched_by)


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


def _clean(lineage: Lineage, counts: Counter[str]) -> Lineage:
    """Names of producers and places come from labels, which anybody may have written."""

    def several(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(redact(text, counts) for text in texts)

    return replace(
        lineage,
        producers=several(lineage.producers),
        pipeline=redact(lineage.pipeline, counts),
        quantity=redact(lineage.quantity, counts),
        place=redact(lineage.place, counts),
        derived_from=several(lineage.derived_from),
        construction=several(lineage.construction),
        samples=several(lineage.samples),
        request_ids=several(lineage.request_ids),
        exporter=redact(lineage.exporter, counts),
        node=redact(lineage.node, counts),
    )


def keep(
    answer: Answer,
    incident_id: IncidentId,
    probe: str,
    window: Window,
    latency: timedelta,
    fetched_by: FetchedBy = FetchedBy.ENGINE,
) -> tuple[Evidence, bytes]:
    """*answer* redacted, made canonical and named after its bytes."""
    window = answer.window or window
    counts: Counter[str] = Counter()
    body = redact_tree(answer.body, counts)
    blob = canonical(body)
    query = redact(answer.query, counts)
    evidence = Evidence(
        id=EvidenceId(""),
        incident_id=incident_id,
        probe=probe,
        question=answer.question,
        query=query,
        window=window,
        status=answer.status,
        reason=redact(answer.reason, counts),
        unit=answer.unit,
        blob_sha256=sha256(blob),
        size_bytes=len(blob),
        lineage=traced(_clean(answer.lineage, counts), answer.question),
        entities=tuple(redact(e, counts) for e in answer.entities),
        alive=answer.alive,
        step=answer.step,
        fetched_at=now(),
        latency=latency,
        redactions=dict(counts),
        backend_fp=answer.backend or fingerprint(probe, answer.lineage.pipeline),
        query_canonical=normalised(redact(answer.canonical_query, counts) or query),
        limit=answer.limit,
        completeness=completeness(
            body,
            limit_hit=answer.limit_hit or answer.status is Status.TRUNCATED,
            warnings=tuple(redact(w, counts) for w in answer.warnings),
        ),
        rate_window=answer.rate_window,
        ingest_lag=answer.ingest_lag,
        fetched_by=fetched_by,
    )
    return identified(evidence), blob
