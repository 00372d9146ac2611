"""What GitHub's and GitLab's webhooks share: a table of kinds, and what makes a push the same push."""

from collections.abc import Callable, Mapping

from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, unused

Kinds = Mapping[str, tuple[Category, Callable[[Node], Item]]]


def told(sender: str, kinds: Kinds, event: str | None, body: Node, delivery: str | None) -> Reading:
    """The one item of an *event* that *kinds* knows."""
    if event is None or event not in kinds:
        return unused(sender, event, event=event)
    category, item = kinds[event]
    return Reading(category=category, items=(item(body),), about={"event": event}, delivery_key=delivery)


def push_identity(place: str | None, ref: str, after: str) -> str:
    """Repository or project, ref and commit.

    A deletion's "after" is 40 zeros, and one commit may be pushed to several refs.
    """
    return f"{place or ''}:{ref}:{after}"
