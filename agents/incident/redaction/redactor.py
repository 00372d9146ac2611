"""Taking secrets out of text: each becomes a placeholder that says its kind and lets equal secrets stay equal."""

import hashlib
import hmac
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from agents.incident.redaction import names, personal, shapes
from agents.incident.redaction.entropy import random_runs
from agents.incident.redaction.shapes import Span

SHORT, WHOLE = 4, 32
"""Digits of a placeholder: enough for the eye, and so many that no two secrets of a source are taken for one."""

PLACEHOLDER = re.compile(
    r"(?:<|&lt;|\\u003[cC]|%3[cC])SECRET(?::|%3[aA])[a-z_]{1,24}(?::|%3[aA])[0-9a-f]{4}(?:[0-9a-f]{28})?"
    r"(?:>|&gt;|\\u003[eE]|%3[eE])"
)
"""What stands where a secret was, as it is written here and as chats, pages, JSON and forms write it."""

LEAST_KNOWN = 8
LEAST_KNOWN_WORD = 16
"""A credential of ours that is shorter (or shorter than this, and small letters only) is not looked for: it would
be found in ordinary words."""

_UNSEEN = dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A secret that was met; never the secret itself.

    ``start`` and ``end`` count characters of the text as it was given; both are -1 where the secret shows only
    once the text is decoded.
    """

    kind: str
    placeholder: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A stretch of the text: free, or a secret and where it stood."""

    text: str
    start: int
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """The rules with what an installation adds to them.

    Args:
        salt: Makes placeholders of one installation comparable with each other and with no other's.
        known: This process's own credentials, taken out wherever they stand, but for those that could be words.
        phones: Whether telephone numbers go too.
        digits: How many a placeholder has, SHORT or WHOLE.
    """

    salt: bytes
    known: tuple[str, ...] = ()
    phones: bool = False
    digits: int = SHORT
    _ours: re.Pattern[str] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        long = sorted({k for k in self.known if _telling(k)}, key=len, reverse=True)
        if long:
            object.__setattr__(self, "_ours", re.compile("|".join(map(re.escape, long))))

    def redact(self, text: str, counts: Counter[str] | None = None) -> str:
        """*text* without secrets; *counts* gains one per kind and secret. Doing it twice changes nothing more."""
        if next(self._spans(text), None) is None:
            return text  # nearly every text
        parts = self._parts(text)
        if counts is not None:
            counts.update(p.kind for p in parts if p.kind and not p.kind.startswith("<"))
        return "".join(self._shown(p) for p in parts)

    def suspicious(self, text: str) -> tuple[Hit, ...]:
        """What still looks like a secret in a text that is about to leave, in its order.

        It looks twice: at the text as it is, and at the text with entities and percent signs decoded, look-alike
        characters folded and invisible ones taken out.
        """
        found = tuple(self._hits(text, plain=True))
        if found:
            return found
        decoded = unicodedata.normalize("NFKC", unquote(html.unescape(text))).translate(_UNSEEN)
        return tuple(self._hits(decoded, plain=False)) if decoded != text else ()

    def placeholder(self, kind: str, secret: str) -> str:
        """What stands for *secret*: the same for the same secret under one salt."""
        digest = hmac.new(self.salt, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"<SECRET:{kind}:{digest[: self.digits]}>"

    def _hits(self, text: str, *, plain: bool) -> Iterator[Hit]:
        if next(self._spans(text), None) is None:
            return
        for p in self._parts(text):
            if p.kind and not p.kind.startswith("<"):
                start, end = (p.start, p.start + len(p.text)) if plain else (-1, -1)
                yield Hit(kind=p.kind, placeholder=self.placeholder(p.kind, p.text), start=start, end=end)

    def _shown(self, part: _Part) -> str:
        if not part.kind or part.kind.startswith("<"):
            return part.text
        return self.placeholder(part.kind, part.text)

    def _parts(self, text: str) -> list[_Part]:
        """*text* cut into what may stay and what may not.

        Taking one secret out can lay another bare, so the rules go over what is left until they find nothing:
        that is what makes redacting twice the same as redacting once.
        """
        parts = _cut(_Part(text=text, start=0), shapes.private_keys(text))
        parts = [piece for part in parts for piece in ([part] if part.kind else _at_placeholders(part))]
        work = True
        while work:
            work = False
            done: list[_Part] = []
            for part in parts:
                pieces = [part] if part.kind else self._once(part)
                work = work or len(pieces) > 1 or pieces[0].kind != part.kind
                done += pieces
            parts = done
        return parts

    def _once(self, part: _Part) -> list[_Part]:
        return _cut(part, self._spans(part.text)) if len(part.text) > 2 else [part]

    def _spans(self, text: str) -> Iterator[Span]:
        """Every rule's finds, the more telling rules first."""
        low = shapes.lowered(text)
        yield from shapes.private_keys(text)
        if self._ours is not None:
            for match in self._ours.finditer(text):
                yield match.start(), match.end(), "credential"
        yield from shapes.addressed(text)
        yield from names.named(text, low)
        yield from shapes.introduced(text, low)
        yield from shapes.shaped(text)
        yield from personal.emails(text)
        yield from personal.cards(text)
        if self.phones:
            yield from personal.phones(text)
        yield from random_runs(text)


def _telling(known: str) -> bool:
    word = known.isalpha() and known.islower()
    return len(known) >= (LEAST_KNOWN_WORD if word else LEAST_KNOWN)


def _at_placeholders(part: _Part) -> list[_Part]:
    if "SECRET" not in part.text:
        return [part]
    return _cut(part, ((m.start(), m.end(), "<") for m in PLACEHOLDER.finditer(part.text)))


def _cut(part: _Part, spans: Iterable[Span]) -> list[_Part]:
    """*part* cut at *spans*; where two overlap the earlier named one has it, and the rest stays free."""
    taken: list[Span] = []
    covered = bytearray(len(part.text))
    for start, end, kind in spans:
        if start < end and not any(covered[start:end]):
            covered[start:end] = b"\x01" * (end - start)
            taken.append((start, end, kind))
    if not taken:
        return [part]
    out, at = [], 0
    for start, end, kind in sorted(taken):
        if at < start:
            out.append(_Part(text=part.text[at:start], start=part.start + at))
        out.append(_Part(text=part.text[start:end], start=part.start + start, kind=kind))
        at = end
    if at < len(part.text):
        out.append(_Part(text=part.text[at:], start=part.start + at))
    return out
