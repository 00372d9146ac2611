"""G4 to G6: a quote is quoted, a number is computed again, a change goes the way it is said to."""

import re

from agents.association import associated
from agents.gates.court import Court, agrees
from agents.gates.refuting import firing
from agents.incident.claims import (
    MIN_QUOTE,
    Associated,
    Claim,
    Compare,
    EdgeFact,
    FactName,
    LogAbsent,
    LogPresent,
    MetricChange,
    MetricValue,
    Note,
    Op,
    Refuted,
    Similar,
    Where,
)
from agents.incident.evidence import QuestionKind
from agents.incident.finding import Dropped
from agents.incident.ids import EvidenceId
from agents.incident.quantities import SHARES, converted

MAX_NOTE = 200
_CAUSAL = re.compile(r"(?i)\b(?:caus|because|due to|led to|leads to|trigger|result(?:s|ed)? in|root)")
RHO_SLACK = 0.01


def g4_quote(claim: Claim, court: Court) -> Dropped | None:
    """A quote stands byte for byte in one stored line, and the count is counted again."""
    if isinstance(claim, LogAbsent):
        reader = court.readers[claim.evidence]
        if reader.evidence.question.name != claim.pattern or reader.count() != 0:
            return Dropped(code="QUOTE_MISMATCH", what=f"lines of {claim.entity} match the pattern")
        return None
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


def g4_note(claim: Claim, court: Court) -> Dropped | None:
    """A note is short, holds no number, and says of nothing that it was the cause."""
    if not isinstance(claim, Note):
        return None
    if len(claim.text) > MAX_NOTE or any(c.isdigit() for c in claim.text) or _CAUSAL.search(claim.text):
        return Dropped(code="SCHEMA", what="a note that is long, counts, or says what caused what")
    return None


def g5_number(claim: Claim, court: Court) -> Dropped | None:
    """Every number is computed again from the bytes."""
    match claim:
        case MetricValue():
            numbers = [(claim.evidence, claim.fact, claim.where, claim.value)]
        case MetricChange():
            numbers = [
                (claim.evidence, FactName.BASELINE, claim.where, claim.before),
                (claim.evidence, FactName.RECENT, claim.where, claim.after),
            ]
        case Compare():
            numbers = [
                (claim.evidence, claim.fact, claim.where, claim.value),
                (claim.other_evidence, claim.other_fact, claim.other_where, claim.other_value),
            ]
        case EdgeFact():
            where = Where(upstream=claim.server.rpartition("/")[2])
            numbers = [(claim.evidence, claim.fact, where, claim.value)]
        case Associated():
            return _moved_together(claim, court)
        case Similar():
            same = agrees(claim.score, court.similar.get(claim.incident))
            return None if same else Dropped(code="NUMBER_MISMATCH", what=f"likeness of {claim.incident}")
        case _:
            return None
    return _units(claim, court) or _numbers(numbers, court)


def _numbers(numbers: list[tuple[EvidenceId, FactName, Where, float]], court: Court) -> Dropped | None:
    for evidence_id, fact, where, claimed in numbers:
        reader = court.readers[evidence_id]
        asked = reader.evidence.question
        if not agrees(claimed, reader.value(fact, where)):
            return Dropped(
                code="NUMBER_MISMATCH",
                what=f"{asked.name} {fact} of {asked.entity}: {claimed:g} claimed",
            )
    return None


def _units(claim: Claim, court: Court) -> Dropped | None:
    """A number is of a quantity; two that are compared are of one dimension, times a baseline of neither."""
    match claim:
        case MetricValue() | MetricChange() | EdgeFact():
            held = [court.readers[claim.evidence]]
        case Compare():
            held = [court.readers[claim.evidence], court.readers[claim.other_evidence]]
        case _:
            return None
    if any(r.evidence.question.kind is not QuestionKind.QUANTITY for r in held):
        return Dropped(code="UNIT", what=f"{claim.type} on an answer without a quantity")
    if isinstance(claim, Compare):
        times = [f is FactName.RATIO_TO_BASELINE for f in (claim.fact, claim.other_fact)]
        first, second = held[0].evidence.question.name, held[1].evidence.question.name
        # Calls per request are a ratio too, and no part of a whole.
        same = converted(1, held[0].quantity.unit, held[1].quantity.unit) == 1
        same = same and (first in SHARES) == (second in SHARES)
        if claim.fact is not claim.other_fact:
            return Dropped(code="UNIT", what=f"{claim.fact} of one against {claim.other_fact} of another")
        if times[0] != times[1] or not (same or all(times)):
            return Dropped(code="UNIT", what=f"{held[0].quantity.title} against {held[1].quantity.title}")
    return None


def _moved_together(claim: Associated, court: Court) -> Dropped | None:
    first, second = court.readers[claim.evidence], court.readers[claim.other_evidence]
    found = associated(first.line(claim.where), second.line(claim.other_where), first.evidence.step)
    if found is None or abs(found[0] - claim.rho) > RHO_SLACK or found[1] != claim.lag:
        return Dropped(code="NUMBER_MISMATCH", what=f"rho {claim.rho:g} claimed")
    return None


def g6_direction(claim: Claim, court: Court) -> Dropped | None:
    """The fact stands where the claim says, on the right side of its threshold and past the floor."""
    match claim:
        case MetricValue() | EdgeFact():
            holds = claim.op.holds(claim.value, claim.threshold)
        case Compare():
            holds = claim.op.holds(claim.value, claim.other_value)
        case MetricChange():
            floor = court.readers[claim.evidence].quantity.floor
            rises = claim.op in {Op.GE, Op.GT}
            change = claim.after - claim.before if rises else claim.before - claim.after
            holds = change >= floor and claim.op.holds(claim.after / max(claim.before, floor), claim.threshold)
        case Refuted():
            holds = _fires(claim, court)
        case _:
            return None
    return None if holds else Dropped(code="DIRECTION", what=f"{claim.type} of {_about(claim)}")


def _about(claim: MetricValue | MetricChange | Compare | EdgeFact | Refuted) -> str:
    return claim.client if isinstance(claim, EdgeFact) else claim.entity


def _fires(claim: Refuted, court: Court) -> bool:
    """Whether the signature's refuter fires on that entity, and the reading is one that it fires on."""
    reading = claim.reading
    said = (reading.evidence, reading.fact, reading.where, reading.op, reading.threshold)
    return any(
        (s.reader.evidence.id, s.predicate.fact, s.where, s.predicate.op, s.predicate.value) == said
        for s in firing(claim.signature, claim.entity, claim.refuter, court)
    )
