"""A person is asked for, and asked for again, until somebody says that they have it or it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from agents.incident.ids import IncidentId, new_id
from bot.journal import tables as t
from bot.journal.journal import Tx

REPEAT = timedelta(minutes=5)
"""Starting value: how long one call for a person stands before the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One call for a person that stands."""

    id: str
    incident_id: IncidentId
    reason: str
    opened_at: datetime
    times: int
    next_at: datetime
    acked_by: str | None
    acked_at: datetime | None


def _escalation(row: Mapping[str, Any]) -> Escalation:
    return Escalation(
        id=row["id"],
        incident_id=IncidentId(row["incident_id"]),
        reason=row["reason"],
        opened_at=row["opened_at"],
        times=row["times"],
        next_at=row["next_at"],
        acked_by=row["acked_by"],
        acked_at=row["acked_at"],
    )


def open_one(tx: Tx, incident_id: IncidentId, reason: str, *, owner: str | None = None) -> None:
    """Ask for a person, unless that is already being done. Whoever has taken over is not asked for again."""
    if standing(tx, incident_id) is not None:
        return
    tx.run(
        t.escalations.insert().values(
            id=new_id("ES"),
            incident_id=incident_id,
            reason=reason,
            opened_at=tx.now,
            times=1,
            next_at=tx.now + REPEAT,
            acked_by=owner,
            acked_at=tx.now if owner else None,
        )
    )


def standing(tx: Tx, incident_id: IncidentId) -> Escalation | None:
    """The call for a person that stands for an incident, acknowledged or not."""
    row = tx.one(
        select(t.escalations)
        .where(t.escalations.c.incident_id == incident_id, t.escalations.c.closed_at.is_(None))
        .order_by(t.escalations.c.opened_at.desc())
        .limit(1)
    )
    return _escalation(row) if row is not None else None


def newest(tx: Tx, incident_id: IncidentId) -> Escalation | None:
    """The last call for a person that was made for an incident, whether it stands or is over."""
    row = tx.one(
        select(t.escalations)
        .where(t.escalations.c.incident_id == incident_id)
        .order_by(t.escalations.c.opened_at.desc())
        .limit(1)
    )
    return _escalation(row) if row is not None else None


def acknowledge(tx: Tx, incident_id: IncidentId, person_id: str) -> bool:
    """Somebody has it. True for the first who says so."""
    return (
        tx.changed(
            t.escalations.update()
            .where(
                t.escalations.c.incident_id == incident_id,
                t.escalations.c.closed_at.is_(None),
                t.escalations.c.acked_at.is_(None),
            )
            .values(acked_by=person_id, acked_at=tx.now)
        )
        > 0
    )


def call_again(tx: Tx, incident_id: IncidentId) -> None:
    """Whoever had it gave it back: a call that stands is one that nobody has answered."""
    tx.run(
        t.escalations.update()
        .where(t.escalations.c.incident_id == incident_id, t.escalations.c.closed_at.is_(None))
        .values(acked_by=None, acked_at=None, next_at=tx.now)
    )


def close(tx: Tx, incident_id: IncidentId) -> None:
    """Nobody need come any more."""
    tx.run(
        t.escalations.update()
        .where(t.escalations.c.incident_id == incident_id, t.escalations.c.closed_at.is_(None))
        .values(closed_at=tx.now)
    )


def due(tx: Tx) -> list[Escalation]:
    """Calls that nobody has answered in their time."""
    rows = tx.all(
        select(t.escalations).where(
            t.escalations.c.closed_at.is_(None),
            t.escalations.c.acked_at.is_(None),
            t.escalations.c.next_at <= tx.now,
        )
    )
    return [_escalation(r) for r in rows]


def again(tx: Tx, escalation: Escalation) -> bool:
    """Ask once more; of two clocks only one does."""
    changed = tx.changed(
        t.escalations.update()
        .where(t.escalations.c.id == escalation.id, t.escalations.c.times == escalation.times)
        .values(times=escalation.times + 1, next_at=tx.now + REPEAT)
    )
    if changed:
        tx.event(escalation.incident_id, "clock", "escalation.again", times=escalation.times + 1)
    return changed > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A pager outside chat that has yet to be told: ``trigger`` (again), ``acknowledge`` or ``resolve``."""

    escalation: Escalation
    number: int
    event: str


def owed(tx: Tx, pager: str) -> list[Owed]:
    """What a pager was not told yet: the newest call, then that it was answered, then that it is over."""
    told = (
        select(t.pages.c.escalation_id, func.max(t.pages.c.number).label("number"))
        .where(t.pages.c.pager == pager)
        .group_by(t.pages.c.escalation_id)
        .subquery()
    )
    rows = tx.all(
        select(t.escalations, told.c.number, t.pages.c.event)
        .outerjoin(told, told.c.escalation_id == t.escalations.c.id)
        .outerjoin(
            t.pages,
            (t.pages.c.escalation_id == t.escalations.c.id)
            & (t.pages.c.pager == pager)
            & (t.pages.c.number == told.c.number),
        )
        .where(
            # What was over before this pager heard of it is never told.
            (t.pages.c.event.is_(None) & t.escalations.c.closed_at.is_(None)) | (t.pages.c.event != "resolve")
        )
        .order_by(t.escalations.c.id)
    )
    out = []
    for row in rows:
        number, last = row["number"] or 0, row["event"]
        called = number if last == "trigger" else 0
        if row["closed_at"] is not None:
            event = "resolve" if last is not None else ""
        elif row["acked_at"] is not None:
            event = "acknowledge" if last == "trigger" else ""
        else:
            event = "trigger" if called < row["times"] else ""
        if event:
            after = max(number + 1, row["times"]) if event == "trigger" else number + 1
            out.append(Owed(escalation=_escalation(row), number=after, event=event))
    return out


def paged(tx: Tx, owed_: Owed, pager: str) -> None:
    """A pager was told."""
    tx.run(
        t.pages.insert().values(
            escalation_id=owed_.escalation.id, pager=pager, number=owed_.number, event=owed_.event, sent_at=tx.now
        )
    )
