"""What the journal has of a model's turns in one incident."""

from dataclasses import dataclass

from sqlalchemy import select

from agents.deliberation.budgets import Spent
from agents.deliberation.record import Deliberation
from agents.incident.evidence import Evidence, FetchedBy
from agents.incident.ids import IncidentId
from bot.journal import spending
from bot.journal import tables as t
from bot.journal.codec import load
from bot.journal.journal import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The newest record, the queries that were run in that turn, and what all turns took.

    ``state`` is how the turn of the incident's present attempt stands: due, begun, done, or empty without one.
    """

    record: Deliberation | None
    asked: tuple[Evidence, ...]
    spent: Spent
    state: str


def of_incident(tx: Tx, incident_id: IncidentId, attempt: int) -> Turns:
    """The turns of an incident, now in its *attempt*."""
    record = spending.latest(tx, incident_id)
    turn = tx.one(
        select(t.deliberations.c.state).where(
            t.deliberations.c.incident_id == incident_id, t.deliberations.c.attempt == attempt
        )
    )
    return Turns(
        record=record,
        asked=_asked(tx, record) if record is not None else (),
        spent=spending.spent(tx, incident_id),
        state=turn["state"] if turn is not None else "",
    )


def _asked(tx: Tx, record: Deliberation) -> tuple[Evidence, ...]:
    rows = tx.all(
        select(t.evidence.c.record)
        .where(
            t.evidence.c.incident_id == record.incident_id,
            t.evidence.c.attempt == record.attempt,
            t.evidence.c.look == record.look,
        )
        .order_by(t.evidence.c.fetched_at, t.evidence.c.id)
    )
    items = (load(Evidence, r["record"]) for r in rows)
    return tuple(e for e in items if e.fetched_by is FetchedBy.MODEL_PLAN)
