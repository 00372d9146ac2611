"""Opsgenie's, and Jira Service Management's, outgoing webhook: an alert and the action on it.

https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data
"""

from collections.abc import Mapping

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

_ACTIONS = {
    "create": "firing",
    "escalate": "firing",
    "escalatenext": "firing",
    "unacknowledge": "firing",
    "unsnooze": "firing",
    "snoozeended": "firing",
    "acknowledge": "acknowledged",
    "snooze": "suppressed",
    "close": "resolved",
}
"""Anything else (notes, tags, owners, a deletion, an operator's own action) says nothing of the state: info."""


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One alert; the action says where it stands."""
    action, alert = whole.need("action"), whole.at("alert")
    alias, alert_id = alert.text("alias"), alert.text("alertId")
    item = Item(
        status=_ACTIONS.get(action.strip().lower(), "info"),
        title=alert.text("message"),
        severity_raw=alert.text("priority"),
        entity=alert.text("entity"),
        summary=alert.text("description"),
        started_at=alert.time("createdAt"),
        event_at=alert.time("updatedAt"),
        dedup_key=alias or alert.need("alertId"),
        dedup_from="alert.alias" if alias else "alert.alertId",
        extras=stated(alert_id=alert_id),
    )
    return Reading(category=Category.ALERT, items=(item,), about={"action": action})


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By an action on an alert with an id, by a named integration."""
    whole = peek(headers, body, exact=True)
    ours = isinstance(whole.get("action"), str) and isinstance(fields.get(whole, "alert", "alertId"), str)
    return 2 if ours and "integrationId" in whole else int(ours)


SYSTEM = System(
    name="opsgenie",
    title="Opsgenie",
    read=reader("an Opsgenie", _read, exact=True),
    recognise=_recognise,
    severities={"p1": "critical", "p2": "high", "p3": "warning", "p4": "info", "p5": "info"},
)
