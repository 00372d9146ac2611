"""Atlassian Statuspage's webhook to subscribers: a provider's incident, maintenance or component.

https://support.atlassian.com/statuspage/docs/enable-webhook-notifications
"""

from collections.abc import Mapping

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

_PHASES = {
    "investigating": "firing",
    "identified": "firing",
    "monitoring": "firing",
    "in_progress": "firing",
    "verifying": "firing",
    "scheduled": "pending",
    "resolved": "resolved",
    "completed": "resolved",
    "postmortem": "resolved",
}
_COMPONENT = {
    "operational": "resolved",
    "degraded_performance": "firing",
    "partial_outage": "firing",
    "major_outage": "firing",
    "under_maintenance": "suppressed",
}


def _incident(incident: Node) -> Item:
    phase = incident.text("status")
    status = _PHASES.get((phase or "").lower(), "unknown")
    return Item(
        status=status,
        title=incident.text("name"),
        severity_raw=incident.text("impact"),
        started_at=incident.time("created_at"),
        ended_at=incident.time("resolved_at") if status == "resolved" else None,
        event_at=incident.time("updated_at"),
        dedup_key=incident.need("id"),
        dedup_from="incident.id",
        link=incident.text("shortlink"),
        extras=stated(phase=phase),
    )


def _component(whole: Node) -> Item:
    update, component = whole.at("component_update"), whole.at("component")
    phase = update.text("new_status") or component.text("status")
    return Item(
        status=_COMPONENT.get((phase or "").lower(), "unknown"),
        title=component.text("name"),
        severity_raw=phase,
        event_at=update.time("created_at"),
        dedup_key=update.text("component_id") or component.need("id"),
        dedup_from="component_update.component_id",
        extras=stated(phase=phase, old_state=update.text("old_status")),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What a provider tells about itself."""
    component = whole.holds("component_update") and not whole.holds("incident")
    item = _component(whole) if component else _incident(whole.at("incident"))
    return Reading(category=Category.PROVIDER_EVENT, items=(item,))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By a page beside an incident's updates or a component's."""
    whole = peek(headers, body, exact=True)
    if not isinstance(fields.get(whole, "page", "id"), str):
        return 0
    return 2 if "component_update" in whole or isinstance(fields.get(whole, "incident", "page_id"), str) else 0


SYSTEM = System(
    name="statuspage",
    title="Statuspage",
    read=reader("a Statuspage", _read, exact=True),
    recognise=_recognise,
    severities={
        "critical": "critical",
        "major": "high",
        "minor": "warning",
        "none": "info",
        "maintenance": "info",
        "major_outage": "critical",
        "partial_outage": "high",
        "degraded_performance": "warning",
        "under_maintenance": "info",
        "operational": "info",
    },
)
