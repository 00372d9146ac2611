"""Incident, Evidence → Finding: every signature on every entity, through the gates, or an honest abstention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agents import gates, scoring
from agents.calibration import Calibrated, Calibration
from agents.hypotheses import Hypothesis, asking, carries, weigh
from agents.incident.claims import Cause, ChangeFact
from agents.incident.evidence import Evidence, Question
from agents.incident.finding import (
    Dropped,
    Finding,
    FindingState,
    GroupSeen,
    RefuterOutcome,
    Said,
    Suspect,
)
from agents.incident.ids import EvidenceId, FindingId
from agents.incident.incident import Catalogue, Incident, Service
from agents.lineage import independent
from agents.render import allowed, leaks, render, say
from agents.signatures.evaluate import Bench, Seen, entities, questions
from agents.signatures.model import Group, Signature
from agents.statements import (
    chart,
    claim_of,
    felt_claims,
    felt_now,
    not_checked,
    one_a_predicate,
    order,
    refuters_of,
    symptom_read,
    worst_replica,
)

MAX_AGE = timedelta(minutes=2)
MAX_SUSPECTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What triage knows before it looks."""

    catalogue: Catalogue
    signatures: tuple[Signature, ...]
    calibration: Calibration


def wanted(incident: Incident, knowledge: Knowledge) -> set[Question]:
    """What to ask for *incident*: all signatures' questions and what its users feel. Empty if unknown."""
    service = knowledge.catalogue.find(incident.service, incident.environment)
    if service is None:
        return set()
    asked: set[Question] = set()
    for signature in knowledge.signatures:
        asked |= questions(signature, service, knowledge.catalogue)
    for felt in knowledge.catalogue.edges(service):
        asked |= {asking(felt, quantity) for quantity in felt.objectives}
    asked |= {asking(s, "server_error_ratio") for s in knowledge.catalogue.below(service)}
    return asked


def triage(
    incident: Incident,
    evidence: Sequence[Evidence],
    *,
    unasked: Sequence[Question],
    read_blob: Callable[[str], bytes],
    knowledge: Knowledge,
    finding_id: FindingId,
    at: datetime,
) -> Finding:
    """What broke, with every claim re-derived from the bytes behind *read_blob*.

    Args:
        unasked: Questions that no configured probe could take; they are named as blind spots.
        at: The present, against which the age of evidence is judged.
    """
    readers, dropped = gates.admit(evidence, read_blob)
    bench = Bench(readers)
    empty = _empty(incident, finding_id, at, tuple(e.id for e in bench.evidence()))
    service = knowledge.catalogue.find(incident.service, incident.environment)
    if service is None:
        named = f"`{incident.service}`" if incident.service else "none is named by the alert"
        missing = f"the service ({named}) is not in config/services.yaml"
        return _send(replace(empty, state=FindingState.BLIND, not_checked=(missing,)), bench)
    hypotheses = sorted(
        (
            weigh(signature, entity, bench, knowledge.catalogue, at)
            for signature in knowledge.signatures
            for entity in entities(signature, service, knowledge.catalogue)
        ),
        key=lambda h: h.score,
        reverse=True,
    )
    standing = [h for h in hypotheses if not h.refuted]
    if standing:
        finding, drops = _convict(standing, service, bench, knowledge, empty)
        dropped += drops
        if finding is not None:
            return _send(replace(finding, dropped=dropped), bench)
    shown = [h for h in standing if any(g.mechanism for g, _ in h.true_groups)]
    felt = felt_now(service, bench, knowledge.catalogue)
    if felt is None:
        state = FindingState.BLIND
    elif shown:
        state = FindingState.SUSPECTS
    elif not felt and symptom_read(incident, service, bench, knowledge.catalogue):
        state = FindingState.NO_FAULT
    else:
        state = FindingState.INCONCLUSIVE
    contradicted = [h for h in hypotheses if h.refuted and len(h.true_groups) > 1]
    finding = replace(
        empty,
        state=state,
        claims=felt_claims(service, bench, knowledge.catalogue, _court(empty, bench, timedelta(hours=1))),
        not_checked=not_checked(bench, unasked),
        suspects=tuple(
            Suspect(signature=h.signature.id, title=h.signature.title, entity=h.entity.id, score=h.score)
            for h in shown[:MAX_SUSPECTS]
        ),
        refuters=tuple(
            r for h in contradicted[:1] for r in refuters_of(h, bench) if r.outcome is RefuterOutcome.FIRED
        ),
        dropped=dropped,
    )
    return _send(finding, bench)


def _empty(incident: Incident, finding_id: FindingId, at: datetime, evidence: tuple[EvidenceId, ...]) -> Finding:
    """An abstention that says nothing yet."""
    return Finding(
        id=finding_id,
        incident_id=incident.id,
        attempt=incident.attempt,
        look=incident.look,
        state=FindingState.INCONCLUSIVE,
        signature=None,
        title="",
        note="",
        service=incident.service,
        environment=incident.environment,
        entity=None,
        replica=None,
        p=None,
        p_low=None,
        n=None,
        score=None,
        claims=(),
        groups=(),
        independent_groups=0,
        refuters=(),
        not_checked=(),
        suspects=(),
        dropped=(),
        change=None,
        chart=None,
        evidence=evidence,
        made_at=at,
    )


def _court(finding: Finding, bench: Bench, lookback: timedelta) -> gates.Court:
    return gates.Court(
        incident_id=finding.incident_id,
        readers=bench.readers,
        now=finding.made_at,
        max_age=MAX_AGE,
        lookback=lookback,
    )


def _convict(
    standing: Sequence[Hypothesis], alerted: Service, bench: Bench, knowledge: Knowledge, empty: Finding
) -> tuple[Finding | None, tuple[Dropped, ...]]:
    """A finding that names the strongest hypothesis, or ``None`` when it does not carry; and what was dropped."""
    best = standing[0]
    court = _court(empty, bench, best.signature.lookback)
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
    signals = independent([evidence for _, evidence, _ in kept])
    score = scoring.score(best.prior, [ratios for _, _, ratios in kept], best.soft)
    groups = [group for group, _, _ in kept]
    if not carries(best, score, groups, signals, alerted, bench, knowledge.catalogue, standing[1:]):
        return None, tuple(drops)
    calibrated = knowledge.calibration.read(score)
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
    refuters = refuters_of(best, bench)
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
    )
    return finding, tuple(drops)


def _state(calibrated: Calibrated, signature: Signature) -> FindingState | None:
    if calibrated.p_low >= signature.diagnosed_at:
        return FindingState.DIAGNOSED
    return FindingState.LIKELY if calibrated.p_low >= 0.5 else None


def _send(finding: Finding, bench: Bench) -> Finding:
    """*finding* with its text, parsed again before it leaves (G14); a leak stops the text, not the incident."""
    rendered = render(finding)
    escaped = leaks(rendered.text, allowed(rendered, dict(bench.readers)))
    if not escaped:
        return rendered
    return replace(
        rendered,
        text="This finding's text was withheld: it said something no stored fact accounts for.",
        dropped=(*rendered.dropped, Dropped(code="RENDER_LEAK", what=", ".join(escaped))),
    )
