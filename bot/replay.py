"""A recorded incident → its finding, by the engine that live incidents go through: no network, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from agents import calibration
from agents.facts import Reader
from agents.gather import Gathered, gather
from agents.incident.claims import Claim, FactName, LogPresent, MetricChange, MetricValue, cites
from agents.incident.clock import iso
from agents.incident.evidence import Answer
from agents.incident.finding import Finding
from agents.incident.ids import FindingId
from agents.incident.incident import AlertStatus, Incident
from agents.incident.lifecycle import IncidentState
from agents.ports import Probe
from agents.probes.canned import Canned
from agents.probes.scoped import Scoped
from agents.signatures import load as signature_files
from agents.triage import Knowledge, triage, wanted
from bot import processes
from bot.journal import codec
from bot.recordings.recording import Look, Recording
from bot.walk import UNSETTLED

BUDGET = timedelta(seconds=30)
"""Nothing is waited for: this only bounds a machine that stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The finding of the look that settled it, else of the last; and what it was found in."""

    recording: Recording
    finding: Finding
    gathered: Gathered


def knowledge_of(recording: Recording, config: Path | None = None) -> Knowledge:
    """The recording's own services with the signatures and the calibration of *config*, or of the project."""
    folder = config or processes.root() / "config"
    return Knowledge(
        catalogue=recording.catalogue,
        signatures=signature_files.load(folder / "signatures"),
        calibration=calibration.load(folder / "calibration.yaml"),
    )


Think = Callable[[Incident, Finding, Gathered], Finding]
"""A model's part in one look: from the finding made without it to the one that stands."""


def replay(recording: Recording, knowledge: Knowledge, *, think: Think | None = None) -> Replayed:
    """Look as often as the live incident would have, at what was answered then, and judge as of then."""
    replayed = _looked(recording, 1, recording.looks[0], knowledge, think)
    for number, look in enumerate(recording.looks[1:], start=2):
        if replayed.finding.state not in UNSETTLED:
            break
        replayed = _looked(recording, number, look, knowledge, think)
    return replayed


def _looked(recording: Recording, number: int, look: Look, knowledge: Knowledge, think: Think | None) -> Replayed:
    incident = _incident(recording, number, look)
    gathered = gather(
        wanted(incident, knowledge),
        incident_id=incident.id,
        catalogue=knowledge.catalogue,
        probes=probes(look),
        window=look.window,
        budget=BUDGET,
        scope=knowledge.catalogue.scope_of(incident.service, incident.environment),
    )
    finding = triage(
        incident,
        gathered.evidence,
        read_blob=lambda digest: gathered.blobs[digest],
        knowledge=knowledge,
        finding_id=FindingId(f"FI_{incident.id.removeprefix('INC_')}.{number}"),
        at=look.at,
    )
    if think is not None:
        finding = think(incident, finding, gathered)
    return Replayed(recording=recording, finding=finding, gathered=gathered)


def probes(look: Look) -> Sequence[Probe]:
    """One for each name, in the order in which they were asked: of two that say the same, the first is cited."""
    held: dict[str, list[Answer]] = {}
    for one in look.kept:
        held.setdefault(one.probe, []).append(one.answer)
    return tuple(Scoped(Canned(name, answers)) for name, answers in held.items())


def _incident(recording: Recording, number: int, look: Look) -> Incident:
    first = recording.alerts[0]
    started = first.started_at or first.at or look.at
    return Incident(
        id=recording.id,
        source=first.source,
        identity=first.identity,
        title=recording.title,
        severity=first.severity,
        service=recording.service,
        environment=recording.environment,
        summary=first.summary,
        state=IncidentState.TRIAGING,
        attempt=1,
        look=number,
        version=1,
        opened_at=started,
        alert_started_at=started,
        alert_firing=any(a.status is AlertStatus.FIRING for a in recording.alerts),
    )


def document(replayed: Replayed) -> dict[str, Any]:
    """Everything about the finding as one JSON document. The same recording makes the same document."""
    f = replayed.finding
    readers = _readers(replayed)
    return {
        "incident_id": f.incident_id,
        "title": replayed.recording.title,
        "service": replayed.recording.service,
        "environment": replayed.recording.environment,
        "looked_at": iso(f.made_at),
        "look": f.look,
        "state": f.state.value,
        "signature": f.signature,
        "entity": f.entity,
        "replica": f.replica,
        "p": f.p,
        "p_low": f.p_low,
        "n": f.n,
        "replayed": f.replayed,
        "score": f.score,
        "claims": [
            {
                "type": said.claim.type,
                "text": said.text,
                "evidence": list(cites(said.claim)),
                "facts": _facts(said.claim, readers),
                "claim": codec.dump(said.claim),
            }
            for said in f.claims
        ],
        "groups": [{"id": g.id, "vantage": g.vantage, "evidence": list(g.evidence)} for g in f.groups],
        "independent_groups": f.independent_groups,
        "refuters": [
            {"id": r.id, "means": r.means, "hard": r.hard, "outcome": r.outcome.value, "text": r.text}
            for r in f.refuters
        ],
        "not_checked": list(f.not_checked),
        "suspects": [{"signature": s.signature, "entity": s.entity, "score": s.score} for s in f.suspects],
        "dropped": [{"code": d.code, "what": d.what} for d in f.dropped],
        "change": codec.dump(f.change) if f.change is not None else None,
        "evidence": [
            {
                "id": e.id,
                "probe": e.probe,
                "asked": f"{e.question.kind.value} {e.question.name} of {e.question.entity}",
                "status": e.status.value,
                "sha256": e.blob_sha256,
            }
            for e in sorted(replayed.gathered.evidence, key=lambda e: e.id)
        ],
        "text": f.text,
    }


def _readers(replayed: Replayed) -> Mapping[str, Reader]:
    return {e.id: Reader(e, replayed.gathered.blobs[e.blob_sha256]) for e in replayed.gathered.evidence}


def _facts(claim: Claim, readers: Mapping[str, Reader]) -> dict[str, float]:
    """The numbers a claim rests on, computed again from the recorded bytes."""
    names: tuple[FactName, ...]
    match claim:
        case MetricValue():
            names = (claim.fact,)
        case MetricChange():
            names = (FactName.BASELINE, FactName.RECENT, FactName.RATIO_TO_BASELINE)
        case LogPresent():
            return {FactName.COUNT.value: float(readers[claim.evidence].count())}
        case _:
            return {}
    found = {name.value: readers[claim.evidence].value(name, claim.where) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def printed(replayed: Replayed) -> str:
    """The same for people."""
    d = document(replayed)
    place = f"{d['service'] or 'no service'} in {d['environment'] or 'no environment'}"
    lines = [
        f"{d['incident_id']}  {d['title']}  ({place}; look {d['look']} at {d['looked_at']})",
        "",
        f"state       {d['state']}",
        f"signature   {d['signature'] or 'none'}",
        f"entity      {d['entity'] or 'none'}",
    ]
    if d["p"] is not None:
        lines.append(f"p           {d['p']:.4f}, low {d['p_low']:.4f}, n {d['n']}; score {d['score']:.4f}")
    lines += [f"signals     {d['independent_groups']} independent", ""]
    for claim in d["claims"]:
        facts = ", ".join(f"{name} {value:g}" for name, value in claim["facts"].items())
        lines.append(f"claim       {claim['type']}: {claim['text']}{f' ({facts})' if facts else ''}")
    lines += [f"group       {g['id']} (vantage {g['vantage']}): {', '.join(g['evidence'])}" for g in d["groups"]]
    lines += [f"refuter     {r['id']} {r['outcome']}: {r['text']}" for r in d["refuters"]]
    lines += [f"suspect     {s['signature']} on {s['entity']}, score {s['score']:.4f}" for s in d["suspects"]]
    lines += [f"dropped     {x['code']}: {x['what']}" for x in d["dropped"]]
    lines += [f"not checked {gap}" for gap in d["not_checked"]]
    return "\n".join([*lines, "", str(d["text"])])
