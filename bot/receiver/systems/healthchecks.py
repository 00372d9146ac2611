"""Healthchecks' webhook integration (healthchecks.io/docs): the operator writes the body.

Two forms are read: the published template, and a body that is ``$JSON``, the check as the API shows it.
"""

from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "healthchecks",
  "identity": "$CODE",
  "status": "$STATUS",
  "title": $NAME_JSON,
  "severity": "",
  "service": "",
  "environment": "",
  "tags": "$TAGS",
  "event_at": "$NOW"
}
"""
"""The same for "down" and for "up"; severity, service and environment are typed in by hand."""

STATUSES: Mapping[str, str] = {
    "down": "firing",
    "up": "resolved",
    "paused": "paused",
    "grace": "pending",
}
IDENTITY = ("uuid", "code", "unique_key")


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        return published.read(said, "healthchecks", lambda w: look(w, STATUSES))
    key, ping = said.text(*IDENTITY), said.text("ping_url")
    if key is None and ping:
        key = ping.rstrip("/").rpartition("/")[2] or None
    item = Item(
        status=look(said.text("status"), STATUSES),
        title=said.text("name"),
        summary=said.text("desc"),
        event_at=said.time("now"),
        dedup_key=key,
        dedup_from="the check's code" if key else None,
        extras=stated(tags=said.text("tags"), last_ping=said.time("last_ping")),
    )
    return alert(said, item, core=("name", *IDENTITY, "status"))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "healthchecks"):
        return 3
    return 2 if has(data, "n_pings", "last_ping", "grace") else 0


SYSTEM = System(
    name="healthchecks",
    title="Healthchecks",
    read=reader("a Healthchecks", _read, templated=True),
    recognise=_recognise,
    refusable=True,
)
