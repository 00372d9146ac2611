"""Honeycomb's webhook recipient: triggers and burn alerts (docs.honeycomb.io). Its shared secret is never data."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("triggered", "alert"), "firing"),
    **dict.fromkeys(("ok", "resolved"), "resolved"),
}


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    key = said.text("id", "ID")
    item = Item(
        status=look(said.text("status"), STATUSES),
        title=said.text("name"),
        severity_raw=said.text("severity"),
        summary=said.text("description", "summary"),
        dedup_key=key,
        dedup_from="id" if key else None,
        link=said.text("result_url", "trigger_url"),
        extras=stated(is_test=said.get("is_test") is True or None),
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if has(data, "trigger_url", "result_url") or has(data, "result_groups", "status"):
        return 2
    return 1 if has(data, "shared_secret", "status", "version") else 0


SYSTEM = System(
    name="honeycomb", title="Honeycomb triggers", read=reader("a Honeycomb", _read), recognise=_recognise
)
