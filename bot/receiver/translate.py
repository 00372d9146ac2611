"""From what a delivery says to what the walk takes: alerts, changes, and notes for the source's owner. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agents.incident.catalogue import Catalogue
from agents.incident.incident import Alert, AlertStatus, Change, Severity
from bot.configuration import Source
from bot.receiver import outcomes, safe
from bot.receiver.changed import change
from bot.receiver.delivered import GROUPED, Delivery, Moment, place, said
from bot.receiver.systems import systems
from bot.receiver.systems.reading import Category, Item, Reading, level

ALERTS = frozenset({Category.ALERT, Category.INCIDENT, Category.SECURITY_FINDING})
CHANGES = frozenset({Category.DEPLOY, Category.CHANGE, Category.SERVICE_CHANGE, Category.JOB, Category.CI})
INCIDENT_TOOLS = frozenset({"pagerduty_webhook_v2", "pagerduty_webhook_v3", "opsgenie"})
"""Whose identity is what people there handle as one thing."""

HEARTBEATS = frozenset({"watchdog", "deadmansswitch"})
"""Alerts that always fire, so that their silence is heard."""

MOST_IN_ENTITY = 200
NO_TITLE = "alert without a name"

A = AlertStatus
_STATUSES: Mapping[str, AlertStatus] = {
    "firing": A.FIRING,
    "resolved": A.RESOLVED,
    "acknowledged": A.ACKNOWLEDGED,
}
_INCIDENTS: Mapping[str, AlertStatus] = {
    **_STATUSES,
    **dict.fromkeys(("triggered", "open", "opened", "reopened", "created", "started", "active"), A.FIRING),
    **dict.fromkeys(("triage", "in_triage", "investigating", "identified", "detected", "reported"), A.FIRING),
    **dict.fromkeys(("closed", "completed", "cancelled", "canceled", "postmortem"), A.RESOLVED),
    "acked": A.ACKNOWLEDGED,
}
"""The words of incident tools. "Mitigated" and "monitoring" are neither a beginning nor an end."""

_CODE = frozenset({"sentry", "cdevents"})
"""Whose entity is a place in the code, or an environment: nothing that several services could share."""

_LEVELS = frozenset(Severity)
_MACHINES = ("host", "hostname", "node", "instance", "pod", "container_id", "container_name", "kube_node")
"""Datadog's tags that name a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What one delivery brings. ``notes`` are for the source's owner: what was odd, what was left out and why."""

    alerts: tuple[Alert, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


def arrived(
    source: str, configured: Source, reading: Reading, catalogue: Catalogue, received_at: datetime
) -> Arrived:
    """The alerts and changes of one delivery of *source*, and what its owner should know.

    What is neither an alert nor a change (a handshake, a message, a provider's own events) is a note.
    """
    delivery = Delivery(
        source=source, configured=configured, reading=reading, catalogue=catalogue, received_at=received_at
    )
    _about(delivery)
    alerts: tuple[Alert, ...] = ()
    changes: tuple[Change, ...] = ()
    if reading.category in ALERTS:
        alerts = tuple(_alert(delivery, i) for i in reading.items if not _heartbeat(delivery, i))
    elif reading.category in CHANGES:
        changes = tuple(change(delivery, i) for i in reading.items)
    else:
        delivery.note(f"{reading.category.value}: nothing is opened for it")
    return Arrived(alerts=alerts, changes=changes, notes=tuple(dict.fromkeys(delivery.notes)))


def _about(delivery: Delivery) -> None:
    reading = delivery.reading
    if reading.error:
        delivery.note(reading.error)
    if reading.category is Category.UNRENDERED_TEMPLATE:
        delivery.note(f"this template is not rendered: {reading.about.get('placeholder', '')}")
    for name, hole in _mapping(reading.about.get("unrendered")).items():
        delivery.note(f"{name} is not rendered: {hole}")
    warnings = reading.about.get("warnings")
    for warning in warnings if isinstance(warnings, list | tuple) else ():
        delivery.note(str(warning))
    if clash := _mapping(reading.about.get("times_disagree")):
        told = ", ".join(f"{name} {value}" for name, value in clash.items())
        delivery.note(f"two times in one body disagree ({told}); the epoch counts")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _heartbeat(delivery: Delivery, item: Item) -> bool:
    """An alert that always fires says that its sender lives, and is nobody's incident."""
    named = (item.title or "").strip().lower() in HEARTBEATS
    silent = delivery.system in GROUPED and (item.severity_raw or "").strip().lower() == "none"
    if named or silent:
        delivery.note(f"heartbeat: {item.title or NO_TITLE} is {item.status}")
    return named or silent


def _alert(delivery: Delivery, item: Item) -> Alert:
    status = _status(delivery.reading.category, item.status)
    labels = safe.labels(item.extras.get("labels"))
    entity = _entity(delivery.system, item, labels)
    title = said(item.title) or entity or said(item.entity) or NO_TITLE
    service, environment = place(delivery, item, labels)
    started, ended, event = (
        delivery.moment(getattr(item, name), name) for name in ("started_at", "ended_at", "event_at")
    )
    over = ended if status is A.RESOLVED else Moment()
    return Alert(
        source=delivery.source,
        identity=_identity(delivery, item),
        status=status,
        title=safe.plain(title),
        severity=_severity(delivery.system, item),
        service=service,
        environment=environment,
        started_at=started.at,
        ended_at=over.at,
        at=event.ordering or over.ordering,
        group=_group(delivery, item),
        entity=safe.key(entity, MOST_IN_ENTITY) if entity else None,
        word=safe.plain(item.status, 60),
        summary=safe.plain(item.summary or ""),
        link=safe.plain(item.link) if item.link else None,
        labels=labels,
    )


def _status(category: Category, word: str) -> AlertStatus:
    table = _INCIDENTS if category is Category.INCIDENT else _STATUSES
    return table.get(outcomes.normal(word), A.NOTED)


def _severity(system: str, item: Item) -> Severity:
    known = systems().get(system)
    word = item.level or level(item.severity_raw, known.severities if known is not None else {})
    return Severity(word) if word in _LEVELS else Severity.UNKNOWN


def _identity(delivery: Delivery, item: Item) -> str:
    """The sender's own, or source, title and entity; never a hash of nothing."""
    own = said(item.dedup_key)
    if own is not None:
        return safe.key(own)
    delivery.note(f"{item.title or NO_TITLE!r} has no identity; source, title and entity stand for it")
    return safe.key("/".join((delivery.source, said(item.title) or "-", said(item.entity) or "-")))


def _group(delivery: Delivery, item: Item) -> str | None:
    """What the sender itself groups by. A group over no labels at all is not one: everything would be in it."""
    own: object = None
    if delivery.system in GROUPED:
        own = delivery.reading.about.get("group_key")
        if isinstance(own, str) and own.endswith(":{}"):
            own = None
    elif delivery.system in INCIDENT_TOOLS:
        own = said(item.dedup_key)
    return safe.key(f"{delivery.source}:{own}", safe.MOST_IN_GROUP) if own else None


def _entity(system: str, item: Item, labels: Mapping[str, str]) -> str | None:
    """The infrastructure that is named, as stated: not a scope of services, a chart, or a place in the code."""
    named = said(item.entity)
    if system == "datadog":
        machine = next((labels[name] for name in _MACHINES if labels.get(name)), None)
        return machine or (None if named is None or ":" in named else named)
    if named is None or system in _CODE or named in (item.service, item.extras.get("chart")):
        return None
    return named
