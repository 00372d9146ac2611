"""CircleCI webhooks: a workflow or a job completed (circleci.com/docs/webhooks)."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated, unused

_KINDS = {"workflow-completed": "workflow", "job-completed": "job"}


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """A workflow's or a job's end."""
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
        service=whole.at("project").text("slug"),
        event_at=whole.time("happened_at"),
        dedup_key=run.need("id"),
        dedup_from=f"{name}.id",
        link=run.text("url") or whole.at("workflow").text("url"),
        extras=stated(
            sha=pipeline.at("vcs").text("revision") or pushed.text("checkout_sha"),
            ref=pipeline.at("vcs").text("branch") or pushed.text("branch"),
            delivery_id=delivery,
        ),
    )
    return Reading(category=Category.CI, items=(item,), delivery_key=delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its headers, or by its type beside a pipeline."""
    if "circleci-event-type" in headers or "circleci-signature" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    return 2 if whole.get("type") in _KINDS and "happened_at" in whole and "project" in whole else 0


SYSTEM = System(
    name="circleci",
    title="CircleCI",
    read=reader("a CircleCI", _read, exact=True),
    recognise=_recognise,
    proof="circleci",
)
