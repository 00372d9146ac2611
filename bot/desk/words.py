"""Free words about when and what, without a model: a window and a symptom out of closed lists; the rest is left.

Times of day are UTC, as everywhere.
"""

import re
from collections.abc import Callable
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
_AMOUNT = rf"(?P<n>\d{{1,4}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = rf"(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})"
_LEAD = r"(?:(?:since|for|in|over|during|from|within|the|last|past|about)\s+)*"
_SPAN = re.compile(rf"\b{_LEAD}(?:{_AMOUNT}\s*(?:of\s+)?){_UNIT}\b(?:\s+ago)?", re.I)
_BARE = re.compile(rf"\b(?:the\s+)?(?:last|past)\s+{_UNIT}\b", re.I)
_HALF = re.compile(rf"\b{_LEAD}half\s+(?:an?\s+)?hour\b(?:\s+ago)?", re.I)
_CLOCK = re.compile(
    r"\b(?:since|from)\s+(?P<h>[01]?\d|2[0-3])(?::(?P<m>[0-5]\d))?(?:\s*(?P<half>am|pm))?(?:\s+utc)?\b", re.I
)
_DAYTIME = re.compile(
    r"\b(?:since\s+|from\s+)?(?P<when>this\s+morning|this\s+afternoon|this\s+evening|midnight|noon|today|yesterday|"
    r"last\s+night)\b",
    re.I,
)
_BEGINS = {
    "this morning": 6, "this afternoon": 12, "this evening": 18, "midnight": 0, "noon": 12, "today": 0,
}  # fmt: skip

_SYMPTOMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("slow_request_ratio", re.compile(r"\b(?:slow|slower|latency|lag|laggy|timeouts?|timing\s+out)\b", re.I)),
    ("pool_waiters", re.compile(r"\b(?:pool|connections?\s+(?:exhausted|full|pool))\b", re.I)),
    ("server_error_ratio", re.compile(r"\b(?:errors?|failing|fails|failures?|5xx|500s?|503s?|broken)\b", re.I)),
    ("request_rate", re.compile(r"\b(?:traffic|load|requests\s+per\s+second|rps|qps)\b", re.I)),
    ("health_failing", re.compile(r"\b(?:down|unhealthy|dead|crashing|restarting|health)\b", re.I)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """``window`` and ``symptom`` as far as the words say; ``rest`` is what neither took."""

    window: timedelta | None
    symptom: str
    rest: tuple[str, ...]


def read(words: tuple[str, ...], now: datetime) -> Meant:
    """How far back to look, and what is felt. A window is at most a day and at least five minutes."""
    text = " ".join(words)
    window, text = _window(text, now)
    symptom = next((name for name, pattern in _SYMPTOMS if pattern.search(text)), "")
    return Meant(window=window, symptom=symptom, rest=tuple(text.split()))


def _window(text: str, now: datetime) -> tuple[timedelta | None, str]:
    readings: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], timedelta]], ...] = (
        (_HALF, lambda _: timedelta(minutes=30)),
        (_SPAN, lambda m: timedelta(seconds=_amount(m["n"]) * _UNITS[m["unit"].lower()])),
        (_BARE, lambda m: timedelta(seconds=_UNITS[m["unit"].lower()])),
        (_DAYTIME, lambda m: _since(" ".join(m["when"].lower().split()), now)),
        (_CLOCK, lambda m: _clock(m, now)),
    )
    for pattern, span in readings:
        found = pattern.search(text)
        if found is not None:
            left = f"{text[: found.start()]} {text[found.end() :]}"
            return min(max(span(found), SHORTEST), LONGEST), " ".join(left.split())
    return None, text


def _amount(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word.lower()]


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
