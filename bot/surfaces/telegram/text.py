"""Words as Telegram takes them: shortened first, marked up afterwards, and never a link or a mention by accident.

A line is a row of spans. Text between backticks or quotes is data and becomes code, in which Telegram looks for
nothing; elsewhere a word joiner stands behind each sign that would begin a mention, a tag, a command or an
address. https://core.telegram.org/bots/api#html-style
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from bot.surfaces.labels import label

TEXT, CAPTION, ANSWER = 4096, 1024, 200
"""https://core.telegram.org/bots/api#sendmessage, #sendphoto, #answercallbackquery; counted in UTF-16 units."""

MARKS = 60
"""Spans of code in one message: Telegram reads the first 100 entities and leaves the rest unmarked."""

LEAST = 80
"""A line is not cut shorter than this; lines are left out instead."""

LAST = 4
"""Lines kept at the end when lines are left out: a deadline, the newest events."""

JOINER = "\u2060"
"""No width, no break; ends every name and address (is_url_unicode_symbol in tdlib's MessageEntity.cpp)."""

_BEGINS = re.compile(
    r"[@#](?=\S)"
    r"|\$(?=[A-Za-z])"
    r"|(?<!\w)/(?=\w)"
    r"|(?<=[^\W\d_]):(?=\S)"
    r"|\.(?=[^\W\d_]|[^\x00-\x7f])"
)
_DATA = re.compile(r"`([^`]+)`|“([^”]*)”")
_LONGEST = 20_000


class Style(Enum):
    """How a span is set."""

    PLAIN = "{}"
    BOLD = "<b>{}</b>"
    CODE = "<code>{}</code>"
    MENTION = '<a href="tg://user?id={id}">{}</a>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some text in one style. ``account`` is whom a mention notifies."""

    text: str
    style: Style = Style.PLAIN
    account: str = ""


Line = tuple[Span, ...]


def units(text: str) -> int:
    """The length as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def head(text: str, most: int) -> str:
    """The first *most* units of *text*."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * max(0, most)].decode("utf-16-le", "ignore")


def shortened(text: str, most: int) -> str:
    """*text*, cut with a visible mark where it is longer than *most* units."""
    return text if units(text) <= most else head(text, most - 1).rstrip() + "…"


def clean(text: str) -> str:
    """*text* on one line, without what controls, reorders, hides or piles up characters."""
    out: list[str] = []
    piled = 0
    for char in text[:_LONGEST]:
        kind = unicodedata.category(char)
        if char in "\n\r\t" or kind[0] == "Z":
            out.append(" ")
        elif kind in {"Cc", "Cf", "Cs", "Co"} or ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF:
            continue
        else:
            piled = piled + 1 if kind in {"Mn", "Me"} else 0
            if piled <= 3:
                out.append(char)
    return "".join(out)


def neutral(text: str, *, more: bool = False) -> str:
    """Clean *text* in which a client finds nothing to link; *more* says that another span follows."""
    safe = _BEGINS.sub(lambda m: m[0] + JOINER, text)
    return safe + JOINER if more and safe[-1:] in set("@#$/.:") else safe


def line(text: str, style: Style = Style.PLAIN) -> Line:
    """One line of ours: its label in bold, its data as code, the rest in *style* and neutral."""
    text = clean(text)
    at = label(text)
    named = (Span(text=text[:at], style=Style.BOLD),) if at else ()
    raw: list[Span] = []
    for found in _DATA.finditer(text, at):
        raw.append(Span(text=text[at : found.start()], style=style))
        if found[1] is not None:
            raw.append(Span(text=found[1], style=Style.CODE))
        else:
            raw += [
                Span(text="“", style=style),
                Span(text=found[2], style=Style.CODE),
                Span(text="”", style=style),
            ]
        at = found.end()
    raw.append(Span(text=text[at:], style=style))
    merged: list[Span] = []
    for span in raw:
        if span.text and merged and merged[-1].style is span.style is not Style.CODE:
            merged[-1] = replace(span, text=merged[-1].text + span.text)
        elif span.text:
            merged.append(span)
    return (*named, *_neutral(merged))


def _neutral(spans: Sequence[Span]) -> Line:
    return tuple(
        s if s.style is Style.CODE else replace(s, text=neutral(s.text, more=i + 1 < len(spans)))
        for i, s in enumerate(spans)
    )


def length(spans: Line) -> int:
    """Units of a line."""
    return sum(units(s.text) for s in spans)


def cut(spans: Line, most: int) -> Line:
    """A line of at most *most* units, its end marked where it was cut."""
    if length(spans) <= most:
        return spans
    out: list[Span] = []
    room = most - 1
    for span in spans:
        if units(span.text) <= room:
            out.append(span)
            room -= units(span.text)
            continue
        out.append(replace(span, text=head(span.text, room) + "…"))
        break
    return tuple(out)


def fit(lines: Sequence[Line], room: int) -> list[Line]:
    """Lines in at most *room* units: the longest are cut; of too many, those in the middle are left out."""
    lengths = [length(each) + 1 for each in lines]
    if sum(lengths) <= room:
        return list(lines)
    if sum(min(n, LEAST + 1) for n in lengths) <= room:
        low, high = LEAST, max(lengths)
        while high - low > 1:
            level = (low + high) // 2
            low, high = (level, high) if sum(min(n, level + 1) for n in lengths) <= room else (low, level)
        return [cut(each, low) for each in lines]
    short = [cut(each, LEAST) for each in lines]
    last = short[-LAST:]
    used = sum(length(each) + 1 for each in last) + 40
    first: list[Line] = []
    for each in short[: -LAST or None]:
        used += length(each) + 1
        if used > room:
            break
        first.append(each)
    left = len(lines) - len(first) - len(last)
    return [*first, (Span(text=f"… {left} more lines …"),), *last]


def markup(lines: Sequence[Line]) -> str:
    """Lines as HTML."""
    marks = 0
    out: list[str] = []
    for each in lines:
        row: list[str] = []
        for span in each:
            marks += span.style is Style.CODE
            if span.style is Style.CODE and marks > MARKS:
                span = replace(span, text=neutral(span.text, more=True), style=Style.PLAIN)  # noqa: PLW2901
            row.append(span.style.value.format(html.escape(span.text, quote=False), id=span.account))
        out.append("".join(row))
    return "\n".join(out)


def bare(lines: Sequence[Line]) -> str:
    """Lines without any marks, as neutral as the marked ones."""
    return "\n".join(
        "".join(neutral(s.text, more=True) if s.style is Style.CODE else s.text for s in each) for each in lines
    )
