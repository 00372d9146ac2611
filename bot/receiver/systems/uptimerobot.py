"""UptimeRobot's webhook alert contact: the operator writes the body, as JSON or as a form, from ``*macros*``."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("1", "down"), "firing"),
    **dict.fromkeys(("2", "up"), "resolved"),
    **dict.fromkeys(("3", "ssl expiry", "domain expiry"), "firing"),
    "paused": "paused",
}
TITLE = ("monitor_friendly_name", "monitor_name", "friendly_name")
IDENTITY = ("monitor_id", "monitor_url", "url")
STATE = ("alert_type", "alert_type_friendly_name", "status")


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    address = said.text("monitor_url", "url")
    key = said.text("monitor_id")
    word, friendly = said.text("alert_type"), said.text("alert_type_friendly_name", "status")
    item = Item(
        status=look(word if (word or "").strip().lower() in STATUSES else friendly or word, STATUSES),
        title=said.text(*TITLE) or address,
        entity=address,
        summary=said.text("alert_details"),
        event_at=said.time("alert_date_time", "alert_datetime"),
        dedup_key=key or address,
        dedup_from="monitorID" if key else "monitor_url" if address else None,
        extras=stated(duration=said.text("alert_duration"), ssl_expires=said.text("ssl_expiry_date")),
    )
    return alert(said, item, core=(*TITLE, *IDENTITY, *STATE))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    names = {k.lower().replace("_", "") for k in data}
    return 2 if {"monitorfriendlyname", "alerttype"} <= names or {"monitorurl", "alerttype"} <= names else 0


SYSTEM = System(
    name="uptimerobot",
    title="UptimeRobot",
    read=reader("an UptimeRobot", _read, loose=True, templated=True),
    recognise=_recognise,
    refusable=True,
)
