"""The inbox: a delivery as it was received, stored before it is answered and parsed after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import exc, func, or_, select

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
    stored = select(t.inbox.c.id).where(
        t.inbox.c.state == "stored",
        t.inbox.c.system.not_in(CHATS),
        t.inbox.c.received_at < tx.now - older_than,
    )
    return [r["id"] for r in tx.all(stored)]


CHATS = ("slack", "telegram")
"""Systems whose deliveries are answered by the process that listens to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One delivery of a chat, reduced to what may be kept."""

    system: str
    key: str | None
    body: bytes


def store_said(journal: Journal, said: Sequence[Said]) -> list[str | None]:
    """Store what came from chats in one commit: the inbox id of each, ``None`` where its key was known.

    No queue is rung: whoever listens to the chat is the one who can answer. Two processes that store the same
    key at once meet at its uniqueness; the later one tries again and finds it known.
    """
    for last in (False, True):
        try:
            with journal.write("inbox.stored") as tx:
                return [_said(tx, one) for one in said]
        except exc.IntegrityError:
            if last:
                raise
    raise AssertionError("unreachable")


def _said(tx: Tx, said: Said) -> str | None:
    if said.key is not None:
        same = (t.inbox.c.source == said.system) & (t.inbox.c.delivery_key == said.key)
        if tx.one(select(t.inbox.c.id).where(same)) is not None:
            return None
    row = new_id("IN")
    tx.run(
        t.inbox.insert().values(
            id=row,
            source=said.system,
            system=said.system,
            delivery_key=said.key,
            headers={},
            body=said.body,
            received_at=tx.now,
            state="stored",
            error="",
        )
    )
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stored delivery to be worked on, or one whose answer was worked out and may not have arrived."""

    body: bytes
    age: timedelta
    reply: Mapping[str, Any] | None


def held(tx: Tx, row: str) -> Held | None:
    """What was said, unless its answer has arrived."""
    found = tx.one(select(t.inbox).where(t.inbox.c.id == row, t.inbox.c.state.in_(["stored", "worked"])))
    if found is None:
        return None
    return Held(body=bytes(found["body"]), age=tx.now - found["received_at"], reply=found["reply"])


def keep_said(journal: Journal, worked: Mapping[str, Mapping[str, Any]], done: Mapping[str, str]) -> None:
    """What was worked out, to be answered; and what was answered, or why it could not be read."""
    with journal.write("chat.answered") as tx:
        for row, reply in worked.items():
            tx.run(
                t.inbox.update()
                .where(t.inbox.c.id == row, t.inbox.c.state == "stored")
                .values(state="worked", reply=dict(reply), taken_at=tx.now)
            )
        for row, error in done.items():
            finish(tx, row, error)


def take_up(tx: Tx, system: str, stored: timedelta, worked: timedelta) -> list[str]:
    """What a process that died left behind, oldest first: whoever asks first has it for a while."""
    since = func.coalesce(t.inbox.c.taken_at, t.inbox.c.received_at)
    old = or_(
        (t.inbox.c.state == "stored") & (since <= tx.now - stored),
        (t.inbox.c.state == "worked") & (since <= tx.now - worked),
    )
    taken = t.inbox.update().where(t.inbox.c.system == system, old).values(taken_at=tx.now)
    return sorted(r["id"] for r in tx.all(taken.returning(t.inbox.c.id)))
