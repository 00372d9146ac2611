"""Netlify deploy notifications (docs.netlify.com, HTTP POST request): the body is the deploy."""

from collections.abc import Mapping

from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated, unused


def _read(headers: Mapping[str, str], deploy: Node) -> Reading:
    """One deploy and how far it is."""
    event = headers.get("x-netlify-event")
    if event and not event.startswith("deploy"):
        return unused("Netlify", event, event=event)
    context = deploy.text("context")
    item = Item(
        status=deploy.text("state") or "unknown",
        title=deploy.text("title"),
        service=deploy.text("name"),
        entity=context,
        environment=context,
        summary=deploy.text("error_message"),
        event_at=deploy.time("updated_at"),
        dedup_key=deploy.need("id"),
        dedup_from="id",
        link=deploy.text("deploy_ssl_url", "deploy_url"),
        extras=stated(sha=deploy.text("commit_ref"), ref=deploy.text("branch"), actor=deploy.text("committer")),
    )
    return Reading(category=Category.DEPLOY, items=(item,), about={} if event is None else {"event": event})


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its header, or by the keys of a deploy."""
    if "x-netlify-event" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    site = fields.get(whole, "admin_url")
    if isinstance(site, str) and "netlify.com/" in site:
        return 2
    return 1 if {"site_id", "build_id", "deploy_ssl_url", "state"} <= whole.keys() else 0


SYSTEM = System(
    name="netlify",
    title="Netlify",
    read=reader("a Netlify", _read, exact=True),
    recognise=_recognise,
    proof="netlify",
)
