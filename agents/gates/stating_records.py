"""Offers on lines, spans, events and changes, as claims read out of the stored bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.facts import Reader
from agents.gates.court import Court
from agents.gates.schema import Offer, compared
from agents.incident.claims import ChangeFact, Claim, EventFact, LogAbsent, LogPresent, SpanFact
from agents.incident.clock import from_ms
from agents.incident.evidence import QuestionKind
from agents.incident.finding import Dropped


def entity_of(offer: Offer, reader: Reader) -> str:
    """The entity that an offer names, else that of the evidence."""
    own = reader.evidence.question.entity
    instance = offer.get("instance")
    return offer.get("entity") or (f"{own}/{instance}" if instance else own)


def log_present(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    if reader.evidence.question.kind is not QuestionKind.LOG:
        return Dropped(code="SCHEMA", what="LOG_PRESENT on an answer without lines")
    quote = offer.get("quote") or reader.quote()
    if quote is None:
        return Dropped(code="QUOTE_MISMATCH", what=f"{reader.evidence.id} holds no matching line")
    count = reader.count()
    return compared(offer.value, float(count), "") or LogPresent(
        evidence=reader.evidence.id,
        entity=entity_of(offer, reader),
        pattern=reader.evidence.question.name,
        quote=quote,
        count=count,
    )


def log_absent(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    if reader.evidence.question.kind is not QuestionKind.LOG:
        return Dropped(code="SCHEMA", what="LOG_ABSENT on an answer without lines")
    return LogAbsent(
        evidence=reader.evidence.id, entity=entity_of(offer, reader), pattern=reader.evidence.question.name
    )


def span_fact(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    for span in reader.spans():
        held = span["attributes"].get(offer.get("attribute"))
        if (
            span["trace_id"] == offer.get("trace_id")
            and span["span_id"] == offer.get("span_id")
            and held is not None
        ):
            return SpanFact(
                evidence=reader.evidence.id,
                entity=entity_of(offer, reader),
                trace_id=span["trace_id"],
                span_id=span["span_id"],
                attribute=offer.get("attribute"),
                value=held,
                at=from_ms(span["at_ms"]),
            )
    return Dropped(code="NO_SUCH_EVIDENCE", what=f"{reader.evidence.id} holds no such span")


def event_fact(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    for event in reader.events():
        if (event["uid"], event["reason"]) == (offer.get("uid"), offer.get("reason")):
            return EventFact(
                evidence=reader.evidence.id,
                entity=entity_of(offer, reader),
                uid=event["uid"],
                reason=event["reason"],
                at=from_ms(event["at_ms"]),
            )
    return Dropped(code="NO_SUCH_EVIDENCE", what=f"{reader.evidence.id} holds no such event")


def change_fact(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    records: Sequence[Mapping[str, Any]] = reader.changes()
    wanted = offer.get("change_id")
    for record in reversed(records):
        if wanted in {"", record["id"]}:
            return ChangeFact(
                evidence=reader.evidence.id,
                entity=entity_of(offer, reader),
                change_id=record["id"],
                kind=record["kind"],
                at=from_ms(record["at_ms"]),
            )
    return Dropped(code="NO_SUCH_EVIDENCE", what=f"{reader.evidence.id} holds no such change")
