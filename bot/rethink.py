"""A model's part in a recorded incident: its queries are answered by what was recorded, or by nothing."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from agents.deliberation.menu import Ask
from agents.deliberation.record import Deliberation
from agents.deliberation.session import Engine
from agents.gather import Gathered, gather
from agents.incident.evidence import Evidence, FetchedBy
from agents.incident.finding import Finding
from agents.incident.ids import FindingId
from agents.incident.incident import Incident
from agents.loop import deliberate
from agents.triage import Knowledge, triage
from bot.recordings.recording import Look, Recording
from bot.replay import BUDGET, Think, probes
from bot.thinking import Thinking


def thinker(
    recording: Recording, knowledge: Knowledge, thinking: Thinking, heard: Callable[[Deliberation], None]
) -> Think:
    """What ``replay`` thinks with; *heard* is told what came of each turn."""

    def think(incident: Incident, finding: Finding, gathered: Gathered) -> Finding:
        look = recording.looks[incident.look - 1]
        thought = deliberate(
            incident,
            finding,
            gathered.evidence,
            reasoner=thinking.reasoner,
            engine=engine(incident, finding, look, gathered, knowledge),
            limits=thinking.limits,
            price=thinking.price,
            clock=time.monotonic,
        )
        heard(thought.record)
        return thought.finding

    return think


def engine(incident: Incident, finding: Finding, look: Look, gathered: Gathered, knowledge: Knowledge) -> Engine:
    """The deterministic half over *look*: a query brings what was recorded, and it is judged as of then."""

    def judge(held: Sequence[Evidence], read_blob: Callable[[str], bytes]) -> Finding:
        return triage(
            incident,
            held,
            read_blob=read_blob,
            knowledge=knowledge,
            finding_id=FindingId(f"{finding.id}.again"),
            at=look.at,
        )

    def ask(asks: Sequence[Ask], _left: timedelta) -> Gathered:
        return gather(
            {a.question for a in asks},
            incident_id=incident.id,
            catalogue=knowledge.catalogue,
            probes=probes(look),
            window=look.window,
            budget=BUDGET,
            scope=knowledge.catalogue.scope_of(incident.service, incident.environment),
            fetched_by=FetchedBy.MODEL_PLAN,
        )

    return Engine(
        ask=ask,
        judge=judge,
        read_blob=gathered.blobs.__getitem__,
        knowledge=knowledge,
        now=lambda: look.at,
    )


def document(record: Deliberation) -> dict[str, Any]:
    """What a model had to do with a finding, for ``--json``."""
    took = record.spent
    return {
        "model": record.model,
        "off": record.off.name.lower() if record.off is not None else None,
        "suspected_injection": record.suspected_injection,
        "rounds": record.rounds,
        "suggested": [{"signature": s.signature, "entity": s.entity} for s in record.suspects],
        "points_at": [f.text for f in record.facts],
        "dropped": [{"code": d.code, "what": d.what} for d in record.dropped],
        "queries_refused": dict(record.refused),
        "calls": took.calls,
        "tool_calls": took.tool_calls,
        "input_tokens": took.input_tokens,
        "output_tokens": took.output_tokens,
        "seconds": round(took.seconds, 3),
        "cost_usd": took.cost_usd,
    }
