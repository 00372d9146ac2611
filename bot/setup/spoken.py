"""Whether a command arrives: typed in the channel, and by mention of the bot in a thread. Told from the inbox."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.setup.checks import SLACK, TELEGRAM, Check

CANDIDATES = 200
"""Deliveries looked through for what was typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way in which a command comes: what the person is asked to do, how it is known, what to change."""

    name: str
    please: str
    came: Callable[[Mapping[str, Any]], bool]
    change: str


def ways(surface: str, bot: str, prefix: str) -> tuple[Way, Way]:
    """In the channel, and in a thread. *bot* is the bot's name, *prefix* what commands of their own begin with."""
    if surface == "slack":
        return (
            Way(
                name="command",
                please=f"type in the channel: {prefix}fr status",
                came=lambda body: isinstance(body.get("command"), str),
                change="the app's page Slash Commands must have /fr; reinstall the app. "
                f"With {SLACK}MODE=http its Request URL must be this receiver's /v1/chat/slack",
            ),
            Way(
                name="mention",
                please=f"open the thread of the test card and write: @{bot or 'firstresponder'} status",
                came=lambda body: (
                    _part(body, "event").get("type") == "app_mention"
                    and bool(_part(body, "event").get("thread_ts"))
                ),
                change="the app's page Event Subscriptions must be on and have app_mention, and "
                f"{SLACK}BOT_TOKEN the scope app_mentions:read; reinstall the app",
            ),
        )
    return (
        Way(
            name="command",
            please=f"type in the group: /status{f'@{bot}' if bot else ''}",
            came=lambda body: _text(body).startswith("/") and not _replies(body),
            change=f"the bot must be in {TELEGRAM}CHAT, and no other program may poll with {TELEGRAM}TOKEN",
        ),
        Way(
            name="mention",
            please=f"reply to the test card with: @{bot or 'the bot'} status",
            came=lambda body: "@" in _text(body) and not _text(body).startswith("/") and _replies(body),
            change=f"the bot does not hear mentions in {TELEGRAM}CHAT: make it an admin there, or switch its "
            "privacy off at @BotFather (/setprivacy) and add it again",
        ),
    )


def arrived(journal: Journal, surface: str, since: datetime, way: Way) -> bool | None:
    """``True`` once something came in this way since *since* and was worked on; else ``None``."""
    with journal.read() as tx:
        rows = tx.all(
            select(t.inbox.c.body)
            .where(
                t.inbox.c.source == surface,
                t.inbox.c.received_at >= since,
                t.inbox.c.state.in_(["worked", "parsed"]),
            )
            .order_by(t.inbox.c.received_at.desc())
            .limit(CANDIDATES)
        )
    return True if any(way.came(_read(bytes(row["body"]))) for row in rows) else None


def came(surface: str, way: Way, seconds: float, *, arrived: bool) -> Check:
    """The step in words."""
    what = f"{surface} {way.name}"
    if arrived:
        return Check(what=what, ok=True, says="arrived, and was answered")
    return Check(
        what=what, ok=False, says=f"none arrived within {seconds:g} s ({way.please}). If sent: {way.change}"
    )


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _text(body: Mapping[str, Any]) -> str:
    return str(_part(body, "message").get("text") or "").strip()


def _replies(body: Mapping[str, Any]) -> bool:
    message = _part(body, "message")
    return bool(message.get("reply_to_message") or message.get("message_thread_id"))
