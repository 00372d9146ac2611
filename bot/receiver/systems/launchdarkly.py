"""LaunchDarkly's audit webhook (launchdarkly.com/docs/home/infrastructure/webhooks): a flag's flip is a deploy."""

import re
from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

_RESOURCE = re.compile(r"proj/(?P<project>[^:;]+)(?:[:;].*?\benv/(?P<environment>[^:;]+))?")


def _place(entry: Node) -> tuple[str | None, str | None]:
    """Project and environment; where they are not named, they stand in the resource that was accessed."""
    project = entry.at("project")
    if project.value:
        return project.text("key"), project.at("environment").text("key")
    for access in entry.nodes("accesses"):
        found = _RESOURCE.match(access.text("resource") or "")
        if found:
            return found["project"], found["environment"]
    return None, None


def _read(headers: Mapping[str, str], entry: Node) -> Reading:
    """One entry of the audit log."""
    service, environment = _place(entry)
    item = Item(
        status="changed",
        title=entry.at("title").text("plainText") if entry.holds("title") else entry.text("title"),
        service=service,
        environment=environment,
        event_at=entry.time("date")
        or entry.at("timestamp").time("rfc3339")
        or entry.at("timestamp").time("milliseconds"),
        dedup_key=entry.need("_id"),
        dedup_from="_id",
        kind="flag" if entry.word("kind") in {"flag", "segment"} else "config",
        change=entry.need("_id"),
        extras=stated(kind_=entry.text("kind"), flag=entry.text("name"), actor=entry.at("member").text("email")),
    )
    return Reading(category=Category.CHANGE, items=(item,), delivery_key=entry.text("_id"))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by an account's audit entry."""
    if "x-ld-signature" in headers:
        return 3
    return 2 if {"_links", "_id", "_accountId", "titleVerb"} <= peek(headers, body, exact=True).keys() else 0


SYSTEM = System(
    name="launchdarkly",
    title="LaunchDarkly",
    read=reader("a LaunchDarkly", _read, exact=True),
    recognise=_recognise,
    proof="launchdarkly",
)
