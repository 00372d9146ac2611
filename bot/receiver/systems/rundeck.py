"""Rundeck's webhook notification of a job's execution, in JSON (docs.rundeck.com/docs/manual/notifications)."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated


def _time(execution: Node, name: str) -> str | None:
    return execution.at(name).time("date") or execution.at(name).time("unixtime")


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One execution: what was asked to be told, and how it stands."""
    execution = whole.at("execution")
    trigger = headers.get("x-rundeck-notification-trigger") or whole.text("trigger")
    words = (trigger, whole.text("status") or execution.text("status"))
    item = Item(
        status="/".join(w for w in words if w) or "unknown",
        title=execution.at("job").text("name"),
        service=execution.text("project"),
        event_at=_time(execution, "date-ended") or _time(execution, "date-started"),
        dedup_key=whole.text("executionId") or execution.need("id"),
        dedup_from="executionId",
        kind="job",
        link=execution.text("href", "permalink"),
        extras=stated(actor=execution.text("user")),
    )
    return Reading(category=Category.DEPLOY, items=(item,))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its header, or by an execution and its trigger."""
    if "x-rundeck-notification-trigger" in headers:
        return 3
    return 2 if {"executionId", "execution", "trigger"} <= peek(headers, body, exact=True).keys() else 0


SYSTEM = System(name="rundeck", title="Rundeck", read=reader("a Rundeck", _read, exact=True), recognise=_recognise)
