"""One deliberation under way: what is held, what was spent, and the only ways to call a model or run a query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agents import gates
from agents.deliberation import answers, injection
from agents.deliberation.budgets import Limits, Meter, Off
from agents.deliberation.calling import call
from agents.deliberation.menu import Ask, Menu
from agents.deliberation.record import Flag, Step
from agents.deliberation.suggestions import Suggested
from agents.deliberation.view import View
from agents.facts import Reader
from agents.gather import Gathered
from agents.hypotheses import Hypothesis, ranked, weigh_all
from agents.incident.errors import BadInput
from agents.incident.evidence import Evidence
from agents.incident.finding import Dropped, Finding
from agents.incident.incident import Incident
from agents.incident.redaction import suspicious
from agents.ports import Reasoned, Reasoner, Task
from agents.signatures.evaluate import Bench
from agents.triage import Knowledge

MALFORMED_MOST = 2
"""Answers of the wrong shape after which the model is not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The deterministic half, as the loop may use it.

    ``ask`` runs questions through the probes, looking so far back (``None``: as triage does); ``judge`` makes a
    finding of evidence, as of ``now``; ``read_blob`` gives bytes by hash, those just gathered included.
    """

    ask: Callable[[Sequence[Ask], timedelta], Gathered]
    judge: Callable[[Sequence[Evidence], Callable[[str], bytes]], Finding]
    read_blob: Callable[[str], bytes]
    knowledge: Knowledge
    now: Callable[[], datetime]


class Stop(Exception):
    """The loop ends here, and the model has no part in the finding."""

    def __init__(self, off: Off, flags: tuple[Flag, ...] = ()) -> None:
        super().__init__(off.value)
        self.off = off
        self.flags = flags


@dataclass(slots=True, kw_only=True)
class Session:
    """What is known so far, and the calls that a step may make."""

    incident: Incident
    reasoner: Reasoner
    engine: Engine
    limits: Limits
    meter: Meter
    finding: Finding
    menu: Menu
    evidence: list[Evidence] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    gathered: list[Gathered] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rounds: int = 0
    malformed: int = 0
    suggested: tuple[Suggested, ...] = ()
    dropped: dict[Dropped, None] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    abstained: str = ""

    def read_blob(self, digest: str) -> bytes:
        """Bytes by hash."""
        return self.blobs[digest] if digest in self.blobs else self.engine.read_blob(digest)

    def bench(self) -> Bench:
        """Everything held whose bytes are still what they were."""
        return Bench(self.readers.values())

    def hold(self, evidence: Sequence[Evidence]) -> None:
        """Keep what is not held yet, once it was looked through for instructions."""
        known = {held.id for held in self.evidence}
        new = [e for e in evidence if e.id not in known]
        self.evidence += new
        readers, dropped = gates.admit(new, self.read_blob)
        self.readers |= {r.evidence.id: r for r in readers}
        self.dropped |= dict.fromkeys(dropped)
        flags = injection.scan(self.incident, readers, self.engine.knowledge.catalogue)
        if flags:
            raise Stop(Off.INJECTION, flags)

    def hypotheses(self, bench: Bench) -> list[Hypothesis]:
        """Every hypothesis the engine itself has, likeliest first."""
        knowledge = self.engine.knowledge
        service = knowledge.catalogue.find(self.incident.service, self.incident.environment)
        if service is None:
            return []
        found = weigh_all(knowledge.signatures, service, bench, knowledge.catalogue, self.engine.now())
        return ranked(found)

    def call(self, task: Task, view: View) -> Reasoned:
        """One call, within the budgets and after the last scan for secrets."""
        prompt = self.reasoner.prompt(task, view)
        off = self.meter.before_call(prompt)
        if off is not None:
            raise Stop(off)
        if suspicious(prompt):
            raise Stop(Off.SECRET)
        said = call(
            self.reasoner,
            task,
            view,
            prompt=prompt,
            meter=self.meter,
            output_tokens=self.limits.output_tokens,
        )
        if isinstance(said, Off):
            raise Stop(said)
        return said

    def answer(self, task: Task, kind: type[answers.A], view: View) -> answers.A:
        """An answer of the right shape; one that is not may be tried again, once in all, told what was wrong."""
        shown = view
        while True:
            try:
                return answers.read(kind, self.call(task, shown).body, view.incident)
            except BadInput as error:
                self.malformed += 1
                self.dropped[Dropped(code="SCHEMA", what=str(error))] = None
                if self.malformed >= MALFORMED_MOST:
                    raise Stop(Off.MALFORMED) from error
                shown = replace(view, refused=str(error))

    def gather(self, asks: Sequence[Ask]) -> None:
        """Run *asks*, at the price of one query each that a probe takes, and keep what came."""
        off = self.meter.before_queries(len(asks))
        if off is not None:
            raise Stop(off)
        gathered = self.engine.ask(asks, self.meter.left)
        self.meter.queried(len(asks) - len(gathered.unasked))
        self.gathered.append(gathered)
        self.blobs |= gathered.blobs
        self.hold(gathered.evidence)
