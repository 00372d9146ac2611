"""Approval → effect, once: under a lease, fenced, with the undo written first. Then what follows from it.

``run`` may be called at any time and any number of times for one run: it reads the state from the ledger and
does what that state asks for. Another process may have died at any line of it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from actions.action import Action, Tier
from actions.ports import UNREADY, LeasePhase, Ledger, Locks, Progress, Run, StepRow, Token, Workloads
from actions.steps import Step
from agents.incident import crash
from agents.incident.errors import (
    FenceRefused,
    LockHeld,
    OutcomeUnknown,
    PreconditionFailed,
    Refused,
    Transient,
)
from agents.incident.ids import RunId
from agents.incident.lifecycle import ActionState

A = ActionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """No effect starts with less lease left than a step may take."""

    lease: timedelta = timedelta(seconds=30)
    step: timedelta = timedelta(seconds=20)
    poll: timedelta = timedelta(milliseconds=200)
    operation: timedelta = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the action worker holds, and nothing else does."""

    ledger: Ledger
    locks: Locks
    workloads: Workloads
    catalogue: Mapping[str, Action]
    limits: Limits
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def run(run_id: RunId, tools: Tools) -> ActionState:
    """Do what the run's state asks for, and say where it stands afterwards."""
    now = tools.ledger.run(run_id)
    match now.state:
        case A.READY:
            return _execute(now, tools)
        case A.UNKNOWN:
            return _reconcile(now, tools)
        case A.EXECUTED | A.VERIFYING:
            return _watch(now, tools)
        case A.REGRESSED | A.PARTIAL:
            return _undo(now, tools)
        case A.INEFFECTIVE:
            return _undo(now, tools) if tools.ledger.undo(now) else _release(now, tools)
        case A.INCONCLUSIVE | A.UNDO_FAILED:
            moved = tools.ledger.move(now, A.ESCALATED, reason=f"ended {now.state}; a person decides")
            # After a failed undo the set stays taken until a person clears it.
            return moved.state if now.state is A.UNDO_FAILED else _release(moved, tools)
        case A.ESCALATED:
            failed = any(row.state != "done" for row in tools.ledger.steps(now, "undo"))
            return now.state if failed else _release(now, tools)
        case _:
            return _release(now, tools) if now.state in _ENDED else now.state


_ENDED = frozenset({A.SUCCEEDED, A.UNDONE, A.NOT_APPLIED, A.ABORTED, A.CANCELLED, A.STALE, A.HALTED})


def _execute(now: Run, tools: Tools) -> ActionState:
    ledger, locks, lease = tools.ledger, tools.locks, tools.limits.lease
    action = tools.catalogue[now.proposal.action]
    if action.tier is Tier.NEVER_RUN:
        raise Refused(f"{action.name} is Tier 3 and is never run")
    over = ledger.expired(now)
    if over is None and action.tier is not Tier.SAFE and not now.approvers:
        over = f"a tier {int(action.tier)} action needs people's approval"
    if over is not None:
        return _release(ledger.move(now, A.STALE, reason=over), tools)
    parameters = action.parse(now.proposal.parameters)
    want = action.lock_set(parameters)
    generation, redis_id = ledger.lock_service()
    try:
        token = locks.acquire(now.id, want, generation=generation, redis_id=redis_id, ttl=lease)
    except LockHeld:
        return now.state  # it stays READY; the clock rings again
    crash.point("lease:granted")
    now = ledger.reserve(now, token, want)
    if not now.alert_firing:
        moved = ledger.move(now, A.CANCELLED, reason="the alert resolved before anything was done")
        return _release(moved, tools)
    locks.phase(now.id, token, LeasePhase.EXECUTING, lease)
    crash.point("lease:executing")
    now = ledger.move(now, A.PREFLIGHT)
    try:
        tools.workloads.claim(now.proposal.service, token.fence)
        crash.point("target:claimed")
        seen = tools.workloads.deployment(now.proposal.service)
    except (Refused, Transient) as error:
        return _abort(now, tools, f"{UNREADY}: {error}")
    refused = ledger.authority(now)
    if refused is not None:
        return _abort(now, tools, refused)
    missing = [c.text for c in action.check(parameters, seen) if not c.holds]
    if missing:
        return _abort(now, tools, "no longer so: " + "; ".join(missing))
    steps = action.steps(parameters, seen)
    try:
        now = ledger.begin(now, [(u.step, u.captured) for _, u in steps])
    except PreconditionFailed as error:
        return _abort(now, tools, str(error))
    for number, (step, _) in enumerate(steps, start=1):
        row = _intend(now, "do", number, step, token, tools)
        try:
            outcome, why = _carry_out(row, now, token, tools)
        except OutcomeUnknown as error:
            return ledger.move(now, A.UNKNOWN, reason=str(error)).state
        if outcome is not Progress.APPLIED:
            # The target said so itself: the effect was refused or failed half-way.
            now = ledger.move(now, A.UNKNOWN, reason=why or f"the platform reports {outcome}")
            return _reconcile(now, tools)
        ledger.done(now, row, outcome)
    now = ledger.move(now, A.EXECUTED)
    locks.phase(now.id, token, LeasePhase.VERIFYING, lease)
    crash.point("lease:verifying")
    return ledger.move(now, A.VERIFYING).state


def _intend(now: Run, kind: str, number: int, step: Step, token: Token, tools: Tools) -> StepRow:
    """Put one effect on record, with enough of the lease left to begin it."""
    renewed = tools.monotonic()
    tools.locks.renew(now.id, token, tools.limits.lease)
    row = tools.ledger.intend(now, kind, number, step)
    if tools.monotonic() - renewed > (tools.limits.lease - tools.limits.step).total_seconds():
        raise LockHeld("too little of the lease is left to begin an effect; the reconciler settles it")
    return row


def _carry_out(row: StepRow, now: Run, token: Token, tools: Tools) -> tuple[Progress, str]:
    """Start one effect and follow it to its end, renewing the lease meanwhile; and why, where it was refused."""
    crash.point(f"effect:{row.kind}:before")
    try:
        tools.workloads.start(row.step, row.key, token.fence)
    except FenceRefused:
        raise
    except Refused as error:
        return Progress.FAILED, str(error)
    crash.point(f"effect:{row.kind}:after")
    return _follow(row, now, token, tools), ""


def _follow(row: StepRow, now: Run, token: Token, tools: Tools) -> Progress:
    waited = 0.0
    lost = 0
    while waited < tools.limits.operation.total_seconds():
        try:
            progress = tools.workloads.progress(row.key)
            lost = 0
        except Transient as error:
            lost += 1
            if lost * tools.limits.poll > tools.limits.step:
                raise OutcomeUnknown(f"the platform stopped answering: {error}") from error
            progress = Progress.RUNNING
        if progress is not Progress.RUNNING:
            return progress
        tools.sleep(tools.limits.poll.total_seconds())
        waited += tools.limits.poll.total_seconds()
        tools.locks.renew(now.id, token, tools.limits.lease)
    raise OutcomeUnknown(f"the effect did not end within {tools.limits.operation.total_seconds():g} s")


def _adopt(now: Run, tools: Tools) -> Run:
    """Fence off whoever held this run before: a newer token, claimed at the target."""
    generation, _ = tools.ledger.lock_service()
    if now.token is None:
        raise Refused(f"run {now.id} has no token to adopt")
    token = tools.locks.adopt(now.id, now.token, generation=generation, ttl=tools.limits.lease)
    now = tools.ledger.retoken(now, token)
    tools.workloads.claim(now.proposal.service, token.fence)
    return now


def _watch(now: Run, tools: Tools) -> ActionState:
    """The effect is done: hold the set through the verification window, whoever held it before."""
    assert now.token is not None  # noqa: S101  # it was reserved under one
    try:
        tools.locks.phase(now.id, now.token, LeasePhase.VERIFYING, tools.limits.lease)
    except Refused:  # it ran out: whoever held it is fenced off first
        now = _adopt(now, tools)
        assert now.token is not None  # noqa: S101  # just adopted
        tools.locks.phase(now.id, now.token, LeasePhase.VERIFYING, tools.limits.lease)
    return tools.ledger.move(now, A.VERIFYING).state if now.state is A.EXECUTED else now.state


def _reconcile(now: Run, tools: Tools) -> ActionState:
    """Ask the target what became of an effect whose answer was lost; never a blind retry."""
    now = _adopt(now, tools)
    token = now.token
    assert token is not None  # noqa: S101  # just adopted
    rows = tools.ledger.steps(now, "do")
    undoing = tools.ledger.steps(now, "undo")
    if undoing:
        found = _ask(undoing, now, token, tools)
        return _undo(now, tools) if Progress.NOT_APPLIED in found else _settle_undo(now, tools, found)
    found_all = _ask(rows, now, token, tools)
    if found_all and all(f is Progress.APPLIED for f in found_all):
        return _watch(tools.ledger.move(now, A.EXECUTED, reason="asked the platform: it was applied"), tools)
    if all(f is Progress.NOT_APPLIED for f in found_all):
        why = f"{now.reason}; " if now.reason else ""
        now = tools.ledger.move(now, A.NOT_APPLIED, reason=f"{why}asked the platform: nothing was applied")
        return _release(now, tools)
    now = tools.ledger.move(now, A.PARTIAL, reason="asked the platform: it was applied in part or failed")
    return _undo(now, tools)


def _ask(rows: Sequence[StepRow], now: Run, token: Token, tools: Tools) -> list[Progress]:
    """What became of each effect, in the target's words; what was applied is noted as done."""
    found = [_follow(row, now, token, tools) for row in rows]
    for row, one in zip(rows, found, strict=True):
        if one is Progress.APPLIED and row.state != "done":
            tools.ledger.done(now, row, "found applied")
    return found


def _undo(now: Run, tools: Tools) -> ActionState:
    """Put it back with the inverse written before the effect, and check that it is back."""
    inverse = tools.ledger.undo(now)
    if not inverse:
        moved = tools.ledger.move(now, A.UNDOING) if now.state is not A.UNKNOWN else now
        moved = tools.ledger.move(moved, A.UNDONE, reason="nothing to undo")
        return _release(moved, tools)
    if now.state is not A.UNKNOWN:
        now = _adopt(now, tools)
        now = tools.ledger.move(now, A.UNDOING)
    token = now.token
    assert token is not None  # noqa: S101  # adopted, or adopted by the reconciler
    results = []
    for number, step in enumerate(inverse, start=1):
        row = _intend(now, "undo", number, step, token, tools)
        try:
            results.append(_carry_out(row, now, token, tools)[0])
        except OutcomeUnknown as error:
            if now.state is A.UNKNOWN:
                raise
            return tools.ledger.move(now, A.UNKNOWN, reason=f"undo: {error}").state
        if results[-1] is Progress.APPLIED:
            tools.ledger.done(now, row, results[-1])
    return _settle_undo(now, tools, results)


def _settle_undo(now: Run, tools: Tools, results: list[Progress]) -> ActionState:
    if all(r is Progress.APPLIED for r in results):
        return _release(tools.ledger.move(now, A.UNDONE, reason="put back, and the platform confirms it"), tools)
    failed = tools.ledger.move(now, A.UNDO_FAILED, reason=f"the platform reports {', '.join(results)}")
    return tools.ledger.move(failed, A.ESCALATED, reason="the undo failed; a person decides").state


def _abort(now: Run, tools: Tools, reason: str) -> ActionState:
    return _release(tools.ledger.move(now, A.ABORTED, reason=reason), tools)


def _release(now: Run, tools: Tools) -> ActionState:
    if now.token is not None:
        crash.point("lease:release")
        if not tools.locks.release(now.id, now.token):
            # Nothing is held, or whoever adopted the set died before the journal had its token. The run is over,
            # so nobody writes under any token: once that one has run out, the set is taken over and given back.
            generation, _ = tools.ledger.lock_service()
            with suppress(Refused):
                token = tools.locks.adopt(now.id, now.token, generation=generation, ttl=tools.limits.lease)
                tools.locks.release(now.id, token)
    return now.state
