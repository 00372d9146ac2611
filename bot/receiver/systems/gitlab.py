"""GitLab webhooks: deployments, jobs, pipelines, pushes, merge requests, releases, flags and incidents.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from collections.abc import Mapping
from types import MappingProxyType

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.forge import Kinds, push_identity, told
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

_HEADERS = {
    "deployment hook": "deployment",
    "job hook": "build",
    "build hook": "build",
    "pipeline hook": "pipeline",
    "push hook": "push",
    "tag push hook": "tag_push",
    "merge request hook": "merge_request",
    "release hook": "release",
    "feature flag hook": "feature_flag",
    "issue hook": "issue",
    "confidential issue hook": "issue",
    "incident hook": "issue",
    "work item hook": "work_item",
}
_GONE = "0" * 40
_INCIDENT = {"opened": "firing", "open": "firing", "reopened": "firing", "closed": "resolved"}


def _deployment(body: Node) -> Item:
    renamed = body.text("deployment_id") is None
    environment = body.text("environment")
    return Item(
        status=body.text("status") or "unknown",
        title=body.line("commit_title"),
        service=_project(body),
        entity=environment,
        environment=environment,
        event_at=body.time("status_changed_at"),
        dedup_key=body.need("deployable_id" if renamed else "deployment_id"),
        dedup_from="deployable_id" if renamed else "deployment_id",
        link=body.text("deployable_url"),
        extras=stated(sha=body.text("short_sha"), ref=body.text("ref"), actor=body.at("user").text("username")),
    )


def _job(body: Node) -> Item:
    return Item(
        status=body.text("build_status") or "unknown",
        title=body.text("build_name"),
        service=_project(body),
        started_at=body.time("build_started_at"),
        ended_at=body.time("build_finished_at"),
        dedup_key=body.need("build_id"),
        dedup_from="build_id",
        extras=stated(sha=body.text("sha"), ref=body.text("ref")),
    )


def _pipeline(body: Node) -> Item:
    run = body.at("object_attributes")
    return Item(
        status=run.text("status") or "unknown",
        title=run.text("name") or f"pipeline {run.need('id')}",
        service=_project(body),
        started_at=run.time("created_at"),
        ended_at=run.time("finished_at"),
        dedup_key=run.need("id"),
        dedup_from="object_attributes.id",
        link=run.text("url"),
        extras=stated(sha=run.text("sha"), ref=run.text("ref")),
    )


def _push(body: Node) -> Item:
    ref, after = body.need("ref"), body.need("after")
    commits = tuple(body.nodes("commits"))
    head = next((c for c in commits if c.text("id") == after), commits[-1] if commits else Node({}, body.where))
    return Item(
        status="deleted" if after == _GONE else "pushed",
        title=head.line("title") or head.line("message"),
        service=_project(body),
        event_at=head.time("timestamp"),
        dedup_key=push_identity(_project(body), ref, after),
        dedup_from="project+ref+after",
        kind="build",
        extras=stated(sha=after, ref=ref, actor=body.text("user_name")),
    )


def _merge_request(body: Node) -> Item:
    request = body.at("object_attributes")
    return Item(
        status=request.text("state") or "unknown",
        title=request.text("title"),
        service=_project(body),
        event_at=request.time("updated_at"),
        dedup_key=request.need("id"),
        dedup_from="object_attributes.id",
        kind="build",
        link=request.text("url"),
        extras=stated(action=request.text("action")),
    )


def _release(body: Node) -> Item:
    return Item(
        status=body.text("action") or "unknown",
        title=body.text("name", "tag"),
        service=_project(body),
        event_at=body.time("released_at") or body.time("created_at"),
        dedup_key=body.need("id"),
        dedup_from="id",
        kind="build",
        link=body.text("url"),
        extras=stated(ref=body.text("tag"), sha=body.at("commit").text("id")),
    )


def _feature_flag(body: Node) -> Item:
    flag = body.at("object_attributes")
    return Item(
        status="changed",
        title=flag.text("name"),
        service=_project(body),
        dedup_key=flag.need("id"),
        dedup_from="object_attributes.id",
        kind="flag",
        summary=flag.text("description"),
        extras=stated(
            flag=flag.text("name"),
            active=flag.true("active"),
            actor=body.at("user").text("username"),
            kind_="flag",
        ),
    )


def _incident(body: Node) -> Item:
    issue = body.at("object_attributes")
    status = look(issue.text("state"), _INCIDENT)
    return Item(
        status=status,
        title=issue.text("title"),
        severity_raw=issue.text("severity"),
        service=_project(body),
        started_at=issue.time("created_at"),
        ended_at=issue.time("closed_at") if status == "resolved" else None,
        event_at=issue.time("updated_at"),
        dedup_key=issue.need("id"),
        dedup_from="object_attributes.id",
        link=issue.text("url"),
        extras=stated(action=issue.text("action")),
    )


_KINDS: Kinds = MappingProxyType(
    {
        "deployment": (Category.DEPLOY, _deployment),
        "release": (Category.DEPLOY, _release),
        "build": (Category.CI, _job),
        "pipeline": (Category.CI, _pipeline),
        "push": (Category.CHANGE, _push),
        "tag_push": (Category.CHANGE, _push),
        "merge_request": (Category.CHANGE, _merge_request),
        "feature_flag": (Category.CHANGE, _feature_flag),
        "incident": (Category.INCIDENT, _incident),
    }
)


def _project(body: Node) -> str | None:
    return body.at("project").text("path_with_namespace") or body.text("project_name")


def _kind(headers: Mapping[str, str], body: Node) -> str | None:
    kind = _HEADERS.get(headers.get("x-gitlab-event", "").strip().lower())
    kind = kind or body.text("object_kind", "event_name")
    if kind in {"issue", "work_item"} and body.at("object_attributes").word("type") == "incident":
        return "incident"
    return kind


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What GitLab says: a deployment, a job, a push, an incident."""
    event = _kind(headers, whole)
    delivery = headers.get("webhook-id") or headers.get("idempotency-key") or headers.get("x-gitlab-webhook-uuid")
    return told("GitLab", _KINDS, event, whole, delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its header, or by ``object_kind`` beside a project."""
    if "x-gitlab-event" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    kind = whole.get("object_kind")
    placed = "project" in whole or "project_id" in whole
    return 2 if isinstance(kind, str) and (kind in _KINDS or kind in {"issue", "work_item"}) and placed else 0


SYSTEM = System(
    name="gitlab",
    title="GitLab",
    read=reader("a GitLab", _read, exact=True),
    recognise=_recognise,
    severities={"critical": "critical", "high": "high", "medium": "warning", "low": "info"},
    proof="gitlab_token",
)
