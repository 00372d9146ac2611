"""LaunchDarkly's audit webhook (launchdarkly.com/docs/home/infrastructure/webhooks): a flag's flip is a deploy."""

import re
from collections.abc import Mapping

from bot.receiver.systems.node import Node, peek, read_object, stated
from bot.receiver.systems.reading import Category, Item, Reading, System

_RESOURCE = re.compile(r"proj/(?P<project>[^:;]+)(?:[:;].*?\benv/(?P<environment>[^:;]+))?")


def _place(entry: Node) -> tuple[str | None, str | None]:
    """Project and environment; where they are not named, they stand in the resource that was accessed."""
    project = entry.at("project")
    if project.value:
        return project.text("key"), project.text("environment", "key")
    for access in entry.nodes("accesses"):
        found = _RESOURCE.match(access.text("resource") or "")
        if found:
            return found["project"], found["environment"]
    return None, None


def read(headers: Mapping[str, str], body: bytes) -> Reading:
    """One entry of the audit log."""
    entry = read_object(body, "LaunchDarkly")
    service, environment = _place(entry)
    item = Item(
        status="changed",
        title=entry.text("title", "plainText") if entry.has("title") else entry.text("title"),
        service=service,
        environment=environment,
        event_at=entry.time("date")
        or entry.time("timestamp", "rfc3339")
        or entry.time("timestamp", "milliseconds"),
        dedup_key=entry.need("_id"),
        dedup_from="_id",
        extras=stated(kind_=entry.text("kind"), flag=entry.text("name"), actor=entry.text("member", "email")),
    )
    return Reading(category=Category.CHANGE, items=(item,), delivery_key=entry.text("_id"))


def recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by an account's audit entry."""
    if "x-ld-signature" in headers:
        return 3
    return 2 if {"_links", "_id", "_accountId", "titleVerb"} <= peek(body).keys() else 0


SYSTEM = System(name="launchdarkly", title="LaunchDarkly", read=read, recognise=recognise)
