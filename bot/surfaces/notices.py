"""Words for what the owner of a source has to be told."""

from collections.abc import Mapping

from agents.render import leaks
from bot.journal.notices import Notice, Trouble
from bot.surfaces.accounted import WITHHELD, Accounted
from bot.surfaces.ports import Lane, Message

_SAYS: Mapping[Trouble, tuple[str, str]] = {
    Trouble.UNRENDERED: (
        "sends a template that is not rendered:",
        "Its alerts open no incident until it is. firstresponder parse says what is made of a body.",
    ),
    Trouble.UNREADABLE: (
        "sends bodies that cannot be read:",
        "They are kept as they came. firstresponder inbox lists them; firstresponder inbox read-again has them "
        "read again once that is mended.",
    ),
    Trouble.LOUD: (
        "sends very much at once:",
        "They are stored and grouped all the same. Its rules may be too eager, or everything it watches fails.",
    ),
    Trouble.REFUSED: (
        "is refused again and again:",
        "Its secret is wrong, or somebody tries. firstresponder doctor says how each source is proven.",
    ),
}


def message(notice: Notice) -> Message:
    """One message, posted once and never edited."""
    told = Accounted()
    says, then = _SAYS[notice.trouble]
    headline = f"A source needs its owner: {told.name(notice.source)}"
    line = f"It {says} {told.cut(notice.detail)}"
    said = Message(
        key=f"notice/{notice.trouble.value}:{notice.source}",
        lane=Lane.DETAIL,
        headline=headline,
        lines=(line, then),
        fixed=True,
        loud=True,
    )
    leaked = leaks(said.text(), frozenset(told.known))
    return said if not leaked else Message(key=said.key, lane=said.lane, headline=WITHHELD, fixed=True)
