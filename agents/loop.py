"""A model's part in one look: code moves from step to step, and the engine has the only word on what is said.

    plan → query → hypothesise → refute → verify, at most R times

The deterministic finding is made before. Whatever goes wrong here ends the loop, and that finding stands.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agents.accounting import leaks, tokens
from agents.conviction import LOOKBACK, court_of
from agents.deliberation import answers, showing
from agents.deliberation.budgets import Limits, Meter, Price, Spent
from agents.deliberation.menu import Ask, Refusal, menu_of
from agents.deliberation.record import Deliberation, Step
from agents.deliberation.refute import answered_by, to_refute
from agents.deliberation.session import Engine, Session, Stop
from agents.deliberation.suggestions import weighed
from agents.deliberation.view import View
from agents.gather import Gathered
from agents.incident.claims import Cause, ChangeFact, Precedes
from agents.incident.evidence import Evidence
from agents.incident.finding import Finding, FindingState
from agents.incident.incident import Incident
from agents.ports import Reasoner, Task
from agents.render import render
from agents.triage import wanted

RANK = {
    FindingState.BLIND: 0,
    FindingState.INCONCLUSIVE: 1,
    FindingState.SUSPECTS: 2,
    FindingState.LIKELY: 3,
    FindingState.DIAGNOSED: 4,
}
"""How far a finding goes. What is not here (no fault, contested) is never set aside for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """The finding after a deliberation, the record of it, and what was gathered on the way."""

    finding: Finding
    record: Deliberation
    gathered: tuple[Gathered, ...] = ()


def deliberate(
    incident: Incident,
    finding: Finding,
    evidence: Sequence[Evidence],
    *,
    reasoner: Reasoner,
    engine: Engine,
    limits: Limits,
    price: Price | None = None,
    before: Spent | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Thought:
    """A model's part after the deterministic *finding*; where it has none, that finding as it was.

    A diagnosis is only read in another order. Otherwise the finding that comes back is the engine's own over what
    was gathered on the way, if it goes further, or if a refuter has fired against what was called likely.

    Args:
        before: What earlier looks at this incident have taken of its budgets.
        clock: Monotonic seconds.
    """
    knowledge = engine.knowledge
    now = finding.made_at
    state = Session(
        incident=incident,
        reasoner=reasoner,
        engine=engine,
        limits=limits,
        meter=Meter(limits, price, before or Spent(), clock),
        finding=finding,
        menu=menu_of(
            incident,
            knowledge.catalogue.scope_of(incident.service, incident.environment),
            knowledge.catalogue,
            knowledge.signatures,
            wanted(incident, knowledge),
            now,
        ),
    )
    try:
        state.hold(evidence)
        if finding.state is FindingState.DIAGNOSED:
            _order(state)
        elif finding.state in RANK:
            while state.rounds < limits.rounds and _round(state):
                pass
    except Stop as stop:
        return Thought(finding=finding, record=_record(state, finding, stop), gathered=tuple(state.gathered))
    return Thought(finding=state.finding, record=_record(state, state.finding), gathered=tuple(state.gathered))


def _record(state: Session, finding: Finding, stop: Stop | None = None) -> Deliberation:
    shown = state.suggested if stop is None and finding.state not in {FindingState.DIAGNOSED} else ()
    said = {c.text for c in finding.claims}
    return Deliberation(
        incident_id=state.incident.id,
        finding_id=finding.id,
        attempt=finding.attempt,
        look=finding.look,
        model=state.reasoner.name,
        off=stop.off if stop is not None else None,
        steps=tuple(state.steps),
        rounds=state.rounds,
        suspects=tuple(s.suspect for s in shown),
        facts=tuple(dict.fromkeys(f for s in shown for f in s.facts if f.text not in said)),
        settle=tuple(dict.fromkeys(text for s in shown for text in s.settle)),
        dropped=tuple(state.dropped),
        refused=dict(state.refused),
        flags=stop.flags if stop is not None else (),
        abstained=state.abstained,
        spent=state.meter.spent,
    )


def _round(state: Session) -> bool:
    """One round; whether another could bring more."""
    state.rounds += 1
    held = len(state.evidence)
    _plan_and_query(state)
    answer = _hypothesise(state)
    _refute(state, answer)
    _verify(state, answer)
    return state.finding.state is not FindingState.DIAGNOSED and len(state.evidence) > held


def _view(state: Session) -> View:
    bench = state.bench()
    knowledge = state.engine.knowledge
    return showing.view_of(
        state.incident,
        state.menu,
        bench,
        knowledge.catalogue,
        knowledge.signatures,
        state.hypotheses(bench),
        state.refused,
    )


def _plan_and_query(state: Session) -> None:
    state.steps.append(Step.PLAN)
    plan = state.answer(Task.PLAN, answers.PlanAnswer, _view(state))
    answered = answered_by(state.bench())
    asks: dict[Ask, None] = {}
    for query in plan.queries if plan.status == "plan" else ():
        found = state.menu.resolve(query, answered)
        if isinstance(found, Refusal):
            state.refused[found.value] = state.refused.get(found.value, 0) + 1
        elif found.question not in {a.question for a in asks}:
            asks[found] = None
    if asks:
        state.steps.append(Step.QUERY)
        state.gather(tuple(asks))


def _hypothesise(state: Session) -> answers.ProposalAnswer:
    state.steps.append(Step.HYPOTHESISE)
    answer = state.answer(Task.PROPOSE, answers.ProposalAnswer, _view(state))
    state.abstained = (answer.abstain_reason or "abstained") if answer.status == "abstain" else ""
    return answer


def _refute(state: Session, answer: answers.ProposalAnswer) -> None:
    """The refuters of whatever leads are run, by whomever it was named; nobody is asked whether they should be."""
    state.steps.append(Step.REFUTE)
    bench = state.bench()
    own = [h for h in state.hypotheses(bench) if not h.refuted and h.true_groups]
    refs = [(said.signature, said.entity) for said in answer.hypotheses]
    named = [h for ref in refs for h in own if ref == (h.signature.id, state.menu.id_of(h.entity.id))]
    leading = {(h.signature.id, h.entity.id): h for h in (*own[:1], *named[:1])}
    tried = {q for g in state.gathered for q in (*(e.question for e in g.evidence), *g.unasked)}
    asks: dict[Ask, None] = {}
    for hypothesis in leading.values():
        rivals = [h for h in own if h is not hypothesis]
        open_ = to_refute(hypothesis, rivals, bench, state.engine.knowledge.catalogue)
        asks |= {Ask(question=q, back=None): None for q in open_ if q not in tried}
    most = tuple(asks)[: state.meter.queries_left]
    if most:
        state.gather(most)


def _verify(state: Session, answer: answers.ProposalAnswer) -> None:
    """The engine judges again over everything held; then the model's suggestions are held against that."""
    state.steps.append(Step.VERIFY)
    if state.gathered:
        again = state.engine.judge(state.evidence, state.read_blob)
        if _further(again, state.finding) or _contradicted(state):
            state.finding = again
    bench = state.bench()
    court = court_of(state.incident.id, bench, state.engine.knowledge, now=state.engine.now(), lookback=LOOKBACK)
    engine = {(h.signature.id, h.entity.id): h for h in state.hypotheses(bench)}
    proposed = answer if answer.status == "propose" else answer.model_copy(update={"hypotheses": ()})
    state.suggested, dropped = weighed(proposed, engine, state.menu, court)
    state.dropped |= dict.fromkeys(dropped)


def _further(again: Finding, finding: Finding) -> bool:
    return again.state in RANK and RANK[again.state] > RANK[finding.state]


def _contradicted(state: Session) -> bool:
    """Whether a hard refuter of the cause that was called likely has fired since."""
    named = (state.finding.signature, state.finding.entity)
    return any(h.refuted for h in state.hypotheses(state.bench()) if (h.signature.id, h.entity.id) == named)


def _order(state: Session) -> None:
    """The lines of a diagnosis as a model would read them out. Nothing is left out, added or reworded."""
    state.steps.append(Step.ORDER)
    movable = [
        i for i, s in enumerate(state.finding.claims) if not isinstance(s.claim, Cause | ChangeFact | Precedes)
    ]
    if len(movable) < 2:
        return
    names = {f"L{n}": i for n, i in enumerate(movable, 1)}
    view = showing.view_to_order(state.incident.id, [(n, state.finding.claims[i].text) for n, i in names.items()])
    answer = state.answer(Task.ORDER, answers.OrderAnswer, view)
    first = [names[n] for n in dict.fromkeys(answer.lines) if n in names]
    placed = iter([*first, *(i for i in movable if i not in first)])
    claims = tuple(
        state.finding.claims[next(placed) if i in movable else i] for i in range(len(state.finding.claims))
    )
    ordered = render(replace(state.finding, claims=claims))
    if not leaks(ordered.text, tokens(state.finding.text)):
        state.finding = ordered
