"""PagerDuty's webhooks v2, out of support since 2022-10-31 and still delivered: a list of messages."""

from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Category, Item, Reading, System, look, stated

_EVENTS = {
    "incident.trigger": "firing",
    "incident.acknowledge": "acknowledged",
    "incident.unacknowledge": "firing",
    "incident.resolve": "resolved",
}
_STATES = {"triggered": "firing", "acknowledged": "acknowledged", "resolved": "resolved"}


def _item(message: Node) -> Item:
    incident, event = message.at("incident"), message.text("event")
    # Escalations, assignments and notes change no state: the incident's own is told.
    status = _EVENTS.get(event or "") or look(incident.text("status"), _STATES)
    return Item(
        status=status,
        title=incident.text("title", "description"),
        severity_raw=incident.at("priority").text("summary") if incident.holds("priority") else None,
        service=incident.at("service").text("name", "summary"),
        started_at=incident.time("created_at"),
        event_at=message.time("created_on"),
        dedup_key=incident.need("id"),
        dedup_from="incident.id",
        link=incident.text("html_url"),
        extras=stated(
            event_type=event,
            delivery_id=message.text("id"),
            urgency=incident.text("urgency"),
            incident_key=incident.text("incident_key"),
        ),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What every message says about its incident."""
    items = tuple(_item(message) for message in whole.nodes("messages"))
    if not items:
        raise BadInput(f"{whole.where}: messages: missing or empty")
    deliveries = [str(item.extras["delivery_id"]) for item in items if "delivery_id" in item.extras]
    return Reading(
        category=Category.INCIDENT,
        items=items,
        delivery_key=headers.get("x-webhook-id") or ",".join(deliveries) or None,
    )


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By messages whose event is an incident's."""
    first = fields.get(peek(headers, body, exact=True), "messages", 0)
    event = fields.get(first, "event")
    return 2 if isinstance(event, str) and event.startswith("incident.") and fields.get(first, "incident") else 0


SYSTEM = System(
    name="pagerduty_webhook_v2",
    title="PagerDuty webhooks v2",
    read=reader("a PagerDuty webhook v2", _read, exact=True),
    recognise=_recognise,
    severities=LEVELS,
)
