"""New Relic: workflows, whose body the operator writes, and the legacy webhook channel, which is still delivered.

An issue is named ``issueId``, or ``id`` in the workflows' default body; the legacy channel says ``incident_id``.
"""

from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "newrelic",
  "identity": {{ json issueId }},
  "status": {{ json state }},
  "title": {{ json annotations.title.[0] }},
  "severity": {{ json priority }},
  {{#if accumulations.tag.service}}"service": {{ json accumulations.tag.service.[0] }},{{/if}}
  {{#if accumulations.tag.environment}}"environment": {{ json accumulations.tag.environment.[0] }},{{/if}}
  {{#if entitiesData.names}}"entity": {{ json entitiesData.names.[0] }},{{/if}}
  {{#if accumulations.policyName}}"policy": {{ json accumulations.policyName.[0] }},{{/if}}
  {{#if accumulations.conditionName}}"condition": {{ json accumulations.conditionName.[0] }},{{/if}}
  {{#if closedAt}}"ended_at": {{ closedAt }},{{/if}}
  "started_at": {{ createdAt }},
  "event_at": {{ updatedAt }},
  "link": {{ json issuePageUrl }}
}
"""

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("open", "opened", "created", "activated", "active"), "firing"),
    "acknowledged": "acknowledged",
    **dict.fromkeys(("closed", "resolved"), "resolved"),
}
TITLE = ("title", "issueTitle")
CONDITION = ("condition_name", "alertConditionNames", "alertConditionName")
IDENTITY = ("issueId", "incident_id", "id")
STATE = ("current_state", "state", "issueState")


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        return published.read(said, "newrelic", lambda w: look(w, STATUSES))
    status = look(said.text(*STATE), STATUSES)
    found = next((n for n in IDENTITY if said.text(n)), None)
    conditions, policies = said.words(*CONDITION), said.words("policy_name", "alertPolicyNames")
    targets = [t.text("name") for t in said.nodes("targets")] if isinstance(said.get("targets"), list) else []
    entities = said.words("impactedEntities", "entitiesNames") or tuple(t for t in targets if t)
    item = Item(
        status=status,
        title=said.text(*TITLE) or (conditions[0] if conditions else None),
        severity_raw=said.text("priority", "severity"),
        entity=", ".join(entities) or None,
        summary=said.text("details", "description"),
        started_at=said.time("createdAt", "activatedAt"),
        ended_at=said.time("closedAt") if status == "resolved" else None,
        event_at=said.time("updatedAt", "timestamp"),
        dedup_key=said.text(found) if found else None,
        dedup_from=found,
        link=said.text("issueUrl", "issuePageUrl", "incident_url"),
        extras=stated(policy=next(iter(policies), None), condition=next(iter(conditions), None)),
    )
    return alert(said, item, core=(*TITLE, *IDENTITY, *STATE))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "newrelic"):
        return 3
    if has(data, "condition_name", "current_state") or has(data, "issueUrl", "state"):
        return 2
    return 1 if has(data, "issueId", "state") or has(data, "incident_acknowledge_url") else 0


SYSTEM = System(
    name="newrelic",
    title="New Relic alerts",
    read=reader("a New Relic", _read, loose=True, templated=True),
    recognise=_recognise,
    severities=LEVELS,
    refusable=True,
)
