"""What is still to be rung. A row is marked after the queue has it: it may ring twice, never not at all."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from bot.journal import tables as t
from bot.journal.journal import Tx


def unsent(tx: Tx, older_than: timedelta, limit: int = 200) -> Sequence[tuple[int, str, str]]:
    """(row, job, subject) of what was not rung yet, oldest first."""
    rows = tx.all(
        select(t.outbox.c.id, t.outbox.c.job, t.outbox.c.subject)
        .where(t.outbox.c.sent_at.is_(None), t.outbox.c.made_at <= tx.now - older_than)
        .order_by(t.outbox.c.id)
        .limit(limit)
    )
    return [(r["id"], r["job"], r["subject"]) for r in rows]


def sent(tx: Tx, rows: Sequence[int]) -> None:
    """These were rung."""
    tx.run(t.outbox.update().where(t.outbox.c.id.in_(rows)).values(sent_at=tx.now))


def prune(tx: Tx, older_than: timedelta) -> None:
    """Forget what was rung long ago."""
    tx.run(t.outbox.delete().where(t.outbox.c.sent_at < tx.now - older_than))
