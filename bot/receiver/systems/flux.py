"""Flux notification-controller's events (fluxcd.io/flux/components/notification/events)."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated


def _revision(event: Node) -> str | None:
    """The revision, whichever controller's prefix its key has: ``kustomize.toolkit.fluxcd.io/revision``."""
    metadata = event.at("metadata")
    names = sorted(name for name in metadata.value if name.rpartition("/")[2] == "revision")
    return metadata.text(*names)


def _read(headers: Mapping[str, str], event: Node) -> Reading:
    """What happened to one Flux object; the reason is the status."""
    about = event.at("involvedObject")
    namespace, revision = about.text("namespace"), _revision(event)
    key = f"{about.need('kind')}/{namespace or ''}/{about.need('name')}"
    # Nobody agreed on an identity of a deploy's failure; an object's revision is the same through its states.
    mark = revision or event.time("timestamp")
    item = Item(
        status=event.text("reason") or "unknown",
        title=event.text("message"),
        severity_raw=event.text("severity"),
        service=about.need("name"),
        entity=namespace,
        event_at=event.time("timestamp"),
        dedup_key=key,
        dedup_from="involvedObject kind/namespace/name",
        change=f"{key}@{mark}" if mark else None,
        extras=stated(revision=revision),
    )
    return Reading(category=Category.DEPLOY, items=(item,))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By the component's header, or by the object and the controller it names."""
    if "gotk-component" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    return 2 if "involvedObject" in whole and "reportingController" in whole else 0


SYSTEM = System(
    name="flux",
    title="Flux",
    read=reader("a Flux", _read, exact=True),
    recognise=_recognise,
    severities={"error": "high", "info": "info", "trace": "info"},
    proof="flux",
)
