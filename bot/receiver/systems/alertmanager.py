"""Alertmanager's webhook, versions 3 and 4 (prometheus.io/docs/alerting/latest/configuration/#webhook_config).

vmalert and Cortex post the same through an Alertmanager. Unknown keys and the version are ignored.
"""

from collections.abc import Mapping

from bot.receiver.systems import grouped
from bot.receiver.systems.delivery import has, peek, reader
from bot.receiver.systems.grafana_unified import is_grafana
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Reading, System


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    return grouped.read(said, links=("generatorURL",))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    if headers.get("user-agent", "").startswith("Alertmanager/"):
        return 3
    data = peek(headers, body)
    if not isinstance(data.get("alerts"), list) or is_grafana(data):
        return 0
    return 2 if has(data, "groupKey", "groupLabels") else 1 if has(data, "groupLabels") else 0


SYSTEM = System(
    name="alertmanager",
    title="Prometheus Alertmanager",
    read=reader("an Alertmanager", _read),
    recognise=_recognise,
    severities=LEVELS,
)
