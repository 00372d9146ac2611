"""From an offer to a claim of the engine's own: every value out of the stored bytes, judged by every gate."""

from collections.abc import Callable, Mapping

from agents.association import associated
from agents.facts import Reader
from agents.gates.bounds import began
from agents.gates.court import Court
from agents.gates.refuting import firing
from agents.gates.registry import judge
from agents.gates.schema import Offer, compared
from agents.gates.stating_records import (
    change_fact,
    entity_of,
    event_fact,
    log_absent,
    log_present,
    span_fact,
)
from agents.incident.claims import (
    Associated,
    Claim,
    Compare,
    EdgeFact,
    FactName,
    MetricChange,
    MetricValue,
    Note,
    Op,
    Path,
    Precedes,
    Refuted,
    Similar,
    Where,
)
from agents.incident.evidence import CUT, QuestionKind
from agents.incident.finding import Dropped

Build = Callable[[Offer, Court], Claim | Dropped]


def stated(offer: Offer, court: Court) -> Claim | Dropped:
    """The claim that *offer* points at, as the stored bytes have it and every gate lets it pass; else why not."""
    for cited in offer.evidence:
        reader = court.readers.get(cited)
        if reader is None or reader.evidence.incident_id != court.incident_id:
            return Dropped(code="NO_SUCH_EVIDENCE", what=f"{offer.type} cites {cited}")
    made = BUILD[offer.type](offer, court)
    if isinstance(made, Dropped):
        return made
    return judge(made, court) or made


def _fact(offer: Offer, name: str, reader: Reader) -> FactName | Dropped:
    """``max`` or ``pool_waiters.max``: the quantity, where it is named, is the evidence's own."""
    about, _, fact = offer.get(name).rpartition(".")
    if reader.evidence.question.kind is not QuestionKind.QUANTITY:
        return Dropped(code="UNIT", what=f"{offer.type} on an answer without a quantity")
    if about and about != reader.evidence.question.name:
        return Dropped(code="SCHEMA", what=f"{reader.evidence.id} holds another quantity")
    if fact not in set(FactName):
        return Dropped(code="SCHEMA", what=f"{offer.type} names no fact of the engine")
    return FactName(fact)


def _where(offer: Offer) -> Where:
    return Where(instance=offer.get("instance") or None, upstream=offer.get("upstream") or None)


def _metric_value(offer: Offer, court: Court) -> Claim | Dropped:
    reader = court.readers[offer.evidence[0]]
    fact = _fact(offer, "fact", reader)
    if isinstance(fact, Dropped):
        return fact
    value = reader.value(fact, _where(offer))
    if value is None:
        return Dropped(code="NUMBER_MISMATCH", what=f"{reader.evidence.id} holds no {fact}")
    return compared(offer.value, value, reader.unit(fact)) or MetricValue(
        evidence=reader.evidence.id,
        entity=entity_of(offer, reader),
        fact=fact,
        where=_where(offer),
        value=value,
        op=Op.GE if reader.evidence.status in CUT else Op.EQ,  # of what was cut short only "at least" may be said
        threshold=value,
    )


def _metric_change(offer: Offer, court: Court) -> Claim | Dropped:
    reader, where = court.readers[offer.evidence[0]], _where(offer)
    fact = _fact(offer, "fact", reader) if offer.get("fact") else FactName.RECENT
    if isinstance(fact, Dropped):
        return fact
    before, after = reader.value(FactName.BASELINE, where), reader.value(FactName.RECENT, where)
    held = reader.value(fact, where)
    if before is None or after is None or held is None:
        return Dropped(code="NUMBER_MISMATCH", what=f"{reader.evidence.id} has no past to compare with")
    if offer.get("direction") not in {"up", "down"}:
        return Dropped(code="SCHEMA", what="a change that is neither up nor down")
    return compared(offer.value, held, reader.unit(fact)) or MetricChange(
        evidence=reader.evidence.id,
        entity=entity_of(offer, reader),
        where=where,
        before=before,
        after=after,
        onset=reader.onset(where),
        op=Op.GE if offer.get("direction") == "up" else Op.LE,
        threshold=1.0,
    )


def _compare(offer: Offer, court: Court) -> Claim | Dropped:
    left, right = (court.readers[e] for e in offer.evidence)
    fact, other = _fact(offer, "fact", left), _fact(offer, "other_fact", right)
    if isinstance(fact, Dropped):
        return fact
    if isinstance(other, Dropped):
        return other
    if offer.get("op") not in set(Op):
        return Dropped(code="SCHEMA", what="a comparison by no known sign")
    value, second = left.value(fact, _where(offer)), right.value(other, Where())
    if value is None or second is None:
        return Dropped(code="NUMBER_MISMATCH", what=f"{left.evidence.id} or the other holds no such fact")
    return Compare(
        evidence=left.evidence.id,
        other_evidence=right.evidence.id,
        entity=entity_of(offer, left),
        fact=fact,
        where=_where(offer),
        other_fact=other,
        other_where=Where(),
        value=value,
        other_value=second,
        op=Op(offer.get("op")),
    )


def _edge_fact(offer: Offer, court: Court) -> EdgeFact | Dropped:
    reader = court.readers[offer.evidence[0]]
    fact = _fact(offer, "fact", reader)
    if isinstance(fact, Dropped):
        return fact
    value = reader.value(fact, Where(upstream=offer.get("server").rpartition("/")[2]))
    if value is None:
        return Dropped(code="NUMBER_MISMATCH", what=f"{reader.evidence.id} holds no {fact} of such a call")
    return compared(offer.value, value, reader.unit(fact)) or EdgeFact(
        evidence=reader.evidence.id,
        client=reader.evidence.question.entity,
        server=offer.get("server"),
        fact=fact,
        value=value,
        op=Op.GE,
        threshold=value,
    )


def _precedes(offer: Offer, court: Court) -> Claim | Dropped:
    first, second = (began(e, Where(), court) for e in offer.evidence)
    if first is None or second is None:
        return Dropped(code="ORDER", what="when one of the two began cannot be told")
    return Precedes(
        first_evidence=offer.evidence[0],
        second_evidence=offer.evidence[1],
        first=first,
        second=second,
        first_what=_what(court.readers[offer.evidence[0]]),
        second_what=_what(court.readers[offer.evidence[1]]),
    )


def _what(reader: Reader) -> str:
    kind = reader.evidence.question.kind
    if kind is QuestionKind.QUANTITY:
        return reader.quantity.title
    return "the first such line" if kind is QuestionKind.LOG else "a change"


def _associated(offer: Offer, court: Court) -> Claim | Dropped:
    first, second = (court.readers[e] for e in offer.evidence)
    kinds = {r.evidence.question.kind for r in (first, second)}
    if kinds != {QuestionKind.QUANTITY}:
        return Dropped(code="UNIT", what="ASSOCIATED on an answer without a quantity")
    found = associated(first.line(Where()), second.line(Where()), first.evidence.step)
    if found is None:
        return Dropped(code="INCOMPLETE", what="the two have too few moments in common")
    return compared(offer.value, found[0], "") or Associated(
        evidence=first.evidence.id,
        other_evidence=second.evidence.id,
        where=Where(),
        other_where=Where(),
        rho=found[0],
        lag=found[1],
    )


def _path(offer: Offer, court: Court) -> Claim | Dropped:
    """Hops from the cause up: each piece of evidence is about the calls into the entity below it."""
    hops: list[EdgeFact] = []
    server = offer.get("entity")
    for cited in offer.evidence:
        part = Offer(type="EDGE_FACT", evidence=(cited,), fields={"server": server, "fact": "recent"})
        hop = _edge_fact(part, court)
        if isinstance(hop, Dropped):
            return hop
        hops.append(hop)
        server = hop.client
    return Path(hops=tuple(hops))


def _refuted(offer: Offer, court: Court) -> Claim | Dropped:
    signature, entity, refuter = (offer.get(name) for name in ("signature", "entity", "refuter"))
    cited = (s for s in firing(signature, entity, refuter, court) if s.reader.evidence.id == offer.evidence[0])
    seen = next(cited, None)
    if seen is None:
        return Dropped(code="DIRECTION", what=f"{offer.evidence[0]} is not what such a refuter fires on")
    reading = MetricValue(
        evidence=seen.reader.evidence.id,
        entity=seen.reader.evidence.question.entity,
        fact=seen.predicate.fact,
        where=seen.where,
        value=seen.value,
        op=seen.predicate.op,
        threshold=seen.predicate.value,
    )
    return Refuted(signature=signature, entity=entity, refuter=refuter, reading=reading)


def _similar(offer: Offer, court: Court) -> Claim | Dropped:
    score = court.similar.get(offer.get("incident"))
    if score is None:
        return Dropped(code="NO_SUCH_EVIDENCE", what="memory knows no such incident")
    return compared(offer.value, score, "") or Similar(
        incident=offer.get("incident"), score=score, evidence=offer.evidence[0]
    )


def _note(offer: Offer, court: Court) -> Claim | Dropped:
    return Note(text=offer.get("text"), evidence=offer.evidence)


BUILD: Mapping[str, Build] = {
    "METRIC_VALUE": _metric_value,
    "METRIC_CHANGE": _metric_change,
    "COMPARE": _compare,
    "LOG_PRESENT": log_present,
    "LOG_ABSENT": log_absent,
    "SPAN_FACT": span_fact,
    "EDGE_FACT": _edge_fact,
    "EVENT_FACT": event_fact,
    "CHANGE_FACT": change_fact,
    "PRECEDES": _precedes,
    "ASSOCIATED": _associated,
    "PATH": _path,
    "REFUTED": _refuted,
    "SIMILAR": _similar,
    "NOTE": _note,
}
