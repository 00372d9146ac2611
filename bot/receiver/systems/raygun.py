"""Raygun's webhook: an error that is new or came back (``error_notification``), or that people handled.

What joins deliveries about one error is its page, ``error.url``.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, System, stated

SET_TO: Mapping[str, str] = {"resolved": "resolved", "active": "firing"}
"""What a person set an error's status to; to ignore an error is a note on it."""


def _status(event: str | None, kind: str | None, error: Node) -> str:
    if event == "error_notification":
        return "firing"
    if kind == "StatusChanged":
        return SET_TO.get((error.text("status") or "").lower(), "info")
    return "info" if event == "error_activity" else "unknown"


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    kind, error = said.text("eventType"), said.at("error")
    page = error.text("url")
    item = Item(
        status=_status(said.text("event"), kind, error),
        title=error.text("message"),
        service=said.at("application").text("name"),
        summary=error.text("description"),
        started_at=error.time("firstOccurredOn"),
        event_at=error.time("lastOccurredOn"),
        dedup_key=page,
        dedup_from="error.url" if page else None,
        link=page,
        extras=stated(event=kind, actor=error.text("user"), activity_at=error.time("activityDate")),
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    return 2 if has(peek(headers, body), "event", "eventType", "error", "application") else 0


SYSTEM = System(name="raygun", title="Raygun", read=reader("a Raygun", _read), recognise=_recognise)
