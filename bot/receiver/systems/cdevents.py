"""CDEvents of every type (cdevents.dev): ``dev.cdevents.<subject>.<predicate>.<version>``."""

import re
from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

_TYPE = re.compile(r"dev\.cdeventsx?\.(?P<subject>[A-Za-z0-9_-]+)\.(?P<predicate>[A-Za-z0-9_-]+)(?:\.|$)")
_SUBJECTS = {
    "incident": Category.INCIDENT,
    "service": Category.DEPLOY,
    "pipelinerun": Category.CI,
    "taskrun": Category.CI,
    "build": Category.CI,
    "testcaserun": Category.CI,
    "testcase": Category.CI,
    "testsuiterun": Category.CI,
    "testsuite": Category.CI,
    "testoutput": Category.CI,
}
"""The rest (artifact, change, branch, repository, environment, ticket, a tool's own) is a change."""


def _title(content: Node, subject: Node) -> str | None:
    named = content.text("description", "pipelineName", "taskName", "summary")
    return (
        named or content.at("testCase").text("name") or content.at("testSuite").text("name") or subject.text("id")
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One event; the predicate is the status."""
    event = whole.at("data") if not whole.holds("context") and whole.holds("data") else whole
    context, subject = event.at("context"), event.at("subject")
    kind = context.need("type")
    found = _TYPE.match(kind)
    if found is None:
        raise BadInput(f"{context.where}.type: not dev.cdevents.<subject>.<predicate>.<version>")
    content = subject.at("content")
    key = subject.need("id")
    item = Item(
        status=found["predicate"],
        title=_title(content, subject),
        service=key if found["subject"] == "service" else content.at("service").text("id"),
        entity=content.at("environment").text("id"),
        event_at=context.time("timestamp"),
        dedup_key=key,
        dedup_from="subject.id (+source)",
        extras=stated(
            artifact=content.text("artifactId"),
            chain_id=context.text("chainId"),
            source_=context.text("source"),
            outcome=content.text("outcome"),
        ),
    )
    delivery = context.text("id")
    return Reading(
        category=_SUBJECTS.get(found["subject"].lower(), Category.CHANGE),
        items=(item,),
        about=stated(event=kind, delivery_id=delivery),
        delivery_key=delivery,
    )


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its type, in the body or in CloudEvents' header."""
    whole = peek(headers, body, exact=True)
    for kind in (headers.get("ce-type"), fields.get(whole, "context", "type"), whole.get("type")):
        if isinstance(kind, str) and _TYPE.match(kind):
            return 3
    return 0


SYSTEM = System(
    name="cdevents", title="CDEvents", read=reader("a CDEvents", _read, exact=True), recognise=_recognise
)
