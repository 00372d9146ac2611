"""The clock: deadlines, verification windows, lost bells, lost runners. It holds no credentials and only rings.

Everything here is idempotent and reads the journal; a clock that was down an hour catches up in one round.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from actions.ports import LeasePhase, Token
from actions.redis_locks import Lease, RedisLocks
from agents.incident import crash
from agents.incident.errors import QueueUnreachable, Refused, Transient
from agents.incident.ids import IncidentId, RunId
from agents.incident.lifecycle import HOLDS_LEASE, ActionState, IncidentState
from bot.grouping import Grouping
from bot.journal import (
    access,
    approvals,
    episodes,
    escalations,
    incidents,
    intake,
    notices,
    outbox,
    refusals,
    runs,
    unread,
    verifications,
    wordings,
)
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx
from bot.queue import Doorbell

S, A = IncidentState, ActionState

RELAY_AFTER = timedelta(seconds=1)
"""Whoever wrote a row rings it at once; the clock takes over what is older."""

SAMPLE_AGAIN = timedelta(seconds=10)
MAX_TRIAGES = 3
STUCK = timedelta(minutes=5)
WATCH = timedelta(minutes=30)
KEEP_DELIVERIES = timedelta(hours=72)
KEEP_BELLS = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a state may stand before somebody looks."""

    tick: timedelta
    reconcile: timedelta
    lease: timedelta
    triage_silence: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockParts:
    """The journal, the doorbell, the lock service; no secret beyond them."""

    journal: Journal
    doorbell: Doorbell
    locks: RedisLocks
    limits: Limits
    grouping: Grouping
    log: Any


def run(parts: ClockParts, *, until: Callable[[], bool] = lambda: False) -> None:
    """Tick until told to stop. What fails now is tried again at the next tick, and stops nothing else."""
    next_reconcile = 0.0
    while not until():
        well = _guarded(parts, tick)
        if time.monotonic() >= next_reconcile:
            for part in RECONCILED:
                well &= _guarded(parts, part)
            next_reconcile = time.monotonic() + parts.limits.reconcile.total_seconds()
        time.sleep(parts.limits.tick.total_seconds() if well else 1.0)


def _guarded(parts: ClockParts, part: Callable[[ClockParts], None]) -> bool:
    try:
        part(parts)
    except (Transient, Refused) as error:
        parts.log.warning("clock.delayed", part=part.__name__, error=str(error), kind=type(error).__name__)
    except Exception:  # the top of the loop: one row nobody can read must not stop the clock
        parts.log.exception("clock.failed", part=part.__name__)
    else:
        return True
    return False


def tick(parts: ClockParts) -> None:
    """What must happen on time: the relay, deadlines, samples."""
    relay(parts)
    with parts.journal.read() as tx:
        questions = approvals.any_due(tx)
        looks = incidents.any_look_due(tx)
        ends = episodes.any_due(tx)
        windows = verifications.due(tx)
    if questions:
        with parts.journal.write("approvals.expired") as tx:
            approvals.expire_due(tx)
    if looks:
        with parts.journal.write("looks.due") as tx:
            for incident_id in incidents.looks_due(tx):
                tx.ring("diagnose", incident_id)
    if ends:
        with parts.journal.write("ends.believed") as tx:
            episodes.believe(tx)
    for window in windows:
        with parts.journal.write("verification.due") as tx:
            verifications.postpone(tx, window, SAMPLE_AGAIN)
            tx.ring("verify", window)


def relay(parts: ClockParts) -> None:
    """Ring what its writer could not."""
    with parts.journal.read() as tx:
        rows = outbox.unsent(tx, RELAY_AFTER)
    for row, job, subject in rows:
        try:
            parts.doorbell.ring(job, subject)
        except QueueUnreachable as error:
            parts.log.warning("queue.unreachable", waiting=len(rows), error=str(error))
            return
        crash.point("relay:rung")
        with parts.journal.write("outbox.sent") as tx:
            outbox.sent(tx, [row])


def reconcile(parts: ClockParts) -> None:
    """Whatever has not moved in its time is somebody's business: one round of all of it."""
    for part in RECONCILED:
        part(parts)


def waiting(parts: ClockParts) -> None:
    """Ring again for deliveries and triages that nobody took up; forget what is long done with."""
    with parts.journal.write("reconcile") as tx:
        left = intake.oldest_stored(tx)
        if (left is not None and left > timedelta(seconds=5)) or unread.any_again(tx):
            tx.ring_again("intake", intake.INBOX, every=_every(parts))
        intake.prune(tx, KEEP_DELIVERIES)
        notices.of_refusals(tx)
        notices.of_alerts(tx)
        refusals.prune(tx, KEEP_DELIVERIES)
        _triages(tx, parts)
        wordings.tend(tx, _every(parts))
        outbox.prune(tx, KEEP_BELLS)
        access.prune(tx)


def _every(parts: ClockParts) -> timedelta:
    return 4 * parts.limits.reconcile


def _triages(tx: Tx, parts: ClockParts) -> None:
    for row in incidents.in_state(tx, S.RECEIVED, S.REOPENED, S.REPORTED):
        if tx.now - row["state_since"] > timedelta(seconds=5):
            tx.ring_again("diagnose", row["id"], every=_every(parts))
    for row in incidents.in_state(tx, S.TRIAGING):
        if tx.now - row["heartbeat_at"] <= parts.limits.triage_silence:
            continue
        if row["triage_tries"] + 1 >= MAX_TRIAGES:
            incident = incidents.load(tx, IncidentId(row["id"]), lock=True)
            reason = f"triage did not finish in {MAX_TRIAGES} tries"
            incidents.move(tx, incident, S.NEEDS_HUMAN, actor="clock", reason=reason)
            continue
        incidents.triage_again(tx, IncidentId(row["id"]))
        tx.ring("diagnose", row["id"])


def unfinished(parts: ClockParts) -> None:
    """Ring the action worker for runs that wait for it, and for ended runs that still hold a set."""
    states = (A.READY, A.EXECUTED, A.UNKNOWN, A.REGRESSED, A.PARTIAL, A.INCONCLUSIVE, A.UNDO_FAILED)
    leases = {lease.owner for lease in parts.locks.look()}
    with parts.journal.write("unfinished") as tx:
        for row in runs.in_state(tx, *states):
            if tx.now - row["state_since"] > timedelta(seconds=2):
                tx.ring_again("act", row["id"], every=_every(parts))
            if A(row["state"]) is not A.READY and tx.now - row["state_since"] > STUCK:
                _tell_a_person(tx, row)
        for row in runs.with_ids(tx, leases):
            # After a failed undo the set stays taken until a person clears it.
            ended = A(row["state"]) not in HOLDS_LEASE | {A.READY} or A(row["state"]) is A.INEFFECTIVE
            if ended and not runs.undo_failed(tx, row["id"]):
                tx.ring_again("act", row["id"], every=_every(parts))


def _tell_a_person(tx: Tx, row: Mapping[str, Any]) -> None:
    """What became of an effect cannot be found out, or harm cannot be undone: that is nobody's secret."""
    incident = incidents.load(tx, IncidentId(row["incident_id"]), lock=True)
    if incident.state in {S.MITIGATING, S.VERIFYING}:
        reason = f"the action stands {row['state'].lower()} and its platform cannot be reached"
        incidents.move(tx, incident, S.NEEDS_HUMAN, actor="clock", reason=reason)


def followers(parts: ClockParts) -> None:
    """Incidents whose run ended, or whose alert resolved, and nobody took note."""
    with parts.journal.write("followers") as tx:
        for row in incidents.in_state(tx, S.PROPOSED, S.MITIGATING, S.VERIFYING, S.MITIGATED, S.NEEDS_HUMAN):
            if tx.now - row["state_since"] <= timedelta(seconds=5):
                continue
            state = IncidentState(row["state"])
            acting = state in {S.PROPOSED, S.MITIGATING, S.VERIFYING}
            ended = acting and not runs.any_live(tx, row["id"])
            asked = state is S.MITIGATED and row["asked_by"]
            if ended or asked or not row["alert_firing"]:
                tx.ring_again("settle", row["id"], every=_every(parts))
            elif state is S.MITIGATED and tx.now - row["state_since"] > WATCH:
                incident = incidents.load(tx, IncidentId(row["id"]), lock=True)
                reason = "verified, and yet the alert goes on"
                incidents.move(tx, incident, S.REOPENED, actor="clock", reason=reason)


def waited(parts: ClockParts) -> None:
    """Incidents that waited for another one, and alerts that were under maintenance."""
    with parts.journal.write("waited") as tx:
        incidents.waits_over(tx, parts.grouping.rules.wait_at_most)
        episodes.after_maintenance(tx, parts.grouping)


def call_again(parts: ClockParts) -> None:
    """Ask for a person once more where nobody has said that they have it."""
    with parts.journal.write("escalations") as tx:
        for escalation in escalations.due(tx):
            escalations.again(tx, escalation)


def keep_watching(parts: ClockParts) -> None:
    """While a fix is watched nobody writes, so the clock renews its lease, from the journal."""
    with parts.journal.read() as tx:
        watched = runs.in_state(tx, A.VERIFYING)
    leases = _leases(parts)
    for row in watched:
        lease = leases.get(row["id"])
        if lease is not None and lease.phase is LeasePhase.VERIFYING:
            parts.locks.renew(row["id"], _token(row), max(parts.limits.lease, 3 * parts.limits.reconcile))
        elif lease is not None:
            with parts.journal.write("verification.adopt") as tx:
                tx.ring_again("act", row["id"], every=_every(parts))


def _leases(parts: ClockParts) -> Mapping[str, Lease]:
    """Looked at after the rows they are held against: a run that began meanwhile is in neither."""
    return {lease.owner: lease for lease in parts.locks.look()}


def lost_runners(parts: ClockParts) -> None:
    """A lease that ran out while its run may still write: nothing applied, or nobody knows."""
    after = {A.RESERVED: A.READY, A.PREFLIGHT: A.ABORTED, A.EXECUTING: A.UNKNOWN, A.UNDOING: A.UNKNOWN}
    with parts.journal.read() as tx:
        rows = runs.in_state(tx, *after)
    leases = _leases(parts)
    for row in rows:
        lease = leases.get(row["id"])
        if lease is not None and lease.phase is not LeasePhase.QUARANTINED:
            continue
        before = A(row["state"])
        reason = runs.LOST if before is not A.EXECUTING and before is not A.UNDOING else "the runner was lost"
        with parts.journal.write("runner.lost") as tx:
            runs.move(tx, RunId(row["id"]), after[before], version=row["version"], actor="clock", reason=reason)
        parts.log.warning("runner.lost", run=row["id"], state=before.value)
        if before in {A.RESERVED, A.PREFLIGHT} and lease is not None:
            # No step row exists and the old runner can no longer reach EXECUTING: the set is free again.
            parts.locks.release(row["id"], lease.token)


def settle_generation(parts: ClockParts) -> None:
    """A Redis with another memory voids every lease: bump, write quarantines back, wait one lease."""
    redis_id = parts.locks.redis_id()
    with parts.journal.write("lock_service") as tx:
        known = tx.one(select(t.lock_service).with_for_update())
        # Another server, or the same one with its data gone: either has forgotten what it granted.
        if known is not None and known["run_id"] == redis_id and parts.locks.installed() == known["generation"]:
            return
        generation = 1 if known is None else known["generation"] + 1
        values = {"generation": generation, "run_id": redis_id, "since": tx.now}
        if known is None:
            tx.run(t.lock_service.insert().values(id=1, **values))
        else:
            tx.run(t.lock_service.update().values(**values))
        held = [
            (row["id"], _token(row), runs.lock_set(tx, RunId(row["id"])))
            for row in runs.in_state(tx, *HOLDS_LEASE, A.ESCALATED)
            if row["counter"] is not None
            and (A(row["state"]) is not A.ESCALATED or runs.undo_failed(tx, row["id"]))
        ]
    for run_id, token, want in held:
        parts.locks.restore(run_id, token, want)
    parts.locks.install(generation, parts.limits.lease if known is not None else timedelta(0))
    if known is not None:
        parts.log.warning("lock_service.replaced", generation=generation, quarantined=len(held))


def _token(row: Mapping[str, Any]) -> Token:
    return Token(generation=row["generation"], counter=row["counter"])


RECONCILED: tuple[Callable[[ClockParts], None], ...] = (
    settle_generation,
    keep_watching,
    lost_runners,
    waiting,
    unfinished,
    followers,
    waited,
    call_again,
)
