"""Grafana's alerting before version 9: one rule a delivery, by its ``ruleId``."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    "alerting": "firing",
    "ok": "resolved",
    "no_data": "no_data",
    "paused": "paused",
    "pending": "pending",
}


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    rule = said.text("ruleId")
    tags = said.labels("tags")
    values = [[m.text("metric"), _number(m)] for m in said.nodes("evalMatches")]
    item = Item(
        status=look(said.text("state"), STATUSES),
        title=said.text("ruleName", "title"),
        severity_raw=tags.get("severity"),
        service=tags.get("service"),
        summary=said.text("message"),
        dedup_key=rule,
        dedup_from="ruleId" if rule else None,
        link=said.text("ruleUrl"),
        extras=stated(values=values, labels=tags),
    )
    return alert(said, item)


def _number(match: Node) -> float | None:
    value = match.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise match.bad("value", "a number is needed")
    return value


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    return 2 if has(peek(headers, body), "ruleId", "ruleName", "state") else 0


SYSTEM = System(
    name="grafana_legacy",
    title="Grafana legacy alerting",
    read=reader("a Grafana legacy alerting", _read),
    recognise=_recognise,
    severities=LEVELS,
)
