"""What may be said: claims made from readings, refuters in words, and what nobody could look at."""

from collections.abc import Sequence

from agents import gates
from agents.hypotheses import Hypothesis, asking
from agents.incident.claims import (
    Claim,
    FactName,
    LogPresent,
    MetricChange,
    MetricValue,
    Op,
    Precedes,
    Where,
)
from agents.incident.evidence import Question, QuestionKind, Status
from agents.incident.finding import RefuterOutcome, RefuterSeen, Said
from agents.incident.ids import EvidenceId
from agents.incident.incident import Catalogue, Incident, Service
from agents.incident.quantities import QUANTITIES
from agents.render import say
from agents.signatures.evaluate import Bench, Seen, Truth, read
from agents.signatures.model import predicates

INVERSE = {Op.GE: Op.LT, Op.GT: Op.LE, Op.LE: Op.GT, Op.LT: Op.GE, Op.EQ: Op.NE, Op.NE: Op.EQ}


def one_a_predicate(seen: Sequence[Seen]) -> list[Seen]:
    """The reading to cite for each predicate: the one that knows most of its own past."""
    best: dict[object, Seen] = {}
    for s in seen:
        known = best.get(s.predicate)
        if known is None or len(s.reader.line(s.where)) > len(known.reader.line(known.where)):
            best[s.predicate] = s
    return list(best.values())


def claim_of(seen: Seen) -> Claim:
    """The claim a true reading allows."""
    reader, predicate = seen.reader, seen.predicate
    evidence = reader.evidence
    if predicate.log:
        return LogPresent(
            evidence=evidence.id,
            entity=evidence.question.entity,
            pattern=predicate.log,
            quote=reader.quote() or "",
            count=reader.count(),
        )
    instance = seen.where.instance
    entity = f"{evidence.question.entity}/{instance}" if instance else evidence.question.entity
    before = reader.value(FactName.BASELINE, seen.where)
    after = reader.value(FactName.RECENT, seen.where)
    if predicate.fact is FactName.RATIO_TO_BASELINE and before is not None and after is not None:
        return MetricChange(
            evidence=evidence.id,
            entity=entity,
            where=seen.where,
            before=before,
            after=after,
            onset=reader.onset(seen.where),
            op=predicate.op,
            threshold=predicate.value,
        )
    return MetricValue(
        evidence=evidence.id,
        entity=entity,
        fact=predicate.fact,
        where=seen.where,
        value=seen.value,
        op=predicate.op,
        threshold=predicate.value,
    )


def order(seen: Sequence[Seen], court: gates.Court, bench: Bench) -> list[Said]:
    """PRECEDES between the mechanism and each symptom whose onsets are known and do not overlap."""
    out = []
    dated = [(s, s.reader.onset(s.where)) for s in seen if not s.predicate.log]
    for first, first_at in dated[:1]:
        for second, second_at in dated[1:]:
            if first_at is None or second_at is None:
                continue
            claim = Precedes(
                first_evidence=first.reader.evidence.id,
                second_evidence=second.reader.evidence.id,
                first=first_at,
                second=second_at,
                first_what=first.reader.quantity.title,
                second_what=second.reader.quantity.title,
            )
            if gates.judge(claim, court) is None:
                out.append(Said(claim=claim, text=say(claim, dict(bench.readers))))
    return out


def refuters_of(hypothesis: Hypothesis, bench: Bench) -> tuple[RefuterSeen, ...]:
    """Every look-alike of the signature: ruled out, against, or not to be told."""
    out = []
    for refuter, truth, seen in hypothesis.refuters:
        claim: Claim | None = None
        if truth is Truth.UNKNOWN:
            asked = predicates(refuter.condition)[0]
            what = QUANTITIES[asked.quantity].title if asked.quantity else "the log"
            outcome, text = RefuterOutcome.UNKNOWN, f"no reading of {what}"
        else:
            outcome = RefuterOutcome.FIRED if truth is Truth.TRUE else RefuterOutcome.CLEAR
            text = refuter.means
            for s in seen:
                if s.truth is truth and s.predicate.quantity:
                    op = s.predicate.op if truth is Truth.TRUE else INVERSE[s.predicate.op]
                    claim = MetricValue(
                        evidence=s.reader.evidence.id,
                        entity=s.reader.evidence.question.entity,
                        fact=s.predicate.fact,
                        where=s.where,
                        value=s.value,
                        op=op,
                        threshold=s.predicate.value,
                    )
                    text = f"{refuter.means} ({say(claim, dict(bench.readers))})"
                    break
            else:
                if not seen:
                    text = f"{refuter.means} (there was nothing of the kind to measure)"
        out.append(
            RefuterSeen(
                id=refuter.id,
                means=refuter.means,
                hard=refuter.hard,
                outcome=outcome,
                text=text,
                claim=claim,
            )
        )
    return tuple(out)


def worst_replica(seen: Sequence[Seen]) -> str | None:
    """The instance with the largest recent value of the mechanism's first quantity."""
    for s in seen[:1]:
        if s.predicate.log:
            return None
        by_instance = {
            name: s.reader.value(FactName.RECENT, Where(instance=name)) or 0.0
            for name in {series.labels.get("instance", "") for series in s.reader.matching(s.where)}
            if name
        }
        return max(sorted(by_instance), key=lambda name: by_instance[name]) if by_instance else None
    return None


def chart(leads: Sequence[Seen], bench: Bench) -> EvidenceId | None:
    """The answer that knows most of the past of a cited quantity: what a surface may draw."""
    drawn = [
        (len(reader.line(lead.where)), reader.evidence.id)
        for lead in leads
        if not lead.predicate.log
        for reader in bench.about(lead.reader.evidence.question)
    ]
    length, best = max(drawn, default=(0, None))
    return best if length > 2 else None


def felt_now(service: Service, bench: Bench, catalogue: Catalogue) -> bool | None:
    """Whether users feel something now; ``None`` when no objective could be read."""
    answers = [
        read(reader, FactName.RECENT, Where(), Op.GT, bound)[0]
        for edge in catalogue.edges(service)
        for quantity, bound in edge.objectives.items()
        for reader in bench.about(asking(edge, quantity))
    ]
    if Truth.TRUE in answers:
        return True
    return False if Truth.FALSE in answers else None


def symptom_read(incident: Incident, service: Service, bench: Bench, catalogue: Catalogue) -> bool:
    """Whether the alert's own quantity is known and was read: only then may it be called over."""
    quantity = catalogue.symptoms.get(incident.title)
    return quantity is not None and any(
        read(reader, FactName.RECENT, Where(), Op.LE, edge.objectives.get(quantity, 0.0))[0] is Truth.TRUE
        for edge in catalogue.edges(service)
        for reader in bench.about(asking(edge, quantity))
    )


def felt_claims(service: Service, bench: Bench, catalogue: Catalogue, court: gates.Court) -> tuple[Said, ...]:
    """What users feel, as facts: shown where no cause can be named."""
    out = []
    for edge in catalogue.edges(service):
        for quantity, bound in edge.objectives.items():
            # Of several probes the one that knows most of its own past is cited.
            answers = sorted(bench.about(asking(edge, quantity)), key=lambda r: -len(r.line(Where())))
            for reader in answers:
                truth, value = read(reader, FactName.RECENT, Where(), Op.GT, bound)
                if value is None or truth is Truth.UNKNOWN:
                    continue
                claim = MetricValue(
                    evidence=reader.evidence.id,
                    entity=edge.id,
                    fact=FactName.RECENT,
                    where=Where(),
                    value=value,
                    op=Op.GT if truth is Truth.TRUE else Op.LE,
                    threshold=bound,
                )
                if gates.judge(claim, court) is None:
                    out.append(Said(claim=claim, text=say(claim, dict(bench.readers))))
                    break
    return tuple(out)


def not_checked(bench: Bench, unasked: Sequence[Question]) -> tuple[str, ...]:
    """What nobody could look at, grouped by reason; where one probe answered, another's silence is no gap."""
    failed: dict[str, set[str]] = {}
    for evidence in bench.evidence():
        answered = any(r.evidence.status is not Status.ERROR for r in bench.about(evidence.question))
        if evidence.status is Status.ERROR and not answered:
            failed.setdefault(f"{evidence.probe}: {evidence.reason}", set()).add(evidence.question.service)
    lines = [
        f"{', '.join(f'`{s}`' for s in sorted(services))} ({reason})"
        for reason, services in sorted(failed.items())
    ]
    silent = sorted({q.service for q in unasked if q.kind is not QuestionKind.LOG and _core(q)})
    if silent:
        lines.append(f"{', '.join(f'`{s}`' for s in silent)} (no probe is configured for its requests and errors)")
    return tuple(lines)


def _core(question: Question) -> bool:
    return question.name in {"request_rate", "server_error_ratio"}
