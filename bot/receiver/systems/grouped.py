"""What Alertmanager and Grafana's alerting share: a group of alerts, each with its own labels and status."""

from collections.abc import Mapping

from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, look, stated

STATUSES: Mapping[str, str] = {"firing": "firing", "resolved": "resolved"}
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
ENTITY_LABELS = ("instance", "host", "hostname", "node", "pod")


def read(said: Node, *, links: tuple[str, ...]) -> Reading:
    """Every alert of one group; *links* are the names of an alert's own page, the best first."""
    if not said.has("alerts"):
        raise said.bad("alerts", "missing")
    group = said.text("status")
    about = {
        "group_status": group,
        "group_key": _key(said),
        "group_labels": said.labels("groupLabels"),
        "truncated": said.whole("truncatedAlerts"),
    }
    items = tuple(_item(one, group, links) for one in said.nodes("alerts"))
    return Reading(category=Category.ALERT, items=items, about=about)


def _item(one: Node, group: str | None, links: tuple[str, ...]) -> Item:
    labels, notes = one.labels("labels"), one.labels("annotations")
    # A member's own word counts; the group's stands in only where a member has none.
    status = look(one.text("status") or group, STATUSES)
    given = one.text("fingerprint")
    # Over no labels a fingerprint is FNV's offset, the same for all: such an alert has no identity of its own.
    key = given or (fingerprint(labels) if labels else None)
    derived = "derived: FNV-1a64 of sorted labels (Prometheus fingerprint)" if key else None
    return Item(
        status=status,
        title=labels.get("alertname"),
        severity_raw=labels.get("severity"),
        service=labels.get("service"),
        entity=next((labels[n] for n in ENTITY_LABELS if n in labels), None),
        summary=notes.get("summary") or notes.get("description") or notes.get("message"),
        started_at=one.time("startsAt"),
        ended_at=one.time("endsAt") if status == "resolved" else None,
        dedup_key=key,
        dedup_from="alerts[].fingerprint" if given else derived,
        link=one.text(*links),
        extras=stated(labels=labels),
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' fingerprint: FNV-1a, 64 bit, over names and values in order, each ended by 0xff."""
    digest = FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def _key(said: Node) -> object:
    # Version 3 sent a number; a number of twenty digits stays one.
    key = said.get("groupKey")
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int)):
        raise said.bad("groupKey", "text is needed")
    return key
