"""Personal data: e-mail addresses, payment cards, and telephone numbers where that is asked for."""

import re
from collections.abc import Iterator

from agents.incident.redaction.shapes import Span, passages

_EMAIL = re.compile(
    r"(?<![\w.%+-])(?<!://)[A-Za-z0-9_.%+-]*[A-Za-z0-9_%+-]@(?:[A-Za-z0-9-]{1,63}\.){1,8}(?P<top>[A-Za-z]{2,24})(?![\w-])"
)
_UNITS = frozenset({"service", "socket", "timer", "slice", "mount", "target", "scope", "path", "device"})
"""Endings of systemd's units, which write an instance as ``name@instance.service``."""

_CARD = re.compile(
    r"[2-6](?<![\w.:+-].)(?:"  # the first digit before the look behind it: that is where most texts are done
    r"(?:(?<=4)\d{3}|(?<=5)[1-5]\d\d|(?<=2)[2-7]\d\d|(?<=6)(?:011|[25]\d\d)|(?<=3)5\d\d)"
    r"(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{4}"
    r"|(?<=3)[47]\d\d(?P<amex>[ -]?)\d{6}(?P=amex)\d{5}"
    r")(?![\w-]|\.\d)"
)
_PHONE = re.compile(r"(?<![\w+])\+[1-9]\d{0,2}[ ().-]{0,2}\d(?:[ ().-]{0,2}\d){6,11}(?!\d)")


def emails(text: str) -> Iterator[Span]:
    """Addresses of people; ``git@`` before a host names no person, nor does a database's user in an address."""
    for start, end in passages(text, ("@",)):
        for match in _EMAIL.finditer(text, start, end):
            if match["top"] not in _UNITS and not match[0].startswith("git@"):
                yield match.start(), match.end(), "email"


def cards(text: str) -> Iterator[Span]:
    """Numbers of the brands' beginnings and lengths whose check digit is right."""
    for match in _CARD.finditer(text):
        if luhn([int(c) for c in match[0] if c.isdigit()]):
            yield match.start(), match.end(), "card"


def phones(text: str) -> Iterator[Span]:
    """Telephone numbers in international form."""
    if "+" not in text:
        return
    for match in _PHONE.finditer(text):
        yield match.start(), match.end(), "phone"


def luhn(digits: list[int]) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
