"""GitHub webhooks: deployments, workflows, pushes, releases and findings (docs.github.com/webhooks).

The kind is the header's: a ``deployment`` carries a ``workflow_run`` too.
"""

from collections.abc import Mapping
from types import MappingProxyType

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.forge import Kinds, push_identity, told
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

_FINDING = {
    "open": "firing",
    "fixed": "resolved",
    "resolved": "resolved",
    "dismissed": "suppressed",
    "auto_dismissed": "suppressed",
}


def _deployment(body: Node) -> Item:
    return _deploy(body, status=body.text("action"), at=body.at("deployment").time("created_at"), link=None)


def _deployment_status(body: Node) -> Item:
    state = body.at("deployment_status")
    link = state.text("target_url", "log_url", "deployment_url")
    return _deploy(body, status=state.text("state"), at=state.time("created_at"), link=link)


def _deploy(body: Node, *, status: str | None, at: str | None, link: str | None) -> Item:
    deployment = body.at("deployment")
    environment = deployment.text("environment")
    return Item(
        status=status or "unknown",
        title=deployment.text("description", "task"),
        service=_repository(body),
        entity=environment,
        environment=environment,
        event_at=at,
        dedup_key=deployment.need("id"),
        dedup_from="deployment.id",
        link=link,
        extras=stated(
            sha=deployment.text("sha"), ref=deployment.text("ref"), actor=deployment.at("creator").text("login")
        ),
    )


def _workflow_run(body: Node) -> Item:
    run = body.at("workflow_run")
    return Item(
        status=run.text("conclusion", "status") or "unknown",
        title=run.text("name"),
        service=_repository(body),
        started_at=run.time("run_started_at"),
        event_at=run.time("updated_at"),
        dedup_key=run.need("id"),
        dedup_from="workflow_run.id",
        link=run.text("html_url"),
        extras=stated(sha=run.text("head_sha"), ref=run.text("head_branch"), action=body.text("action")),
    )


def _timed(body: Node, name: str, title: str | None) -> Item:
    job = body.at(name)
    return Item(
        status=job.text("conclusion", "status") or "unknown",
        title=title,
        service=_repository(body),
        started_at=job.time("started_at"),
        ended_at=job.time("completed_at"),
        dedup_key=job.need("id"),
        dedup_from=f"{name}.id",
        link=job.text("html_url"),
        extras=stated(sha=job.text("head_sha"), ref=job.text("head_branch"), action=body.text("action")),
    )


def _workflow_job(body: Node) -> Item:
    return _timed(body, "workflow_job", body.at("workflow_job").text("name"))


def _check_run(body: Node) -> Item:
    return _timed(body, "check_run", body.at("check_run").text("name"))


def _check_suite(body: Node) -> Item:
    suite = body.at("check_suite")
    return Item(
        status=suite.text("conclusion", "status") or "unknown",
        title=suite.at("app").text("name"),
        service=_repository(body),
        event_at=suite.time("updated_at"),
        dedup_key=suite.need("id"),
        dedup_from="check_suite.id",
        extras=stated(sha=suite.text("head_sha"), ref=suite.text("head_branch"), action=body.text("action")),
    )


def _status(body: Node) -> Item:
    return Item(
        status=body.text("state") or "unknown",
        title=body.text("context"),
        service=_repository(body),
        summary=body.text("description"),
        event_at=body.time("updated_at"),
        dedup_key=f"{_repository(body) or ''}:{body.need('sha')}:{body.text('context') or ''}",
        dedup_from="repository+sha+context",
        link=body.text("target_url"),
        extras=stated(sha=body.text("sha")),
    )


def _push(body: Node) -> Item:
    head = body.at("head_commit")
    ref, after = body.need("ref"), body.need("after")
    return Item(
        status="deleted" if body.true("deleted") else "pushed",
        title=head.line("message"),
        service=_repository(body),
        event_at=head.time("timestamp"),
        dedup_key=push_identity(_repository(body), ref, after),
        dedup_from="repository+ref+after",
        kind="build",
        extras=stated(sha=after, ref=ref, actor=body.at("pusher").text("name"), commits=len(body.list("commits"))),
    )


def _release(body: Node) -> Item:
    release = body.at("release")
    return Item(
        status=body.text("action") or "unknown",
        title=release.text("name", "tag_name"),
        service=_repository(body),
        event_at=release.time("published_at") or release.time("created_at"),
        dedup_key=release.need("id"),
        dedup_from="release.id",
        kind="build",
        link=release.text("html_url"),
        extras=stated(ref=release.text("tag_name"), actor=release.at("author").text("login")),
    )


def _pull_request(body: Node) -> Item:
    pull = body.at("pull_request")
    return Item(
        status="merged" if pull.true("merged") else pull.text("state") or "unknown",
        title=pull.text("title"),
        service=_repository(body),
        event_at=pull.time("updated_at"),
        dedup_key=pull.need("id"),
        dedup_from="pull_request.id",
        kind="build",
        link=pull.text("html_url"),
        extras=stated(
            sha=pull.at("head").text("sha"), ref=pull.at("head").text("ref"), action=body.text("action")
        ),
    )


def _finding(body: Node) -> Item:
    alert = body.at("alert")
    advisory, rule = alert.at("security_advisory"), alert.at("rule")
    status = look(alert.text("state"), _FINDING)
    return Item(
        status=status,
        title=advisory.text("summary") or rule.text("description") or alert.text("secret_type_display_name"),
        severity_raw=advisory.text("severity") or rule.text("security_severity_level", "severity"),
        service=_repository(body),
        started_at=alert.time("created_at"),
        ended_at=(alert.time("fixed_at") or alert.time("resolved_at")) if status == "resolved" else None,
        event_at=alert.time("updated_at"),
        # Alerts are numbered in each repository, and for each kind of finding by itself.
        dedup_key=f"{_repository(body) or ''}#{alert.text('html_url') or alert.need('number')}",
        dedup_from="repository+alert",
        link=alert.text("html_url"),
        extras=stated(action=body.text("action")),
    )


_KINDS: Kinds = MappingProxyType(
    {
        "deployment_status": (Category.DEPLOY, _deployment_status),
        "deployment": (Category.DEPLOY, _deployment),
        "release": (Category.DEPLOY, _release),
        "workflow_job": (Category.CI, _workflow_job),
        "workflow_run": (Category.CI, _workflow_run),
        "check_run": (Category.CI, _check_run),
        "check_suite": (Category.CI, _check_suite),
        "status": (Category.CI, _status),
        "push": (Category.CHANGE, _push),
        "pull_request": (Category.CHANGE, _pull_request),
        "dependabot_alert": (Category.SECURITY_FINDING, _finding),
        "code_scanning_alert": (Category.SECURITY_FINDING, _finding),
        "secret_scanning_alert": (Category.SECURITY_FINDING, _finding),
    }
)


def _repository(body: Node) -> str | None:
    return body.at("repository").text("full_name")


def _kind(body: Mapping[str, object]) -> str | None:
    """The kind by its keys, where a proxy has eaten the header; what carries others' objects comes first."""
    for kind in (
        "deployment_status",
        "deployment",
        "workflow_job",
        "workflow_run",
        "check_run",
        "check_suite",
        "release",
    ):
        if isinstance(body.get(kind), Mapping):
            return kind
    if "ref" in body and "after" in body and "before" in body:
        return "push"
    if "zen" in body and "hook_id" in body:
        return "ping"
    return "pull_request" if isinstance(body.get("pull_request"), Mapping) else None


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What GitHub says: a deploy, a run, a push, a finding."""
    event = headers.get("x-github-event") or _kind(whole.value)
    delivery = headers.get("x-github-delivery")
    if event == "ping":
        return Reading(category=Category.HANDSHAKE, about={"event": event}, delivery_key=delivery)
    return told("GitHub", _KINDS, event, whole, delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its header; without it by a repository and a sender beside a known kind."""
    if "x-github-event" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    named = isinstance(fields.get(whole, "repository", "full_name"), str) and isinstance(
        fields.get(whole, "sender", "login"), str
    )
    return 1 if named and _kind(whole) else 0


SYSTEM = System(
    name="github",
    title="GitHub",
    read=reader("a GitHub", _read, exact=True),
    recognise=_recognise,
    severities={
        "critical": "critical",
        "high": "high",
        "error": "high",
        "medium": "warning",
        "moderate": "warning",
        "warning": "warning",
        "low": "info",
        "note": "info",
    },
    proof="github",
)
