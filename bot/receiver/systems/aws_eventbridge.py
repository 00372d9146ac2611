"""AWS events, as EventBridge sends them: ``source``, ``detail-type`` and a ``detail`` of the service's own.

https://docs.aws.amazon.com/eventbridge/latest/ref/events.html
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from bot.receiver.systems import aws_cloudwatch, fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated, unused

_SOURCES = {
    "aws.codedeploy": Category.DEPLOY,
    "aws.codepipeline": Category.DEPLOY,
    "aws.cloudformation": Category.DEPLOY,
    "aws.amplify": Category.DEPLOY,
    "aws.elasticbeanstalk": Category.DEPLOY,
    "aws.codebuild": Category.CI,
    "aws.glue": Category.JOB,
    "aws.batch": Category.JOB,
    "aws.states": Category.JOB,
    "aws.backup": Category.JOB,
    "aws.dms": Category.JOB,
    "aws.codecommit": Category.CHANGE,
    "aws.ecr": Category.CHANGE,
    "aws.config": Category.CHANGE,
    "aws.ssm": Category.CHANGE,
    "aws.appconfig": Category.CHANGE,
    "aws.inspector2": Category.SECURITY_FINDING,
    "aws.macie": Category.SECURITY_FINDING,
    "aws.access-analyzer": Category.SECURITY_FINDING,
}
"""A source of AWS that is not here tells about the provider's own things: instances, databases, health."""

_STATUS = (
    "state",
    "build-status",
    "StatusCode",
    "status",
    "statusCode",
    "lastStatus",
    "eventName",
    "eventTypeCode",
)
_KINDS = {
    "aws.cloudformation": "infrastructure",
    "aws.config": "infrastructure",
    "aws.ssm": "config",
    "aws.appconfig": "config",
    "aws.codecommit": "build",
    "aws.ecr": "build",
}
_SERVICE = ("application", "pipeline", "project-name", "AutoScalingGroupName", "repository-name", "repositoryName")
_ENTITY = ("deploymentGroup", "stage")
_KEYS = ("deploymentId", "execution-id", "build-id")
_HEALTH = {"open": "firing", "closed": "resolved", "upcoming": "pending"}
_SCORE_CRITICAL, _SCORE_HIGH, _SCORE_MEDIUM = 9, 7, 4


def event_reading(event: Node) -> Reading:
    """One event; SNS carries the same."""
    kind, source = event.need("detail-type"), event.text("source")
    delivery = event.text("id")
    if kind == "GuardDuty Finding":
        return _of(Category.SECURITY_FINDING, (_guardduty(event),), delivery)
    if kind.startswith("Security Hub Findings"):
        found = tuple(_securityhub(event, finding) for finding in event.at("detail").nodes("findings"))
        return _of(Category.SECURITY_FINDING, found, delivery)
    if kind == "CloudWatch Alarm State Change":
        arn = aws_cloudwatch.event_arn(event)
        return _of(Category.ALERT, (aws_cloudwatch.data_item(event, event.at("detail"), arn=arn),), delivery)
    if kind.startswith("AWS Health"):
        return _of(Category.PROVIDER_EVENT, (_health(event),), delivery)
    if source is None or not source.startswith("aws."):
        return unused("EventBridge", f"{source or ''} {kind}".strip())
    if kind == "Scheduled Event":
        return unused("EventBridge", kind)
    category = (
        Category.CHANGE if kind.endswith("via CloudTrail") else _SOURCES.get(source, Category.PROVIDER_EVENT)
    )
    category = Category.DEPLOY if kind == "ECS Deployment State Change" else category
    return _of(category, (_plain(event),), delivery)


def _of(category: Category, items: tuple[Item, ...], delivery: str | None) -> Reading:
    return Reading(category=category, items=items, delivery_key=delivery)


def _plain(event: Node) -> Item:
    detail = event.at("detail")
    key = detail.text(*_KEYS)
    # A pipeline, its stages and their actions tell of one execution, each of its own end.
    parts = (key, _word(detail, ("stage",)), _word(detail, ("action",)))
    audited = (event.text("detail-type") or "").endswith("via CloudTrail")
    return Item(
        status=_word(detail, _STATUS) or "unknown",
        title=event.text("detail-type"),
        service=_word(detail, _SERVICE),
        entity=_word(detail, _ENTITY),
        event_at=event.time("time"),
        dedup_key=key or event.need("id"),
        dedup_from="detail.deploymentId / execution-id / build-id" if key else "id",
        kind="infrastructure" if audited else _KINDS.get(event.text("source") or ""),
        change="/".join(part for part in parts if part) if key else None,
        extras=stated(region=event.text("region"), delivery_id=event.text("id"), run_id=detail.text("jobRunId")),
    )


def _word(detail: Node, names: tuple[str, ...]) -> str | None:
    """The first of the fields that holds text: in some services' details such a name is an object."""
    return next((v for name in names if isinstance(v := detail.get(name), str) and v.strip()), None)


def _guardduty(event: Node) -> Item:
    detail = event.at("detail")
    seen = detail.at("service")
    return Item(
        status="suppressed" if seen.true("archived") else "firing",
        title=detail.text("title", "type"),
        severity_raw=detail.text("severity"),
        started_at=seen.time("eventFirstSeen"),
        event_at=event.time("time"),
        dedup_key=detail.need("id"),
        dedup_from="detail.id",
        extras=stated(region=event.text("region"), delivery_id=event.text("id")),
    )


def _securityhub(event: Node, finding: Node) -> Item:
    state = finding.at("Workflow").word("Status")
    status = {"resolved": "resolved", "suppressed": "suppressed"}.get(state, "firing")
    if finding.word("RecordState") == "archived" and status == "firing":
        status = "resolved"
    resources = tuple(finding.nodes("Resources"))
    return Item(
        status=status,
        title=finding.text("Title"),
        severity_raw=finding.at("Severity").text("Label"),
        entity=resources[0].text("Id") if len(resources) == 1 else None,
        started_at=finding.time("FirstObservedAt") or finding.time("CreatedAt"),
        event_at=finding.time("UpdatedAt") or event.time("time"),
        dedup_key=finding.need("Id"),
        dedup_from="detail.findings[].Id",
        link=finding.text("SourceUrl"),
        extras=stated(region=event.text("region"), delivery_id=event.text("id")),
    )


def _health(event: Node) -> Item:
    detail = event.at("detail")
    phase = detail.word("statusCode")
    told = next((d.text("latestDescription") for d in detail.nodes("eventDescription")), None)
    status = _HEALTH.get(phase, "unknown")
    return Item(
        status=status,
        title=detail.text("eventTypeCode") or event.text("detail-type"),
        service=detail.text("service"),
        summary=told,
        started_at=_mail_time(detail, "startTime"),
        ended_at=_mail_time(detail, "endTime") if status == "resolved" else None,
        event_at=event.time("time"),
        dedup_key=detail.need("eventArn"),
        dedup_from="detail.eventArn",
        extras=stated(region=event.text("region"), delivery_id=event.text("id"), phase=phase or None),
    )


def _mail_time(node: Node, name: str) -> str | None:
    """AWS Health writes times as mail does: ``Sat, 05 Jun 2021 05:01:10 GMT``."""
    value = node.get(name)
    if isinstance(value, str) and ", " in value:
        try:
            return fields.stamp(parsedate_to_datetime(value))
        except ValueError:
            return None
    return node.time(name)


def severity(score: float) -> str:
    """GuardDuty's score: higher is worse."""
    if score >= _SCORE_HIGH:
        return "critical" if score >= _SCORE_CRITICAL else "high"
    return "warning" if score >= _SCORE_MEDIUM else "info"


def _read(headers: Mapping[str, str], event: Node) -> Reading:
    """What one AWS event says."""
    return event_reading(event)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By ``detail-type`` beside AWS's source."""
    whole = peek(headers, body, exact=True)
    source = whole.get("source")
    if "detail-type" not in whole or not isinstance(whole.get("detail"), Mapping):
        return 0
    return 2 if isinstance(source, str) and source.startswith("aws.") else 1


SEVERITIES = {
    "critical": "critical",
    "high": "high",
    "medium": "warning",
    "low": "info",
    "informational": "info",
    **{f"{score}{zero}": severity(score) for score in range(11) for zero in ("", ".0")},
    **{f"{tenths / 10:.1f}": severity(tenths / 10) for tenths in range(101)},
}
SYSTEM = System(
    name="aws_eventbridge",
    title="AWS EventBridge",
    read=reader("an EventBridge", _read, exact=True),
    recognise=_recognise,
    severities=SEVERITIES,
)
