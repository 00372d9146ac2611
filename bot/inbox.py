"""``firstresponder inbox``: what could not be read, and having it read again; changes that belong nowhere."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from agents.incident.clock import iso
from agents.incident.errors import BadInput
from agents.incident.incident import Change
from bot.journal import changes, unread
from bot.journal.journal import Journal
from bot.journal.unread import Unread

WHY = 100
"""Characters of a reason in a table; ``--json`` has all of it."""


def document(found: Sequence[Unread]) -> list[dict[str, Any]]:
    """For scripts: one object a delivery."""
    return [
        {
            "id": one.id,
            "source": one.source,
            "system": one.system,
            "received": iso(one.received_at),
            "why": one.why,
            "kept": one.kept,
        }
        for one in found
    ]


def table(found: Sequence[Unread]) -> str:
    """For people: one line a delivery, oldest first."""
    return "\n".join(
        f"{one.id}  {one.received_at:%Y-%m-%d %H:%M:%S}  {one.source} ({one.system})  {_short(one.why)}"
        f"{'' if one.kept else '  (body not kept: it cannot be read again)'}"
        for one in found
    )


def again(journal: Journal, *, ids: Sequence[str], source: str, every: bool) -> int:
    """Hand unreadable deliveries to the worker once more: those named, those of a source, or all; how many.

    Raises:
        BadInput: It is not said which, or in two ways at once; or an id names no unreadable delivery.
    """
    if (len(ids) > 0) + bool(source) + every != 1:
        raise BadInput(
            "say which to read again: their ids, or --source NAME, or --all; firstresponder inbox lists them"
        )
    with journal.write("inbox.again") as tx:
        return unread.read_again(tx, ids or [one.id for one in unread.unreadable(tx, source) if one.kept])


def unplaced(journal: Journal, lookback: timedelta) -> Sequence[Change]:
    """The newest changes that name no service or no environment, newest first."""
    with journal.read() as tx:
        return changes.unplaced(tx, tx.now - lookback)


def changes_table(found: Sequence[Change]) -> str:
    """One line a change: when, what, how it went, and which of service and environment it does not name."""
    return "\n".join(
        f"{one.at:%Y-%m-%d %H:%M:%S}  {one.kind.value} {one.outcome.value}  {_short(one.subject or one.id)}  "
        f"({one.environment or 'no environment'}/{one.service or 'no service'})"
        for one in found
    )


def changes_document(found: Sequence[Change]) -> list[dict[str, Any]]:
    """For scripts: one object a change."""
    return [
        {
            "id": one.id,
            "at": iso(one.at),
            "kind": one.kind.value,
            "outcome": one.outcome.value,
            "subject": one.subject,
            "service": one.service,
            "environment": one.environment,
            "version": one.version,
        }
        for one in found
    ]


def _short(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)  # nothing from outside steers a terminal
    return line if len(line) <= WHY else line[: WHY - 1] + "…"
