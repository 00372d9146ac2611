"""The "press me" cards of ``firstresponder doctor --chat``: posted, pressed, answered."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from agents.incident.ids import new_id
from bot.journal import tables as t
from bot.journal.journal import Tx

CANDIDATES = 200
"""Deliveries looked through for the press of a card."""


def begin(tx: Tx, surface: str) -> str:
    """A new card for a surface; whoever speaks there posts it. Returns its id."""
    made = new_id("SE")
    tx.run(t.selftests.insert().values(id=made, surface=surface, ref="", posted_at=tx.now))
    return made


def to_post(tx: Tx, surface: str) -> list[str]:
    """Cards that are still to be posted and are not yet stale."""
    rows = tx.all(
        select(t.selftests.c.id).where(
            t.selftests.c.surface == surface,
            t.selftests.c.ref == "",
            t.selftests.c.posted_at > tx.now - timedelta(minutes=2),
        )
    )
    return [r["id"] for r in rows]


def posted(tx: Tx, test_id: str, ref: str) -> None:
    """It stands in the chat."""
    tx.run(t.selftests.update().where(t.selftests.c.id == test_id).values(ref=ref, posted_at=tx.now))


def pressed(tx: Tx, test_id: str, account: str) -> timedelta | None:
    """Somebody pressed it: the time since it was posted; ``None`` for a second press or an unknown card."""
    row = tx.one(select(t.selftests).where(t.selftests.c.id == test_id).with_for_update())
    if row is None or row["pressed_at"] is not None:
        return None
    now = tx.now
    tx.run(
        t.selftests.update()
        .where(t.selftests.c.id == test_id)
        .values(pressed_at=now, account=account, answered_at=now)
    )
    took: timedelta = now - row["posted_at"]
    return took


def press_of(tx: Tx, surface: str, test_id: str) -> Mapping[str, Any] | None:
    """The delivery that pressed it, once it was worked on and answered."""
    rows = tx.all(
        select(t.inbox)
        .where(t.inbox.c.source == surface, t.inbox.c.state == "parsed", t.inbox.c.reply.is_not(None))
        .order_by(t.inbox.c.received_at.desc())
        .limit(CANDIDATES)
    )
    return next((row for row in rows if test_id.encode() in bytes(row["body"])), None)


def replay(tx: Tx, row: str) -> None:
    """The same delivery as if it had just been stored and left behind: whoever listens takes it up again."""
    tx.run(t.inbox.update().where(t.inbox.c.id == row).values(state="stored", reply=None, taken_at=None))


def state(tx: Tx, test_id: str) -> Mapping[str, Any] | None:
    """Where a test stands."""
    return tx.one(select(t.selftests).where(t.selftests.c.id == test_id))
