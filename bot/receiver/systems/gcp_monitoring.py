"""Google Cloud Monitoring's webhook, by itself or in a Pub/Sub push (cloud.google.com/monitoring/support)."""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node, root
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

_STATES = {"open": "firing", "closed": "resolved", "acknowledged": "acknowledged"}
_ID = re.compile(r"/incidents/([^/?#]+)")
_TEST = "test"
"""The version that the console's "test connection" states."""


def _pushed(whole: Node) -> Node:
    data = whole.at("message").need("data")
    try:
        body = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"{whole.where}: message.data: not base64") from error
    return root(fields.decode(body, f"{whole.where}: message.data"), whole.what, exact=True)


def _identity(incident: Node) -> tuple[str, str]:
    key = incident.text("incident_id")
    if key is not None:
        return key, "incident.incident_id"
    found = _ID.search(urlsplit(incident.text("url") or "").path)
    if found is None:
        raise BadInput(f"{incident.where}.incident_id: missing, and no id stands in url")
    return found[1], "id in incident.url"


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One incident of an alerting policy, opened or closed."""
    pushed = whole.holds("message")
    told = _pushed(whole) if pushed else whole
    version = told.text("version")
    about = stated(
        version=version, wrapper="Pub/Sub push envelope: message.data is base64 JSON" if pushed else None
    )
    delivery = whole.at("message").text("messageId", "message_id") if pushed else None
    if version == _TEST:
        return Reading(category=Category.HANDSHAKE, about=about, delivery_key=delivery)
    incident = told.at("incident")
    key, source = _identity(incident)
    item = Item(
        status=look(incident.text("state"), _STATES),
        title=incident.text("condition_name", "policy_name", "summary"),
        severity_raw=incident.text("severity"),
        entity=incident.text("resource_name"),
        summary=incident.text("summary"),
        started_at=incident.time("started_at"),
        ended_at=incident.time("ended_at"),
        dedup_key=key,
        dedup_from=source,
        link=incident.text("url"),
        extras=stated(policy=incident.text("policy_name")),
    )
    return Reading(category=Category.ALERT, items=(item,), about=about, delivery_key=delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By the console's address, or by a policy's incident; in a Pub/Sub push too."""
    whole = peek(headers, body, exact=True)
    data = fields.get(whole, "message", "data")
    if isinstance(data, str):
        try:
            whole = peek({}, base64.b64decode(data, validate=True), exact=True)
        except (binascii.Error, ValueError):
            return 0
    incident = whole.get("incident")
    if not isinstance(incident, Mapping):
        return 0
    host = urlsplit(str(incident.get("url") or "")).hostname or ""
    if host in {"console.cloud.google.com", "app.stackdriver.com", "app.google.stackdriver.com"}:
        return 3
    return 2 if "state" in incident and {"incident_id", "policy_name"} <= incident.keys() else 0


SYSTEM = System(
    name="gcp_monitoring",
    title="Google Cloud Monitoring",
    read=reader("a Google Cloud Monitoring", _read, exact=True),
    recognise=_recognise,
    severities={"critical": "critical", "error": "high", "warning": "warning"},
)
