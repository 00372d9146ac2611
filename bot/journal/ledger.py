"""The journal as the runner uses it: every move a compare-and-set, written before the effect."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from actions import steps as step_codec
from actions.approval import ApprovalState
from actions.policy import People, Policy
from actions.ports import LockSet, Mode, Run, StepRow, Token
from actions.proposal import Mode as AskMode
from actions.proposal import plan_hash
from actions.steps import Step
from agents.incident.errors import PreconditionFailed, Refused
from agents.incident.ids import RunId, new_id
from agents.incident.lifecycle import ActionState
from bot.journal import incidents, stops
from bot.journal import tables as t
from bot.journal.approvals import approval_of
from bot.journal.codec import dump
from bot.journal.journal import Journal, Tx
from bot.journal.runs import move, steps_of, view

A = ActionState


class JournalLedger:
    """The journal as the runner uses it."""

    def __init__(self, journal: Journal, people: People, policy: Policy) -> None:
        self._journal = journal
        self._people = people
        self._policy = policy

    def run(self, run_id: RunId) -> Run:
        """The run now."""
        with self._journal.read() as tx:
            return view(tx, run_id)

    def now(self) -> datetime:
        """The journal's clock."""
        with self._journal.read() as tx:
            return tx.now

    def lock_service(self) -> tuple[int, str]:
        """(generation, Redis run id)."""
        with self._journal.read() as tx:
            row = tx.one(select(t.lock_service))
        return (row["generation"], row["run_id"]) if row is not None else (0, "")

    def expired(self, run: Run) -> str | None:
        """A yes is good for as long as a question stands, counted from when it was said."""
        with self._journal.read() as tx:
            approval, now = approval_of(tx, run.id), tx.now
        if approval is None or approval.state is not ApprovalState.APPROVED or approval.decided_at is None:
            return "nobody approved this"
        if now >= approval.decided_at + self._policy.deadline:
            return f"the approval of {approval.decided_at:%H:%M:%S} is too old"
        return None

    def authority(self, run: Run) -> str | None:
        """Roles, policy and the plan's hash are read again at execution: authority must not outlive them."""
        proposal = run.proposal
        with self._journal.read() as tx:
            approval = approval_of(tx, run.id)
        subject = approval.subject if approval is not None else ""
        hashes = {proposal.plan_hash, plan_hash(proposal), approval.plan_hash if approval is not None else ""}
        if len(hashes) != 1:
            return "the approval is for another plan"
        if run.by_policy:
            trusted = proposal.mode is AskMode.POLICY and proposal.action in self._policy.trusted
            same = proposal.policy_version == self._policy.version
            return None if trusted and same else "the policy that let this run alone has changed"
        allowed = [
            p for p in run.approvers if (who := self._people.by_id(p)) is not None and who.may("approver", subject)
        ]
        if len(allowed) < proposal.quorum:
            return f"{len(allowed)} of {proposal.quorum} approvals are by people who may still approve"
        return None

    def reserve(self, run: Run, token: Token, want: LockSet) -> Run:
        """READY → RESERVED; the journal is the last word on a grant."""
        with self._journal.write("run.reserved") as tx:
            service = tx.one(select(t.lock_service).with_for_update())
            if service is None or service["generation"] != token.generation:
                raise Refused("the grant is of another generation of the lock service")
            for resource, mode in want.items():
                if mode is Mode.EXCLUSIVE:
                    _record_token(tx, resource, token)
            move(
                tx,
                run.id,
                A.RESERVED,
                version=run.version,
                actor="runner",
                values={"generation": token.generation, "counter": token.counter},
            )
        return self.run(run.id)

    def move(self, run: Run, to: ActionState, *, reason: str = "", **data: Any) -> Run:
        """One move by compare-and-set."""
        with self._journal.write(f"run.{to.value.lower()}") as tx:
            move(tx, run.id, to, version=run.version, actor="runner", reason=reason, **data)
            if to is A.VERIFYING:
                _open_window(tx, run)
            if to is A.UNDOING:
                _intend_undo(tx, run.id)
        return self.run(run.id)

    def begin(self, run: Run, undo: Sequence[tuple[Step | None, Mapping[str, Any]]]) -> Run:
        """PREFLIGHT → EXECUTING, with what puts it back and how it will be judged, in one commit."""
        with self._journal.write("run.executing") as tx:
            incident = incidents.load(tx, run.incident_id, lock=True)
            if not incident.alert_firing:
                raise PreconditionFailed("the alert resolved before anything was done")
            if incidents.owner(tx, run.incident_id) is not None:
                raise PreconditionFailed("a person has taken the incident over")
            if stops.standing(tx, incident.subject, run.proposal.service) is not None:
                raise PreconditionFailed("stopped before anything was done")
            for number, (step, captured) in enumerate(undo, start=1):
                tx.run(
                    t.undo.insert().values(
                        run_id=run.id,
                        number=number,
                        request=step_codec.dump(step) if step is not None else None,
                        captured=dict(captured),
                        written_at=tx.now,
                    )
                )
            tx.run(
                t.verifications.insert().values(
                    id=new_id("VER"), run_id=run.id, criteria=dump(run.proposal.check), opened_at=tx.now
                )
            )
            move(tx, run.id, A.EXECUTING, version=run.version, actor="runner")
        return self.run(run.id)

    def intend(self, run: Run, kind: str, number: int, step: Step) -> StepRow:
        """A step row, while the run may still write under this token; an existing one is the same step."""
        key = _key(run.id, kind, number)
        with self._journal.write(f"step.{kind}.intended") as tx:
            row = tx.one(select(t.action_runs).where(t.action_runs.c.id == run.id).with_for_update())
            writing = {"do": {A.EXECUTING}, "undo": {A.UNDOING, A.UNKNOWN}}[kind]
            token = (run.token.generation, run.token.counter) if run.token else (None, None)
            if row is None or A(row["state"]) not in writing or (row["generation"], row["counter"]) != token:
                raise Refused(f"run {run.id} may not write any more")
            if not any(s.number == number for s in steps_of(tx, run.id, kind)):
                _insert_step(tx, run.id, kind, number, step_codec.dump(step))
        return StepRow(kind=kind, number=number, key=key, state="intended", step=step)

    def done(self, run: Run, row: StepRow, answer: str) -> None:
        """Carried out."""
        with self._journal.write(f"step.{row.kind}.done") as tx:
            tx.run(
                t.steps.update()
                .where(t.steps.c.key == row.key)
                .values(state="done", answer={"progress": answer}, done_at=tx.now)
            )
            tx.event(run.incident_id, "runner", "step.done", step=step_codec.dump(row.step), part=row.kind)

    def steps(self, run: Run, kind: str) -> tuple[StepRow, ...]:
        """Written so far."""
        with self._journal.read() as tx:
            return steps_of(tx, run.id, kind)

    def undo(self, run: Run) -> tuple[Step, ...]:
        """Last effect first."""
        with self._journal.read() as tx:
            return tuple(step_codec.load(r) for r in _inverse(tx, run.id))

    def retoken(self, run: Run, token: Token) -> Run:
        """The run goes on under a newer token."""
        with self._journal.write("run.retoken") as tx:
            changed = tx.changed(
                t.action_runs.update()
                .where(t.action_runs.c.id == run.id, t.action_runs.c.version == run.version)
                .values(generation=token.generation, counter=token.counter, version=run.version + 1)
            )
            if changed != 1:
                raise Refused(f"run {run.id} was moved by somebody else")
        return self.run(run.id)


def _key(run_id: RunId, kind: str, number: int) -> str:
    return f"{run_id}-{kind}-{number}"


def _insert_step(tx: Tx, run_id: RunId, kind: str, number: int, request: Mapping[str, Any]) -> None:
    tx.run(
        t.steps.insert().values(
            run_id=run_id,
            kind=kind,
            number=number,
            state="intended",
            key=_key(run_id, kind, number),
            request=request,
            intended_at=tx.now,
        )
    )


def _inverse(tx: Tx, run_id: RunId) -> list[Mapping[str, Any]]:
    rows = tx.all(select(t.undo.c.request).where(t.undo.c.run_id == run_id).order_by(t.undo.c.number.desc()))
    return [r["request"] for r in rows if r["request"] is not None]


def _intend_undo(tx: Tx, run_id: RunId) -> None:
    """With the move to UNDOING, so that whoever finds the run lost sees an undo that was begun."""
    for number, request in enumerate(_inverse(tx, run_id), start=1):
        _insert_step(tx, run_id, "undo", number, request)


def _record_token(tx: Tx, resource: str, token: Token) -> None:
    row = tx.one(select(t.tokens).where(t.tokens.c.resource == resource).with_for_update())
    if row is None:
        tx.run(t.tokens.insert().values(resource=resource, generation=token.generation, counter=token.counter))
        return
    if (token.generation, token.counter) <= (row["generation"], row["counter"]):
        raise Refused(f"{resource}: a grant at least as new as this one is on record")
    tx.run(
        t.tokens.update()
        .where(t.tokens.c.resource == resource)
        .values(generation=token.generation, counter=token.counter)
    )


def _open_window(tx: Tx, run: Run) -> None:
    check = run.proposal.check
    tx.run(
        t.verifications.update()
        .where(t.verifications.c.run_id == run.id, t.verifications.c.next_at.is_(None))
        .values(opened_at=tx.now, next_at=tx.now + check.settle, deadline=tx.now + check.give_up)
    )
