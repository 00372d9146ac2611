"""Log lines as templates: what is constant stays, what varies becomes a typed parameter.

A tree of fixed depth sorts lines by their number of words and their first words; inside a leaf a line joins the
template it shares most words with, and words that differ become ``<*>``. Values never go through: numbers,
addresses, ids, paths and quoted strings are replaced by their type before anything is compared.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

DEPTH = 2
"""Leading words that must be the same for two lines to meet in one leaf."""

SIMILARITY = 0.5
"""The share of words two lines must have in common to be one template."""

MAX_TEMPLATES = 40
MAX_EXAMPLES = 2
RESERVED = 10
"""Of the templates shown, how many places the rarest have: noise cannot push out the one line that counts."""

MAX_WORDS = 40
MAX_LINES = 20_000

_TYPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("UUID", re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")),
    ("TIME", re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")),
    ("URL", re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://\S+")),
    ("IP", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")),
    ("PATH", re.compile(r"(?<![\w<])/[^\s\"',;]*")),
    ("HEX", re.compile(r"\b(?:0x)?(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b")),
    (
        "NUM",
        re.compile(r"(?<![A-Za-z_<])[-+]?\d+(?:[.,]\d+)*(?:ns|us|µs|ms|s|m|h|B|KB|MB|GB|KiB|MiB|GiB|%)?(?![\w>])"),
    ),
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`|“[^”]*”")
_PLAIN = re.compile(r"^[A-Za-z][A-Za-z_-]{0,31}[.,:;!?)]*$")
_TYPED = re.compile(r"^[\w.=(\[-]*<(?:UUID|TIME|URL|IP|PATH|HEX|NUM|STR:[^>]*|\*)>[\w.,:;)\]%-]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One shape of line: how often it was seen, and at most two lines of it, masked as it is."""

    text: str
    count: int
    examples: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Growing:
    words: list[str]
    count: int = 0
    examples: list[str] = field(default_factory=list)


def masked(line: str, inventory: frozenset[str] = frozenset()) -> str:
    """*line* with every value replaced by its type.

    A word is shown only when it is plain letters or a name of the inventory; a quoted string never is, unless it
    is such a name.
    """
    line = _QUOTED.sub(lambda m: m.group(0)[1:-1] if m.group(0)[1:-1] in inventory else abstract(m.group(0)), line)
    for name, pattern in _TYPES:
        line = pattern.sub(f"<{name}>", line)
    return " ".join(_word(w, inventory) for w in line.split()[:MAX_WORDS])


def _word(word: str, inventory: frozenset[str]) -> str:
    if _PLAIN.match(word) or _TYPED.match(word) or word.strip(".,:;()[]") in inventory:
        return word
    return abstract(word)


def abstract(value: str) -> str:
    """*value* as its length and digest: equality survives, the words do not."""
    return f"<STR:len={len(value)},sha={hashlib.sha256(value.encode(errors='replace')).hexdigest()[:6]}>"


def templates_of(lines: Iterable[str], inventory: frozenset[str] = frozenset()) -> tuple[Template, ...]:
    """The templates of *lines*, at most 40: the most frequent first, with places kept for the rarest."""
    leaves: dict[tuple[str | int, ...], list[_Growing]] = {}
    for number, line in enumerate(lines):
        if number >= MAX_LINES:
            break
        text = masked(line, inventory)
        words = text.split()
        grown = _place(leaves.setdefault((len(words), *words[:DEPTH]), []), words)
        grown.count += 1
        if len(grown.examples) < MAX_EXAMPLES and text not in grown.examples:
            grown.examples.append(text)
    grown_all = sorted((g for leaf in leaves.values() for g in leaf), key=lambda g: (-g.count, g.words))
    return tuple(
        Template(text=" ".join(g.words), count=g.count, examples=tuple(g.examples)) for g in _chosen(grown_all)
    )


def _place(leaf: list[_Growing], words: list[str]) -> _Growing:
    """The template of *leaf* that *words* belong to, widened by them; else a new one."""
    best, most = None, SIMILARITY
    for grown in leaf:
        same = sum(a == b for a, b in zip(grown.words, words, strict=True)) / max(len(words), 1)
        if same >= most:
            best, most = grown, same
    if best is None:
        best = _Growing(words=list(words))
        leaf.append(best)
    best.words = [a if a == b else "<*>" for a, b in zip(best.words, words, strict=True)]
    return best


def _chosen(ordered: Sequence[_Growing]) -> Sequence[_Growing]:
    if len(ordered) <= MAX_TEMPLATES:
        return ordered
    return [*ordered[: MAX_TEMPLATES - RESERVED], *ordered[-RESERVED:]]
