"""Messages, replies and questions as Telegram shows them: HTML text and an inline keyboard. Pure."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from actions.policy import People
from agents.incident.errors import BadInput
from agents.incident.ids import ApprovalId
from bot.surfaces.ports import Button, Message, Reply
from bot.surfaces.telegram.text import (
    ANSWER,
    CAPTION,
    TEXT,
    Line,
    Span,
    Style,
    bare,
    clean,
    cut,
    fit,
    length,
    line,
    markup,
    neutral,
    shortened,
    units,
)

NAME = "telegram"
DATA_BYTES = 64
"""https://core.telegram.org/bots/api#inlinekeyboardbutton"""

CONFIRM = "c:"
"""Before the data of a button that asks once more; see confirm.py."""

HEADLINE, LABEL, NAMED, PLACEHOLDER = 700, 64, 20, 64
SLACK = 60
"""Units kept free: the joiners that a text without marks needs in place of code."""

STYLES = frozenset({"primary", "danger", "success"})
WHY = "why was it rejected? Answer this message; it may stay unanswered."
_ASKED = re.compile(rf"{re.escape(WHY)}\nQuestion (AP_[0-9A-Z]{{26}})$")
_GOOD_NEWS = re.compile(r"(Approved|Rejected) by you|Your approval counts|Held|It works|It is yours|Noted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is sent: ``html`` is parsed by Telegram, ``plain`` says the same should that be refused."""

    html: str
    plain: str
    keyboard: InlineKeyboardMarkup | None = None


def message(given: Message, people: People, *, url_buttons: bool = True) -> Shown:
    """A message of a card. The link becomes a button where Telegram takes it as one."""
    as_button = url_buttons and linkable(given.link)
    tail = list(_mentioned(given.mention, people))
    if given.link and not as_button:
        tail.append((Span(text=given.link),))
    return _shown(
        cut(line(given.headline, Style.BOLD), HEADLINE),
        [line(text) for text in given.lines],
        tail,
        keyboard(given.buttons, given.more, given.link if as_button else ""),
    )


def reply(given: Reply, *, url_buttons: bool = True, first: bool = True) -> Shown:
    """An answer as a message; without its *first* line where that was shown already."""
    as_button = url_buttons and linkable(given.link)
    lines = [line(text) for text in (*((given.text,) if first else ()), *given.lines)]
    tail = [(Span(text=given.link),)] if given.link and not as_button else []
    return _shown((), lines, tail, keyboard((), (), given.link if as_button else ""))


def history(lines: Sequence[str], link: str = "", *, url_buttons: bool = True) -> Shown:
    """Lines of history as one message, with the way to the whole of them."""
    as_button = url_buttons and linkable(link)
    tail = [(Span(text=link),)] if link and not as_button else []
    return _shown((), [line(text) for text in lines], tail, keyboard((), (), link if as_button else ""))


def why(name: str, account: str, approval_id: ApprovalId) -> Shown:
    """The question after a rejection. It names the person, so that only they are asked, and the approval."""
    lines = [
        (_person(name, account), Span(text=f", {WHY}")),
        (Span(text="Question "), Span(text=approval_id, style=Style.CODE)),
    ]
    return Shown(html=markup(lines), plain=bare(lines))


def asked(text: str) -> ApprovalId | None:
    """The approval that a question of :func:`why` is about."""
    found = _ASKED.search(text)
    return ApprovalId(found[1]) if found else None


def caption(text: str) -> str:
    """The text under a picture."""
    return markup([cut(line(text), CAPTION)])


def alert(given: Reply, more: str = "") -> tuple[str, bool]:
    """What whoever pressed sees, and whether it stays until they close it; *more* says where the rest is."""
    text = clean(given.text.replace("`", ""))
    room = ANSWER - units(more)
    said = (shortened(text, room) + more) or "Done."
    return said, bool(more) or text != shortened(text, room) or _GOOD_NEWS.match(text) is None


def linkable(link: str) -> bool:
    """Whether Telegram takes the address in a button: a loopback or a bare host name is refused there."""
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() for c in link):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not host.endswith((".localhost", ".local", ".internal"))
    return address.version == 4 and not (address.is_loopback or address.is_unspecified)


def keyboard(
    buttons: Iterable[Button], more: Iterable[Button], link: str = "", *, opens: str = "Open"
) -> InlineKeyboardMarkup | None:
    """The buttons in front, those behind in a second row, the link in a last one."""
    rows = [[key(b) for b in row] for row in (buttons, more)]
    if link:
        rows.append([InlineKeyboardButton(opens, url=link)])
    rows = [row for row in rows if row]
    return InlineKeyboardMarkup(rows) if rows else None


def key(button: Button) -> InlineKeyboardButton:
    """One button. BadInput when it carries more than Telegram takes."""
    data = f"{CONFIRM if button.confirm else ''}{button.data}"
    if not 1 <= len(data.encode()) <= DATA_BYTES:
        raise BadInput(
            f"the button {button.label!r} carries {len(data.encode())} bytes; it may be 1 to {DATA_BYTES}"
        )
    label = shortened(clean(button.label), LABEL).strip() or "…"
    return InlineKeyboardButton(label, callback_data=data, style=button.style if button.style in STYLES else None)


def _shown(title: Line, lines: Sequence[Line], tail: Sequence[Line], keys: InlineKeyboardMarkup | None) -> Shown:
    kept = sum(length(each) + 1 for each in tail)
    room = TEXT - SLACK - kept - (length(title) + 1 if title else 0)
    whole = [*([title] if title else []), *fit(lines, room), *tail]
    if not any(s.text.strip() for each in whole for s in each):
        whole = [(Span(text="…"),)]
    return Shown(html=markup(whole), plain=shortened(bare(whole), TEXT), keyboard=keys)


def _mentioned(ids: Sequence[str], people: People) -> Iterable[Line]:
    """Who is asked for, by name; each is notified."""
    found = [p for p in map(people.by_id, ids) if p is not None]
    known = [(p.name, p.accounts[NAME][0]) for p in found if p.accounts.get(NAME)]
    spans: list[Span] = []
    for name, account in known[:NAMED]:
        spans += [Span(text=", " if spans else "For: "), _person(name, account)]
    if len(known) > NAMED:
        spans.append(Span(text=f" and {len(known) - NAMED} more"))
    if spans:
        yield tuple(spans)


def _person(name: str, account: str) -> Span:
    """Somebody, mentioned by their number: names are text and decide nothing."""
    text = neutral(shortened(clean(name), LABEL), more=True).strip() or "You"
    return Span(text=text, style=Style.MENTION, account=account) if account.isdecimal() else Span(text=text)
