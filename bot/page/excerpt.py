"""Stored bytes as text, with what is cited marked and what is left out counted."""

from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int]
AROUND = 96
"""Bytes shown on each side of a marked place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """A stretch of the stored bytes as text; ``mark`` numbers a cited one, from 1. Or how many are left out."""

    text: str = ""
    mark: int = 0
    left_out: int = 0


def excerpt(blob: bytes, marks: Sequence[Span], around: int = AROUND) -> tuple[Bytes, ...]:
    """The marked bytes with a little on each side; what is left out between is counted."""
    windows: list[Span] = []
    for left, right in marks or ((0, 0),):
        window = (_whole(blob, left - around), _whole(blob, right + around))
        if windows and window[0] <= windows[-1][1]:
            window = (windows.pop()[0], window[1])
        windows.append(window)
    out: list[Bytes] = []
    at = 0
    for left, right in windows:
        if left > at:
            out.append(Bytes(left_out=left - at))
        out += pointers(blob, marks, left, right)
        at = right
    if at < len(blob):
        out.append(Bytes(left_out=len(blob) - at))
    return tuple(out)


def pointers(blob: bytes, marks: Sequence[Span], start: int, end: int) -> tuple[Bytes, ...]:
    """The bytes from *start* to *end* with what is marked in them."""
    out: list[Bytes] = []
    at = start
    for i, (left, right) in enumerate(marks, 1):
        if right <= at or left >= end or left < at:
            continue
        out += [Bytes(text=_text(blob[at:left])), Bytes(text=_text(blob[left : min(right, end)]), mark=i)]
        at = min(right, end)
    out.append(Bytes(text=_text(blob[at:end])))
    return tuple(b for b in out if b.text)


def _whole(blob: bytes, at: int) -> int:
    """*at*, moved back to where a character begins."""
    at = max(0, min(at, len(blob)))
    while 0 < at < len(blob) and blob[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
