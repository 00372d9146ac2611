"""Deliveries that nobody could read, and having them read again after a parser or a mapping was mended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from agents.incident.errors import BadInput
from bot.journal import tables as t
from bot.journal.intake import CHATS, INBOX
from bot.journal.journal import Tx

AGAIN = "again"
IDS_AT_ONCE = 500
_i = t.inbox.c
_UNREADABLE = (_i.state == "unreadable") & _i.system.not_in(CHATS)
_KEPT = func.length(_i.body) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """One delivery that could not be read, and why; never what it said.

    ``kept`` is false where its body could not be kept without its secrets: it cannot be read again.
    """

    id: str
    source: str
    system: str
    received_at: datetime
    why: str
    kept: bool


def unreadable(tx: Tx, source: str = "") -> Sequence[Unread]:
    """Every one that is kept, or those of one source, oldest first."""
    columns = (_i.id, _i.source, _i.system, _i.received_at, _i.error, _KEPT.label("kept"))
    query = select(*columns).where(_UNREADABLE).order_by(_i.id)
    rows = tx.all(query.where(_i.source == source) if source else query)
    return [
        Unread(
            id=r["id"],
            source=r["source"],
            system=r["system"],
            received_at=r["received_at"],
            why=r["error"],
            kept=bool(r["kept"]),
        )
        for r in rows
    ]


def read_again(tx: Tx, ids: Sequence[str]) -> int:
    """Have these read once more, in the order they came; how many.

    What was applied of one before it broke off is not applied twice: its reading goes on from there.

    Raises:
        BadInput: One of *ids* names no unreadable delivery whose body is kept; then none is read again.
    """
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), IDS_AT_ONCE):
        some = wanted[start : start + IDS_AT_ONCE]
        asked = t.inbox.update().where(_UNREADABLE, _KEPT, _i.id.in_(some)).values(state=AGAIN)
        found = {r["id"] for r in tx.all(asked.returning(_i.id))}
        missing = [one for one in some if one not in found]
        if missing:
            raise BadInput(
                f"no unreadable delivery that is kept is called {missing[0][:60]!r}: it was read, is about to be,"
                " or its body is not kept; nothing is read again. firstresponder inbox lists them"
            )
    if wanted:
        tx.ring("intake", INBOX)
    return len(wanted)


def next_again(tx: Tx) -> Mapping[str, Any] | None:
    """The oldest delivery that is to be read once more. Like what is new, one worker at a time gets any."""
    tx.serialise(INBOX)
    query = select(t.inbox).where(_i.state == AGAIN).order_by(_i.id).limit(1)
    return tx.one(query.with_for_update(skip_locked=True))


def any_again(tx: Tx) -> bool:
    """Whether any is still to be read once more."""
    return tx.one(select(_i.id).where(_i.state == AGAIN).limit(1)) is not None


def had_its_turn(tx: Tx, inbox_id: str) -> None:
    """It was tried now, for the first time: what comes to be applied after this is newer than it."""
    tx.run(t.inbox.update().where(_i.id == inbox_id, _i.taken_at.is_(None)).values(taken_at=tx.now))


def turn(row: Mapping[str, Any]) -> datetime | None:
    """When a delivery that is read again had its turn; ``None`` for one that has it now."""
    if row["state"] != AGAIN:
        return None
    at: datetime = row["taken_at"] or row["received_at"]
    return at
