"""Everything the journal has on one incident, read in one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from actions.ports import Run
from actions.verification import Check, Sample
from agents.incident.claims import Claim, cites
from agents.incident.evidence import Evidence
from agents.incident.finding import Finding
from agents.incident.ids import EvidenceId, IncidentId, RunId
from agents.incident.incident import Incident
from bot.journal import incidents, runs, verifications
from bot.journal import tables as t
from bot.journal.codec import load
from bot.journal.evidence import VERIFICATION
from bot.journal.journal import Tx
from bot.page import turns
from bot.page.turns import Turns

Row = Mapping[str, Any]
Stored = Mapping[EvidenceId, tuple[Evidence, bytes]]
MAX_EVENTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``stored`` is what claims cite and charts draw; ``sampled`` what was read to verify the same quantities."""

    incident: Incident
    row: Row
    now: datetime
    findings: tuple[Finding, ...]
    stored: Stored
    sampled: tuple[tuple[Evidence, bytes], ...]
    runs: tuple[Run, ...]
    checks: Mapping[RunId, tuple[Row, Check, Sequence[Sample]]]
    questions: Mapping[RunId, Sequence[Row]]
    votes: Mapping[str, Sequence[Row]]
    steps: Mapping[RunId, Sequence[Row]]
    undo: Mapping[RunId, Sequence[Row]]
    events: Sequence[Row]
    escalations: Sequence[Row]
    stops: Sequence[Row]
    feedback: Sequence[Row]
    model: Turns

    @property
    def finding(self) -> Finding | None:
        """The newest one."""
        return self.findings[-1] if self.findings else None


def claims(finding: Finding) -> tuple[Claim, ...]:
    """What a finding says and what it says of look-alikes."""
    return (*(s.claim for s in finding.claims), *(r.claim for r in finding.refuters if r.claim is not None))


def read(tx: Tx, incident_id: IncidentId) -> Case:
    """The case as it is now. Raises BadInput when there is no such incident."""
    incident = incidents.load(tx, incident_id)
    row = tx.one(select(t.incidents).where(t.incidents.c.id == incident_id))
    findings = tuple(
        load(Finding, r["record"])
        for r in tx.all(
            select(t.findings.c.record)
            .where(t.findings.c.incident_id == incident_id)
            .order_by(t.findings.c.attempt, t.findings.c.look)
        )
    )
    newest = findings[-1] if findings else None
    cited = {e for c in claims(newest) for e in cites(c)} if newest is not None else set()
    if newest is not None and newest.chart is not None:
        cited.add(newest.chart)
    stored = _stored(tx, incident_id, cited)
    all_runs = tuple(runs.of_incident(tx, incident_id))
    ids = [r.id for r in all_runs]
    questions = tx.all(select(t.approvals).where(t.approvals.c.run_id.in_(ids)).order_by(t.approvals.c.round))
    votes = tx.all(
        select(t.votes).where(t.votes.c.approval_id.in_([q["id"] for q in questions])).order_by(t.votes.c.at)
    )
    scope = ("*", incident.service or "", f"{incident.environment}/{incident.service}")
    return Case(
        incident=incident,
        row=row or {},
        now=tx.now,
        findings=findings,
        stored=stored,
        sampled=_sampled(tx, incident_id, {item.question for item, _ in stored.values()}),
        runs=all_runs,
        checks={run: found for run in ids if (found := verifications.of_run(tx, run)) is not None},
        questions=_by(questions, "run_id"),
        votes=_by(votes, "approval_id"),
        steps=_by(
            tx.all(select(t.steps).where(t.steps.c.run_id.in_(ids)).order_by(t.steps.c.intended_at)), "run_id"
        ),
        undo=_by(tx.all(select(t.undo).where(t.undo.c.run_id.in_(ids)).order_by(t.undo.c.number)), "run_id"),
        events=tx.all(
            select(t.events)
            .where(t.events.c.incident_id == incident_id)
            .order_by(t.events.c.number.desc())
            .limit(MAX_EVENTS)
        )[::-1],
        escalations=tx.all(
            select(t.escalations)
            .where(t.escalations.c.incident_id == incident_id)
            .order_by(t.escalations.c.opened_at)
        ),
        stops=tx.all(select(t.stops).where(t.stops.c.lifted_at.is_(None), t.stops.c.scope.in_(scope))),
        feedback=tx.all(
            select(t.feedback).where(t.feedback.c.incident_id == incident_id).order_by(t.feedback.c.at)
        ),
        model=turns.of_incident(tx, incident_id, incident.attempt),
    )


def one(tx: Tx, incident_id: IncidentId, evidence_id: str) -> tuple[Evidence, bytes, str] | None:
    """One piece of evidence of this very incident, its bytes, and what it was read for."""
    row = tx.one(
        select(t.evidence.c.record, t.evidence.c.purpose, t.blobs.c.bytes)
        .join(t.blobs, t.blobs.c.sha256 == t.evidence.c.blob_sha256)
        .where(t.evidence.c.id == evidence_id, t.evidence.c.incident_id == incident_id)
    )
    return (load(Evidence, row["record"]), row["bytes"], row["purpose"]) if row is not None else None


def _stored(tx: Tx, incident_id: IncidentId, ids: set[EvidenceId]) -> Stored:
    rows = tx.all(
        select(t.evidence.c.id, t.evidence.c.record, t.blobs.c.bytes)
        .join(t.blobs, t.blobs.c.sha256 == t.evidence.c.blob_sha256)
        .where(t.evidence.c.id.in_(sorted(ids)), t.evidence.c.incident_id == incident_id)
    )
    return {EvidenceId(r["id"]): (load(Evidence, r["record"]), r["bytes"]) for r in rows}


def _sampled(tx: Tx, incident_id: IncidentId, asked: set[Any]) -> tuple[tuple[Evidence, bytes], ...]:
    """Answers to the same questions, read after the effect, oldest first."""
    rows = tx.all(
        select(t.evidence.c.id, t.evidence.c.record)
        .where(t.evidence.c.incident_id == incident_id, t.evidence.c.purpose == VERIFICATION)
        .order_by(t.evidence.c.fetched_at)
    )
    items = [item for r in rows if (item := load(Evidence, r["record"])).question in asked]
    bodies = {
        r["sha256"]: r["bytes"]
        for r in tx.all(select(t.blobs).where(t.blobs.c.sha256.in_([item.blob_sha256 for item in items])))
    }
    return tuple((item, bodies[item.blob_sha256]) for item in items)


def _by(rows: Sequence[Row], key: str) -> Mapping[Any, Sequence[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found
