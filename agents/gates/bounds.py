"""G7 to G10: whose, when, in which order, and how much of it was read."""

from datetime import datetime

from agents.entities import lineages
from agents.gates.court import Court
from agents.incident.claims import (
    MAX_SKEW,
    Associated,
    Cause,
    ChangeFact,
    Claim,
    Compare,
    EdgeFact,
    EventFact,
    FactName,
    LogAbsent,
    MetricChange,
    MetricValue,
    Note,
    Op,
    Path,
    Precedes,
    Refuted,
    Similar,
    SpanFact,
    Where,
    cites,
)
from agents.incident.clock import from_ms
from agents.incident.evidence import CUT, QuestionKind, Status
from agents.incident.finding import Dropped
from agents.incident.ids import EvidenceId
from agents.onset import Interval, ends_before

RISES = frozenset({Op.GE, Op.GT})


def g7_entity(claim: Claim, court: Court) -> Dropped | None:
    """The evidence is about the entity the claim names, or about a part of it."""
    match claim:
        case Precedes() | Cause() | Associated() | Path() | Refuted() | Similar() | Note():
            return None
        case EdgeFact():
            return _edge(claim, court)
        case _:
            pass
    evidence = court.readers[claim.evidence].evidence
    known = {e for held in evidence.entities for e in lineages(held, court.catalogue)}
    if claim.entity not in known:
        return Dropped(
            code="ENTITY", what=f"{claim.entity} is not among {', '.join(evidence.entities) or 'nothing'}"
        )
    match claim:
        case MetricValue() | MetricChange() | Compare():
            replica = claim.entity.removeprefix(f"{evidence.question.entity}/")
            if replica not in {claim.entity, claim.where.instance}:
                return Dropped(code="ENTITY", what=f"a number of other replicas is not one of {claim.entity}")
        case _:
            pass
    return None


def _edge(claim: EdgeFact, court: Court) -> Dropped | None:
    """The call is in the graph, and in this very evidence."""
    reader = court.readers[claim.evidence]
    environment, _, client = claim.client.partition("/")
    caller = court.catalogue.find(client, environment) if court.catalogue is not None else None
    server = claim.server.rpartition("/")[2]
    if caller is None or server not in caller.calls or claim.server != f"{environment}/{server}":
        return Dropped(code="NO_PATH", what=f"{claim.client} is not known to call {claim.server}")
    seen = any(s.points for s in reader.matching(Where(upstream=server)))
    if reader.evidence.question.entity != claim.client or not seen:
        return Dropped(code="ENTITY", what=f"{claim.evidence} holds no call from {claim.client} to {claim.server}")
    return None


def g8_window(claim: Claim, court: Court) -> Dropped | None:
    """The evidence is of now, and what happened lies where it was looked for."""
    for cited in cites(claim):
        evidence = court.readers[cited].evidence
        age = max(court.max_age, 2 * evidence.step + evidence.ingest_lag)
        if court.now - evidence.window.end > age:
            return Dropped(code="STALE", what=f"{cited} ends {court.now - evidence.window.end} ago")
        if evidence.window.end > court.now + MAX_SKEW:
            return Dropped(code="WINDOW", what=f"{cited} ends in the future")
    match claim:
        case ChangeFact():
            inside = court.now - court.lookback <= claim.at <= court.now + MAX_SKEW
        case SpanFact() | EventFact():
            window = court.readers[claim.evidence].evidence.window
            inside = window.start <= claim.at <= window.end
        case MetricChange() if claim.onset is not None:
            inside = court.readers[claim.evidence].onset(claim.where) == claim.onset
        case Compare():
            first, second = (court.readers[e].evidence.window for e in cites(claim))
            inside = first.recent_start < second.end and second.recent_start < first.end
        case _:
            return None
    return None if inside else Dropped(code="WINDOW", what=f"{claim.type} lies outside what was looked at")


def g9_order(claim: Claim, court: Court) -> Dropped | None:
    """Before means that one interval, found again in the bytes, ended when the other began."""
    if not isinstance(claim, Precedes):
        return None
    found = began(claim.first_evidence, claim.first_where, court)
    then = began(claim.second_evidence, claim.second_where, court)
    if (found, then) != (claim.first, claim.second):
        return Dropped(code="ORDER", what=f"{claim.first_what} and {claim.second_what} began at other times")
    if not ends_before(claim.first, claim.second):
        return Dropped(code="ORDER", what=f"{claim.first_what} and {claim.second_what} overlap")
    if not _first_of_all(claim, court):
        return Dropped(code="ORDER", what=f"{claim.second_what} may have had others before it")
    return None


def _first_of_all(claim: Precedes, court: Court) -> bool:
    """Whether no line or record before the first that is held was left out: the answer is whole, from before."""
    later = court.readers[claim.second_evidence].evidence
    if later.question.kind is QuestionKind.QUANTITY:
        return True
    whole = later.status is Status.COMPLETE and not later.completeness.limit_hit
    return whole and later.window.start <= claim.first[0]


def began(evidence_id: EvidenceId, where: Where, court: Court) -> Interval | None:
    """When what this evidence tells of began: a number left its past, or a first line or record was written."""
    reader = court.readers[evidence_id]
    kind = reader.evidence.question.kind
    if kind is QuestionKind.QUANTITY:
        return reader.onset(where)
    if kind is QuestionKind.LOG:
        moments = [datetime.fromisoformat(line["at"]) for line in reader.lines()]
    elif kind is QuestionKind.CHANGES:
        moments = [from_ms(float(str(r["at_ms"]))) for r in reader.changes()]
    else:
        return None
    return (min(moments) - MAX_SKEW, min(moments) + MAX_SKEW) if moments else None


def g10_completeness(claim: Claim, court: Court) -> Dropped | None:
    """Nothing is said on what could not be read, and no absence on what was cut short."""
    for cited in cites(claim):
        evidence = court.readers[cited].evidence
        nothing = evidence.status is Status.EMPTY and not isinstance(claim, LogAbsent)
        if evidence.status is Status.ERROR or nothing:
            return Dropped(code="INCOMPLETE", what=f"{cited} is {evidence.status}")
        if isinstance(claim, LogAbsent) and evidence.alive is not True:
            return Dropped(code="INCOMPLETE", what=f"nobody saw the stream of {cited} alive")
        if evidence.status in CUT and _of_the_whole(claim):
            return Dropped(
                code="INCOMPLETE", what=f"{cited} is {evidence.status} and cannot show a least or a usual"
            )
        if (evidence.status in CUT or evidence.completeness.limit_hit) and not _may_be_cut(claim):
            return Dropped(code="INCOMPLETE", what=f"{cited} is {evidence.status} and cannot show an absence")
    return None


def _of_the_whole(claim: Claim) -> bool:
    """What the part that was not read could undo, whichever way the number goes."""
    return isinstance(claim, MetricValue | EdgeFact) and claim.fact in {FactName.MIN, FactName.BASELINE}


def _may_be_cut(claim: Claim) -> bool:
    """What more of the answer could not undo: that something is there, or is at least so much.

    A path and a refuter stand on parts that are judged by themselves.
    """
    match claim:
        case LogAbsent() | Compare() | Associated():
            return False
        case MetricValue() | MetricChange() | EdgeFact():
            return claim.op in RISES
        case _:
            return True
