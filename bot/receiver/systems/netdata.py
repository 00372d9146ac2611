"""Netdata Cloud's webhook (learn.netdata.cloud): alerts, and nodes that went out of reach.

Its bodies hold no id: space, node where it is said, chart and alert together are one. Bodies that an agent's own
script posts say ``status`` for ``severity``, ``name`` for ``alert`` and ``when`` for ``date``.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    "clear": "resolved",
    **dict.fromkeys(("warning", "critical"), "firing"),
    **dict.fromkeys(("undefined", "uninitialized", "removed"), "unknown"),
}


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if said.holds("status"):
        return _reach(said)
    title, chart, space = said.text("alert", "alarm", "name"), said.text("chart"), said.text("space")
    node = said.text("host", "hostname", "node")
    # The agents' body says both: its status is the state, its severity a sentence.
    word = said.text("status", "severity")
    parts = [p for p in (space, node, chart, title) if p]
    item = Item(
        status=look(word, STATUSES),
        title=title,
        severity_raw=word,
        entity=node or chart,
        summary=said.text("message"),
        event_at=said.time("date", "when"),
        dedup_key="/".join(parts) if title else None,
        dedup_from="no id in payload: space + node + chart + alert" if title else None,
        link=said.text("alert_url", "alarm_url", "goto_url"),
        extras=stated(info=said.text("info"), context=said.text("context"), chart=chart),
    )
    return alert(said, item)


def _reach(said: Node) -> Reading:
    state = said.at("status")
    word, reachable = state.text("text"), state.true("reachable")
    # Two fields say it; where they disagree nobody knows, and nothing is over.
    known = reachable is not None and word in (None, "reachable" if reachable else "unreachable")
    node = said.text("host")
    item = Item(
        status="unknown" if not known else "resolved" if reachable else "firing",
        title=said.text("message") or node,
        severity_raw=said.text("severity"),
        entity=node,
        summary=said.text("message"),
        dedup_key=f"{node}/reachability" if node else None,
        dedup_from="host" if node else None,
        link=said.text("url"),
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if has(data, "alert", "chart", "severity") or has(data, "alarm", "chart", "severity"):
        return 2
    status = data.get("status")
    return 2 if isinstance(status, Mapping) and has(status, "reachable") else 0


SYSTEM = System(
    name="netdata",
    title="Netdata Cloud",
    read=reader("a Netdata", _read),
    recognise=_recognise,
    severities={**LEVELS, "clear": "info"},
)
