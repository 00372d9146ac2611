"""How wide a text is drawn, and what of it fits into a given room."""

import unicodedata

TEXT, CAPTION, VALUE = 14, 19, 20  # font sizes, in units of the canvas

# Advances of the printable ASCII of Roboto Medium and Regular, the wider of the two, in thousandths of the size.
_ADVANCES = (
    *(249, 268, 324, 615, 568, 734, 639, 174, 349, 353, 442, 567, 220, 328, 279, 412),
    *(568, 568, 568, 568, 568, 568, 568, 568, 568, 568, 265, 237, 508, 559, 522, 486),
    *(897, 665, 631, 652, 656, 568, 552, 681, 713, 282, 555, 630, 541, 875, 713, 690),
    *(639, 690, 624, 604, 607, 652, 647, 887, 632, 609, 602, 274, 417, 274, 427, 451),
    *(322, 543, 562, 523, 564, 536, 354, 566, 555, 255, 250, 521, 255, 876, 556, 570),
    *(562, 568, 351, 516, 333, 555, 495, 751, 503, 486, 503, 338, 250, 338, 680),
)
_SLACK = 1.06  # a browser without Roboto draws with Helvetica or Arial, which run a little wider


def measure(text: str, size: float) -> float:
    """How wide *text* is drawn, at most, in a font no wider than Arial."""
    return sum(map(_advance, text)) * size * _SLACK


def _advance(char: str) -> float:
    code = ord(char)
    if 32 <= code < 127:
        return _ADVANCES[code - 32] / 1000
    base = unicodedata.normalize("NFD", char)[0]
    if "a" <= base.lower() <= "z":
        return _ADVANCES[ord(base) - 32] / 1000 + 0.1  # a hook or a caron beside the letter
    if char in "…·–—“”‘’×‹›":
        return 0.79
    return 1.03 if 0x391 <= code <= 0x44F or unicodedata.east_asian_width(char) in "WF" else 1.38


def cut(text: str, room: float, size: float) -> str:
    """*text* shortened to what fits into *room*."""
    if measure(text, size) <= room:
        return text
    room -= measure("…", size)
    kept = 0
    for char in text:
        room -= measure(char, size)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "…"


def wrapped(text: str, room: float, size: float, *, lines: int) -> list[str]:
    """*text* in at most so many lines, broken between words, or between the parts of a name, where that fits."""
    whole = cut(text, room, size)
    if lines == 1 or whole == text:
        return [whole]
    fits = len(whole) - 1
    ends = (text.rfind(" ", fits // 2, fits + 1), 1 + max(text.rfind(c, fits // 2, fits) for c in "-/._"))
    end = next((e for e in ends if e > 0), fits)
    return [text[:end], *wrapped(text[end:].lstrip(), room, size, lines=lines - 1)]
