"""Graylog's HTTP notification (go2docs.graylog.org), and the alarm callback of version 2.

An event's priority rises with its weight: 1 low, 2 normal, 3 high, 4 critical.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, stated


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if said.has("check_result"):
        return _callback(said)
    event = said.at("event")
    definition = said.text("event_definition_id") or event.text("event_definition_id")
    key = event.text("key") or "|".join(event.words("key_tuple")) or None
    run = event.text("id")
    item = Item(
        # An event that is no alert is a record; only a definition with a notification makes one.
        status="info" if event.get("alert") is False else "firing",
        title=said.text("event_definition_title") or event.text("message"),
        severity_raw=event.text("priority"),
        entity=event.text("source"),
        summary=event.text("message"),
        event_at=event.time("timestamp"),
        dedup_key=f"{definition}|{key}" if definition and key else definition,
        dedup_from="event_definition_id + event.key" if key else "event_definition_id" if definition else None,
        extras=stated(delivery_id=run, labels=event.labels("group_by_fields")),
    )
    return alert(said, item, delivery_key=run)


def _callback(said: Node) -> Reading:
    result = said.at("check_result")
    condition = result.at("triggered_condition")
    key = condition.text("id") or said.at("stream").text("id")
    item = Item(
        status="info" if result.get("triggered") is False else "firing",
        title=condition.text("title") or said.at("stream").text("title"),
        summary=result.text("result_description"),
        event_at=result.time("triggered_at"),
        dedup_key=key,
        dedup_from="triggered_condition.id, else stream.id" if key else None,
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    return 2 if has(data, "event_definition_id", "event") or has(data, "check_result", "stream") else 0


SYSTEM = System(
    name="graylog",
    title="Graylog events",
    read=reader("a Graylog", _read),
    recognise=_recognise,
    severities={**LEVELS, "1": "info", "2": "warning", "3": "high", "4": "critical"},
)
