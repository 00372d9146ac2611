"""Windows in which somebody works on something: what alerts there is noted and wakes nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from sqlalchemy import select

from agents.incident.ids import new_id
from agents.incident.incident import Alert
from bot.journal import tables as t
from bot.journal.journal import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """One window. ``title`` narrows it to alerts of that title, as a silence does; empty: every alert there."""

    id: str
    scope: str
    title: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    made_by: str

    def covers(self, alert: Alert) -> bool:
        """Whether it is this alert's."""
        subject = f"{alert.environment or '-'}/{alert.service or '-'}"
        return fnmatchcase(subject, self.scope) and (not self.title or fnmatchcase(alert.title, self.title))


def begin(
    tx: Tx,
    *,
    scope: str,
    reason: str,
    lasts: timedelta,
    made_by: str,
    title: str = "",
    starts_at: datetime | None = None,
) -> Maintenance:
    """Write one down, from now on or from *starts_at*."""
    start = starts_at or tx.now
    made = Maintenance(
        id=new_id("MW"),
        scope=scope,
        title=title,
        reason=reason,
        starts_at=start,
        ends_at=start + lasts,
        made_by=made_by,
    )
    tx.run(
        t.maintenance.insert().values(
            id=made.id,
            scope=made.scope,
            title=made.title,
            reason=made.reason,
            starts_at=made.starts_at,
            ends_at=made.ends_at,
            made_by=made.made_by,
            made_at=tx.now,
        )
    )
    return made


def end(tx: Tx, maintenance_id: str, ended_by: str) -> bool:
    """Over, now. False where none by that id goes on or is to come."""
    window = t.maintenance.c
    return (
        tx.changed(
            t.maintenance.update()
            .where(window.id == maintenance_id, window.ends_at > tx.now)
            .values(ends_at=tx.now, ended_by=ended_by)
        )
        > 0
    )


def standing(tx: Tx, *, to_come: bool = False) -> Sequence[Maintenance]:
    """Windows that go on now, those to come as well if asked for."""
    now = tx.now
    query = select(t.maintenance).where(t.maintenance.c.ends_at > now).order_by(t.maintenance.c.starts_at)
    if not to_come:
        query = query.where(t.maintenance.c.starts_at <= now)
    return [
        Maintenance(**{k: row[k] for k in ("id", "scope", "title", "reason", "starts_at", "ends_at", "made_by")})
        for row in tx.all(query)
    ]
