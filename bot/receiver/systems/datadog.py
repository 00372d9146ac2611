"""Datadog's webhooks integration (docs.datadoghq.com/integrations/webhooks): the operator writes the body.

``$ID`` is a new one with each event. What lasts from trigger to recovery is ``$ALERT_CYCLE_KEY``; without it, the
monitor and the scope that it alerts for.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "datadog",
  "identity": "$ALERT_CYCLE_KEY",
  "delivery": "$ID",
  "status": "$ALERT_TRANSITION",
  "title": "$EVENT_TITLE",
  "severity": "$ALERT_PRIORITY",
  "alert_type": "$ALERT_TYPE",
  "service": "$TAGS[service]",
  "environment": "$TAGS[env]",
  "entity": "$ALERT_SCOPE",
  "tags": "$TAGS",
  "event_at": "$DATE",
  "link": "$LINK"
}
"""

TRANSITIONS: Mapping[str, str] = {
    **dict.fromkeys(("triggered", "re-triggered", "retriggered", "renotify", "alert"), "firing"),
    **dict.fromkeys(("warn", "re-warn"), "firing"),
    **dict.fromkeys(("no data", "re-no data"), "no_data"),
    **dict.fromkeys(("recovered", "warn recovered", "no data recovered", "alert recovered"), "resolved"),
}
TYPES: Mapping[str, str] = {"error": "firing", "warning": "firing", "success": "resolved", "info": "info"}

TITLE = ("title", "alert_title", "event_title")
CYCLE = ("alert_cycle_key", "cycle_key", "aggreg_key")
MONITOR = ("monitor_id", "alert_id")
SCOPES = ("scopes", "alert_scope", "scope")
TRANSITION = ("alert_transition", "transition")
MOST_CHARACTERS = 2000

_MARK = re.compile(r"\[([^\[\]{]+?)(?: on [^\]]*)?\]")


def _status(said: Node, title: str | None, alert_type: str | None) -> str:
    if word := said.text(*TRANSITION):
        return look(word, TRANSITIONS)
    kind = (said.text("event_type") or "").strip().lower()
    marks = [m.strip().lower() for m in _MARK.findall(title or "")]
    for word in (kind, *marks):
        if word in TRANSITIONS:
            return TRANSITIONS[word]
    return look(alert_type, TYPES)


def tags(words: tuple[str, ...]) -> dict[str, str]:
    """``service:web, env:prod, monitor`` as names and values; the first of a name counts."""
    found: dict[str, str] = {}
    for word in (w.strip() for text in words for w in text.split(",")):
        name, colon, value = word.partition(":")
        if colon and value:
            found.setdefault(name, value)
    return found


def _identity(said: Node, scopes: str | None) -> tuple[str | None, str | None]:
    if cycle := said.text(*CYCLE):
        return cycle, "alert cycle key"
    monitor = said.text(*MONITOR)
    if monitor and scopes:
        return f"{monitor}|{scopes}", "monitor id + scopes"
    return monitor, ("monitor_id" if said.text("monitor_id") else "alert_id") if monitor else None


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        return _weighed(published.read(said, "datadog", lambda w: look(w, TRANSITIONS)))
    title, alert_type, delivery = said.text(*TITLE), said.text("alert_type"), said.text("id", "event_id")
    scopes = ",".join(said.words(*SCOPES)) or None
    labels = {**tags(said.words("tags")), **tags((scopes or "",))}
    key, found = _identity(said, scopes)
    body = said.text("alert_status", "text_only_msg", "message", "body")
    item = Item(
        status=_status(said, title, alert_type),
        title=title,
        severity_raw=said.text("severity", "priority", "alert_priority") or alert_type,
        service=said.text("service") or labels.get("service"),
        entity=scopes or said.text("hostname", "host"),
        summary=body.strip().strip("%").strip()[:MOST_CHARACTERS] or None if body else None,
        event_at=said.time("date", "last_updated"),
        dedup_key=key,
        dedup_from=found,
        link=said.text("url", "event_url", "link", "alert_url"),
        extras=stated(alert_type=alert_type, delivery_id=delivery, labels=labels),
    )
    return alert(said, item, core=(*TITLE, *CYCLE, *MONITOR, *TRANSITION), delivery_key=delivery)


def _weighed(reading: Reading) -> Reading:
    """A monitor without a priority weighs what its alert type says."""
    items = tuple(
        replace(item, severity_raw=str(item.extras["alert_type"]))
        if item.severity_raw is None and "alert_type" in item.extras
        else item
        for item in reading.items
    )
    return replace(reading, items=items)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "datadog"):
        return 3
    if has(data, "alert_transition") or (has(data, "alert_type", "event_type") and has(data, "id")):
        return 2
    return 1 if has(data, "event_type", "last_updated", "org", "title") else 0


SYSTEM = System(
    name="datadog",
    title="Datadog monitors",
    read=reader("a Datadog", _read, loose=True, templated=True),
    recognise=_recognise,
    severities={**LEVELS, "success": "info"},
    refusable=True,
)
