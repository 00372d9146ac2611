"""Sentry: webhooks of an integration, their kind in ``Sentry-Hook-Resource``, and the legacy webhooks plugin.

Issue, event and error deliveries about one issue join by the issue's id, which events say only in their links.
"""

import re
from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Category, Item, Reading, System, look, stated

METRIC: Mapping[str, str] = {"critical": "firing", "warning": "firing", "resolved": "resolved"}
ISSUE: Mapping[str, str] = {
    **dict.fromkeys(("created", "unresolved", "reopened"), "firing"),
    "resolved": "resolved",
    **dict.fromkeys(("ignored", "archived"), "suppressed"),
    "assigned": "info",
}

_ISSUE_IN_LINK = re.compile(r"/issues/(\d+)(?:/|$|\?)")


def _resource(headers: Mapping[str, str], said: Node) -> str | None:
    if named := headers.get("sentry-hook-resource"):
        return named
    data = said.get("data")
    if isinstance(data, Mapping):
        kinds = {"metric_alert": "metric_alert", "event": "event_alert", "issue": "issue", "error": "error"}
        kinds |= {"comment": "comment", "installation": "installation"}
        return next((kind for name, kind in kinds.items() if name in data), None)
    return "legacy_plugin" if said.has("event", "url") or said.has("project_slug") else None


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    resource = _resource(headers, said)
    about = {"resource": resource}
    if resource in ("installation", "uninstallation"):
        return Reading(category=Category.HANDSHAKE, about=about)
    readers = {
        "metric_alert": _metric,
        "event_alert": _event,
        "error": _event,
        "issue": _issue,
        "legacy_plugin": _plugin,
    }
    if resource is None:
        raise said.bad("data", "none of metric_alert, event, issue and error is there")
    if resource not in readers:
        return Reading(category=Category.OTHER, about=about, error=f"Sentry's {resource!r} is not an alert")
    return alert(said, readers[resource](said), about=about)


def _metric(said: Node) -> Item:
    data, action = said.at("data"), said.text("action")
    one, status = data.at("metric_alert"), look(said.text("action"), METRIC)
    key = one.text("id")
    return Item(
        status=status,
        title=data.text("description_title") or one.text("title"),
        severity_raw=action,
        service=next(iter(one.words("projects")), None),
        summary=data.text("description_text"),
        started_at=one.time("date_started", "date_detected"),
        ended_at=one.time("date_closed") if status == "resolved" else None,
        dedup_key=key,
        dedup_from="data.metric_alert.id (incident)" if key else None,
        link=data.text("web_url"),
        extras=stated(rule=one.at("alert_rule").text("name")),
    )


def _event(said: Node) -> Item:
    data = said.at("data")
    event = data.at("event") if data.has("event") else data.at("error")
    key, found = event.text("issue_id"), "issue_id"
    for name in ("issue_url", "web_url"):
        if key is None and (inside := _ISSUE_IN_LINK.search(event.text(name) or "")):
            key, found = inside.group(1), f"id inside {name}"
    return Item(
        status="firing",
        title=event.text("title", "message"),
        severity_raw=event.text("level"),
        service=event.text("project"),
        entity=event.text("culprit"),
        event_at=event.time("datetime", "timestamp", "received"),
        dedup_key=key,
        dedup_from=found if key else None,
        link=event.text("web_url"),
        extras=stated(
            rule=data.text("triggered_rule"),
            delivery_id=event.text("event_id"),
            labels=stated(environment=event.text("environment")),
        ),
    )


def _issue(said: Node) -> Item:
    issue, action = said.at("data").at("issue"), said.text("action")
    key, project = issue.text("id"), issue.at("project")
    return Item(
        status=look(action, ISSUE),
        title=issue.text("title"),
        severity_raw=issue.text("level"),
        service=project.text("slug", "name"),
        entity=issue.text("culprit"),
        started_at=issue.time("firstSeen"),
        event_at=issue.time("lastSeen"),
        dedup_key=key,
        dedup_from="data.issue.id" if key else None,
        link=issue.text("web_url", "permalink"),
        extras=stated(action=action, short_id=issue.text("shortId")),
    )


def _plugin(said: Node) -> Item:
    event, key = said.at("event"), said.text("id")
    return Item(
        status="firing",
        title=said.text("message") or event.text("title", "message"),
        severity_raw=said.text("level") or event.text("level"),
        service=said.text("project_slug", "project"),
        entity=said.text("culprit"),
        event_at=event.time("timestamp", "datetime", "received"),
        dedup_key=key,
        dedup_from="id (issue id)" if key else None,
        link=said.text("url"),
        extras=stated(
            rule=next(iter(said.words("triggering_rules")), None),
            delivery_id=event.text("event_id", "id"),
            labels=stated(environment=event.text("environment")),
        ),
    )


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    if "sentry-hook-resource" in headers:
        return 3
    data = peek(headers, body)
    if has(data, "action", "data", "installation") and has(data, "actor"):
        return 2
    return 2 if has(data, "project_slug", "culprit", "event") else 0


SYSTEM = System(
    name="sentry",
    title="Sentry",
    read=reader("a Sentry", _read),
    recognise=_recognise,
    severities={**LEVELS, "resolved": "info", "debug": "info"},
    proof="sentry",
)
