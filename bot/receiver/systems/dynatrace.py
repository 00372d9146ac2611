"""Dynatrace's custom problem notification (docs.dynatrace.com, "Webhook integration"): a body from placeholders.

A resolved problem may come without its entity and its link; ``PID`` joins the two.
"""

from collections.abc import Mapping

from bot.receiver.systems import published
from bot.receiver.systems.datadog import tags
from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import LEVELS, Item, Reading, System, look, stated

TEMPLATE = """\
{
  "firstresponder": 1,
  "from": "dynatrace",
  "identity": "{PID}",
  "status": "{State}",
  "title": "{ProblemTitle}",
  "severity": "{ProblemSeverity}",
  "impact": "{ProblemImpact}",
  "entity": "{ImpactedEntity}",
  "tags": "{Tags}",
  "link": "{ProblemURL}"
}
"""

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("open", "opened", "active"), "firing"),
    **dict.fromkeys(("resolved", "closed"), "resolved"),
}
SEVERITIES: Mapping[str, str] = {
    **LEVELS,
    "availability": "critical",
    **dict.fromkeys(("error", "monitoring_unavailable"), "high"),
    **dict.fromkeys(("performance", "slowdown", "resource_contention", "resource"), "warning"),
}
"""A problem's severity is a kind, not a rank; a custom alert says nothing about its weight."""

TITLE = ("ProblemTitle", "title")
IDENTITY = ("PID", "ProblemID", "displayId", "problem_id")
STATE = ("State", "status", "problemState")
DETAILS = ("ProblemDetailsJSON", "ProblemDetailsJSONv2", "problemDetails")


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    if published.is_ours(said):
        return published.read(said, "dynatrace", lambda w: look(w, STATUSES), labels=tags(said.words("tags")))
    status = look(said.text(*STATE), STATUSES)
    found = next((n for n in IDENTITY if said.text(n)), None)
    details = next((said.at(n) for n in DETAILS if said.holds(n)), None)
    end = said.time("endTime") or (details.time("endTime") if details else None)
    entities = said.words("ImpactedEntity", "ImpactedEntityNames", "NamesOfImpactedEntities")
    item = Item(
        status=status,
        title=said.text(*TITLE),
        severity_raw=said.text("ProblemSeverity", "severity", "severityLevel"),
        entity=", ".join(entities) or None,
        started_at=said.time("startTime", "StartTime") or (details.time("startTime") if details else None),
        ended_at=end if status == "resolved" else None,
        dedup_key=said.text(found) if found else None,
        dedup_from=found,
        link=said.text("ProblemURL", "url", "link"),
        extras=stated(impact=said.text("ProblemImpact", "impact", "impactLevel"), labels=tags(said.words("Tags"))),
    )
    return alert(said, item, core=(*TITLE, *IDENTITY, *STATE))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    if published.marked(data, "dynatrace"):
        return 3
    if has(data, "State") and (has(data, "ProblemTitle") or has(data, "PID")):
        return 2
    return 1 if has(data, "ProblemID") else 0


SYSTEM = System(
    name="dynatrace",
    title="Dynatrace problems",
    read=reader("a Dynatrace", _read, loose=True, templated=True),
    recognise=_recognise,
    severities=SEVERITIES,
    refusable=True,
)
