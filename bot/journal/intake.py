"""The inbox: a delivery as it was received, stored before it is answered and parsed after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import exc, func, or_, select

from agents.incident.ids import new_id
from agents.incident.redaction import redact, redact_body, redact_tree, redact_unread
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx


def finish(
    tx: Tx,
    inbox_id: str,
    error: str = "",
    *,
    held: Mapping[str, Any] | None = None,
    kept: Mapping[str, Any] | None = None,
) -> None:
    """Parsed, or unreadable with the reason; what it said stays, without its secrets.

    Args:
        held: Its ``body`` and ``headers``, where the caller has read them; they are read here if left out.
        kept: What ``to_read_again`` made of them.
    """
    clean = kept if kept is not None else _clean(tx, inbox_id, held)
    tx.run(
        t.inbox.update()
        .where(t.inbox.c.id == inbox_id)
        .values(state="unreadable" if error else "parsed", error=redact(error), **clean)
    )


def to_read_again(headers: Mapping[str, Any], body: bytes) -> Mapping[str, Any]:
    """What is kept of a delivery, unpacked, that nobody could read: all but its secrets, to the last alert.

    The body is empty where it may hold secrets that cannot be taken out one by one.
    """
    return {"body": redact_unread(body), "headers": redact_tree(dict(headers))}


def applied(row: Mapping[str, Any]) -> int:
    """How many alerts of a delivery were applied so far."""
    return int((row["reply"] or {}).get("applied", 0))


def note_applied(tx: Tx, inbox_id: str, count: int) -> None:
    """So far, in this commit."""
    tx.run(t.inbox.update().where(t.inbox.c.id == inbox_id).values(reply={"applied": count}))


def _clean(tx: Tx, inbox_id: str, held: Mapping[str, Any] | None) -> dict[str, Any]:
    row = held
    if row is None:
        row = tx.one(select(t.inbox.c.body, t.inbox.c.headers).where(t.inbox.c.id == inbox_id))
    return {} if row is None else {"body": redact_body(row["body"]), "headers": redact_tree(row["headers"])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One proven delivery, with the headers that its reading needs. ``key`` is the sender's own id of it, if any.

    ``asks`` says that the receiver itself has to answer it later; no worker reads it then.
    """

    source: str
    system: str
    key: str | None
    headers: Mapping[str, str]
    body: bytes
    asks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a delivery stands in the inbox, and whether it stood there before."""

    id: str
    duplicate: bool


INBOX = "inbox"
"""The subject of the one bell that stands for everything that is stored."""


def store_all(tx: Tx, deliveries: Sequence[Delivery]) -> list[Stored]:
    """Store what arrived together, in its order, and have one bell rung. A key known before is a duplicate.

    Two processes that store the same key at once meet at its uniqueness: the later one gets an IntegrityError
    and finds it known when it tries again.
    """
    known = _known(tx, deliveries)
    ids = iter(sorted(new_id("IN") for _ in deliveries))  # one after the other also within a millisecond
    out: list[Stored] = []
    rows: list[dict[str, Any]] = []
    at = tx.now
    for one in deliveries:
        place = (one.source, one.key)
        if one.key is not None and place in known:
            out.append(Stored(id=known[place], duplicate=True))
            continue
        row = next(ids)
        known[place] = row
        out.append(Stored(id=row, duplicate=False))
        rows.append(
            {
                "id": row,
                "source": one.source,
                "system": one.system,
                "delivery_key": one.key,
                "headers": dict(one.headers),
                "body": one.body,
                "received_at": at,
                "state": "asked" if one.asks else "stored",
                "error": "",
            }
        )
    if rows:
        tx.run(t.inbox.insert(), rows)
    if any(row["state"] == "stored" for row in rows):
        tx.ring("intake", INBOX)
    return out


def _known(tx: Tx, deliveries: Sequence[Delivery]) -> dict[tuple[str, str | None], str]:
    keys: dict[str, set[str]] = {}
    for one in deliveries:
        if one.key is not None:
            keys.setdefault(one.source, set()).add(one.key)
    found: dict[tuple[str, str | None], str] = {}
    for source, wanted in keys.items():
        same = (t.inbox.c.source == source) & t.inbox.c.delivery_key.in_(wanted)
        for row in tx.all(select(t.inbox.c.id, t.inbox.c.delivery_key).where(same)):
            found[source, row["delivery_key"]] = row["id"]
    return found


def next_stored(tx: Tx, limit: int) -> list[Mapping[str, Any]]:
    """The oldest deliveries that nobody has read, in the order they came. Several workers never get the same one.

    Until the transaction ends nobody else gets any: an end must not overtake the beginning that came before it.
    """
    tx.serialise(INBOX)
    return tx.all(
        select(t.inbox)
        .where(t.inbox.c.state == "stored", t.inbox.c.system.not_in(CHATS))
        .order_by(t.inbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def oldest_stored(tx: Tx) -> timedelta | None:
    """How long the oldest unread delivery has been waiting; ``None`` when all are read."""
    row = tx.one(
        select(t.inbox.c.received_at)
        .where(t.inbox.c.state == "stored", t.inbox.c.system.not_in(CHATS))
        .order_by(t.inbox.c.id)
        .limit(1)
    )
    return None if row is None else tx.now - row["received_at"]


def asked(tx: Tx, limit: int) -> list[Mapping[str, Any]]:
    """What the receiver itself still has to answer, oldest first."""
    return tx.all(select(t.inbox).where(t.inbox.c.state == "asked").order_by(t.inbox.c.id).limit(limit))


def answer(tx: Tx, inbox_id: str, error: str = "", *, held: Mapping[str, Any] | None = None) -> None:
    """What asked is answered, or cannot be for this reason. *held* as for ``finish``."""
    tx.run(
        t.inbox.update()
        .where(t.inbox.c.id == inbox_id, t.inbox.c.state == "asked")
        .values(state="unreadable" if error else "answered", error=redact(error), **_clean(tx, inbox_id, held))
    )


def prune(tx: Tx, older_than: timedelta) -> int:
    """Forget deliveries that were dealt with long ago, with their keys; how many. What is unread stays."""
    return tx.changed(
        t.inbox.delete().where(
            t.inbox.c.state.in_(["parsed", "unreadable", "answered"]),
            t.inbox.c.received_at < tx.now - older_than,
        )
    )


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
