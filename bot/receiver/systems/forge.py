"""What GitHub's and GitLab's webhooks share: a table of kinds, and what makes a push the same push."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, unused

Kinds = Mapping[str, tuple[Category, Callable[[Node], Item]]]


def told(sender: str, kinds: Kinds, event: str | None, body: Node, delivery: str | None) -> Reading:
    """The one item of an *event* that *kinds* knows."""
    if event is None or event not in kinds:
        return unused(sender, event, event=event)
    category, read = kinds[event]
    item = read(body)
    # Runs, jobs, releases and deployments are numbered each by themselves: only deployments go by the bare number.
    if category is not Category.DEPLOY or item.kind is not None:
        item = replace(item, change=f"{event}/{item.dedup_key}")
    if item.kind == "flag":  # a flag's number is the same at every turn; the delivery's is not
        item = replace(item, change=f"{item.change}@{delivery}" if delivery else None)
    return Reading(category=category, items=(item,), about={"event": event}, delivery_key=delivery)


def push_identity(place: str | None, ref: str, after: str) -> str:
    """Repository or project, ref and commit.

    A deletion's "after" is 40 zeros, and one commit may be pushed to several refs.
    """
    return f"{place or ''}:{ref}:{after}"
