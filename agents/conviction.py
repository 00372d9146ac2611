"""The strongest hypothesis, through the gates: a finding that names it, or what kept it from being named."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agents import gates, scoring
from agents.calibration import Calibrated
from agents.hypotheses import Hypothesis, coverage, margin, reached
from agents.incident.catalogue import Service
from agents.incident.claims import Cause, ChangeFact
from agents.incident.evidence import Evidence
from agents.incident.finding import Dropped, Finding, FindingState, GroupSeen, RefuterOutcome, Said
from agents.incident.ids import IncidentId
from agents.knowledge import Knowledge
from agents.lineage import independent
from agents.saying import say
from agents.signatures.evaluate import Bench, Seen, Truth
from agents.signatures.model import Group, Signature
from agents.statements import chart, claim_of, judged, one_a_predicate, order, refuters_of, worst_replica

MAX_AGE = timedelta(minutes=2)

LOOKBACK = timedelta(hours=1)
"""How far back a change counts where no signature says it."""


def court_of(
    incident_id: IncidentId, bench: Bench, knowledge: Knowledge, *, now: datetime, lookback: timedelta
) -> gates.Court:
    """What the claims about one incident are judged against."""
    return gates.Court(
        incident_id=incident_id,
        readers=bench.readers,
        now=now,
        max_age=MAX_AGE,
        lookback=lookback,
        catalogue=knowledge.catalogue,
        signatures=knowledge.signatures,
    )


def convict(
    standing: Sequence[Hypothesis], alerted: Service, bench: Bench, knowledge: Knowledge, empty: Finding
) -> tuple[Finding | None, tuple[Dropped, ...]]:
    """A finding that names the strongest hypothesis, or ``None`` when it does not carry; and what was dropped."""
    best = standing[0]
    court = court_of(empty.incident_id, bench, knowledge, now=empty.made_at, lookback=best.signature.lookback)
    readers = dict(bench.readers)
    drops: list[Dropped] = []
    said: list[Said] = []
    leads: list[Seen] = []
    kept: list[tuple[Group, tuple[Evidence, ...], tuple[float, ...]]] = []
    for (group, seen), ratios in zip(best.true_groups, best.ratios, strict=True):
        refusals = []
        for chosen in one_a_predicate(seen):
            claim = claim_of(chosen)
            refusal = gates.judge(claim, court)
            if refusal is None:
                said.append(Said(claim=claim, text=say(claim, readers)))
            else:
                refusals.append(refusal)
        drops += refusals
        if not refusals:
            leads.append(one_a_predicate(seen)[0])
            kept.append((group, tuple(s.reader.evidence for s in seen), ratios))
    confirmed = [(group, evidence) for group, evidence, _ in kept]
    signals = independent([evidence for _, evidence in confirmed])
    score = scoring.score(best.prior, [ratios for _, _, ratios in kept], best.soft)
    groups = [group for group, _, _ in kept]
    lead = margin(best, score, standing[1:])
    explains = coverage(best.entity.service, alerted, bench, knowledge.catalogue)
    refuters = tuple(judged(r, court) for r in refuters_of(best, bench))
    unheld = {r.id for r in refuters if r.outcome is RefuterOutcome.UNKNOWN}
    refusal = gates.convict(
        gates.Case(
            what=f"{best.signature.id} on {best.entity.id}",
            service=best.entity.service.id,
            confirmed=confirmed,
            refuters=[(r, Truth.UNKNOWN if r.id in unheld else truth) for r, truth, _ in best.refuters],
            reached=reached(alerted, bench, knowledge.catalogue),
        )
    ) or _unsettled(best, lead, explains, [e for _, evidence in confirmed for e in evidence])
    if refusal is not None:
        return None, (*drops, *([refusal] if groups else []))
    calibrated = knowledge.calibration.read(score, best.signature.family)
    state = _state(calibrated, best.signature)
    if state is None:
        return None, tuple(drops)
    said += order(leads, court, bench)
    if best.change is not None:
        change, record = best.change
        fact = ChangeFact(
            evidence=record.id,
            entity=best.entity.service.id,
            change_id=change.id,
            kind=change.kind.value,
            at=change.at,
        )
        refusal = gates.judge(fact, court)
        if refusal is None:
            said.append(Said(claim=fact, text=say(fact, readers)))
        else:
            drops.append(refusal)
    cause = Cause(
        signature=best.signature.id,
        title=best.signature.title,
        entity=best.entity.id,
        evidence=tuple(e.id for _, evidence, _ in kept for e in evidence),
    )
    finding = replace(
        empty,
        state=state,
        signature=best.signature.id,
        title=best.signature.title,
        note=best.signature.note,
        service=best.entity.service.name,
        environment=best.entity.service.environment,
        entity=best.entity.id,
        replica=best.entity.replica or worst_replica(leads),
        p=calibrated.p,
        p_low=calibrated.p_low,
        n=calibrated.n,
        replayed=calibrated.replayed,
        score=score,
        claims=(Said(claim=cause, text=say(cause, readers)), *said),
        groups=tuple(
            GroupSeen(id=g.id, vantage=g.vantage, evidence=tuple(e.id for e in evidence))
            for g, evidence, _ in kept
        ),
        independent_groups=signals,
        refuters=refuters,
        not_checked=tuple(f"{r.means} ({r.text})" for r in refuters if r.outcome is RefuterOutcome.UNKNOWN),
        change=best.change[0] if best.change else None,
        chart=chart(leads, bench),
        margin=lead,
        coverage=explains,
    )
    return finding, tuple(drops)


def _unsettled(best: Hypothesis, lead: float, explains: float, evidence: Sequence[Evidence]) -> Dropped | None:
    """Why what passed its gates is not named yet: a rival too close, too little explained, or a change."""
    what = f"{best.signature.id} on {best.entity.id}"
    if lead < scoring.MARGIN:
        return Dropped(code="MARGIN", what=f"{what} stands too close to the next")
    if explains < scoring.COVERAGE:
        return Dropped(code="COVERAGE", what=f"{what} leaves too much unexplained")
    if best.changed_at is not None and best.changed_at >= min(e.window.end for e in evidence):
        return Dropped(code="TAINTED", what=f"{best.entity.id} changed while it was read; it is read again")
    return None


def _state(calibrated: Calibrated, signature: Signature) -> FindingState | None:
    if calibrated.p_low >= signature.diagnosed_at:
        return FindingState.DIAGNOSED
    return FindingState.LIKELY if calibrated.p_low >= 0.5 else None
