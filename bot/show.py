"""Evidence and incidents for people who want to look behind a card."""

import json

from agents.canonical import sha256
from agents.incident.clock import iso
from agents.incident.evidence import Evidence
from agents.incident.ids import IncidentId
from bot.journal import evidence, runs
from bot.journal.chain import Chain
from bot.journal.journal import Tx

MAX_SHOWN = 6000
"""Characters of a body shown unless all of it is asked for."""


def evidence_text(item: Evidence, blob: bytes, *, whole: bool = False) -> str:
    """One piece of evidence: who asked what, how whole the answer is, and its bytes."""
    intact = sha256(blob) == item.blob_sha256
    body = json.dumps(json.loads(blob), indent=1, ensure_ascii=False) if blob and intact else repr(blob)
    if not whole and len(body) > MAX_SHOWN:
        body = body[:MAX_SHOWN] + f"\n… {len(body) - MAX_SHOWN} more characters; --all shows them"
    window = f"{iso(item.window.start)} to {iso(item.window.end)}"
    lines = [
        f"{item.id}  ({item.reading.value}; {item.status.value}{': ' + item.reason if item.reason else ''})",
        f"incident   {item.incident_id}",
        f"asked      {item.question.kind.value} {item.question.name} of {item.question.entity}",
        f"probe      {item.probe} (through {item.lineage.pipeline}, backend {item.backend_fp or 'not told'})",
        f"query      {item.query}",
        f"window     {window}, now = last {item.window.recent.total_seconds():g} s",
        f"measured   by {', '.join(item.lineage.producers) or 'nobody'} (trust: {item.lineage.trust.value})",
        f"entities   {', '.join(item.entities)}",
        f"fetched    {iso(item.fetched_at)} in {item.latency.total_seconds() * 1000:.0f} ms",
        f"bytes      {item.size_bytes}, sha256 {item.blob_sha256} ({'verified' if intact else 'NOT THESE BYTES'})",
        f"whole      {_whole(item)}",
        f"instead of {item.supersedes or 'nothing'}",
        f"redacted   {json.dumps(dict(item.redactions)) if item.redactions else 'nothing'}",
        "",
        body,
    ]
    return "\n".join(lines)


def _whole(item: Evidence) -> str:
    held = item.completeness
    said = [f"{held.rows} rows", *(["the limit was reached"] if held.limit_hit else []), *held.warnings]
    return "; ".join(said)


def chain_text(verified: Chain) -> str:
    """What became of an incident's chain, line by line."""
    before = f"; {verified.before} record(s) from before there was a chain" if verified.before else ""
    head = f"{verified.incident_id}: {verified.links} link(s), head {verified.head[:16]}{before}"
    if verified.whole:
        return f"{head}\nwhole: every record and every byte is as it was kept"
    return "\n".join([head, *(f"BROKEN: {what}" for what in verified.broken)])


def incident_details(tx: Tx, incident_id: IncidentId) -> str:
    """The claims with their evidence, what was dropped, refuters, and the plan as it would be run."""
    finding = evidence.latest_finding(tx, incident_id)
    if finding is None:
        return "No finding yet."
    lines = ["Claims, each with what it stands on (firstresponder evidence show ID prints the bytes):"]
    for said in finding.claims:
        lines.append(f"  {said.claim.type}: {said.text}")
    for group in finding.groups:
        lines.append(f"  group {group.id} (vantage {group.vantage}): {', '.join(group.evidence)}")
    for refuter in finding.refuters:
        lines.append(f"  refuter {refuter.id} {refuter.outcome.value}: {refuter.means}")
    for drop in finding.dropped:
        lines.append(f"  dropped by a gate, {drop.code}: {drop.what}")
    for suspect in finding.suspects:
        lines.append(f"  suspect {suspect.signature} on {suspect.entity}, score {suspect.score:.2f}")
    lines += [f"  not checked: {gap}" for gap in finding.not_checked]
    for run in runs.of_incident(tx, incident_id):
        p = run.proposal
        lines.append(f"Plan {p.plan_hash[:8]}: {p.action} {dict(p.parameters)} (tier {p.tier}, {run.state.value})")
        lines += [f"  needs: {r}" for r in p.requires]
        lines.append(f"  undo: {p.undo}")
    return "\n".join(lines)
