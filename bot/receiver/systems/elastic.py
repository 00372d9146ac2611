"""Elastic: Watcher's webhook action and Kibana's webhook connector; in both the operator writes the body.

Kibana says "recovered" as an alert's action group when it is over; every other group is one that fires.
"""

from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "elastic",
  "rule": "{{rule.id}}",
  "alert": "{{alert.id}}",
  "status": "{{alert.actionGroup}}",
  "title": "{{rule.name}}",
  "severity": "",
  "service": "",
  "environment": "",
  "entity": "{{alert.id}}",
  "summary": "{{context.reason}}",
  "event_at": "{{date}}",
  "link": "{{rule.url}}"
}
"""
"""For the rule's action of each group, recovered too; severity, service and environment are typed in by hand."""

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("firing", "active", "alert", "alerting", "triggered", "open", "opened"), "firing"),
    **dict.fromkeys(("resolved", "recovered", "ok", "closed"), "resolved"),
    **dict.fromkeys(("acknowledged", "acked"), "acknowledged"),
    **dict.fromkeys(("no_data", "no data", "nodata"), "no_data"),
}
TITLE = ("title", "rule_name", "watch_name", "name", "subject")
WATCH = ("watch_id", "watch")
RULE = ("rule_id", "ruleId")
ALERT = ("alert_id", "alert_instance_id")
STATE = ("status", "state", "alert_state", "alert_status")
GROUP = ("action_group", "action_group_name", "alert_action_group")


def _by_group(word: str | None) -> str:
    if word is None:
        return "unknown"
    return "resolved" if word.strip().lower() == "recovered" else "firing"


def _object(said: Node, name: str) -> Node:
    return said.at(name) if said.holds(name) else Node({}, said.where)


def _identity(said: Node, rule: Node, one: Node) -> tuple[str | None, str | None]:
    if not said.holds("watch") and (watch := said.text(*WATCH)):
        return watch, "watch_id"
    key, instance = said.text(*RULE) or rule.text("id"), said.text(*ALERT) or one.text("id")
    if key and instance and instance != key:
        return f"{key}|{instance}", "rule id + alert id"
    return (key or instance), ("rule id" if key else "alert id" if instance else None)


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        rule_id, alert_id = said.text("rule"), said.text("alert")
        key = f"{rule_id}|{alert_id}" if rule_id and alert_id else rule_id
        return published.read(said, "elastic", _by_group, identity=key)
    rule, one = _object(said, "rule"), _object(said, "alert")
    key, found = _identity(said, rule, one)
    word, group = said.text(*STATE), said.text(*GROUP) or one.text("actionGroup", "action_group")
    status = look(word, STATUSES) if word else _by_group(group)
    item = Item(
        status=status,
        title=said.text(*TITLE) or rule.text("name"),
        severity_raw=said.text("severity", "level"),
        service=said.text("service", "service_name") if not said.holds("service") else None,
        entity=said.text("host", "hostname") if not said.holds("host") else None,
        summary=said.text("reason", "message", "description"),
        started_at=said.time("started_at", "alert_start"),
        event_at=said.time("@timestamp", "date", "execution_time", "triggered_time"),
        dedup_key=key,
        dedup_from=found,
        link=said.text("alert_details_url", "rule_url", "link", "url") or rule.text("url"),
    )
    return alert(said, item, core=(*TITLE, *WATCH, *RULE, *ALERT, *STATE, *GROUP, "id", "actionGroup"))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "elastic"):
        return 3
    if has(data, "watch_id"):
        return 2
    rule = data.get("rule")
    kibana = isinstance(rule, Mapping) and isinstance(data.get("alert"), Mapping) and has(rule, "id", "name")
    return 1 if kibana or has(data, "rule_id", "alert_id") else 0


SYSTEM = System(
    name="elastic",
    title="Elastic Watcher and Kibana rules",
    read=reader("an Elastic", _read, loose=True, templated=True),
    recognise=_recognise,
    severities=LEVELS,
    refusable=True,
)
