"""Pingdom's webhook: a check that changed its state (solarwinds.com: "Webhooks" of Pingdom).

Uptime checks go UP and DOWN; transaction checks SUCCESS and FAILING.
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("down", "failing"), "firing"),
    **dict.fromkeys(("up", "success"), "resolved"),
    **dict.fromkeys(("unconfirmed_down", "unconfirmed"), "pending"),
    "paused": "paused",
}


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    check, params = said.text("check_id"), said.at("check_params")
    status = look(said.text("current_state"), STATUSES)
    changed = said.time("state_changed_timestamp")
    if changed is None and (written := said.text("state_changed_utc_time")):
        # The name says the zone that the value leaves out.
        zoned = written if written.endswith("Z") or "+" in written else f"{written}Z"
        changed = Node({"at": zoned}, said.where).time("at")
    item = Item(
        status=status,
        title=said.text("check_name"),
        severity_raw=said.text("importance_level"),
        entity=params.text("hostname", "full_url", "url"),
        summary=said.text("description", "long_description"),
        started_at=changed if status == "firing" else None,
        event_at=changed,
        dedup_key=check,
        dedup_from="check_id" if check else None,
        extras=stated(check_type=said.text("check_type"), previous=said.text("previous_state")),
    )
    return alert(said, item)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    return 2 if has(peek(headers, body), "check_id", "current_state", "previous_state") else 0


SYSTEM = System(
    name="pingdom", title="Pingdom", read=reader("a Pingdom", _read), recognise=_recognise, severities=LEVELS
)
