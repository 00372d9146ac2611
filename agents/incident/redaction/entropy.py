"""Secrets without a name and without a shape: long runs of characters that nobody would choose by hand.

At least 4.0 bits a character over at least 20 characters. What looks alike and is none must stay, or evidence
would lose its joints: ids of traces, spans, containers and commits, digests, UUIDs, the project's own ids, and
names that are put together from words.
"""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from agents.incident.redaction.shapes import Span

LEAST_BITS = 4.0
LEAST_LENGTH = 20
FEWEST_KINDS = 16
"""Fewer different characters cannot have so many bits; most ids are done with here."""

WORDS_SHARE = 0.6
"""From this share of its letters and digits in words, a run counts as a name."""

LONG_PIECE = 32
"""In a piece from this length on, three letters are no word: chance makes too many of them."""

_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}={0,2}")
_IDS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"  # UUIDs
    r"|ev_[a-z2-7]{20}"  # evidence
    r"|(?:[A-Z]{2,4}_)?[0-7][0-9A-HJKMNP-TV-Z]{25}"  # this project's ids, and ULIDs
    r"|[0-9a-f]{7,}|[0-9A-F]{7,}"  # digests, commits, containers, traces, spans, numbers
    r")(?![A-Za-z0-9])"
    r"|(?<![0-9a-f])[0-9a-f]{32,}(?![A-Za-z0-9])"  # a digest behind a word: pod4bf9…
)
_PIECE = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}(?![a-z])")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_UNSPOKEN = re.compile(r"[^aeiouyAEIOUY]{5}")
_CLASS_CHANGE = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")


def bits(text: str) -> float:
    """Shannon's entropy of the characters of *text*, in bits a character."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) if size else 0.0


def random_runs(text: str) -> Iterator[Span]:
    """Runs of characters that look drawn by lot."""
    for match in _RUN.finditer(text):
        if _drawn(match[0]):
            yield match.start(), match.end(), "entropy"


def _drawn(run: str) -> bool:
    if len(set(run)) < FEWEST_KINDS:
        return False
    rest = _IDS.sub(" ", run).strip()
    if len(rest) < LEAST_LENGTH or bits(rest) < LEAST_BITS:
        return False
    pieces = _PIECE.findall(rest)
    letters = sum(map(len, pieces))
    if letters < LEAST_LENGTH - 2:
        return False
    # Names of pods, paths and metrics have short pieces; a key is one long one, full of digits.
    longest = max(pieces, key=len)
    if len(longest) >= LEAST_LENGTH and len(_CLASS_CHANGE.findall(longest)) >= 4:
        return True
    if rest.lower() == rest or rest.upper() == rest:
        return False
    shortest = 3 if len(longest) < LONG_PIECE else 4
    in_words = sum(len(word) for piece in pieces for word in _WORD.findall(piece) if _spoken(word, shortest))
    return in_words < WORDS_SHARE * letters


def _spoken(word: str, shortest: int) -> bool:
    return len(word) >= shortest and _VOWEL.search(word) is not None and _UNSPOKEN.search(word) is None
