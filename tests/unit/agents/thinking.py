"""A model beside the made-up shop: what the loop needs, with what the probes would still find."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agents.calibration import Calibration
from agents.deliberation.budgets import Limits, Price, Spent
from agents.deliberation.menu import Ask, entity_ref
from agents.deliberation.session import Engine
from agents.gather import Gathered
from agents.incident.evidence import Evidence, Question
from agents.incident.finding import Finding
from agents.incident.incident import Incident
from agents.loop import Thought, deliberate
from agents.ports import Reasoner, Task
from agents.reasoners import scripted
from agents.reasoners.scripted import Scripted
from agents.triage import Knowledge
from tests.unit.agents.world import INC, NOW, SHOP, SIGNATURES, SURE, Store, incident, pool_leak

HONEST = Path(__file__).parents[2] / "samples" / "models" / "honest.yaml"
ABSTAIN_PLAN = {"version": 1, "incident": INC, "status": "abstain", "queries": []}
ABSTAIN = {
    "version": 1,
    "incident": INC,
    "status": "abstain",
    "hypotheses": [],
    "abstain_reason": "not_enough_evidence",
}


def ent(name: str) -> str:
    return entity_ref(f"shop/{name}")


def plan(*queries: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": 1, "incident": INC, "status": "plan", "queries": list(queries)}


def query(template: str, service: str, back: str = "onset-30m") -> dict[str, Any]:
    return {"template": template, "args": {"service": ent(service)}, "window": {"from": back, "to": "now"}}


def propose(*hypotheses: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "incident": INC, "status": "propose", "hypotheses": list(hypotheses)} | more


def script(plans: Sequence[object] = (ABSTAIN_PLAN,), proposals: Sequence[object] = (ABSTAIN,)) -> Scripted:
    return Scripted(answers={Task.PLAN: plans, Task.PROPOSE: proposals})


def honest() -> Scripted:
    return scripted.load(HONEST)


@dataclass(kw_only=True)
class Case:
    """One incident: what was read, what further questions would find, and who is asked."""

    store: Store = field(default_factory=pool_leak)
    missing: tuple[str, ...] = ()
    about: Incident = field(default_factory=incident)
    calibration: Calibration = SURE
    asked: list[Ask] = field(default_factory=list)
    answered: int = 0
    seconds: float = 0.0

    @property
    def knowledge(self) -> Knowledge:
        return Knowledge(catalogue=SHOP, signatures=SIGNATURES, calibration=self.calibration)

    def held(self) -> list[Evidence]:
        """What the look has read: everything but what is missing."""
        return [e for e in self.store.items if e.question.name not in self.missing]

    def judge(self, evidence: Sequence[Evidence], read_blob: Callable[[str], bytes]) -> Finding:
        from agents.incident.ids import FindingId
        from agents.triage import triage

        return triage(
            self.about,
            evidence,
            unasked=(),
            read_blob=read_blob,
            knowledge=self.knowledge,
            finding_id=FindingId("FI_TEST"),
            at=NOW,
        )

    def ask(self, asks: Sequence[Ask], _left: timedelta) -> Gathered:
        self.asked += asks
        wanted = {a.question for a in asks}
        found = tuple(e for e in self.store.items if e.question in wanted)
        self.answered += len(found)
        unasked: dict[Question, str] = dict.fromkeys(wanted - {e.question for e in found}, "no probe")
        return Gathered(
            evidence=found, blobs={e.blob_sha256: self.store.blobs[e.blob_sha256] for e in found}, unasked=unasked
        )

    def finding(self) -> Finding:
        return self.judge(self.held(), self.store.blobs.__getitem__)

    def think(
        self,
        reasoner: Reasoner,
        limits: Limits | None = None,
        price: Price | None = None,
        before: Spent | None = None,
        tick: float = 0.0,
    ) -> Thought:
        """One deliberation; each look at the clock takes *tick* seconds."""

        def clock() -> float:
            self.seconds += tick
            return self.seconds

        return deliberate(
            self.about,
            self.finding(),
            self.held(),
            reasoner=reasoner,
            engine=Engine(
                ask=self.ask,
                judge=self.judge,
                read_blob=self.store.blobs.__getitem__,
                knowledge=self.knowledge,
                now=lambda: NOW,
            ),
            limits=limits or Limits(),
            price=price,
            before=before,
            clock=clock,
        )
