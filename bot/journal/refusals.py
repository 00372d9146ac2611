"""Deliveries that were refused, counted: never their bodies, and no names that a stranger could choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from bot.journal import tables as t
from bot.journal.journal import Tx


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Refusal:
    """Why a source's deliveries were refused in one minute (its beginning, UTC). "" is whoever names no source."""

    source: str
    reason: str
    minute: datetime


def add(tx: Tx, counted: Mapping[Refusal, int]) -> None:
    """Add to what is counted already, also by other receivers."""
    for refusal, count in sorted(counted.items()):  # in one order, so that two receivers never wait crosswise
        new = tx.insert(t.refusals).values(
            source=refusal.source, reason=refusal.reason, minute=refusal.minute, count=count
        )
        tx.run(
            new.on_conflict_do_update(
                index_elements=["source", "reason", "minute"],
                set_={"count": t.refusals.c.count + new.excluded.count},
            )
        )


def since(tx: Tx, span: timedelta) -> Sequence[tuple[Refusal, int]]:
    """What was refused in the last *span*, by source, reason and minute."""
    rows = tx.all(
        select(t.refusals)
        .where(t.refusals.c.minute >= tx.now - span)
        .order_by(t.refusals.c.source, t.refusals.c.reason, t.refusals.c.minute)
    )
    return [(Refusal(source=r["source"], reason=r["reason"], minute=r["minute"]), int(r["count"])) for r in rows]


def prune(tx: Tx, older_than: timedelta) -> None:
    """Forget what was refused long ago."""
    tx.run(t.refusals.delete().where(t.refusals.c.minute < tx.now - older_than))
