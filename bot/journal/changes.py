"""The change feed: one row a change, moved by what its sender tells, read with what may be gone back to."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, false, or_, select

from agents.incident.incident import Change, ChangeKind, ChangeOutcome
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx

BROUGHT = (ChangeOutcome.SUCCEEDED.value, ChangeOutcome.ROLLED_BACK.value)
"""After these a change's ``version`` is what runs."""


def save_change(tx: Tx, change: Change) -> bool:
    """Store what one event says of a change, or move the change's row by it; false when it says nothing new."""
    insert = tx.insert(t.changes).values(id=change.id, **_values(change)).on_conflict_do_nothing()
    new = tx.one(insert.returning(t.changes.c.id))  # psycopg counts no rows of an INSERT
    if new is not None:
        return True
    row = tx.one(select(t.changes).where(t.changes.c.id == change.id).with_for_update())
    assert row is not None  # noqa: S101  # the insert met it, and no change is ever deleted
    known = _change(row)
    moved = joined(known, change)
    if moved == known:
        return False
    tx.run(t.changes.update().where(t.changes.c.id == change.id).values(**_values(moved)))
    return True


def joined(known: Change, told: Change) -> Change:
    """One change by two of its events, whichever came first.

    The later one's word counts, and the earlier one fills what that leaves open. Later is told by the sender's own
    times; without them by arrival, except that an end is not taken back by what is no end.
    """
    earlier, later = _in_order(known, told)
    if later.outcome is ChangeOutcome.UNKNOWN:  # a word that nobody here knows takes nothing back
        later = replace(later, outcome=earlier.outcome, word=earlier.word, finished_at=earlier.finished_at)
    again = earlier.outcome.over and later.outcome is ChangeOutcome.STARTED
    began = [at for at in (earlier.started_at, later.started_at) if at is not None]
    started_at = later.started_at if again else min(began, default=None)
    finished_at = None if again else later.finished_at or earlier.finished_at
    said = [at for at in (earlier.said_at, later.said_at) if at is not None]
    back = later.outcome is ChangeOutcome.ROLLED_BACK and earlier.outcome is not ChangeOutcome.ROLLED_BACK
    # Rolled back, it has left what was there before; what it brought is what was gone back from.
    earlier = _reversed(earlier) if back else earlier
    return replace(
        later,
        at=started_at or finished_at or min(known.at, told.at),
        started_at=started_at,
        finished_at=finished_at,
        said_at=max(said, default=None),
        service=later.service or earlier.service,
        environment=later.environment or earlier.environment,
        subject=later.subject or earlier.subject,
        artifact=later.artifact or earlier.artifact,
        commit=later.commit or earlier.commit,
        version=later.version or earlier.version,
        previous_version=later.previous_version or earlier.previous_version,
        revision=_first(later.revision, earlier.revision),
        previous_revision=_first(later.previous_revision, earlier.previous_revision),
        schema_version=_first(later.schema_version, earlier.schema_version),
        actor=later.actor or earlier.actor,
        link=later.link or earlier.link,
        note=later.note or earlier.note,
    )


def _in_order(known: Change, told: Change) -> tuple[Change, Change]:
    if known.said_at is not None and told.said_at is not None and known.said_at != told.said_at:
        return (known, told) if known.said_at < told.said_at else (told, known)
    return (told, known) if known.outcome.over and not told.outcome.over else (known, told)


def _reversed(change: Change) -> Change:
    return replace(
        change,
        version=change.previous_version,
        previous_version=change.version,
        revision=change.previous_revision,
        previous_revision=change.revision,
        artifact=None,
        commit=None,
        schema_version=None,
    )


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def changes_since(tx: Tx, services: Iterable[tuple[str, str]], since: datetime) -> tuple[Change, ...]:
    """Changes of (environment, service) pairs, oldest first; of deploys with what may be gone back to."""
    places = [
        and_(t.changes.c.environment == environment, t.changes.c.service == service)
        for environment, service in sorted(set(services))
    ]
    rows = tx.all(
        select(t.changes)
        .where(or_(false(), *places), t.changes.c.at >= since)
        .order_by(t.changes.c.at, t.changes.c.id)
    )
    return tuple(_with_target(tx, _change(row)) for row in rows)


def unplaced(tx: Tx, since: datetime, limit: int = 50) -> tuple[Change, ...]:
    """The newest changes of which it is not known to what, or where, they were made."""
    rows = tx.all(
        select(t.changes)
        .where(or_(t.changes.c.service.is_(None), t.changes.c.environment.is_(None)), t.changes.c.at >= since)
        .order_by(t.changes.c.at.desc(), t.changes.c.id.desc())
        .limit(limit)
    )
    return tuple(_change(row) for row in rows)


def _with_target(tx: Tx, change: Change) -> Change:
    """*change* with what ran before it: as stated, else as the last deploy of another version left it."""
    if change.kind is not ChangeKind.DEPLOY or change.previous_version or change.previous_revision is not None:
        return change
    c = t.changes.c
    row = tx.one(
        select(t.changes)
        .where(
            c.environment == change.environment,
            c.service == change.service,
            c.kind == ChangeKind.DEPLOY.value,
            c.outcome.in_(BROUGHT),
            c.at < change.at,
            c.version.is_not(None),
            c.version != (change.version or ""),
            c.id != change.id,
        )
        .order_by(c.at.desc(), c.id.desc())
        .limit(1)
    )
    if row is None:
        return change
    before = _change(row)
    revision = before.revision if before.revision != change.revision else None
    return replace(change, previous_version=before.version, previous_revision=revision, previous_derived=True)


def _values(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.value,
        "service": change.service,
        "environment": change.environment,
        "at": change.at,
        "outcome": change.outcome.value,
        "version": change.version,
        "record": dump(change),
    }


def _change(row: Any) -> Change:
    # Records of an older version hold neither outcome nor version.
    return replace(load(Change, row["record"]), outcome=ChangeOutcome(row["outcome"]), version=row["version"])
