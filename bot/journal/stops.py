"""The stop switch: while one stands nothing in its scope is run. Anybody responding may stop; a lead lifts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from agents.incident.ids import new_id
from bot.journal import tables as t
from bot.journal.journal import Tx

ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One stop that stands. ``scope`` is ``*``, a service's name, or ``environment/service``."""

    id: str
    scope: str
    stopped_by: str
    at: datetime
    reason: str


def stop(tx: Tx, scope: str, person_id: str, reason: str = "") -> Stop:
    """Stop a scope; a second stop of the same scope changes nothing."""
    known = next((s for s in all_standing(tx) if s.scope == scope), None)
    if known is not None:
        return known
    made = Stop(id=new_id("ST"), scope=scope, stopped_by=person_id, at=tx.now, reason=reason)
    tx.run(t.stops.insert().values(id=made.id, scope=scope, stopped_by=person_id, at=made.at, reason=reason))
    _cards(tx)
    return made


def lift(tx: Tx, scope: str, person_id: str) -> bool:
    """Lift the stop of exactly this scope. False when there is none."""
    changed = tx.changed(
        t.stops.update()
        .where(t.stops.c.scope == scope, t.stops.c.lifted_at.is_(None))
        .values(lifted_by=person_id, lifted_at=tx.now)
    )
    if changed:
        _cards(tx)
    return changed > 0


def all_standing(tx: Tx) -> list[Stop]:
    """Every stop that stands, oldest first."""
    rows = tx.all(select(t.stops).where(t.stops.c.lifted_at.is_(None)).order_by(t.stops.c.at))
    return [
        Stop(id=r["id"], scope=r["scope"], stopped_by=r["stopped_by"], at=r["at"], reason=r["reason"])
        for r in rows
    ]


def standing(tx: Tx, *subjects: str | None) -> Stop | None:
    """The stop that keeps any of *subjects* (``environment/service``, or just the service) from being acted on."""
    meant = {ALL} | {s for s in subjects if s} | {s.partition("/")[2] for s in subjects if s and "/" in s}
    return next((s for s in all_standing(tx) if s.scope in meant), None)


def _cards(tx: Tx) -> None:
    """Every open incident's card says whether it is stopped."""
    over = ("RESOLVED", "CLOSED", "SUPPRESSED", "MERGED")
    tx.run(
        t.incidents.update()
        .where(t.incidents.c.state.not_in(over))
        .values(card_version=t.incidents.c.card_version + 1)
    )
