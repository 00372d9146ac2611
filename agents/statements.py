"""What may be said: claims made from readings, refuters in words, and what nobody could look at."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents import gates
from agents.hypotheses import Hypothesis
from agents.incident.claims import (
    Claim,
    FactName,
    LogAbsent,
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
from agents.incident.quantities import QUANTITIES
from agents.onset import Interval
from agents.saying import quoted, say, short
from agents.signatures.evaluate import Bench, Seen, Truth
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
            claim = _precedes(first, first_at, second, second_at)
            if gates.judge(claim, court) is None:
                out.append(Said(claim=claim, text=say(claim, dict(bench.readers))))
    return out


def _precedes(first: Seen, first_at: Interval, second: Seen, second_at: Interval) -> Precedes:
    return Precedes(
        first_evidence=first.reader.evidence.id,
        second_evidence=second.reader.evidence.id,
        first=first_at,
        second=second_at,
        first_what=first.reader.quantity.title,
        second_what=second.reader.quantity.title,
        first_where=first.where,
        second_where=second.where,
    )


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
            # That there was no line is the part that needs most: it is what is said, and judged.
            told = next((s for s in sorted(seen, key=lambda s: not s.predicate.log) if s.truth is truth), None)
            if told is not None:
                claim = _of_refuter(told)
                text = f"{refuter.means} ({say(claim, dict(bench.readers))})"
            elif not seen:
                text = f"{refuter.means} (there was nothing of the kind to measure)"
        out.append(
            RefuterSeen(
                id=refuter.id,
                means=refuter.means,
                hard=refuter.hard,
                outcome=outcome,
                text=text,
                claim=claim,
                signature=hypothesis.signature.id,
                entity=hypothesis.entity.id,
            )
        )
    return (*out, *_order_refuter(hypothesis, bench))


def _of_refuter(seen: Seen) -> Claim:
    """What a reading says for a look-alike, or against it."""
    evidence, holds = seen.reader.evidence, seen.truth is Truth.TRUE
    if seen.predicate.log:
        if holds:
            return claim_of(seen)
        return LogAbsent(evidence=evidence.id, entity=evidence.question.entity, pattern=seen.predicate.log)
    return MetricValue(
        evidence=evidence.id,
        entity=evidence.question.entity,
        fact=seen.predicate.fact,
        where=seen.where,
        value=seen.value,
        op=seen.predicate.op if holds else INVERSE[seen.predicate.op],
        threshold=seen.predicate.value,
    )


def owned(seen: RefuterSeen) -> RefuterSeen:
    """*seen* with words that say which hypothesis it is about: where no cause is named, nobody could tell."""
    whom = f"{seen.signature} in `{short(seen.entity)}`"
    how = "which speaks against" if seen.outcome is RefuterOutcome.FIRED else "a look-alike of"
    return replace(seen, text=f"{seen.text}, {how} {whom}")


def judged(seen: RefuterSeen, court: gates.Court) -> RefuterSeen:
    """*seen*, unless it rules something out by a reading that no gate would let be said: then nobody can tell."""
    refusal = None if seen.claim is None else gates.judge(seen.claim, court)
    if refusal is None or seen.outcome is not RefuterOutcome.CLEAR:
        return seen
    return replace(seen, outcome=RefuterOutcome.UNKNOWN, claim=None, text=f"no reading that holds: {refusal.code}")


BEGAN_LATE = "it began only after what it would have caused"


def _order_refuter(hypothesis: Hypothesis, bench: Bench) -> tuple[RefuterSeen, ...]:
    """That a mechanism came after its symptom, in the words of the two."""
    if hypothesis.late is None:
        return ()
    symptom, mechanism = hypothesis.late
    first, second = symptom.reader.onset(symptom.where), mechanism.reader.onset(mechanism.where)
    assert first is not None and second is not None  # noqa: S101  # what is late has two onsets
    claim = _precedes(symptom, first, mechanism, second)
    return (
        RefuterSeen(
            id=f"{hypothesis.signature.id}.order",
            means=BEGAN_LATE,
            hard=True,
            outcome=RefuterOutcome.FIRED,
            text=f"{BEGAN_LATE} ({say(claim, dict(bench.readers))})",
            claim=claim,
            signature=hypothesis.signature.id,
            entity=hypothesis.entity.id,
        ),
    )


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


NO_PROBE = "no probe is configured for it"
"""As ``gather`` says it of a question that nobody takes."""


def not_checked(bench: Bench, unasked: Mapping[Question, str] | Sequence[Question]) -> tuple[str, ...]:
    """What nobody could look at, grouped by reason; where one probe answered, another's silence is no gap.

    A question that no probe takes is a gap where it is about requests or errors; one that was refused is always.
    """
    failed: dict[str, set[str]] = {}
    for evidence in bench.evidence():
        answered = any(r.evidence.status is not Status.ERROR for r in bench.about(evidence.question))
        if evidence.status is Status.ERROR and not answered:
            why = evidence.reason if OURS.fullmatch(evidence.reason) else quoted(evidence.reason)
            failed.setdefault(f"{evidence.probe}: {why}", set()).add(evidence.question.service)
    reasons = unasked if isinstance(unasked, Mapping) else dict.fromkeys(unasked, NO_PROBE)
    silent: dict[str, set[str]] = {}
    for question, reason in reasons.items():
        if reason != NO_PROBE:
            silent.setdefault(reason, set()).add(question.service)
        elif question.kind is not QuestionKind.LOG and question.name in CORE:
            silent.setdefault("no probe is configured for its requests and errors", set()).add(question.service)
    return tuple(
        f"{', '.join(f'`{s}`' for s in sorted(services))} ({reason})"
        for found in (failed, silent)
        for reason, services in sorted(found.items())
    )


OURS = re.compile(r"[A-Za-z0-9 ,.;:'’()_/%=+-]{0,300}(?<!:)")
"""A reason as probes word it; one that holds anything else has been written by somebody else, and is quoted."""

CORE = frozenset({"request_rate", "server_error_ratio"})
