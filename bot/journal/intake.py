"""The inbox: a delivery as it was received, stored before it is answered and parsed after."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import exc, select

from agents.incident.ids import new_id
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx


def store(
    journal: Journal, *, source: str, system: str, key: str | None, headers: Mapping[str, str], body: bytes
) -> tuple[str, bool]:
    """(inbox id, whether it is new). Committed when this returns; the same delivery key is stored once."""
    try:
        with journal.write("inbox.stored") as tx:
            row = new_id("IN")
            tx.run(
                t.inbox.insert().values(
                    id=row,
                    source=source,
                    system=system,
                    delivery_key=key,
                    headers=dict(headers),
                    body=body,
                    received_at=tx.now,
                    state="stored",
                    error="",
                )
            )
            tx.ring("intake", row)
    except exc.IntegrityError:
        with journal.read() as tx:
            known = tx.one(select(t.inbox.c.id).where(t.inbox.c.source == source, t.inbox.c.delivery_key == key))
        if known is None:
            raise
        return known["id"], False
    return row, True


def take(tx: Tx, inbox_id: str) -> Mapping[str, Any] | None:
    """The delivery, if nobody has parsed it yet."""
    row = tx.one(select(t.inbox).where(t.inbox.c.id == inbox_id).with_for_update())
    return row if row is not None and row["state"] == "stored" else None


def finish(tx: Tx, inbox_id: str, error: str = "") -> None:
    """Parsed, or unreadable with the reason; the bytes stay."""
    tx.run(
        t.inbox.update()
        .where(t.inbox.c.id == inbox_id)
        .values(state="unreadable" if error else "parsed", error=error)
    )


def waiting(tx: Tx, older_than: timedelta) -> list[str]:
    """Deliveries stored and not parsed in their time."""
    stored = select(t.inbox.c.id).where(t.inbox.c.state == "stored", t.inbox.c.received_at < tx.now - older_than)
    return [r["id"] for r in tx.all(stored)]
