"""The incidents that a liar is let loose on: each recording as it is, with a signal that only a query brings, and
windows without a fault whose alert is of no known symptom, so that a model is asked there too."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from agents.deliberation.budgets import Limits, Price
from agents.deliberation.menu import Ask
from agents.gather import Gathered
from agents.incident.evidence import Question
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.loop import Thought, deliberate
from agents.ports import Reasoner
from agents.triage import Knowledge
from bot import replay, rethink
from bot.recordings import reading
from bot.recordings.recording import Look, Recording
from tests.evals import transforms as to
from tests.evals.recorded import SAMPLES

HELD_BACK: Mapping[str, str] = {
    "F11": "upstream_failure_ratio",
    "F34": "upstream_failure_ratio",
    "F41": "pool_used_ratio",
    "F49": "schema_cache_behind",
}
"""A quantity of each known fault without which it is not diagnosed; a query still finds it."""

UNKNOWN_ALERT = "DiskWillFillSoon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One incident. ``first`` is what the engine's own look sees, ``whole`` what the broker can still ask."""

    name: str
    folder: Path
    first: Recording
    whole: Recording

    @property
    def quiet(self) -> bool:
        """Whether nothing broke here."""
        return self.first.truth.cause == ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A case up to the moment at which a model may have its part: the engine has looked and judged.

    ``answered`` keeps what the broker brought: the same questions bring the same bytes.
    """

    case: Case
    incident: Incident
    look: Look
    finding: Finding
    gathered: Gathered
    knowledge: Knowledge
    answered: dict[frozenset[Question], Gathered] = field(default_factory=dict)


@cache
def library() -> Knowledge:
    """The shipped signatures and calibration, with the services of whichever recording was read first."""
    return replay.knowledge_of(reading.read(next(p for p in sorted(SAMPLES.iterdir()) if p.is_dir())))


@cache
def cases() -> tuple[Case, ...]:
    """Every recording, then its variants, in order of name."""
    out = []
    for folder in sorted(p for p in SAMPLES.iterdir() if p.is_dir()):
        recording = _named(reading.read(folder))
        out.append(Case(name=folder.name, folder=folder, first=recording, whole=recording))
        broken = [b.signature for b in recording.truth.cause or () if b.signature in HELD_BACK]
        expected = recording.truth.expected
        if broken and expected is not None and expected.signature == broken[0]:
            first = to.without(recording, to.asks(HELD_BACK[broken[0]]))
            out.append(Case(name=f"{folder.name}+held", folder=folder, first=first, whole=recording))
        if recording.truth.cause == ():
            other = to.titled(recording, UNKNOWN_ALERT)
            out.append(Case(name=f"{folder.name}+untold", folder=folder, first=other, whole=other))
    return tuple(out)


def _named(recording: Recording) -> Recording:
    """*recording* under an id of the shape that live incidents have: a model must repeat it."""
    word = recording.id.removeprefix("INC_").upper()
    return replace(recording, id=IncidentId("INC_" + re.sub("[^0-9A-Z]", "_", word)))


def stand_of(case: Case) -> Stand:
    """The engine's own part, by the function that ``firstresponder replay`` calls."""
    knowledge = replace(library(), catalogue=case.first.catalogue)
    seen: list[tuple[Incident, Finding, Gathered]] = []

    def note(incident: Incident, finding: Finding, gathered: Gathered) -> Finding:
        seen.append((incident, finding, gathered))
        return finding

    replay.replay(case.first, knowledge, think=note)
    incident, finding, gathered = seen[-1]
    return Stand(
        case=case,
        incident=incident,
        look=case.whole.looks[incident.look - 1],
        finding=finding,
        gathered=gathered,
        knowledge=knowledge,
    )


def thought(
    stand: Stand,
    reasoner: Reasoner,
    *,
    limits: Limits | None = None,
    price: Price | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    asked_for: list[Ask] | None = None,
) -> Thought:
    """One deliberation on *stand*, its queries answered by what was recorded.

    Args:
        asked_for: Takes the queries that were run.
    """
    engine = rethink.engine(stand.incident, stand.finding, stand.look, stand.gathered, stand.knowledge)

    def ask(asks: Sequence[Ask], left: timedelta) -> Gathered:
        questions = frozenset(a.question for a in asks)
        found = stand.answered.get(questions) or engine.ask(asks, left)
        stand.answered[questions] = found
        if asked_for is not None:
            asked_for.extend(a for a in asks if a.question not in found.unasked)
        return found

    return deliberate(
        stand.incident,
        stand.finding,
        stand.gathered.evidence,
        reasoner=reasoner,
        engine=replace(engine, ask=ask),
        limits=limits or Limits(),
        price=price,
        clock=clock,
    )
