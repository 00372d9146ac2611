"""G1: untrusted JSON as offers of the closed grammar. The engine makes the claims of them (``stating.py``).

Of an offer nothing but ids, names of facts and the choice of a claim goes on; a value that comes with it is only
compared with the one computed from the bytes (G5), and is never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from agents.gates.court import RELATIVE
from agents.incident.finding import Dropped
from agents.incident.ids import EvidenceId
from agents.incident.quantities import converted

MAX_OFFERS = 50
MAX_TEXT = 300
_EV = re.compile(r"ev_[a-z2-7]{20}")
_GIVEN = re.compile(r"\s*(-?\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z%/]{0,6})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One support as it was given: the type, the evidence it cites, and the other fields of its type."""

    type: str
    evidence: tuple[EvidenceId, ...]
    fields: Mapping[str, str]
    value: str = ""

    def get(self, name: str) -> str:
        """A field, empty where it was not given."""
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which fields a type has. ``cites`` is how many pieces of evidence it names; 0 is any number from one."""

    cites: int = 1
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    valued: bool = False


_PLACE = frozenset({"entity", "instance", "upstream"})
SHAPES: Mapping[str, Shape] = {
    "METRIC_VALUE": Shape(needs=frozenset({"fact"}), may=_PLACE, valued=True),
    "METRIC_CHANGE": Shape(needs=frozenset({"direction"}), may=_PLACE | {"fact"}, valued=True),
    "COMPARE": Shape(cites=2, needs=frozenset({"fact", "other_fact", "op"}), may=_PLACE),
    "LOG_PRESENT": Shape(may=frozenset({"quote", "entity"}), valued=True),
    "LOG_ABSENT": Shape(may=frozenset({"entity"})),
    "SPAN_FACT": Shape(needs=frozenset({"trace_id", "span_id", "attribute"}), may=frozenset({"entity"})),
    "EDGE_FACT": Shape(needs=frozenset({"server", "fact"}), valued=True),
    "EVENT_FACT": Shape(needs=frozenset({"uid", "reason"}), may=frozenset({"entity"})),
    "CHANGE_FACT": Shape(may=frozenset({"change_id", "entity"})),
    "PRECEDES": Shape(cites=2),
    "ASSOCIATED": Shape(cites=2, valued=True),
    "PATH": Shape(cites=0, needs=frozenset({"entity"})),
    "REFUTED": Shape(needs=frozenset({"signature", "refuter", "entity"})),
    "SIMILAR": Shape(needs=frozenset({"incident"}), valued=True),
    "NOTE": Shape(cites=0, needs=frozenset({"text"})),
}
"""The grammar, as others may use it. ``CAUSE`` is the engine's alone."""


def parse(supports: object) -> tuple[tuple[Offer, ...], tuple[Dropped, ...]]:
    """Offers of the grammar, and SCHEMA for each item that is none; a refusal repeats nothing of it."""
    if not isinstance(supports, list) or len(supports) > MAX_OFFERS:
        return (), (Dropped(code="SCHEMA", what=f"supports is no list of at most {MAX_OFFERS}"),)
    offers, dropped = [], []
    for number, item in enumerate(supports, start=1):
        offer = _offer(item)
        if isinstance(offer, Offer):
            offers.append(offer)
        else:
            dropped.append(Dropped(code="SCHEMA", what=f"support {number}: {offer}"))
    return tuple(offers), tuple(dropped)


def _offer(item: object) -> Offer | str:
    """An offer, or why it is none."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        return "it has no type"
    shape = SHAPES.get(item["type"])
    if shape is None:
        return "its type is not of the grammar"
    given = {k: v for k, v in item.items() if k != "type"}
    ids = given.pop("evs") if "evs" in given else [given.pop("ev", None)]
    if not isinstance(ids, list) or not all(isinstance(i, str) and _EV.fullmatch(i) for i in ids):
        return "it cites no evidence id"
    if len(ids) != (shape.cites or len(ids)) or not ids:
        return f"it cites {len(ids)} pieces of evidence"
    value = given.pop("value", None)
    if value is not None and (not shape.valued or _number(value) is None):
        return "its value is no number"
    if not shape.needs <= given.keys() <= shape.needs | shape.may:
        return "it lacks a field, or has one that its type has not"
    if not all(isinstance(v, str) and 0 < len(v) <= MAX_TEXT for v in given.values()):
        return "a field is no short text"
    return Offer(
        type=item["type"],
        evidence=tuple(EvidenceId(i) for i in ids),
        fields=given,
        value="" if value is None else str(value),
    )


def compared(given: str, value: float, unit: str) -> Dropped | None:
    """G5 for a value from outside: within half a unit of its last digit, or half a per cent, in whichever unit."""
    if not given:
        return None
    found = _number(given)
    if found is None:
        return Dropped(code="SCHEMA", what="a value that is no number")
    number, digits, said = found
    inside = converted(number, said or unit, unit)
    half = converted(0.5 * 10**-digits, said or unit, unit)
    if inside is None or half is None:
        return Dropped(code="UNIT", what=f"a value in {said} of a quantity in {unit or 'no unit'}")
    if abs(inside - value) <= max(half * (1 + 1e-9), abs(value) * RELATIVE):
        return None
    return Dropped(code="NUMBER_MISMATCH", what="the number that was given is not in the bytes")


def _number(value: object) -> tuple[float, int, str] | None:
    """(number, digits after the point, unit) of a JSON number or a text such as ``22.4%``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value if isinstance(value, str) else f"{Decimal(repr(value)):f}"
    found = _GIVEN.fullmatch(text)
    if found is None:
        return None
    digits = found.group(1).partition(".")[2]
    return float(found.group(1)), len(digits), found.group(2)
