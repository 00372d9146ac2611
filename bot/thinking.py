"""A model's turn in the walk: once an attempt, in a look of its own, after the engine has said all it can.

The first word on a card is never waited for: the turn is a further look, begun when the engine's finding is out.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

from agents.deliberation.budgets import Limits, Off, Price
from agents.deliberation.menu import Ask
from agents.deliberation.record import Deliberation
from agents.deliberation.session import Engine
from agents.gather import Gathered
from agents.incident.clock import now
from agents.incident.evidence import Evidence, Question
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import FindingId, new_id
from agents.incident.incident import Incident
from agents.loop import RANK, Thought, deliberate
from agents.ports import Reasoner
from agents.triage import triage
from bot.journal import evidence, spending
from bot.journal.journal import Tx
from bot.wiring.parts import TriageParts

Ran = Callable[[set[Question], timedelta | None, timedelta], Gathered]
"""Runs questions through the probes, looking so far back, or as triage does; in so much time at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """A configured model and what it may take. ``order``: whether it also puts a diagnosis into its own order."""

    reasoner: Reasoner
    limits: Limits
    price: Price | None = None
    order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingParts(TriageParts):
    """A triage worker that has a model."""

    thinking: Thinking


def with_thinking(parts: TriageParts, thinking: Thinking) -> ThinkingParts:
    """*parts* with a model beside them."""
    return ThinkingParts(**{f.name: getattr(parts, f.name) for f in fields(parts)}, thinking=thinking)


def think(
    incident: Incident, finding: Finding, held: Sequence[Evidence], parts: TriageParts, ran: Ran
) -> Finding | None:
    """*finding* after the model's turn, if this look is its turn; else as it is. What it took is written down.

    ``None`` while another worker has the turn: what comes of this look is that one's to say.
    """
    if not isinstance(parts, ThinkingParts):
        return finding
    with parts.journal.write("thinking.begun") as tx:
        turn = spending.begin(tx, incident, parts.thinking.limits.wall_clock)
    if turn is None:
        return finding
    if turn.standing is spending.Standing.TAKEN:
        return None
    thinking = parts.thinking
    if turn.standing is spending.Standing.BROKEN_OFF:
        thought = Thought(finding=finding, record=_broken_off(finding, thinking))
    else:
        thought = deliberate(
            incident,
            finding,
            held,
            reasoner=thinking.reasoner,
            engine=engine(incident, parts, ran),
            limits=thinking.limits,
            price=thinking.price,
            before=turn.before,
        )
    with parts.journal.write("thinking.done") as tx:
        for gathered in thought.gathered:
            evidence.keep(
                tx,
                gathered.evidence,
                gathered.blobs,
                attempt=incident.attempt,
                look=incident.look,
                purpose=evidence.TRIAGE,
            )
        spending.finish(tx, thought.record)
    _told(thought.record, parts)
    return thought.finding


def its_turn(tx: Tx, incident: Incident, finding: Finding, parts: TriageParts) -> bool:
    """Whether a model has its turn in a further look at once; then that look is ordered."""
    if not isinstance(parts, ThinkingParts) or not incident.alert_firing or finding.state not in RANK:
        return False
    if finding.state is FindingState.DIAGNOSED and not parts.thinking.order:
        return False
    known = parts.knowledge.catalogue.find(incident.service, incident.environment) is not None
    return known and spending.order(tx, incident)


def engine(incident: Incident, parts: TriageParts, ran: Ran) -> Engine:
    """The deterministic half over *incident*: its probes, its evidence, its gates."""

    def judge(held: Sequence[Evidence], read_blob: Callable[[str], bytes]) -> Finding:
        return triage(
            incident,
            held,
            read_blob=read_blob,
            knowledge=parts.knowledge,
            finding_id=FindingId(new_id("FI")),
            at=now(),
        )

    def ask(asks: Sequence[Ask], left: timedelta) -> Gathered:
        """The engine's own questions together, then the others, as far back as the farthest of them."""
        ends = time.monotonic() + left.total_seconds()
        own = {a.question for a in asks if a.back is None}
        others = [a for a in asks if a.back is not None]
        got = [ran(own, incident.window, left)] if own else []
        if others:
            back = max(a.back for a in others if a.back is not None)
            rest = timedelta(seconds=max(ends - time.monotonic(), 0))
            got.append(ran({a.question for a in others}, back, rest))
        return Gathered(
            evidence=tuple(e for g in got for e in g.evidence),
            blobs={digest: data for g in got for digest, data in g.blobs.items()},
            unasked={q: why for g in got for q, why in g.unasked.items()},
        )

    return Engine(ask=ask, judge=judge, read_blob=parts.read_blob, knowledge=parts.knowledge, now=now)


def _broken_off(finding: Finding, thinking: Thinking) -> Deliberation:
    return Deliberation(
        incident_id=finding.incident_id,
        finding_id=finding.id,
        attempt=finding.attempt,
        look=finding.look,
        model=thinking.reasoner.name,
        off=Off.INTERRUPTED,
        steps=(),
        rounds=0,
    )


def _told(record: Deliberation, parts: TriageParts) -> None:
    took = record.spent
    parts.log.info(
        "model.heard" if record.off is None else "model.off",
        incident_id=record.incident_id,
        model=record.model,
        reason=record.off.name.lower() if record.off is not None else None,
        flags=sorted({f.rule for f in record.flags}),
        rounds=record.rounds,
        calls=took.calls,
        tool_calls=took.tool_calls,
        input_tokens=took.input_tokens,
        output_tokens=took.output_tokens,
        cost_usd=took.cost_usd,
        suspects=len(record.suspects),
        dropped=len(record.dropped),
        duration_s=round(took.seconds, 3),
    )
