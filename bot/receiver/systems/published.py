"""The templates that we publish for tools whose operators write the body: one set of names for all of them.

A body carries ``"firstresponder": 1`` and the tool it is ``from``; any other field is missing where it is blank.
"""

from collections.abc import Callable, Mapping

from bot.receiver.systems.delivery import alert
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Item, Reading, stated

MARKER = "firstresponder"
VERSION = "1"
CORE = ("title", "identity", "rule", "alert", "status")
EXTRAS = ("policy", "condition", "impact", "alert_type", "tags")


def is_ours(said: Node) -> bool:
    """Whether a published template made this body."""
    return said.get(MARKER) is not None


def marked(data: Mapping[str, object], system: str) -> bool:
    """Whether *system*'s published template made this body; for recognising."""
    return MARKER in data and data.get("from") == system


def read(
    said: Node,
    system: str,
    status: Callable[[str | None], str],
    *,
    identity: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Reading:
    """What the published template of *system* says; *identity* and *labels* fill what a tool cannot name."""
    version = said.text(MARKER)
    if version != VERSION:
        raise said.bad(MARKER, f"version {version!r:.40} of the template is not known; known: {VERSION}")
    if (named := said.text("from")) not in (None, system):
        raise said.bad("from", f"this is the template of {named!r:.40}")
    tagged = labels or {}
    now = status(said.text("status"))
    delivery = said.text("delivery")
    item = Item(
        status=now,
        title=said.text("title"),
        severity_raw=said.text("severity"),
        service=said.text("service") or tagged.get("service"),
        entity=said.text("entity"),
        environment=said.text("environment") or tagged.get("environment") or tagged.get("env"),
        summary=said.text("summary"),
        started_at=said.time("started_at"),
        ended_at=said.time("ended_at") if now == "resolved" else None,
        event_at=said.time("event_at"),
        dedup_key=identity or said.text("identity"),
        dedup_from="identity of the published template",
        link=said.text("link"),
        extras=stated(delivery_id=delivery, **{name: said.text(name) for name in EXTRAS}),
    )
    return alert(said, item, core=CORE, delivery_key=delivery)
