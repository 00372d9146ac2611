"""The first step of the walk: what is stored is read, oldest first: alerts, their ends, change records."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exc as sql_errors

from agents.incident.errors import BadInput, Refused
from agents.incident.incident import Alert
from bot.journal import approvals, changes, episodes, hearings, incidents, intake, maintenance, notices, unread
from bot.journal.journal import Tx
from bot.journal.notices import Notice, Trouble
from bot.receiver.packed import plain
from bot.receiver.sources import Sender
from bot.receiver.systems.reading import Category, Reading
from bot.receiver.translate import HEARTBEATS, Arrived, arrived
from bot.walk import RESOLVED
from bot.wiring.parts import TriageParts

LET_OTHERS_S = 0.002
"""After each commit: on SQLite whoever takes deliveries in must be able to write between two that are read."""

DRAIN = timedelta(seconds=20)
"""How long one job reads what is stored; then the next one goes on."""

AT_ONCE = 100
"""Alerts of one delivery that are applied in one commit; a large one goes on where it was."""

UNREADABLE = (
    *(BadInput, Refused, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    sql_errors.StatementError,
)
"""What a body can make us raise. It is that body's fault or ours, and never keeps the next one waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One delivery that was read, and is being applied; ``turn`` is when it was its turn, if that was before."""

    id: str
    received_at: datetime
    turn: datetime | None
    sender: Sender
    reading: Reading
    brought: Arrived


def take_in(parts: TriageParts) -> None:
    """Read what is stored: alerts open, join or end episodes; change records are kept.

    What is to be read once more comes after what is new: an old heap keeps nothing waiting.
    """
    until = time.monotonic() + DRAIN.total_seconds()
    under_way: list[_Read] = []
    while _go_on(under_way, parts):
        time.sleep(LET_OTHERS_S)
        if time.monotonic() > until:
            with parts.journal.write("intake.again") as tx:
                tx.ring("intake", intake.INBOX)
            return


def _go_on(under_way: list[_Read], parts: TriageParts) -> bool:
    """Apply a portion of the oldest delivery, and say whether there was one. What is unreadable is told."""
    row: Any = None
    try:
        with parts.journal.write("intake") as tx:
            row = next(iter(intake.next_stored(tx, 1)), None) or unread.next_again(tx)
            if row is None:
                return False
            if not under_way or under_way[0].id != row["id"]:
                under_way[:] = [_read(row, parts)]
            whole = _portion(tx, under_way[0], row, parts)
    except UNREADABLE as error:
        if row is None:
            raise
        said = str(error) if isinstance(error, BadInput | Refused) else f"{type(error).__name__} while it was read"
        kept = intake.to_read_again(*plain(row["headers"], row["body"]))  # before the journal waits for us
        with parts.journal.write("intake.unreadable") as tx:
            intake.finish(tx, row["id"], said, kept=kept)
            unread.had_its_turn(tx, row["id"])
            hearings.note(tx, row["source"], row["received_at"])
            notices.once(tx, Notice(source=row["source"], trouble=Trouble.UNREADABLE, detail=said))
        parts.log.warning("intake.unreadable", inbox_id=row["id"], source=row["source"], error=said)
        return True
    if whole and under_way[0].brought.notes:
        notes = list(under_way[0].brought.notes)
        parts.log.info("intake.noted", inbox_id=row["id"], source=row["source"], notes=notes)
    return True


def _read(row: Any, parts: TriageParts) -> _Read:
    sender = parts.senders.get(row["source"])
    if sender is None:
        raise BadInput(f"source {row['source']!r} is no longer configured")
    reading = sender.read(row["headers"], row["body"])
    brought = arrived(sender.name, sender.row, reading, parts.grouping.catalogue, row["received_at"])
    return _Read(
        id=row["id"],
        received_at=row["received_at"],
        turn=unread.turn(row),
        sender=sender,
        reading=reading,
        brought=brought,
    )


def _portion(tx: Tx, read: _Read, row: Any, parts: TriageParts) -> bool:
    """Apply the next alerts of the delivery in *row*; whether that was all of it."""
    done = intake.applied(row)
    alerts = read.brought.alerts[done : done + AT_ONCE]
    _apply(tx, alerts, parts, read.turn)
    if done + len(alerts) < len(read.brought.alerts):
        intake.note_applied(tx, read.id, done + len(alerts))
        return False
    for change in read.brought.changes:
        changes.save_change(tx, change)
    if read.reading.category is Category.UNRENDERED_TEMPLATE:
        hole = str(read.reading.about.get("placeholder") or "")
        notices.once(tx, Notice(source=read.sender.name, trouble=Trouble.UNRENDERED, detail=hole))
    intake.finish(tx, read.id, held=row)
    hearings.note(tx, read.sender.name, read.received_at)
    for name in beats(read.reading):
        hearings.note(tx, read.sender.name, read.received_at, name)
    return True


def beats(reading: Reading) -> Sequence[str]:
    """The alerts in it that always fire, by name, as long as they do."""
    names = [(item.title or "").strip() for item in reading.items if item.status == "firing"]
    return tuple(dict.fromkeys(name for name in names if name.lower() in HEARTBEATS))


def _apply(tx: Tx, alerts: Sequence[Alert], parts: TriageParts, turn: datetime | None = None) -> None:
    """Alerts of one delivery, in its order."""
    windows = maintenance.standing(tx)
    touched = [i for alert in alerts for i in episodes.apply(tx, alert, parts.grouping, windows, turn)]
    for incident_id in dict.fromkeys(touched):
        if not incidents.load(tx, incident_id).alert_firing:
            # In the same commit: a question about a resolved alert must not outlive it, even if it fires again.
            approvals.cancel_open(tx, incident_id, RESOLVED)
