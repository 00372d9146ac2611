"""Rootly's webhooks about incidents and alerts (docs.rootly.com/configuration/webhooks)."""

from collections.abc import Mapping

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Category, Item, Reading, System, stated, unused

_STATES = {
    "created": "firing",
    "started": "firing",
    "in_triage": "firing",
    "triage": "firing",
    "open": "firing",
    "triggered": "firing",
    "reopened": "firing",
    "acknowledged": "acknowledged",
    "mitigated": "mitigated",
    "resolved": "resolved",
    "completed": "resolved",
    "closed": "resolved",
    "cancelled": "resolved",
    "canceled": "resolved",
    "deferred": "suppressed",
    "scheduled": "pending",
    "in_progress": "firing",
}


def _severity(data: Node) -> str | None:
    """Rootly's severity is text, an object, or JSON:API's object in an object."""
    if not data.holds("severity"):
        return data.text("severity")
    severity = data.at("severity")
    if severity.holds("data"):
        severity = severity.at("data", "attributes")
    return severity.text("name", "slug", "severity")


def _service(data: Node) -> str | None:
    services = data.get("services")
    if not isinstance(services, list) or len(services) != 1:
        return None
    return fields.text(fields.get(services[0], "name"), f"{data.where}.services[0].name")


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What happened to one incident or alert."""
    event, data = whole.at("event"), whole.at("data")
    kind, delivery = event.need("type"), event.text("id")
    about = stated(event_type=kind, delivery_id=delivery)
    subject, _, verb = kind.partition(".")
    if subject not in {"incident", "alert"}:
        return unused("Rootly", kind, **about)
    # "updated" and the like change nothing by themselves: the state stands in the data.
    status = _STATES.get(verb) or _STATES.get(data.word("status"), "info" if verb != "updated" else "unknown")
    item = Item(
        status=status,
        title=data.text("title", "summary"),
        severity_raw=_severity(data),
        service=_service(data),
        started_at=data.time("started_at"),
        ended_at=data.time("resolved_at") if status == "resolved" else None,
        event_at=event.time("issued_at"),
        dedup_key=data.text("incident_id") or data.need("id"),
        dedup_from="data.incident_id / data.id",
        link=data.text("url"),
    )
    category = Category.INCIDENT if subject == "incident" else Category.ALERT
    # With its kind: an id that a sender keeps from created to resolved must not make the end a repeat.
    key = f"{delivery}/{kind}" if delivery else None
    return Reading(category=category, items=(item,), about=about, delivery_key=key)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by an event that says when it was issued."""
    if "x-rootly-signature" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    event = whole.get("event")
    return 2 if isinstance(event, Mapping) and {"type", "issued_at"} <= event.keys() and "data" in whole else 0


SYSTEM = System(
    name="rootly",
    title="Rootly",
    read=reader("a Rootly", _read, exact=True),
    recognise=_recognise,
    severities=LEVELS,
    proof="rootly",
)
