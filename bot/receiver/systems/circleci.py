"""CircleCI webhooks: a workflow or a job completed (circleci.com/docs/webhooks)."""

from collections.abc import Mapping

from bot.receiver.systems.node import peek, read_object, stated, unused
from bot.receiver.systems.reading import Category, Item, Reading, System

_KINDS = {"workflow-completed": "workflow", "job-completed": "job"}


def read(headers: Mapping[str, str], body: bytes) -> Reading:
    """A workflow's or a job's end."""
    whole = read_object(body, "CircleCI")
    kind = headers.get("circleci-event-type") or whole.text("type")
    delivery = whole.text("id")
    if kind == "ping":
        return Reading(category=Category.HANDSHAKE, about={"event": kind}, delivery_key=delivery)
    if kind not in _KINDS:
        return unused("CircleCI", kind, event=kind)
    name = _KINDS[kind]
    run = whole.at(name)
    pipeline = whole.at("pipeline")
    pushed = pipeline.at("trigger_parameters", "git")
    item = Item(
        status=run.text("status") or "unknown",
        title=run.text("name"),
        service=whole.text("project", "slug"),
        event_at=whole.time("happened_at"),
        dedup_key=run.need("id"),
        dedup_from=f"{name}.id",
        link=run.text("url") or whole.text("workflow", "url"),
        extras=stated(
            sha=pipeline.text("vcs", "revision") or pushed.text("checkout_sha"),
            ref=pipeline.text("vcs", "branch") or pushed.text("branch"),
            delivery_id=delivery,
        ),
    )
    return Reading(category=Category.CI, items=(item,), delivery_key=delivery)


def recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its headers, or by its type beside a pipeline."""
    if "circleci-event-type" in headers or "circleci-signature" in headers:
        return 3
    whole = peek(body)
    return 2 if whole.get("type") in _KINDS and "happened_at" in whole and "project" in whole else 0


SYSTEM = System(name="circleci", title="CircleCI", read=read, recognise=recognise)
