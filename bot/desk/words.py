"""Free words about when and what, without a model: a window, a symptom out of a closed list, and the rest."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.desk import spans

MOST = 500
"""Characters of words that are read; nobody says when and what in more."""

MOST_OF_ONE = 125
"""Characters of one word that is read: the longest name of a service has fewer."""

_SYMPTOMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("slow_request_ratio", re.compile(r"\b(?:slow|slower|latency|lag|laggy|timeouts?|timing\s+out)\b", re.I)),
    ("pool_waiters", re.compile(r"\b(?:pool|connections?\s+(?:exhausted|full|pool))\b", re.I)),
    ("server_error_ratio", re.compile(r"\b(?:errors?|failing|fails|failures?|5xx|50[0234]s?|broken)\b", re.I)),
    ("request_rate", re.compile(r"\b(?:traffic|load|requests\s+per\s+second|rps|qps)\b", re.I)),
    ("health_failing", re.compile(r"\b(?:down|unhealthy|dead|crashing|restarting|health)\b", re.I)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """``window`` and ``symptom`` as far as the words say; ``rest`` is what neither took.

    ``cut``: there were more words, or longer ones, than are read.
    """

    window: timedelta | None
    symptom: str
    rest: tuple[str, ...]
    cut: bool = False


def read(words: tuple[str, ...], now: datetime) -> Meant:
    """How far back to look, and what is felt. A window is at most a day and at least five minutes."""
    said = " ".join(words)
    text = _first(said)
    window, left = spans.window(text, now)
    symptom = next((name for name, pattern in _SYMPTOMS if pattern.search(left)), "")
    return Meant(window=window, symptom=symptom, rest=tuple(left.split()), cut=text != said)


def _first(text: str) -> str:
    """As many whole words as are read; one that is longer than any name is none of them."""
    short = " ".join(word for word in text.split(" ") if len(word) <= MOST_OF_ONE)
    return short if len(short) <= MOST else short[: MOST + 1].rpartition(" ")[0]
