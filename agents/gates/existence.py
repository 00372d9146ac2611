"""G2 and G3: what is cited is there, in this incident, unchanged, and was fetched by the broker."""

from agents.gates.court import Court
from agents.identity import derived_id
from agents.incident.claims import ChangeFact, Claim, EventFact, Note, Similar, SpanFact, cites
from agents.incident.clock import to_ms
from agents.incident.finding import Dropped


def g1_closed(claim: Claim, court: Court) -> Dropped | None:
    """A note is of the grammar only where notes were switched on."""
    if isinstance(claim, Note) and not court.notes:
        return Dropped(code="SCHEMA", what="notes are off")
    return None


def g2_exists(claim: Claim, court: Court) -> Dropped | None:
    """Every cited id is evidence of this very incident, and was not read again since."""
    superseded = court.superseded
    for cited in cites(claim):
        reader = court.readers.get(cited)
        if reader is None or reader.evidence.incident_id != court.incident_id:
            return Dropped(code="NO_SUCH_EVIDENCE", what=f"{claim.type} cites {cited}")
        if cited in superseded:
            return Dropped(
                code="NO_SUCH_EVIDENCE", what=f"{cited} was read again as {superseded[cited]}; cite that"
            )
    return None


def g2_record(claim: Claim, court: Court) -> Dropped | None:
    """The change, span, event or earlier incident is in the stored answer, with this very time and value."""
    match claim:
        case ChangeFact():
            records = court.readers[claim.evidence].changes()
            found = any(r["id"] == claim.change_id and r["at_ms"] == to_ms(claim.at) for r in records)
            what = f"change {claim.change_id}"
        case SpanFact():
            found = any(
                (s["trace_id"], s["span_id"], s["at_ms"]) == (claim.trace_id, claim.span_id, to_ms(claim.at))
                and s["attributes"].get(claim.attribute) == claim.value
                for s in court.readers[claim.evidence].spans()
            )
            what = f"span {claim.span_id} with {claim.attribute}"
        case EventFact():
            found = any(
                (e["uid"], e["reason"], e["at_ms"]) == (claim.uid, claim.reason, to_ms(claim.at))
                for e in court.readers[claim.evidence].events()
            )
            what = f"event {claim.reason} of {claim.uid}"
        case Similar():
            found = claim.incident in court.similar
            what = f"incident {claim.incident}"
        case _:
            return None
    return None if found else Dropped(code="NO_SUCH_EVIDENCE", what=what)


def g3_provenance(claim: Claim, court: Court) -> Dropped | None:
    """The record is as the broker made it: its id is the one its own fields give."""
    for cited in cites(claim):
        evidence = court.readers[cited].evidence
        if derived_id(evidence) != evidence.id:
            return Dropped(code="UNBROKERED", what=f"{cited} is not what its id stands for")
    return None
