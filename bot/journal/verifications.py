"""Verification windows: opened with the criteria fixed before the effect, sampled, judged once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from actions.verification import Check, Outcome, Sample, mark, verify
from agents.incident.ids import RunId, VerificationId
from agents.incident.lifecycle import ActionState
from bot.journal import runs
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx


def due(tx: Tx) -> list[VerificationId]:
    """Windows whose next sample's time has come."""
    rows = tx.all(
        select(t.verifications.c.id).where(
            t.verifications.c.outcome.is_(None), t.verifications.c.next_at <= tx.now
        )
    )
    return [VerificationId(r["id"]) for r in rows]


def postpone(tx: Tx, verification_id: VerificationId, span: timedelta) -> None:
    """The next sample was rung; ring again only if it does not come."""
    tx.run(t.verifications.update().where(t.verifications.c.id == verification_id).values(next_at=tx.now + span))


def open_window(tx: Tx, verification_id: VerificationId) -> tuple[Mapping[str, Any], Check] | None:
    """The window and its criteria, or ``None`` when it is closed or was never opened."""
    row = tx.one(select(t.verifications).where(t.verifications.c.id == verification_id))
    if row is None or row["outcome"] is not None or row["next_at"] is None:
        return None
    return row, load(Check, row["criteria"])


def samples(tx: Tx, verification_id: str) -> list[Sample]:
    """What was read so far, oldest first."""
    rows = tx.all(
        select(t.samples.c.record)
        .where(t.samples.c.verification_id == verification_id)
        .order_by(t.samples.c.number)
    )
    return [load(Sample, r["record"]) for r in rows]


def of_run(tx: Tx, run_id: RunId) -> tuple[Mapping[str, Any], Check, list[Sample]] | None:
    """The verification of a run, if its effect was begun."""
    row = tx.one(select(t.verifications).where(t.verifications.c.run_id == run_id))
    return (row, load(Check, row["criteria"]), samples(tx, row["id"])) if row is not None else None


def add(tx: Tx, verification_id: VerificationId, sample: Sample) -> Outcome | None:
    """Store one sample and judge the window; the first judgement stands and moves the run."""
    row = tx.one(select(t.verifications).where(t.verifications.c.id == verification_id).with_for_update())
    if row is None or row["outcome"] is not None:
        return None
    check = load(Check, row["criteria"])
    newest = tx.run(
        select(func.max(t.samples.c.at)).where(t.samples.c.verification_id == verification_id)
    ).scalar()
    if newest is not None and sample.at - newest < check.interval / 2:
        return None  # a bell rung twice is one reading, not two
    number = tx.run(
        select(func.count()).select_from(t.samples).where(t.samples.c.verification_id == verification_id)
    ).scalar_one()
    tx.run(
        t.samples.insert().values(
            verification_id=verification_id, number=number + 1, at=sample.at, record=dump(sample)
        )
    )
    outcome = verify(check, samples(tx, verification_id), opened=row["opened_at"], now=tx.now)
    tx.run(
        t.verifications.update()
        .where(t.verifications.c.id == verification_id)
        .values(outcome=outcome.value if outcome else None, next_at=tx.now + check.interval)
    )
    run = runs.view(tx, RunId(row["run_id"]))
    tx.event(
        run.incident_id,
        "verifier",
        "verification.sample",
        run=run.id,
        number=number + 1,
        mark=mark(check, sample).value,
    )
    if outcome is not None and run.state is ActionState.VERIFYING:
        runs.move(tx, run.id, ActionState(outcome.value), version=run.version, actor="verifier")
    return outcome


def outcome_of(tx: Tx, run_id: RunId) -> Outcome | None:
    """How the verification of a run ended, if it did."""
    row = tx.one(select(t.verifications.c.outcome).where(t.verifications.c.run_id == run_id))
    return Outcome(row["outcome"]) if row is not None and row["outcome"] else None


def has_undo(tx: Tx, run_id: RunId) -> bool:
    """Whether the run wrote down an inverse."""
    rows = tx.all(select(t.undo.c.request).where(t.undo.c.run_id == run_id))
    return any(r["request"] is not None for r in rows)
