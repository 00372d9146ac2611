"""One incident as one JSON document, from the journal alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from actions.approval import ApprovalState
from actions.ports import Run
from actions.verification import mark
from agents.incident.claims import cites
from agents.incident.clock import iso
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import ActionState, IncidentState
from bot.journal import approvals, evidence, incidents, runs, verifications
from bot.journal import tables as t
from bot.journal.journal import Tx

A, S = ActionState, IncidentState


def document(tx: Tx, incident_id: IncidentId) -> dict[str, Any]:
    """Finding, proposal, approval, run, verification, end and durations of one incident."""
    incident = incidents.load(tx, incident_id)
    finding = evidence.latest_finding(tx, incident_id)
    all_runs = runs.of_incident(tx, incident_id)
    last = all_runs[-1] if all_runs else None
    return {
        "incident_id": incident_id,
        "state": incident.state.value,
        "service": incident.service,
        "environment": incident.environment,
        "title": incident.title,
        "opened_at": iso(incident.opened_at),
        "reason": incident.reason,
        "finding": _finding(finding) if finding is not None else None,
        "proposal": _proposal(last) if last is not None else None,
        "approval": _approval(tx, last) if last is not None else None,
        "action_run": _run(tx, last) if last is not None else None,
        "verification": _verification(tx, last) if last is not None else None,
        "end": end(incident.state, finding, all_runs),
        "durations_s": _durations(tx, incident_id),
    }


def end(state: IncidentState, finding: Finding | None, all_runs: list[Run]) -> str:
    """The end in one word, for people and scripts."""
    states = {r.state for r in all_runs}
    if A.SUCCEEDED in states:
        return "verified_fix"
    if A.UNDONE in states:
        return "undone"
    if states & runs.LIVE:
        return "open"
    acted = states - {A.CANCELLED, A.REJECTED, A.EXPIRED, A.MANUAL_ONLY, A.ABORTED, A.STALE, A.NOT_APPLIED}
    if state in {S.RESOLVED, S.CLOSED} and not acted:
        return "no_action"
    return "escalated" if state is S.NEEDS_HUMAN else "open"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "state": finding.state.value,
        "signature": finding.signature,
        "entity": finding.entity,
        "p": finding.p,
        "p_low": finding.p_low,
        "n": finding.n,
        "replayed": finding.replayed,
        "score": finding.score,
        "claims": [
            {"type": said.claim.type, "text": said.text, "evidence": list(cites(said.claim))}
            for said in finding.claims
        ],
        "groups": [{"id": g.id, "vantage": g.vantage, "evidence": list(g.evidence)} for g in finding.groups],
        "independent_groups": finding.independent_groups,
        "refuters": [{"id": r.id, "means": r.means, "outcome": r.outcome.value} for r in finding.refuters],
        "not_checked": list(finding.not_checked),
        "suspects": [{"signature": s.signature, "entity": s.entity, "score": s.score} for s in finding.suspects],
        "dropped": [{"code": d.code, "what": d.what} for d in finding.dropped],
        "text": finding.text,
    }


def _proposal(run: Run) -> dict[str, Any]:
    p = run.proposal
    return {
        "id": p.id,
        "action": p.action,
        "tier": p.tier,
        "mode": p.mode.value,
        "parameters": dict(p.parameters),
        "effect": p.effect,
        "undo": p.undo,
        "runbook": list(p.runbook),
        "plan_hash": p.plan_hash,
    }


def _approval(tx: Tx, run: Run) -> dict[str, Any] | None:
    approval = approvals.approval_of(tx, run.id)
    if approval is None or approval.state is not ApprovalState.APPROVED or approval.decided_at is None:
        return None
    return {"by": approval.decided_by, "at": iso(approval.decided_at)}


def _run(tx: Tx, run: Run) -> dict[str, Any]:
    rows = [*runs.steps_of(tx, run.id, "do"), *runs.steps_of(tx, run.id, "undo")]
    return {
        "id": run.id,
        "state": run.state.value,
        "token": run.token.fence if run.token is not None else None,
        "reason": run.reason,
        "steps": [
            {"kind": r.kind, "number": r.number, "state": r.state, "step": type(r.step).__name__, "key": r.key}
            for r in rows
        ],
    }


def _verification(tx: Tx, run: Run) -> dict[str, Any] | None:
    found = verifications.of_run(tx, run.id)
    if found is None:
        return None
    row, check, samples = found
    return {
        "outcome": row["outcome"],
        "criteria": [
            {
                "role": x.criterion.role,
                "quantity": x.criterion.quantity,
                "service": x.criterion.service,
                "op": x.criterion.op.value,
                "threshold": x.threshold,
                "before": x.before,
            }
            for x in check.targets
        ],
        "samples": [
            {
                "at": iso(s.at),
                "mark": mark(check, s).value,
                "values": [m.value for m in s.measured],
                "evidence": [list(m.evidence) for m in s.measured],
            }
            for s in samples
        ],
    }


def _durations(tx: Tx, incident_id: IncidentId) -> Mapping[str, float | None]:
    """Seconds from the alert's arrival at the door: to the final finding shown and stored, to the end."""
    events = tx.all(
        select(t.events.c.kind, t.events.c.at)
        .where(t.events.c.incident_id == incident_id)
        .order_by(t.events.c.number)
    )
    first = events[0]["at"] if events else None
    arrived = tx.run(
        select(t.inbox.c.received_at)
        .where(t.inbox.c.received_at <= first, t.inbox.c.state == "parsed")
        .order_by(t.inbox.c.received_at.desc())
        .limit(1)
    ).scalar()
    begun: datetime | None = arrived or first
    shown = tx.run(select(func.min(t.views.c.finding_at)).where(t.views.c.incident_id == incident_id)).scalar()

    def since(at: datetime | None) -> float | None:
        return round((at - begun).total_seconds(), 3) if at is not None and begun is not None else None

    def when(*kinds: str) -> datetime | None:
        return next((e["at"] for e in events if e["kind"] in kinds), None)

    return {
        "alert_to_finding": since(shown or when("incident.reported")),
        "alert_to_finding_stored": since(when("incident.reported")),
        "alert_to_end": since(when("run.succeeded") or when("incident.resolved") or when("incident.needs_human")),
    }
