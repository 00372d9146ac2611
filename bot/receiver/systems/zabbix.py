"""Zabbix media types of kind webhook (zabbix.com/documentation: "Macros"): the operator names the parameters.

A recovery and an update carry the problem's own event id, ``{EVENT.ID}``; ``*UNKNOWN*`` is what Zabbix puts where
a macro has no value. Its dates have no zone; an epoch is preferred where both are sent.
"""

import re
from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "zabbix",
  "identity": "{EVENT.ID}",
  "status": "{EVENT.VALUE}",
  "action": "{EVENT.UPDATE.ACTION}",
  "title": "{EVENT.NAME}",
  "severity": "{EVENT.SEVERITY}",
  "service": "{EVENT.TAGS.service}",
  "environment": "{EVENT.TAGS.environment}",
  "entity": "{HOST.NAME}",
  "started_at": "{EVENT.DATE} {EVENT.TIME}",
  "ended_at": "{EVENT.RECOVERY.DATE} {EVENT.RECOVERY.TIME}",
  "link": "{TRIGGER.URL}"
}
"""
"""The parameters of the media type, each a name and a macro."""

SCRIPT = """\
var given = JSON.parse(value), request = new HttpRequest();
request.addHeader('Content-Type: application/json');
if (given.token) { request.addHeader('Authorization: Bearer ' + given.token); }
var url = given.url;
delete given.url;
delete given.token;
request.post(url, JSON.stringify(given));
if (request.getStatus() >= 300) { throw 'HTTP ' + request.getStatus(); }
return 'OK';
"""
"""The script of the media type; it posts its parameters but ``url`` and ``token``, which the operator adds."""

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("problem", "1", "firing"), "firing"),
    **dict.fromkeys(("ok", "0", "resolved", "recovery", "recovered"), "resolved"),
    **dict.fromkeys(("acknowledged", "acknowledge"), "acknowledged"),
}
SEVERITIES: Mapping[str, str] = {
    **LEVELS,
    **dict.fromkeys(("disaster", "5"), "critical"),
    **dict.fromkeys(("high", "4"), "high"),
    **dict.fromkeys(("average", "warning", "3", "2"), "warning"),
    **dict.fromkeys(("information", "1"), "info"),
}
TITLE = ("event_name", "trigger_name", "problem_name", "alert_name", "trigger", "problem", "subject", "name")
IDENTITY = ("original_problem_id", "problem_id", "event_id")
STATE = ("trigger_status", "status", "event_value", "event_status")
SEVERITY = ("event_severity", "severity", "trigger_severity", "trigger_priority_name", "priority")
LINK = ("link", "url", "trigger_url", "event_url", "problem_url")
NOTHING = frozenset({"*UNKNOWN*", "{EVENT.UPDATE.ACTION}"})
"""What stands where a macro has no value; an update's action stands only in updates."""

_EVENT_IN_LINK = re.compile(r"[?&]eventid=(\d+)")


def _status(word: str | None, action: str | None) -> str:
    status = look(word, STATUSES)
    said = {part.strip() for part in (action or "").lower().split(",")}
    return "acknowledged" if status == "firing" and "acknowledged" in said else status


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    action = said.text("action", "event_update_action", "update_action")
    if published.is_ours(said):
        return published.read(said, "zabbix", lambda w: _status(w, action))
    key, link = said.text(*IDENTITY), said.text(*LINK)
    if key is None and link and (inside := _EVENT_IN_LINK.search(link)):
        key = inside.group(1)
    written = " ".join(filter(None, (said.text("event_date", "date"), said.text("event_time", "time"))))
    epoch = said.time("event_timestamp", "timestamp")
    by_clock = Node({"date": written}, said.where).time("date")
    item = Item(
        status=_status(said.text(*STATE), action),
        title=said.text(*TITLE),
        severity_raw=said.text(*SEVERITY),
        service=said.text("service"),
        entity=said.text("host_name", "hostname", "host", "host_host"),
        summary=said.text("event_opdata", "trigger_description", "item"),
        event_at=epoch or by_clock,
        dedup_key=key,
        dedup_from="event id" if key else None,
        link=link,
        extras=stated(tags=said.text("event_tags", "tags")),
    )
    disagree = epoch and by_clock and epoch[:10] != by_clock[:10]
    about = {"times_disagree": {"epoch": epoch, "date": by_clock}} if disagree else {}
    return alert(said, item, core=(*TITLE, *IDENTITY, *STATE), about=about)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "zabbix"):
        return 3
    if has(data, "trigger_id", "trigger_name") or has(data, "trigger", "hostname") or has(data, "event_nseverity"):
        return 2
    return 1 if has(data, "event_id", "trigger_status") or has(data, "trigger_name") else 0


SYSTEM = System(
    name="zabbix",
    title="Zabbix",
    read=reader("a Zabbix", _read, loose=True, templated=True, void=NOTHING),
    recognise=_recognise,
    severities=SEVERITIES,
    refusable=True,
)
