"""The ledger of thinking: when a model may have its part in an attempt, what came of it, what it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select

from agents.deliberation.budgets import Off, Spent
from agents.deliberation.record import Deliberation
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx

DUE, BEGUN, DONE = "due", "begun", "done"
MODEL_HEARD, MODEL_OFF = "model.heard", "model.off"


class Standing(StrEnum):
    """Whose a model's turn is: ours, another worker's who is still in it, or nobody's who began it."""

    OURS = "ours"
    TAKEN = "taken"
    BROKEN_OFF = "broken off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A model's turn in a look, and what the incident took before."""

    before: Spent
    standing: Standing


def order(tx: Tx, incident: Incident) -> bool:
    """Give a model its part in this attempt's next look; false where the attempt has had that."""
    if tx.one(select(t.deliberations.c.state).where(*_of(incident.id, incident.attempt))) is not None:
        return False
    tx.run(
        t.deliberations.insert().values(
            incident_id=incident.id,
            attempt=incident.attempt,
            look=incident.look + 1,
            state=DUE,
            due_at=tx.now,
        )
    )
    return True


def begin(tx: Tx, incident: Incident, lasts: timedelta) -> Turn | None:
    """The model's turn, if it is in this look; nobody else looks into the incident while it *lasts*.

    A turn that was begun and never ended is not taken again: what it cost is not known.
    """
    c, this = t.deliberations.c, _of(incident.id, incident.attempt)
    row = tx.one(select(c.state, c.begun_at).where(*this, c.look == incident.look).with_for_update())
    if row is None or row["state"] == DONE:
        return None
    before = spent(tx, incident.id)
    if row["state"] == BEGUN:
        lasting = tx.now - row["begun_at"] <= lasts
        return Turn(before=before, standing=Standing.TAKEN if lasting else Standing.BROKEN_OFF)
    tx.run(t.deliberations.update().where(*this).values(state=BEGUN, begun_at=tx.now))
    tx.run(t.incidents.update().where(t.incidents.c.id == incident.id).values(heartbeat_at=tx.now + lasts))
    return Turn(before=before, standing=Standing.OURS)


def finish(tx: Tx, record: Deliberation) -> None:
    """Write down what came of a turn, and one line of the incident's history.

    Of a turn that was given up meanwhile only what it took is added: somebody has gone on without it.
    """
    took = _took(record.spent)
    this = _of(record.incident_id, record.attempt)
    row = tx.one(select(t.deliberations.c.state).where(*this).with_for_update())
    if row is not None and row["state"] == DONE:
        if record.off is not Off.INTERRUPTED:
            tx.run(t.deliberations.update().where(*this).values(**took))
        return
    off = record.off.name.lower() if record.off is not None else None
    tx.run(
        t.deliberations.update()
        .where(*this)
        .values(state=DONE, model=record.model, off=off, **took, record=dump(record), done_at=tx.now)
    )
    tx.event(
        record.incident_id,
        "model",
        MODEL_HEARD if record.off is None else MODEL_OFF,
        **({} if record.off is None else {"reason": record.off.name.lower()}),
        calls=record.spent.calls,
        suspected_injection=record.suspected_injection,
    )


def _took(spent: Spent) -> dict[str, int | None]:
    return {
        "calls": spent.calls,
        "tool_calls": spent.tool_calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "took_ms": round(spent.seconds * 1000),
        "cost_microusd": None if spent.cost_usd is None else round(spent.cost_usd * 1_000_000),
    }


def spent(tx: Tx, incident_id: IncidentId) -> Spent:
    """What all attempts of an incident took together."""
    total = Spent()
    for row in tx.all(select(t.deliberations).where(t.deliberations.c.incident_id == incident_id)):
        total = total.plus(_spent(row))
    return total


def latest(tx: Tx, incident_id: IncidentId) -> Deliberation | None:
    """The newest that came to an end."""
    row = tx.one(
        select(t.deliberations.c.record)
        .where(t.deliberations.c.incident_id == incident_id, t.deliberations.c.state == DONE)
        .order_by(t.deliberations.c.attempt.desc())
        .limit(1)
    )
    return load(Deliberation, row["record"]) if row is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one model took since the journal began. ``off`` is why it had no part, or empty where it had one."""

    model: str
    off: str
    times: int
    spent: Spent


def totals(tx: Tx) -> tuple[Total, ...]:
    """Sums by model and outcome, for counters: they live in the journal, because a job's process does not last."""
    c = t.deliberations.c
    summed = (c.calls, c.tool_calls, c.input_tokens, c.output_tokens, c.took_ms, c.cost_microusd)
    rows = tx.all(
        select(
            c.model,
            c.off,
            func.count().label("times"),
            *(func.sum(column).label(column.name) for column in summed),
        )
        .where(c.state == DONE)
        .group_by(c.model, c.off)
        .order_by(c.model, c.off)
    )
    return tuple(Total(model=r["model"], off=r["off"] or "", times=int(r["times"]), spent=_spent(r)) for r in rows)


def _of(incident_id: IncidentId, attempt: int) -> tuple[Any, Any]:
    return t.deliberations.c.incident_id == incident_id, t.deliberations.c.attempt == attempt


def _spent(row: Mapping[str, Any]) -> Spent:
    cost = row["cost_microusd"]
    return Spent(
        calls=int(row["calls"]),
        tool_calls=int(row["tool_calls"]),
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        seconds=int(row["took_ms"]) / 1000,
        cost_usd=None if cost is None else int(cost) / 1_000_000,
    )
