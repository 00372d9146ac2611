"""Azure Monitor action groups: the common schema, metric alerts, activity and log alerts, and classic alerts.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
"""

from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

_STATES = {
    "activated": "firing",
    "fired": "firing",
    "resolved": "resolved",
    "deactivated": "resolved",
    "succeeded": "firing",  # an activity log alert's event happened
}
COMMON = "azureMonitorCommonAlertSchema"


def _common(data: Node) -> Item:
    essentials = data.at("essentials")
    status = look(essentials.text("monitorCondition"), _STATES)
    targets = [t for t in (*essentials.list("configurationItems"), *essentials.list("alertTargetIDs")) if t]
    target = fields.text(targets[0], f"{essentials.where}.alertTargetIDs") if targets else None
    return Item(
        status=status,
        title=essentials.text("alertRule"),
        severity_raw=essentials.text("severity"),
        entity=target.rstrip("/").rpartition("/")[2] if target else None,
        summary=essentials.text("description"),
        started_at=essentials.time("firedDateTime"),
        ended_at=essentials.time("resolvedDateTime") if status == "resolved" else None,
        dedup_key=essentials.need("alertId"),
        dedup_from="data.essentials.alertId",
        link=essentials.text("investigationLink"),
        extras=stated(
            signal=essentials.text("signalType"), monitoring_service=essentials.text("monitoringService")
        ),
    )


def _context(status: str, context: Node) -> Item:
    """A metric alert, new or classic: it tells its rule's resource id."""
    return Item(
        status=_STATES.get(status, "unknown"),
        title=context.text("name"),
        severity_raw=context.text("severity"),
        entity=context.text("resourceName"),
        event_at=context.time("timestamp"),
        dedup_key=context.need("id"),
        dedup_from="context.id (rule resource id)",
        link=context.text("portalLink"),
        extras=stated(metric=context.at("condition").text("metricName")),
    )


def _activity(status: str, log: Node) -> Item:
    target = log.text("resourceId")
    return Item(
        status=_STATES.get(status, "unknown"),
        title=log.text("operationName", "description"),
        severity_raw=log.text("level"),
        entity=target.rstrip("/").rpartition("/")[2] if target else None,
        event_at=log.time("eventTimestamp"),
        dedup_key=f"{target or log.need('subscriptionId')}/{log.text('operationName') or ''}",
        dedup_from="resourceId+operationName",
        extras=stated(actor=log.text("caller")),
    )


def _log_alert(data: Node) -> Item:
    return Item(
        status="firing",
        title=data.text("AlertRuleName"),
        severity_raw=data.text("Severity"),
        summary=data.text("Description"),
        dedup_key=f"{data.text('SubscriptionId') or ''}/{data.need('AlertRuleName')}",
        dedup_from="SubscriptionId+AlertRuleName",
        link=data.text("LinkToSearchResults"),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One alert, in whichever of the schemas."""
    schema, data = whole.text("schemaId"), whole.at("data")
    if data.holds("essentials"):
        item = _common(data)
    elif data.holds("context") and data.at("context").holds("activityLog"):
        item = _activity(data.word("status"), data.at("context", "activityLog"))
    elif data.holds("context"):
        item = _context(data.word("status"), data.at("context"))
    elif data.value and data.has("AlertRuleName"):
        item = _log_alert(data)
    elif whole.holds("context"):
        item = _context(whole.word("status"), whole.at("context"))
    else:
        raise BadInput(f"{whole.where}: data: neither essentials nor context are there")
    return Reading(category=Category.ALERT, items=(item,), about={"schema": schema or "classic"})


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its schema's name, or by the resource id of a classic rule."""
    whole = peek(headers, body, exact=True)
    schema = whole.get("schemaId")
    if isinstance(schema, str) and (
        schema == COMMON or schema.lower().startswith(("azuremonitor", "microsoft.insights"))
    ):
        return 3
    rule = fields.get(whole, "context", "id")
    return 2 if isinstance(rule, str) and "/providers/microsoft.insights/" in rule.lower() else 0


SYSTEM = System(
    name="azure_monitor",
    title="Azure Monitor",
    read=reader("an Azure Monitor", _read, exact=True),
    recognise=_recognise,
    severities={
        **{
            f"{before}{n}": level
            for before in ("sev", "")
            for n, level in enumerate(("critical", "high", "warning", "info", "info"))
        },
        "critical": "critical",
        "error": "high",
        "warning": "warning",
        "informational": "info",
        "verbose": "info",
    },
)
