"""PagerDuty's webhooks v3: one event a delivery (developer.pagerduty.com/docs/webhooks-overview)."""

from collections.abc import Mapping

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Category, Item, Reading, System, look, stated, unused

_EVENTS = {
    "incident.triggered": "firing",
    "incident.acknowledged": "acknowledged",
    "incident.unacknowledged": "firing",
    "incident.reopened": "firing",
    "incident.resolved": "resolved",
}
_STATES = {"triggered": "firing", "acknowledged": "acknowledged", "resolved": "resolved"}


def _incident(event: Node, kind: str) -> Item:
    data = event.at("data")
    occurred, status = event.time("occurred_at"), _EVENTS.get(kind)
    status = status or look(data.text("status"), _STATES)
    return Item(
        status=status,
        title=data.text("title"),
        severity_raw=data.at("priority").text("summary") if data.holds("priority") else None,
        service=data.at("service").text("summary"),
        started_at=data.time("created_at"),
        ended_at=occurred if status == "resolved" else None,
        event_at=occurred,
        dedup_key=data.need("id"),
        dedup_from="event.data.id",
        link=data.text("html_url"),
        extras=stated(
            urgency=data.text("urgency"),
            actor=event.at("agent").text("summary"),
            incident_key=data.text("incident_key"),  # the alert's key, never the incident's identity
        ),
    )


def _beside(event: Node) -> Item:
    """Notes, updates and responders: about an incident, without its state."""
    incident = event.at("data", "incident")
    return Item(
        status="info",
        title=incident.text("title", "summary"),
        event_at=event.time("occurred_at"),
        dedup_key=incident.need("id"),
        dedup_from="event.data.incident.id",
        link=incident.text("html_url"),
        extras=stated(actor=event.at("agent").text("summary")),
    )


def _service(event: Node, kind: str) -> Item:
    data = event.at("data")
    name, key, delivery = data.text("name", "summary"), data.need("id"), event.text("id")
    return Item(
        status=kind.rpartition(".")[2],
        title=name,
        service=name,
        event_at=event.time("occurred_at"),
        dedup_key=key,
        dedup_from="event.data.id",
        link=data.text("html_url"),
        change=f"{key}@{delivery}" if delivery else None,
        extras=stated(actor=event.at("agent").text("summary")),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What happened to one incident or service."""
    event = whole.at("event")
    kind = event.need("event_type")
    about = stated(event_type=kind, delivery_id=event.text("id"))
    delivery = headers.get("x-webhook-id") or event.text("id")
    if kind == "pagey.ping":
        return Reading(category=Category.HANDSHAKE, about=about, delivery_key=delivery)
    category = Category.INCIDENT
    if kind.startswith("service."):
        category, item = Category.SERVICE_CHANGE, _service(event, kind)
    elif not kind.startswith("incident."):
        return unused("PagerDuty", kind, **about)
    elif event.at("data").holds("incident"):
        item = _beside(event)
    else:
        item = _incident(event, kind)
    return Reading(category=category, items=(item,), about=about, delivery_key=delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by the event's type and resource."""
    event = peek(headers, body, exact=True).get("event")
    shaped = isinstance(event, Mapping) and isinstance(fields.get(event, "event_type"), str)
    if "x-pagerduty-signature" in headers and shaped:
        return 3
    return 2 if shaped and isinstance(event, Mapping) and "resource_type" in event else 0


SYSTEM = System(
    name="pagerduty_webhook_v3",
    title="PagerDuty webhooks v3",
    read=reader("a PagerDuty webhook v3", _read, exact=True),
    recognise=_recognise,
    severities=LEVELS,
    proof="pagerduty_v3",
)
