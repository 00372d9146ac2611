"""Proposals and their runs: saved, viewed, moved; the incident follows the run in the same commit."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import select

from actions import steps as step_codec
from actions.approval import ApprovalState, Verdict
from actions.catalogue import CATALOGUE
from actions.policy import Policy
from actions.ports import LockSet, Run, StepRow, Token
from actions.proposal import Mode as AskMode
from actions.proposal import Proposal, Tried
from agents.incident.errors import Refused
from agents.incident.ids import IncidentId, RunId, new_id
from agents.incident.incident import Incident
from agents.incident.lifecycle import ACTION_TERMINAL, ActionState, IncidentState, action_may
from bot.journal import incidents
from bot.journal import tables as t
from bot.journal.approvals import approval_of
from bot.journal.codec import dump, load
from bot.journal.journal import Tx
from bot.journal.rows import cas, row_of

A, S = ActionState, IncidentState

APPLIED = frozenset(
    {A.EXECUTED, A.VERIFYING, A.SUCCEEDED, A.INEFFECTIVE, A.REGRESSED, A.INCONCLUSIVE, A.UNDONE, A.ESCALATED}
)

LIVE = frozenset(set(A) - ACTION_TERMINAL - {A.DRAFT, A.INEFFECTIVE})
"""A run that somebody or something still has to bring to an end."""

WAITING = frozenset({A.AWAITING_APPROVAL, A.HELD, A.APPROVED, A.READY})
"""Nothing has begun: these are cancelled when the alert resolves."""

LOST = "the runner was lost before any effect"

_FOLLOWS: Mapping[ActionState, IncidentState] = {
    A.EXECUTING: S.MITIGATING,
    A.VERIFYING: S.VERIFYING,
    A.SUCCEEDED: S.MITIGATED,
}


def save(tx: Tx, incident: Incident, proposal: Proposal, policy: Policy) -> RunId:
    """Write a proposal and its run: READY by policy's word, AWAITING_APPROVAL by people's, or MANUAL_ONLY."""
    tx.run(
        t.proposals.insert().values(
            id=proposal.id,
            incident_id=incident.id,
            number=proposal.number,
            action=proposal.action,
            plan_hash=proposal.plan_hash,
            record=dump(proposal),
            made_at=proposal.made_at,
        )
    )
    state = {AskMode.POLICY: A.READY, AskMode.ASK: A.AWAITING_APPROVAL, AskMode.RUNBOOK: A.MANUAL_ONLY}[
        proposal.mode
    ]
    if not action_may(A.DRAFT, state):
        raise Refused(f"a draft cannot become {state}")
    run_id = RunId(new_id("RUN"))
    tx.run(
        t.action_runs.insert().values(
            id=run_id,
            proposal_id=proposal.id,
            incident_id=incident.id,
            state=state.value,
            version=1,
            **{"try": 1},
            state_since=tx.now,
            reason="",
        )
    )
    tx.event(
        incident.id,
        "policy",
        "proposal.made",
        proposal=proposal.id,
        action=proposal.action,
        tier=proposal.tier,
        mode=proposal.mode.value,
        effect=proposal.effect,
    )
    if proposal.mode is AskMode.RUNBOOK:
        return run_id
    by_policy = proposal.mode is AskMode.POLICY
    tx.run(
        t.approvals.insert().values(
            id=new_id("AP"),
            proposal_id=proposal.id,
            run_id=run_id,
            round=1,
            state=(ApprovalState.APPROVED if by_policy else ApprovalState.AWAITING).value,
            quorum=proposal.quorum,
            plan_hash=proposal.plan_hash,
            deadline=tx.now + policy.deadline,
            decided_at=tx.now if by_policy else None,
            decided_by=f"policy {policy.version}" if by_policy else None,
            reason="trusted by the owner" if by_policy else "",
        )
    )
    if by_policy:
        tx.event(incident.id, f"policy {policy.version}", "approval.approved", reason="trusted by the owner")
        tx.ring("act", run_id)
    return run_id


def view(tx: Tx, run_id: RunId) -> Run:
    """The run with all the runner needs to know."""
    row = row_of(tx, run_id)
    proposal = tx.one(select(t.proposals.c.record).where(t.proposals.c.id == row["proposal_id"]))
    assert proposal is not None  # noqa: S101  # a foreign key
    incident = incidents.load(tx, IncidentId(row["incident_id"]))
    approval = approval_of(tx, run_id)
    token = Token(generation=row["generation"], counter=row["counter"]) if row["counter"] is not None else None
    return Run(
        id=run_id,
        incident_id=incident.id,
        state=A(row["state"]),
        version=row["version"],
        attempt=row["try"],
        proposal=load(Proposal, proposal["record"]),
        reason=row["reason"],
        token=token,
        approvers=tuple(p for p, v in approval.votes.items() if v is Verdict.APPROVE) if approval else (),
        by_policy=bool(approval and approval.state is ApprovalState.APPROVED and not approval.votes),
        alert_firing=incident.alert_firing,
        incident_attempt=incident.attempt,
    )


def of_incident(tx: Tx, incident_id: IncidentId) -> list[Run]:
    """Every run of an incident, oldest first."""
    rows = tx.all(
        select(t.action_runs.c.id).where(t.action_runs.c.incident_id == incident_id).order_by(t.action_runs.c.id)
    )
    return [view(tx, RunId(r["id"])) for r in rows]


def tried(tx: Tx, incident_id: IncidentId) -> list[Tried]:
    """What this incident has already seen proposed."""
    return [
        Tried(
            action=r.proposal.action,
            parameters=r.proposal.parameters,
            applied=r.state in APPLIED | {A.REJECTED, A.EXPIRED, A.MANUAL_ONLY},
        )
        for r in of_incident(tx, incident_id)
    ]


def in_state(tx: Tx, *states: ActionState) -> list[Mapping[str, Any]]:
    """Rows of runs in these states, oldest move first."""
    return tx.all(
        select(t.action_runs)
        .where(t.action_runs.c.state.in_([s.value for s in states]))
        .order_by(t.action_runs.c.state_since)
    )


def steps_of(tx: Tx, run_id: RunId, kind: str) -> tuple[StepRow, ...]:
    """Effects written so far."""
    rows = tx.all(
        select(t.steps).where(t.steps.c.run_id == run_id, t.steps.c.kind == kind).order_by(t.steps.c.number)
    )
    return tuple(
        StepRow(
            kind=r["kind"],
            number=r["number"],
            key=r["key"],
            state=r["state"],
            step=step_codec.load(r["request"]),
        )
        for r in rows
    )


def move(
    tx: Tx,
    run_id: RunId,
    to: ActionState,
    *,
    version: int,
    actor: str,
    reason: str = "",
    values: Mapping[str, Any] | None = None,
    **data: Any,
) -> None:
    """Move a run and, with it, its incident; whoever must look next is rung in the same commit."""
    row = row_of(tx, run_id)
    if row["version"] != version:
        raise Refused(f"run {run_id} was moved by somebody else")
    before = A(row["state"])
    incident = incidents.load(tx, IncidentId(row["incident_id"]), lock=True)  # locked first, as everywhere
    cas(tx, row, to, reason=reason, **(values or {}))
    tx.event(incident.id, actor, "run." + to.value.lower(), run=run_id, reason=reason, **data)
    follow = _FOLLOWS.get(to)
    if follow is not None and incident.state is not follow:
        with suppress(Refused):  # a person may have taken the incident over meanwhile
            incidents.move(tx, incident, follow, actor=actor)
    if to in {A.UNKNOWN, A.REGRESSED, A.PARTIAL, A.INEFFECTIVE, A.INCONCLUSIVE, A.SUCCEEDED, A.EXECUTED}:
        tx.ring("act", run_id)
    if to is A.READY and before is A.RESERVED:
        tx.ring("act", run_id)
    if to in {A.SUCCEEDED, A.INEFFECTIVE, A.UNDONE, A.NOT_APPLIED, A.ABORTED, A.CANCELLED, A.ESCALATED}:
        tx.ring("settle", incident.id)


def undo_failed(tx: Tx, run_id: str) -> bool:
    """Whether an undo of this run was begun and never confirmed."""
    rows = tx.all(select(t.steps.c.state).where(t.steps.c.run_id == run_id, t.steps.c.kind == "undo"))
    return any(r["state"] != "done" for r in rows)


def lock_set(tx: Tx, run_id: RunId) -> LockSet:
    """The set a run holds, from its proposal."""
    proposal = view(tx, run_id).proposal
    return CATALOGUE[proposal.action].lock_set(proposal.parameters)


def with_ids(tx: Tx, ids: Iterable[str]) -> list[Mapping[str, Any]]:
    """Rows of these runs."""
    return tx.all(select(t.action_runs).where(t.action_runs.c.id.in_(list(ids))))


def any_live(tx: Tx, incident_id: str) -> bool:
    """Whether a run of this incident still has to come to an end."""
    states = [s.value for s in LIVE]
    found = select(t.action_runs.c.id).where(
        t.action_runs.c.incident_id == incident_id, t.action_runs.c.state.in_(states)
    )
    return tx.one(found.limit(1)) is not None
