"""Uptime Kuma's webhook notification: its own JSON, the same in a form's ``data``, or a body from a template.

``heartbeat.time`` is written without a zone by most versions; newer ones add the local time and its offset.
Without heartbeat and monitor it is the test button, or a notice such as an expiring certificate.
"""

from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "uptime_kuma",
  "identity": "{{ monitorJSON.id }}",
  "status": "{{ heartbeatJSON.status }}",
  "title": {{ monitorJSON.name | default: "" | json }},
  "service": {{ monitorJSON.name | default: "" | json }},
  "entity": {{ monitorJSON.hostname | default: monitorJSON.url | default: "" | json }},
  "severity": "",
  "environment": "",
  "event_at": "{{ heartbeatJSON.localDateTime }}{{ heartbeatJSON.timezoneOffset }}",
  "summary": {{ msg | json }}
}
"""

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("0", "down"), "firing"),
    **dict.fromkeys(("1", "up"), "resolved"),
    **dict.fromkeys(("2", "pending"), "pending"),
    **dict.fromkeys(("3", "maintenance"), "suppressed"),
}
NO_ADDRESS = frozenset({"http://", "https://"})
"""What the form of a monitor without a URL is filled with."""


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        return _ours(said)
    beat, monitor, message = said.at("heartbeat"), said.at("monitor"), said.text("msg")
    if not beat.value and not monitor.value and _is_test(message):
        return Reading(category=Category.HANDSHAKE)
    name, address = monitor.text("name"), monitor.text("url")
    key = monitor.text("id") or beat.text("monitorID")
    item = Item(
        status=look(beat.text("status"), STATUSES) if beat.value else "info",
        title=name or message,
        service=name,
        entity=monitor.text("hostname") or address,
        summary=beat.text("msg") or message,
        event_at=_time(beat),
        dedup_key=key,
        dedup_from=None if key is None else "monitor.id" if monitor.text("id") else "heartbeat.monitorID",
        link=address,
        extras=stated(tags=[t.text("name") for t in monitor.nodes("tags") if t.text("name")]),
    )
    return alert(said, item, core=("name", "id", "status"))


def _ours(said: Node) -> Reading:
    message = said.text("summary")
    if said.text("identity") is None and "identity" not in said.gaps:
        if _is_test(message):
            return Reading(category=Category.HANDSHAKE)
        return alert(said, Item(status="info", title=message, summary=message))
    return published.read(said, "uptime_kuma", lambda w: look(w, STATUSES))


def _is_test(message: str | None) -> bool:
    return (message or "").rstrip().endswith("Testing")


def _time(beat: Node) -> str | None:
    local, offset = beat.text("localDateTime"), beat.text("timezoneOffset")
    if local and offset:
        zoned = Node({"time": f"{local}{offset}"}, beat.where).time("time")
        if zoned:
            return zoned
    return beat.time("time")


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "uptime_kuma"):
        return 3
    return 2 if has(data, "heartbeat", "monitor", "msg") else 0


SYSTEM = System(
    name="uptime_kuma",
    title="Uptime Kuma",
    read=reader("an Uptime Kuma", _read, templated=True, void=NO_ADDRESS),
    recognise=_recognise,
    refusable=True,
)
