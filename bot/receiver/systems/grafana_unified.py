"""Grafana Alerting's webhook contact point (grafana.com/docs: "Configure the webhook notifier for Alerting")."""

from collections.abc import Mapping

from bot.receiver.systems import grouped
from bot.receiver.systems.delivery import has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Reading, System

OWN_KEYS = frozenset({"silenceURL", "dashboardURL", "panelURL", "values", "valueString", "ruleUID", "imageURL"})


def is_grafana(data: Mapping[str, object]) -> bool:
    """Whether a group of alerts carries what only Grafana adds to Alertmanager's form."""
    alerts = data.get("alerts")
    if not isinstance(alerts, list):
        return False
    first = alerts[0] if alerts and isinstance(alerts[0], Mapping) else {}
    return not OWN_KEYS.isdisjoint(first) or has(data, "orgId") or has(data, "numFiring")


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    return grouped.read(said, links=("generatorURL", "panelURL", "dashboardURL"))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if not is_grafana(data):
        return 0
    return 3 if "x-grafana-alerting-signature" in headers else 2


SYSTEM = System(
    name="grafana_unified",
    title="Grafana Alerting",
    read=reader("a Grafana Alerting", _read),
    recognise=_recognise,
    severities=LEVELS,
)
