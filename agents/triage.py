"""Incident, Evidence → Finding: every signature on every entity, through the gates, or an honest abstention."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from agents import gates
from agents.accounting import leaks
from agents.conviction import LOOKBACK, MAX_AGE, convict, court_of
from agents.grounding import grounded
from agents.hypotheses import Hypothesis, asking, ranked, weigh_all
from agents.incident.catalogue import Catalogue
from agents.incident.evidence import Evidence, Question
from agents.incident.finding import (
    MAY_ACT,
    Dropped,
    Finding,
    FindingState,
    RefuterOutcome,
    RefuterSeen,
    Suspect,
)
from agents.incident.ids import EvidenceId, FindingId
from agents.incident.incident import Incident
from agents.knowledge import Knowledge
from agents.render import allowed, render
from agents.signatures.evaluate import Bench, questions
from agents.statements import NO_PROBE, judged, not_checked, owned, refuters_of
from agents.symptoms import felt_claims, felt_now, moved_claims, symptom_read

__all__ = ["MAX_AGE", "Knowledge", "triage", "wanted"]

MAX_SUSPECTS = 3
FILE = "config/services.yaml"


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
    unasked: Mapping[Question, str] | Sequence[Question] | None = None,
    read_blob: Callable[[str], bytes],
    knowledge: Knowledge,
    finding_id: FindingId,
    at: datetime,
    earlier: Finding | None = None,
) -> Finding:
    """What broke, with every claim re-derived from the bytes behind *read_blob*.

    Args:
        unasked: Questions that nobody was asked; they are named as blind spots, each with the reason that the
            catalogue has. Where they are not given: all that were wanted and that no evidence answers.
        at: The present, against which the age of evidence is judged.
        earlier: What was found before. If it named a cause that a hard refuter contradicts now, it is taken back.
    """
    silent = wanted(incident, knowledge) - {e.question for e in evidence} if unasked is None else unasked
    gaps = _because(silent, incident, knowledge.catalogue)
    readers, dropped = gates.admit(evidence, read_blob)
    bench = Bench(readers)
    empty = _empty(incident, finding_id, at, tuple(e.id for e in bench.evidence()))
    service = knowledge.catalogue.find(incident.service, incident.environment)
    if service is None:
        named = f"`{incident.service}`" if incident.service else "none is named by the alert"
        missing = f"the service ({named}) is not in {FILE}"
        return _send(replace(empty, state=FindingState.BLIND, not_checked=(missing,)), bench)
    hypotheses = ranked(weigh_all(knowledge.signatures, service, bench, knowledge.catalogue, at))
    standing = [h for h in hypotheses if not h.refuted]
    shown = [h for h in standing if any(g.mechanism for g, _ in h.true_groups)]
    contradicted = _contradicted(earlier, hypotheses)
    if earlier is not None and contradicted is not None:
        taken_back = _contested(empty, earlier, contradicted, shown, bench)
        return _send(replace(taken_back, not_checked=not_checked(bench, gaps), dropped=dropped), bench)
    if standing:
        finding, drops = convict(standing, service, bench, knowledge, empty)
        dropped += drops
        if finding is not None:
            refused = not_checked(Bench(()), {q: why for q, why in gaps.items() if why != NO_PROBE})
            finding = replace(finding, not_checked=(*finding.not_checked, *refused), dropped=dropped)
            return _send(finding, bench)
    felt = felt_now(service, bench, knowledge.catalogue)
    if felt is None:
        state = FindingState.BLIND
    elif shown:
        state = FindingState.SUSPECTS
    elif not felt and symptom_read(incident, service, bench, knowledge.catalogue):
        state = FindingState.NO_FAULT
    else:
        state = FindingState.INCONCLUSIVE
    refuted = [h for h in hypotheses if h.refuted and len(h.true_groups) > 1]
    court = court_of(incident.id, bench, knowledge, now=at, lookback=LOOKBACK)
    told = felt_claims(service, bench, knowledge.catalogue, court)
    if state is FindingState.INCONCLUSIVE:
        told += moved_claims(bench, court, told)
    finding = replace(
        empty,
        state=state,
        claims=told,
        not_checked=not_checked(bench, gaps),
        suspects=_suspects(shown),
        refuters=(
            *(owned(r) for h in shown[:1] for r in _run(h, bench, court)),
            *(owned(r) for h in refuted[:1] for r in _fired(h, bench)),
        ),
        dropped=dropped,
    )
    return _send(finding, bench)


def _because(unasked: Iterable[Question], incident: Incident, catalogue: Catalogue) -> dict[Question, str]:
    """Why each of *unasked* went to no probe: the same whoever asks, and however often a look is tried."""
    scope = catalogue.scope_of(incident.service, incident.environment)
    found = {q: catalogue.find(q.service, q.environment) for q in unasked}
    return {
        q: (service.closed_to(scope) or NO_PROBE) if service is not None else f"{q.entity} is not in {FILE}"
        for q, service in found.items()
    }


def _suspects(shown: Sequence[Hypothesis]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(signature=h.signature.id, title=h.signature.title, entity=h.entity.id, score=h.score)
        for h in shown[:MAX_SUSPECTS]
    )


def _run(hypothesis: Hypothesis, bench: Bench, court: gates.Court) -> tuple[RefuterSeen, ...]:
    """Its look-alikes of which something may be said."""
    found = (judged(r, court) for r in refuters_of(hypothesis, bench))
    return tuple(r for r in found if r.outcome is not RefuterOutcome.UNKNOWN)


def _fired(hypothesis: Hypothesis, bench: Bench) -> tuple[RefuterSeen, ...]:
    return tuple(r for r in refuters_of(hypothesis, bench) if r.outcome is RefuterOutcome.FIRED)


def _contradicted(earlier: Finding | None, hypotheses: Sequence[Hypothesis]) -> Hypothesis | None:
    """The cause that *earlier* named, if what is known now refutes it."""
    if earlier is None or earlier.state not in MAY_ACT:
        return None
    named = (earlier.signature, earlier.entity)
    return next((h for h in hypotheses if h.refuted and (h.signature.id, h.entity.id) == named), None)


def _contested(
    empty: Finding, earlier: Finding, now: Hypothesis, shown: Sequence[Hypothesis], bench: Bench
) -> Finding:
    """*earlier* taken back: what it named, what speaks against it, and who is suspected instead."""
    return replace(
        empty,
        state=FindingState.CONTESTED,
        contests=earlier.id,
        retracted=Suspect(
            signature=now.signature.id, title=now.signature.title, entity=now.entity.id, score=now.score
        ),
        refuters=_fired(now, bench),
        suspects=_suspects(shown),
    )


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


_WITHHELD = "withheld: it said something no stored fact accounts for"


def _send(finding: Finding, bench: Bench) -> Finding:
    """*finding* with its text, parsed again before it leaves (G14); a leak stops the text, not the incident."""
    finding = replace(finding, claims=tuple(grounded(s, bench.readers) for s in finding.claims))
    rendered = render(finding)
    known = allowed(rendered, dict(bench.readers))
    texts = (rendered.text, *(s.text for s in rendered.claims), *(r.text for r in rendered.refuters))
    escaped = sorted({e for text in texts for e in leaks(text, known)})
    if not escaped:
        return rendered
    return replace(
        rendered,
        text=f"This finding's text was {_WITHHELD}.",
        claims=tuple(replace(s, text=_held_back(s.text, known)) for s in rendered.claims),
        refuters=tuple(replace(r, text=_held_back(r.text, known)) for r in rendered.refuters),
        dropped=(*rendered.dropped, Dropped(code="RENDER_LEAK", what=", ".join(escaped))),
    )


def _held_back(text: str, known: Collection[str]) -> str:
    """One sentence of a finding whose text is withheld: other messages and the page show it by itself."""
    return _WITHHELD if leaks(text, known) else text
