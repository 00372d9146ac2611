"""Questions to people: pressed, decided, expired, cancelled; each in one transaction."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from actions.approval import Approval, ApprovalState, Decision, Press, Rejection, Verdict, decide, may_decide
from actions.policy import People, Person
from actions.proposal import Proposal
from agents.incident.errors import Refused
from agents.incident.ids import ApprovalId, IncidentId, PersonId, RunId
from agents.incident.lifecycle import ActionState
from bot.journal import directory, incidents, stops
from bot.journal import tables as t
from bot.journal.codec import load
from bot.journal.journal import Tx
from bot.journal.rows import cas, row_of

A = ActionState


def _approval(tx: Tx, row: Mapping[str, Any]) -> Approval:
    votes = tx.all(select(t.votes).where(t.votes.c.approval_id == row["id"]))
    proposal = tx.one(select(t.proposals.c.record).where(t.proposals.c.id == row["proposal_id"]))
    plan = load(Proposal, proposal["record"]) if proposal else None
    of = incidents.load(tx, IncidentId(row_of(tx, row["run_id"])["incident_id"]))
    return Approval(
        id=ApprovalId(row["id"]),
        run_id=RunId(row["run_id"]),
        state=ApprovalState(row["state"]),
        quorum=row["quorum"],
        plan_hash=row["plan_hash"],
        deadline=row["deadline"],
        proposed_by=plan.proposed_by if plan is not None else PersonId(""),
        votes={v["person_id"]: Verdict(v["verdict"]) for v in votes},
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        reason=row["reason"],
        # What is acted on, not what the alert was about: the cause may be another team's service.
        subject=plan.service if plan is not None else of.subject,
        holds=row["holds"],
    )


def approval_of(tx: Tx, run_id: RunId) -> Approval | None:
    """The newest question about a run."""
    row = tx.one(
        select(t.approvals).where(t.approvals.c.run_id == run_id).order_by(t.approvals.c.round.desc()).limit(1)
    )
    return _approval(tx, row) if row is not None else None


def _locked(tx: Tx, approval_id: str) -> Approval | None:
    """A question held for deciding. The incident is locked before it, as everywhere."""
    of = tx.one(
        select(t.action_runs.c.incident_id)
        .join(t.approvals, t.approvals.c.run_id == t.action_runs.c.id)
        .where(t.approvals.c.id == approval_id)
    )
    if of is None:
        return None
    incidents.load(tx, IncidentId(of["incident_id"]), lock=True)
    row = tx.one(select(t.approvals).where(t.approvals.c.id == approval_id).with_for_update())
    return _approval(tx, row) if row is not None else None


def press(tx: Tx, pressed: Press, people: People) -> Decision | Rejection:
    """One press, decided with everything else that may happen to the question, in one transaction."""
    approval = _locked(tx, pressed.approval_id)
    if approval is None:
        return Rejection(reason="This button belongs to nothing I know; it may be from another installation.")
    at = tx.now  # read after the lock is held: the deadline may have passed while waiting for it
    people = directory.known(tx, people)
    person = people.by_account(pressed.surface, pressed.account)
    refused = _kept_from(tx, approval, people) if pressed.verdict is Verdict.APPROVE else None
    if refused is not None and may_decide(approval, person, people) is None:
        return refused
    decision = decide(approval, pressed, person, people, now=at)
    if isinstance(decision, Rejection):
        return decision
    tx.run(
        t.votes.insert().values(
            approval_id=approval.id,
            person_id=decision.person.id,
            verdict=pressed.verdict.value,
            at=at,
            surface=pressed.surface,
            reason=pressed.reason,
        )
    )
    run = row_of(tx, approval.run_id)
    incident_id = IncidentId(run["incident_id"])
    if decision.state is ApprovalState.AWAITING:
        tx.event(incident_id, decision.person.name, "approval.voted", votes=decision.votes)
        return decision
    _decided(tx, approval, decision.state, by=decision.person.name, reason=pressed.reason)
    return decision


def _kept_from(tx: Tx, approval: Approval, people: People) -> Rejection | None:
    """What keeps anything from being approved now: a stop that stands."""
    row = row_of(tx, approval.run_id)
    incident = incidents.load(tx, IncidentId(row["incident_id"]))
    stopped = stops.standing(tx, incident.subject, approval.subject)
    if stopped is None:
        return None
    by = people.by_id(stopped.stopped_by)
    name = by.name if by is not None else stopped.stopped_by
    return Rejection(reason=f"Stopped by {name} at {stopped.at:%H:%M:%S}. Nothing is run until a lead lifts it.")


HELD = "approval.held"
MAX_HOLDS = 4
HOLD_SPAN = timedelta(minutes=15)


def hold(tx: Tx, pressed: Press, people: People, *, delivery: str = "") -> tuple[Approval, Person] | Rejection:
    """Move a question's deadline, at most four times. Returns the question as it then stands, and by whom.

    Args:
        delivery: The inbox row that asked for it; one row holds once, however often it is worked on.
    """
    approval = _locked(tx, pressed.approval_id)
    if approval is None:
        return Rejection(reason="This button belongs to nothing I know; it may be from another installation.")
    people = directory.known(tx, people)
    person = people.by_account(pressed.surface, pressed.account)
    allowed = person is not None and any(
        person.may(role, approval.subject) for role in ("approver", "responder", "lead")
    )
    if person is None or not allowed:
        return may_decide(approval, None, people) or Rejection(reason="You may not hold this.")
    if delivery and _held_by(tx, approval, delivery):
        return approval, person
    if approval.plan_hash[:8] != pressed.hash8:
        return Rejection(reason="This card is out of date: the plan behind it changed. Use the newest card.")
    if approval.state is not ApprovalState.AWAITING or tx.now >= approval.deadline:
        return Rejection(reason=f"Too late: this question is {approval.state.lower()}. Nothing was held.")
    if approval.holds >= MAX_HOLDS:
        return Rejection(reason=f"Held {MAX_HOLDS} times already; it expires at {approval.deadline:%H:%M:%S}.")
    tx.run(
        t.approvals.update()
        .where(t.approvals.c.id == approval.id)
        .values(deadline=approval.deadline + HOLD_SPAN, holds=approval.holds + 1)
    )
    row = row_of(tx, approval.run_id)
    said = {"approval": approval.id, "holds": approval.holds + 1, "delivery": delivery}
    tx.event(IncidentId(row["incident_id"]), person.name, HELD, **said)
    held = tx.one(select(t.approvals).where(t.approvals.c.id == approval.id))
    assert held is not None  # noqa: S101  # just updated
    return _approval(tx, held), person


def _held_by(tx: Tx, approval: Approval, delivery: str) -> bool:
    """Whether this very delivery has moved the deadline already; read under the incident's lock."""
    of = row_of(tx, approval.run_id)["incident_id"]
    rows = tx.all(select(t.events.c.data).where(t.events.c.incident_id == of, t.events.c.kind == HELD))
    return any(r["data"].get("delivery") == delivery for r in rows)


def _decided(tx: Tx, approval: Approval, state: ApprovalState, *, by: str, reason: str) -> None:
    """Close a question, move its run, and tell whoever goes on from there: all in this transaction."""
    changed = tx.changed(
        t.approvals.update()
        .where(t.approvals.c.id == approval.id, t.approvals.c.state == ApprovalState.AWAITING.value)
        .values(state=state.value, decided_at=tx.now, decided_by=by, reason=reason)
    )
    if changed != 1:
        raise Refused("somebody else decided this at the same moment")
    run = row_of(tx, approval.run_id)
    to = {
        ApprovalState.APPROVED: A.APPROVED,
        ApprovalState.REJECTED: A.REJECTED,
        ApprovalState.EXPIRED: A.EXPIRED,
        ApprovalState.CANCELLED: A.CANCELLED,
    }[state]
    cas(tx, run, to, reason=reason)
    tx.event(IncidentId(run["incident_id"]), by, "approval." + state.value.lower(), reason=reason)
    if to is A.APPROVED:
        cas(tx, row_of(tx, approval.run_id), A.READY)
        tx.ring("act", approval.run_id)
    else:
        tx.ring("settle", run["incident_id"])


def find(tx: Tx, approval_id: str) -> Approval | None:
    """One question by its id."""
    row = tx.one(select(t.approvals).where(t.approvals.c.id == approval_id))
    return _approval(tx, row) if row is not None else None


def waiting(tx: Tx) -> list[tuple[Approval, IncidentId]]:
    """Every question that waits for people, the most pressing first."""
    rows = tx.all(
        select(t.approvals, t.action_runs.c.incident_id)
        .join(t.action_runs, t.action_runs.c.id == t.approvals.c.run_id)
        .where(t.approvals.c.state == ApprovalState.AWAITING.value)
        .order_by(t.approvals.c.deadline)
    )
    return [(_approval(tx, r), IncidentId(r["incident_id"])) for r in rows]


def add_reason(tx: Tx, approval_id: ApprovalId, person_id: PersonId, reason: str) -> None:
    """Why it was rejected, told after the press that already counted, by whoever rejected it."""
    theirs = (
        select(t.votes.c.person_id)
        .where(
            t.votes.c.approval_id == t.approvals.c.id,
            t.votes.c.person_id == person_id,
            t.votes.c.verdict == Verdict.REJECT.value,
        )
        .exists()
    )
    changed = tx.changed(
        t.approvals.update()
        .where(t.approvals.c.id == approval_id, t.approvals.c.state == ApprovalState.REJECTED.value, theirs)
        .values(reason=reason)
    )
    if not changed:
        raise Refused("only whoever rejected it can say why")
    row = tx.one(
        select(t.action_runs.c.incident_id, t.approvals.c.decided_by)
        .join(t.approvals, t.approvals.c.run_id == t.action_runs.c.id)
        .where(t.approvals.c.id == approval_id)
    )
    if row is not None:
        tx.event(IncidentId(row["incident_id"]), row["decided_by"] or "", "approval.reason", reason=reason)


def any_due(tx: Tx) -> bool:
    """Whether a deadline has come."""
    found = select(t.approvals.c.id).where(
        t.approvals.c.state == ApprovalState.AWAITING.value, t.approvals.c.deadline <= tx.now
    )
    return tx.one(found.limit(1)) is not None


def expire_due(tx: Tx) -> int:
    """Close every question whose deadline has come; silence never approves."""
    due = tx.all(
        select(t.approvals.c.id)
        .join(t.action_runs, t.action_runs.c.id == t.approvals.c.run_id)
        .where(t.approvals.c.state == ApprovalState.AWAITING.value, t.approvals.c.deadline <= tx.now)
        .order_by(t.action_runs.c.incident_id)
    )
    closed = 0
    for row in due:
        approval = _locked(tx, row["id"])
        if approval is not None and approval.state is ApprovalState.AWAITING:
            _decided(tx, approval, ApprovalState.EXPIRED, by="clock", reason="nobody answered in time")
            closed += 1
    return closed


def cancel_open(tx: Tx, incident_id: IncidentId, reason: str) -> None:
    """Cancel what waits or has not begun; what has begun is never interrupted."""
    incidents.load(tx, incident_id, lock=True)  # before its questions, as everywhere
    rows = tx.all(
        select(t.approvals)
        .join(t.action_runs, t.action_runs.c.id == t.approvals.c.run_id)
        .where(
            t.action_runs.c.incident_id == incident_id,
            t.approvals.c.state == ApprovalState.AWAITING.value,
        )
        .with_for_update()
    )
    for row in rows:
        _decided(tx, _approval(tx, row), ApprovalState.CANCELLED, by="clock", reason=reason)
    for row in tx.all(
        select(t.action_runs).where(
            t.action_runs.c.incident_id == incident_id,
            t.action_runs.c.state.in_([A.READY.value, A.APPROVED.value]),
        )
    ):
        cas(tx, row, A.CANCELLED, reason=reason)
