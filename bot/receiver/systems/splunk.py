"""Splunk's webhook alert action: the search that matched and its first row. It never says that anything is over.

``sid`` is a new one with each run. What lasts is the search, and the host its row is about, where one is named.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, System, stated


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    row, search, run = said.at("result"), said.text("search_name"), said.text("sid")
    host = ", ".join(row.words("host")) or None
    item = Item(
        status="firing",
        title=search,
        entity=host,
        summary=row.text("_raw") if not isinstance(row.get("_raw"), list) else None,
        event_at=row.time("_time") if not isinstance(row.get("_time"), list) else None,
        dedup_key=f"{search}|{host}" if search and host else search,
        dedup_from="search_name + host" if search and host else "search_name" if search else None,
        link=said.text("results_link"),
        extras=stated(delivery_id=run, app=said.text("app")),
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    return 2 if has(peek(headers, body), "search_name", "sid", "results_link") else 0


SYSTEM = System(name="splunk", title="Splunk alert actions", read=reader("a Splunk", _read), recognise=_recognise)
