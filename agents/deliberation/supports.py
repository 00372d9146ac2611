"""A support as a model gives it, by ids alone, made an offer to the gates, by the names behind the ids."""

from agents.deliberation.answers import Support
from agents.deliberation.menu import Menu

NOBODY = "nobody of this incident"
"""Stands for an id that is not on the menu: no evidence is about it, and no call leads to it."""


def offered(support: Support, menu: Menu) -> dict[str, object]:
    """*support* as untrusted JSON for ``gates.parse``, which still decides whether its type has such fields."""
    given = support.model_dump(exclude_none=True, exclude={"ev", "also", "entity", "refuter"})
    given["evs"] = [support.ev, *support.also]
    if support.entity is not None:
        held = menu.entities.get(support.entity)
        given["server" if support.type == "EDGE_FACT" else "entity"] = held.id if held is not None else NOBODY
    if support.refuter is not None:
        given |= {"refuter": support.refuter, "signature": support.refuter.partition(".")[0]}
    return given
