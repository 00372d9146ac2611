"""Falco's JSON output, by itself or through falcosidekick. It has no id that lasts and never says that it is over.

One rule on one container, or on one host where no container is named, is one finding.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

SEVERITIES: Mapping[str, str] = {
    **dict.fromkeys(("emergency", "alert", "critical"), "critical"),
    "error": "high",
    "warning": "warning",
    **dict.fromkeys(("notice", "informational", "info", "debug"), "info"),
}
NO_CONTAINER = frozenset({"host", "<NA>"})


def _named(seen: Node, name: str) -> str | None:
    value = seen.text(name)
    return None if value in NO_CONTAINER else value


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    seen, rule, host = said.at("output_fields"), said.text("rule"), said.text("hostname")
    container = _named(seen, "container.id")
    where = container or host
    named = _named(seen, "k8s.pod.name") or _named(seen, "container.name")
    item = Item(
        status="firing",
        title=rule,
        severity_raw=said.text("priority"),
        entity=named or where,
        summary=said.text("output"),
        event_at=said.time("time"),
        dedup_key=f"{rule}|{where}" if rule and where else rule,
        dedup_from="no id: rule + container.id, else hostname" if rule else None,
        extras=stated(delivery_id=said.text("uuid"), namespace=_named(seen, "k8s.ns.name"), hostname=host),
    )
    return alert(said, item, category=Category.SECURITY_FINDING)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    return 2 if has(peek(headers, body), "rule", "priority", "output") else 0


SYSTEM = System(
    name="falco", title="Falco", read=reader("a Falco", _read), recognise=_recognise, severities=SEVERITIES
)
