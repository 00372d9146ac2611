"""The checks every claim passes before it may be said. Each is a pure function over stored bytes.

G2 exists · G4 quote · G5 number · G6 direction · G7 entity · G8 window · G9 order · G10 completeness judge one
claim; G11 independence, G12 refuters, G13 path judge a hypothesis (``triage.py``); G14 judges a message
(``render.py``). Failure drops the claim, and the hypothesis is judged again without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.canonical import sha256
from agents.facts import Reader
from agents.incident.claims import (
    MAX_SKEW,
    MIN_QUOTE,
    Cause,
    ChangeFact,
    Claim,
    FactName,
    LogPresent,
    MetricChange,
    MetricValue,
    Op,
    Precedes,
    cites,
)
from agents.incident.clock import to_ms
from agents.incident.evidence import Evidence, QuestionKind, Status
from agents.incident.finding import Dropped
from agents.incident.ids import IncidentId

RELATIVE = 0.005
"""A claimed number may differ from the recomputed one by this share, no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """What a claim is judged against: this incident's stored evidence, and the present."""

    incident_id: IncidentId
    readers: Mapping[str, Reader]
    now: datetime
    max_age: timedelta
    lookback: timedelta


Gate = Callable[[Claim, Court], Dropped | None]


def admit(
    evidence: Sequence[Evidence], read_blob: Callable[[str], bytes]
) -> tuple[tuple[Reader, ...], tuple[Dropped, ...]]:
    """Readers over bytes that still have the hash they were stored under; the others are dropped (G2)."""
    readers, dropped = [], []
    for item in evidence:
        blob = read_blob(item.blob_sha256)
        if sha256(blob) == item.blob_sha256:
            readers.append(Reader(item, blob))
        else:
            dropped.append(Dropped(code="BLOB_MISMATCH", what=f"{item.probe} {item.id}"))
    return tuple(readers), tuple(dropped)


def g2_exists(claim: Claim, court: Court) -> Dropped | None:
    """Every cited id is evidence of this very incident."""
    for cited in cites(claim):
        reader = court.readers.get(cited)
        if reader is None or reader.evidence.incident_id != court.incident_id:
            return Dropped(code="NO_SUCH_EVIDENCE", what=f"{claim.type} cites {cited}")
    return None


def g4_quote(claim: Claim, court: Court) -> Dropped | None:
    """A quote stands byte for byte in one stored line, and the count is counted again."""
    if not isinstance(claim, LogPresent):
        return None
    reader = court.readers[claim.evidence]
    whole = any(line["text"] == claim.quote for line in reader.lines())
    inside = any(claim.quote in line["text"] for line in reader.lines())
    if not (whole or (inside and len(claim.quote) >= MIN_QUOTE)):
        return Dropped(code="QUOTE_MISMATCH", what=f"no stored line of {claim.entity} holds the quote")
    if reader.evidence.question.name != claim.pattern or reader.count() != claim.count:
        return Dropped(code="NUMBER_MISMATCH", what=f"{claim.count} lines claimed of {claim.entity}")
    return None


def g5_number(claim: Claim, court: Court) -> Dropped | None:
    """The number is computed again from the bytes."""
    match claim:
        case MetricValue():
            pairs = [(claim.value, claim.fact)]
        case MetricChange():
            pairs = [(claim.before, FactName.BASELINE), (claim.after, FactName.RECENT)]
        case _:
            return None
    reader = court.readers[claim.evidence]
    if reader.evidence.question.kind is not QuestionKind.QUANTITY:
        return Dropped(code="UNIT", what=f"{claim.type} on an answer without a quantity")
    for claimed, name in pairs:
        again = reader.value(name, claim.where)
        if again is None or abs(again - claimed) > abs(again) * RELATIVE:
            return Dropped(
                code="NUMBER_MISMATCH",
                what=f"{reader.evidence.question.name} {name} of {claim.entity}: {claimed:g} claimed",
            )
    return None


def g6_direction(claim: Claim, court: Court) -> Dropped | None:
    """The fact stands where the claim says, on the right side of its threshold and past the floor."""
    match claim:
        case MetricValue():
            holds = claim.op.holds(claim.value, claim.threshold)
        case MetricChange():
            floor = court.readers[claim.evidence].quantity.floor
            rises = claim.op in {Op.GE, Op.GT}
            change = claim.after - claim.before if rises else claim.before - claim.after
            holds = change >= floor and claim.op.holds(claim.after / max(claim.before, floor), claim.threshold)
        case _:
            return None
    return None if holds else Dropped(code="DIRECTION", what=f"{claim.type} of {claim.entity}")


def g7_entity(claim: Claim, court: Court) -> Dropped | None:
    """The evidence is about the entity the claim names."""
    if isinstance(claim, Precedes | Cause):
        return None
    known = court.readers[claim.evidence].evidence.entities
    if claim.entity not in known:
        return Dropped(code="ENTITY", what=f"{claim.entity} is not among {', '.join(known) or 'nothing'}")
    return None


def g8_window(claim: Claim, court: Court) -> Dropped | None:
    """The evidence is of now, and reaches back no further than it was asked to."""
    for cited in cites(claim):
        evidence = court.readers[cited].evidence
        if court.now - evidence.window.end > court.max_age:
            return Dropped(code="STALE", what=f"{cited} ends {court.now - evidence.window.end} ago")
        if evidence.window.end > court.now + MAX_SKEW:
            return Dropped(code="WINDOW", what=f"{cited} ends in the future")
        if isinstance(claim, ChangeFact) and not (court.now - court.lookback <= claim.at <= court.now + MAX_SKEW):
            return Dropped(code="WINDOW", what=f"change {claim.change_id} lies outside the lookback")
    return None


def g9_order(claim: Claim, court: Court) -> Dropped | None:
    """Before means that one interval ended when the other began; overlap is no order."""
    if isinstance(claim, Precedes) and claim.first[1] > claim.second[0]:
        return Dropped(code="ORDER", what=f"{claim.first_what} and {claim.second_what} overlap")
    return None


def g10_completeness(claim: Claim, court: Court) -> Dropped | None:
    """Nothing is said on what could not be read, and no absence on what was cut short."""
    for cited in cites(claim):
        status = court.readers[cited].evidence.status
        if status in {Status.ERROR, Status.EMPTY}:
            return Dropped(code="INCOMPLETE", what=f"{cited} is {status}")
        if (
            status in {Status.TRUNCATED, Status.PARTIAL}
            and isinstance(claim, MetricValue)
            and claim.op not in {Op.GE, Op.GT}
        ):
            return Dropped(code="INCOMPLETE", what=f"{cited} is {status} and cannot show an absence")
    return None


def change_exists(claim: Claim, court: Court) -> Dropped | None:
    """The change record is in the stored answer, with this very time."""
    if not isinstance(claim, ChangeFact):
        return None
    for record in court.readers[claim.evidence].changes():
        if record["id"] == claim.change_id and record["at_ms"] == to_ms(claim.at):
            return None
    return Dropped(code="NO_SUCH_EVIDENCE", what=f"change {claim.change_id}")


CLAIM_GATES: tuple[Gate, ...] = (
    g2_exists,
    g4_quote,
    change_exists,
    g5_number,
    g6_direction,
    g7_entity,
    g8_window,
    g9_order,
    g10_completeness,
)


def judge(claim: Claim, court: Court) -> Dropped | None:
    """The first gate that refuses, or ``None``."""
    for gate in CLAIM_GATES:
        dropped = gate(claim, court)
        if dropped is not None:
            return dropped
    return None
