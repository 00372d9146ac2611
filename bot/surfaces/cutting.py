"""Text made to fit: cut at a word and with a visible mark, never inside a name or a quote."""

from collections.abc import Iterator, Sequence

MARK = "…"
OUTSIDE = 160
"""Starting value: characters of a text from outside where a line tells of it; the page has all of it."""

_DEAR = dict.fromkeys("&<>*_~`", 5) | dict.fromkeys("@#$/:.", 2)
"""What a platform writes out at greater length: entities, code marks, joiners."""


def cost(text: str) -> int:
    """The most that *text* takes on any platform, in characters as that platform counts them."""
    return sum(_DEAR.get(c, 2 if ord(c) > 0xFFFF else 1) for c in text)


def words(text: str, most: int = OUTSIDE) -> str:
    """Somebody's own words on one line, in at most *most* characters, cut between two words where that can be."""
    flat = " ".join(text[: 8 * most].split())
    if len(flat) <= most and len(text) <= 8 * most:
        return flat
    head = flat[: most - 1]
    whole, _, rest = head.rpartition(" ")
    kept = head if flat[most - 1 : most] == " " or len(rest) > most // 2 or not whole else whole
    return kept.rstrip() + MARK


def shortened(text: str, most: int) -> str:
    """A line of ours that costs at most *most*, its names and quotes whole or left out."""
    if cost(text) <= most:
        return text
    return (text[: _safe(text, most - 2)].rstrip() + f" {MARK}").strip()


def wrapped(text: str, most: int) -> Iterator[str]:
    """*text* in pieces that cost at most *most* each; nothing is left out."""
    while cost(text) > most:
        at = _safe(text, most) or _reach(text, most)
        yield text[:at].rstrip()
        text = text[at:].lstrip()
    yield text


def within(lines: Sequence[str], most: int) -> tuple[str, ...]:
    """As many *lines* as cost at most *most* together, the last one shortened; a mark stands for the others."""
    out: list[str] = []
    for line in lines:
        room = most - sum(map(cost, out))
        if cost(line) <= room:
            out.append(line)
            continue
        short = shortened(line, room)
        return (*out, short if short != MARK else f"{MARK} the page has more")
    return tuple(out)


def _safe(text: str, most: int) -> int:
    """The last space outside of names and quotes before which *text* costs at most *most*; 0 without one."""
    name = quote = False
    used = at = 0
    for n, char in enumerate(text):
        used += _DEAR.get(char, 2 if ord(char) > 0xFFFF else 1)
        if used > most:
            break
        if char == "`" and not quote:
            name = not name
        elif not name and char in "“”":
            quote = char == "“"
        elif char == " " and not name and not quote:
            at = n
    return at


def _reach(text: str, most: int) -> int:
    """How far into *text* one comes for *most*; at least one character."""
    used = 0
    for n, char in enumerate(text):
        used += _DEAR.get(char, 2 if ord(char) > 0xFFFF else 1)
        if used > most:
            return max(n, 1)
    return len(text)
