"""PagerDuty's Events API v2, alerts and changes: CI and monitoring tools already speak it.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.placeholders import unrendered
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

_ACTIONS = {"trigger": "firing", "acknowledge": "acknowledged", "resolve": "resolved"}


def _shown(node: Node, *path: str) -> str | None:
    """A field that is no part of identity; unrendered, it counts as missing."""
    found = node.text(*path)
    return None if found and unrendered(found) else found


def _link(event: Node) -> str | None:
    return next((href for link in event.nodes("links") if (href := _shown(link, "href"))), None) or _shown(
        event, "client_url"
    )


def _read(headers: Mapping[str, str], event: Node) -> Reading:
    """One event. Without ``event_action`` it is a change; without ``dedup_key`` it is always new."""
    payload = event.at("payload")
    for core in (payload.text("summary"), event.text("event_action"), event.text("dedup_key")):
        placeholder = unrendered(core) if core else None
        if placeholder:
            return Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": placeholder})
    action = event.word("event_action")
    if not action:
        return Reading(category=Category.CHANGE, items=(_change(event, payload),))
    key = event.text("dedup_key")
    item = Item(
        status=_ACTIONS.get(action, "unknown"),
        title=payload.text("summary"),
        severity_raw=_shown(payload, "severity"),
        service=_shown(payload, "component"),
        entity=_shown(payload, "source"),
        event_at=payload.time("timestamp") if _shown(payload, "timestamp") else None,
        dedup_key=key,
        dedup_from="dedup_key" if key else None,
        link=_link(event),
        extras=stated(
            group=_shown(payload, "group"), class_=_shown(payload, "class"), client=_shown(event, "client")
        ),
    )
    return Reading(category=Category.ALERT, items=(item,))


def _change(event: Node, payload: Node) -> Item:
    """A change has no key of its own: the same words from the same place at the same time are the same change."""
    title, source = payload.need("summary"), _shown(payload, "source")
    at = payload.time("timestamp") if _shown(payload, "timestamp") else None
    return Item(
        status="changed",
        title=title,
        entity=source,
        event_at=at,
        dedup_key="/".join(part for part in (source, at, title) if part),
        dedup_from="source+timestamp+summary",
        kind="deploy",
        link=_link(event),
    )


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By a routing key beside an action, or beside a payload with a summary."""
    whole = peek(headers, body, exact=True)
    if "routing_key" not in whole:
        return 0
    payload = whole.get("payload")
    return 2 if "event_action" in whole or (isinstance(payload, Mapping) and "summary" in payload) else 0


SYSTEM = System(
    name="pagerduty_events_v2",
    title="PagerDuty Events API v2",
    read=reader("a PagerDuty Events v2", _read, exact=True),
    recognise=_recognise,
    severities={"critical": "critical", "error": "high", "warning": "warning", "info": "info"},
    proof="routing_key",
    refusable=True,
)
