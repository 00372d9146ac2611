"""How far back words say to look: durations and times of day.

A duration is a window where ``since``, ``last`` or ``for`` introduces it, or where it stands alone like an
argument; what a request takes is none. Of several the one behind ``since``, ``last`` or ``past`` counts. Times of
day are UTC, as everywhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(hours=24)
SHORTEST = timedelta(minutes=5)

_NUMBERS = {
    word: n
    for n, words in enumerate(
        (
            "",
            "one a an",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        )
    )
    for word in words.split()
} | {"couple": 2, "few": 3, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45}
_UNITS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
}  # fmt: skip
_DIGITS = r"\d{1,4}(?:[.,]\d{1,2})?"
_FEWER = r"[0-5]?\d(?:[.,]\d{1,2})?"
_WORD = rf"half(?: an?)?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}"
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))


def _part(digits: str, word: str = f"(?:{_WORD})", unit: str = f"(?:{_UNIT})") -> str:
    number = rf"(?:{digits}(?: and a half)? ?|{word} (?:and a half )?)"
    return rf"{number}(?:of )?{unit}(?![a-z])(?: and a half)?"


_PART = re.compile(_part(rf"(?P<digits>{_DIGITS})", rf"(?P<word>{_WORD})", rf"(?P<unit>{_UNIT})"), re.I)
_PARTS = rf"{_part(_DIGITS)}(?:(?: and | )?{_part(_FEWER)}){{0,3}}"
_STATUSES = r"(?:(?<=since )|(?<=last )|(?<=past )|(?![45]\d\ds\b))"
"""``500s`` are answers, not seconds, unless the word before says otherwise."""
_SPAN = rf"{_STATUSES}(?P<span>{_PARTS})(?![\w-]|\.\w)(?P<ago> ago)?"
_LEADS = "since|for|in|over|during|from|within|the|last|past|about|around|a"
_ONE_WORD = re.compile(rf"(?:{_DIGITS}(?:{_UNIT})(?![a-z]) ?){{1,4}}", re.I)

_LED = re.compile(rf"(?<![\w-])(?P<lead>(?:(?:{_LEADS}) ){{1,5}}){_SPAN}", re.I)
_ALONE = re.compile(rf"(?<![\w.:/])(?<!\d,)(?<!\w-){_SPAN}", re.I)
_LATEST = re.compile(rf"(?<![\w-])(?:(?:{_LEADS}) ){{0,4}}(?:last|past) (?P<unit>{_UNIT})(?![\w-])", re.I)
_CLOCK = re.compile(
    r"(?<![\w-])(?:since|from) (?P<h>[01]?\d|2[0-3])(?::(?P<m>[0-5]\d))?(?: ?(?P<half>am|pm))?"
    r"(?P<sure> ?o['’]?clock)?(?P<utc> ?utc)?\b",
    re.I,
)
_DAYTIME = re.compile(
    r"\b(?P<lead>(?:since|from) )?(?P<when>this morning|this afternoon|this evening|midnight|noon|today|yesterday|"
    r"last night)\b",
    re.I,
)
_BEGINS = {
    "this morning": 6, "this afternoon": 12, "this evening": 18, "midnight": 0, "noon": 12, "today": 0,
}  # fmt: skip

_JUST = r"(?: (?:about|around|only|almost|nearly|some|the))*[ :=]$"
_TAKES = re.compile(
    r"(?<!\w)(?:takes?|took|taking|needs?|lasts?|lasting|times|once|twice|of|after|every|each|per|above|below|under|"
    rf"than|exceeds?|at|by|to|with|in|over|within|from){_JUST}",
    re.I,
)
"""What stands before a duration that something takes, or how often it happens."""

_TAKEN = re.compile(r" (?:delays?|lags?|late|later|slower|old|each|per|of)\b", re.I)
"""What stands behind one."""

_MEASURED = re.compile(rf"(?<!\w)(?:timeouts?|latency|latencies|p\d\d|is|are|was|were){_JUST}", re.I)
"""What stands before the duration of a request, if it is short enough to be one's."""

_MEASURES = re.compile(r" (?:timeouts?|latency|latencies|waits?|responses?|requests?)\b", re.I)
"""What stands behind one."""

_END = re.compile(r"[\s.,;:!?)]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Time:
    """A window that is named in words, and where. The one of the lowest ``rank`` counts, of several the first."""

    rank: int
    start: int
    end: int
    back: timedelta


def span(word: str) -> timedelta | None:
    """A duration in one word: ``30m``, ``1.5h``, ``2h30m``."""
    return _back(word) if _ONE_WORD.fullmatch(word) and " " not in word else None


def window(text: str, now: datetime) -> tuple[timedelta | None, str]:
    """The window that *text* names, between the shortest and the longest, and the text without it."""
    time = min(_times(text, now), key=lambda t: (t.rank, t.start), default=None)
    if time is None:
        return None, text
    left = f"{text[: time.start]} {text[time.end :]}"
    return min(max(time.back, SHORTEST), LONGEST), " ".join(left.split())


def _times(text: str, now: datetime) -> Iterator[_Time]:
    for pattern, weigh in ((_LED, _led), (_ALONE, _alone)):
        for found in pattern.finditer(text):
            back = _back(found["span"])
            rank = 0 if found["ago"] else weigh(found, back)
            if rank is not None:
                yield _Time(rank=rank, start=found.start(), end=found.end(), back=back)
    for found in _LATEST.finditer(text):
        back = timedelta(seconds=_UNITS[found["unit"].lower()])
        yield _Time(rank=0, start=found.start(), end=found.end(), back=back)
    for found in _DAYTIME.finditer(text):
        back = _since(found["when"].lower(), now)
        yield _Time(rank=0 if found["lead"] else 1, start=found.start(), end=found.end(), back=back)
    for found in _CLOCK.finditer(text):
        if found["m"] or found["half"] or found["sure"] or found["utc"] or _END.match(text, found.end()):
            yield _Time(rank=0, start=found.start(), end=found.end(), back=_clock(found, now))


def _led(found: re.Match[str], back: timedelta) -> int | None:
    """How much a duration behind a word like ``since`` or ``in`` counts as a window; ``None`` where it is none."""
    lead = set(found["lead"].lower().split())
    if lead & {"since", "last", "past"}:
        return 0
    if lead & {"for", "during"}:
        return 1 if back >= SHORTEST else 2
    if not lead & {"in", "over", "within", "from"} or back < SHORTEST:
        return None
    return None if _TAKES.search(found.string, 0, found.start()) else 1


def _alone(found: re.Match[str], back: timedelta) -> int | None:
    """How much a duration that nothing introduces counts as a window; ``None`` where it is no argument."""
    text, start, end = found.string, found.start(), found.end()
    if _TAKES.search(text, 0, start) or _TAKEN.match(text, end):
        return None
    at_an_end = start == 0 or _END.match(text, end) is not None
    if back >= SHORTEST:
        return 1 if at_an_end or not found["span"].lower().startswith(("a ", "an ")) else None
    if _MEASURED.search(text, 0, start) or _MEASURES.match(text, end):
        return None
    return 2 if at_an_end or _ONE_WORD.fullmatch(found["span"]) else None


def _back(text: str) -> timedelta:
    """The parts of a duration together."""
    return sum((_part_of(found) for found in _PART.finditer(text)), timedelta(0))


def _part_of(found: re.Match[str]) -> timedelta:
    more = 0.5 if found.group(0).lower().find(" and a half") > 0 else 0.0
    return timedelta(seconds=(_amount(found["digits"], found["word"]) + more) * _UNITS[found["unit"].lower()])


def _amount(digits: str | None, word: str | None) -> float:
    if digits:
        return float(digits.replace(",", "."))
    name = (word or "").lower()
    return 0.5 if name.startswith("half") else _NUMBERS[name]


def _since(when: str, now: datetime) -> timedelta:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if when == "yesterday":
        return LONGEST
    if when == "last night":
        return now - (today - timedelta(hours=6))
    begun = today + timedelta(hours=_BEGINS[when])
    return now - (begun if begun <= now else begun - timedelta(days=1))


def _clock(found: re.Match[str], now: datetime) -> timedelta:
    hour = (
        int(found["h"]) % 12 + (12 if found["half"].lower() == "pm" else 0) if found["half"] else int(found["h"])
    )
    begun = now.replace(hour=hour, minute=int(found["m"] or 0), second=0, microsecond=0)
    return now - (begun if begun <= now else begun - timedelta(days=1))
