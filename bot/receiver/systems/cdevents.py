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

_LASTING = frozenset({"service", "environment"})
"""Subjects that are changed again and again; of the others, a run or an artifact, each is its own change."""

_KINDS = {"environment": "infrastructure", "service": "deploy"}
_MOST = 2**53
"""As far as JSON's numbers are exact."""


def _title(content: Node, subject: Node) -> str | None:
    named = content.text("description", "pipelineName", "taskName", "summary")
    return (
        named or content.at("testCase").text("name") or content.at("testSuite").text("name") or subject.text("id")
    )


def _revision(custom: Node, name: str) -> int | None:
    found = custom.whole(name)
    if found is not None and not 0 <= found < _MOST:
        raise custom.bad(name, f"a whole number from 0 to 2^53 is needed, not {found}")
    return found


def _custom(event: Node) -> dict[str, object]:
    """What a delivery pipeline of ours adds: revisions to go back to, and migrations."""
    custom = event.at("customData") if event.holds("customData") else Node({}, event.where, exact=True)
    return stated(
        revision=_revision(custom, "revision"),
        previous_revision=_revision(custom, "previous_revision"),
        schema_version=_revision(custom, "schema_version"),
        migration=custom.text("migration"),
    )


def _kind(event: Node, subject: str) -> str | None:
    custom = event.at("customData").text("kind") if event.holds("customData") else None
    if custom not in (None, "deploy", "migration"):
        raise event.at("customData").bad("kind", f"deploy or migration is needed, not {custom!r:.40}")
    return custom or _KINDS.get(subject, "build")


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One event; the predicate is the status."""
    event = whole.at("data") if not whole.holds("context") and whole.holds("data") else whole
    context, subject = event.at("context"), event.at("subject")
    kind = context.need("type")
    found = _TYPE.match(kind)
    if found is None:
        raise BadInput(f"{context.where}.type: not dev.cdevents.<subject>.<predicate>.<version>")
    content = subject.at("content")
    key, source, delivery = subject.need("id"), context.text("source"), context.text("id")
    environment, named = content.at("environment").text("id"), found["subject"].lower()
    # CDEvents keeps an event's source and id unique together.
    unique = f"{source or ''}/{delivery}" if delivery else None
    category = _SUBJECTS.get(named, Category.CHANGE)
    item = Item(
        status=found["predicate"],
        title=_title(content, subject),
        service=key.rsplit("/", 1)[-1] if named == "service" else content.at("service").text("id"),
        entity=environment,
        event_at=context.time("timestamp"),
        dedup_key=key,
        dedup_from="subject.id (+source)",
        kind=_kind(event, named) if category in (Category.DEPLOY, Category.CHANGE) else None,
        change=unique if named in _LASTING else f"{named}/{key}",
        extras=stated(
            artifact=content.text("artifactId"),
            chain_id=context.text("chainId"),
            source_=source,
            outcome=content.text("outcome"),
            environment_=environment,
            **_custom(event),
        ),
    )
    return Reading(
        category=category,
        items=(item,),
        about=stated(event=kind, delivery_id=delivery),
        # Senders that number what happened, not what they tell of it, use one id from detected to resolved.
        delivery_key=f"{unique}/{found['subject']}.{found['predicate']}" if unique else None,
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
