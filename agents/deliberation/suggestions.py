"""Hypotheses from a model, held against what the engine itself makes of them.

A suggestion may name a known fault at a place where that fault could be, or OTHER with what would settle it. It
is scored by the engine, its refuters are the engine's, and it names no cause.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agents import gates, scoring
from agents.deliberation.answers import HypothesisAnswer, ProposalAnswer, RefuterChecked
from agents.deliberation.menu import Menu
from agents.deliberation.record import Fact
from agents.deliberation.supports import offered
from agents.hypotheses import Hypothesis
from agents.incident.claims import Associated, ChangeFact, Claim, Precedes, Refuted, Similar
from agents.incident.finding import Dropped, Suspect
from agents.saying import say
from agents.signatures.evaluate import Entity, Truth

OTHER = "OTHER"
OTHER_TITLE = "a fault that no signature describes"
CONFIRMS_NOTHING = (Associated, ChangeFact, Precedes, Refuted, Similar)
"""What moved together, was changed, came first, is ruled out or was seen before is no ground to suspect."""

_SAID = {"not_refuted": Truth.FALSE, "refuted": Truth.TRUE, "unknown": Truth.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """One suggestion that stands: the suspect, the facts that carry it, and what would settle it."""

    suspect: Suspect
    hypothesis: Hypothesis | None
    facts: tuple[Fact, ...]
    settle: tuple[str, ...]


def weighed(
    answer: ProposalAnswer, engine: Mapping[tuple[str, str], Hypothesis], menu: Menu, court: gates.Court
) -> tuple[tuple[Suggested, ...], tuple[Dropped, ...]]:
    """What stands of *answer*, in its own order, and what was dropped.

    Args:
        engine: Every hypothesis the engine weighs for this incident, by signature and entity.
    """
    stand, dropped = [], []
    for said in answer.hypotheses:
        entity = menu.entities.get(said.entity)
        if entity is None:
            dropped.append(
                Dropped(code="ENTITY", what=f"{said.signature} at a place that is not of this incident")
            )
            continue
        made = _other(said, entity, menu) if said.signature == OTHER else _known(said, entity, engine)
        if isinstance(made, Dropped):
            dropped.append(made)
            continue
        facts, refused = _facts(said, menu, court)
        dropped += refused
        if grounds(f.claim for f in facts):
            stand.append(replace(made, facts=facts))
        else:
            dropped.append(Dropped(code="UNSUPPORTED", what=f"{said.signature} on {entity.id}"))
    return tuple(stand), tuple(dropped)


def grounds(claims: Iterable[Claim]) -> bool:
    """Whether one of *claims* at least is a ground to suspect anybody."""
    return any(not isinstance(claim, CONFIRMS_NOTHING) for claim in claims)


def _facts(said: HypothesisAnswer, menu: Menu, court: gates.Court) -> tuple[tuple[Fact, ...], list[Dropped]]:
    """What of the supports holds, as claims of the engine's own; and what does not, with the gate's code."""
    offers, refused = gates.parse([offered(support, menu) for support in said.supports])
    stated = [gates.stated(offer, court) for offer in offers]
    facts = [Fact(claim=c, text=say(c, dict(court.readers))) for c in stated if not isinstance(c, Dropped)]
    return tuple(dict.fromkeys(facts)), [*refused, *(c for c in stated if isinstance(c, Dropped))]


def _other(said: HypothesisAnswer, entity: Entity, menu: Menu) -> Suggested | Dropped:
    settle = tuple(menu.offers[t].means for t in said.would_settle if t in menu.offers)
    if not settle:
        return Dropped(code="SCHEMA", what=f"OTHER on {entity.id} names nothing that would settle it")
    suspect = Suspect(signature=OTHER, title=OTHER_TITLE, entity=entity.id, score=scoring.OTHER)
    return Suggested(suspect=suspect, hypothesis=None, facts=(), settle=settle)


def _known(
    said: HypothesisAnswer, entity: Entity, engine: Mapping[tuple[str, str], Hypothesis]
) -> Suggested | Dropped:
    own = engine.get((said.signature, entity.id))
    if own is None:
        return Dropped(code="ENTITY", what=f"{said.signature} cannot be on {entity.id} for this alert")
    wrong = next((code for r in said.refuters_checked if (code := _misread(r, own))), "")
    if wrong:
        return Dropped(code=wrong, what=f"{said.signature} on {entity.id}: a refuter is not as was said")
    if own.refuted:
        return Dropped(code="REFUTED", what=f"{said.signature} on {entity.id}")
    suspect = Suspect(signature=own.signature.id, title=own.signature.title, entity=own.entity.id, score=own.score)
    return Suggested(suspect=suspect, hypothesis=own, facts=(), settle=())


def _misread(said: RefuterChecked, own: Hypothesis) -> str:
    """The code of what is wrong with an outcome that was said; empty where the engine reads the same."""
    for refuter, truth, _ in own.refuters:
        if refuter.id != said.id:
            continue
        claimed = _SAID[said.outcome]
        if claimed in {truth, Truth.UNKNOWN}:
            return ""
        return "REFUTER_SKIPPED" if truth is Truth.UNKNOWN else "REFUTER_INVERTED"
    return "SCHEMA"
