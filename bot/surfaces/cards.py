"""What a card says, without a platform: rendered from the journal, parsed again before it leaves (G14)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from actions.approval import Approval, ApprovalState, button
from actions.policy import People
from actions.ports import Run
from actions.proposal import Mode, Proposal
from actions.verification import Sample, Target, mark
from agents.facts import Reader
from agents.incident.claims import Where
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import ActionState, IncidentState
from agents.incident.quantities import QUANTITIES
from agents.render import clock, leaks, number, quoted, tokens
from bot.journal import approvals, evidence, incidents, runs, verifications
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces.ports import Button, Card, Chart

S, A = IncidentState, ActionState

STATES = {
    S.RECEIVED: "received, about to look",
    S.TRIAGING: "looking",
    S.WAITING_ON: "waiting for another incident",
    S.REPORTED: "finding made",
    S.PROPOSED: "an action is proposed",
    S.MITIGATING: "acting",
    S.VERIFYING: "watching whether it helped",
    S.MITIGATED: "mitigated and verified",
    S.NEEDS_HUMAN: "a person is needed",
    S.RESOLVED: "resolved",
    S.REOPENED: "opened again",
    S.CLOSED: "closed",
}
WITHHELD = "This card's text was withheld: it said something no stored fact accounts for."


def card(tx: Tx, incident_id: IncidentId, people: People) -> Card:
    """The incident's root message as of now."""
    incident = incidents.load(tx, incident_id)
    version = tx.run(select(t.incidents.c.card_version).where(t.incidents.c.id == incident_id)).scalar_one()
    finding = evidence.latest_finding(tx, incident_id)
    all_runs = runs.of_incident(tx, incident_id)
    last = all_runs[-1] if all_runs else None
    approval = approvals.approval_of(tx, last.id) if last is not None else None
    verification = verifications.of_run(tx, last.id) if last is not None else None
    lines: list[str] = []
    accounted: set[str] = set()
    if finding is not None:
        lines += finding.text.splitlines()
        accounted |= tokens(finding.text)  # passed G14 against its facts when it was made
    if last is not None:
        lines += ["", *_proposal_lines(last, approval, people)]
        accounted |= _proposal_tokens(last.proposal, approval, people) | {quoted(last.reason)[1:-1]}
    if verification is not None and verification[2]:
        samples = verification[2]
        targets = verification[1].targets
        lines += ["", *_sample_lines(targets, samples, verification[1])]
        accounted |= _sample_tokens(targets, samples)
    if incident.reason:
        lines += ["", f"Why it stands here: {quoted(incident.reason)}"]
        accounted |= {quoted(incident.reason)[1:-1]}
    escaped = leaks("\n".join(lines), accounted)
    if escaped:
        lines = [WITHHELD]
    waiting = approval is not None and approval.state is ApprovalState.AWAITING and not escaped
    return Card(
        incident_id=incident_id,
        version=version,
        headline=_headline(incident, tx.now),
        state=STATES.get(incident.state, incident.state.lower()),
        lines=tuple(lines),
        chart=_chart(tx, finding) if finding is not None and not escaped else None,
        buttons=(
            Button(label="Approve", data=button("a", approval.id, approval.plan_hash)),
            Button(label="Reject", data=button("r", approval.id, approval.plan_hash)),
            Button(label="Details", data=button("d", approval.id, approval.plan_hash)),
        )
        if waiting and approval is not None
        else (),
        approval_id=approval.id if waiting and approval is not None else None,
        has_finding=finding is not None,
        reported=finding is not None and incident.state is not S.TRIAGING,
        over=incident.state in {S.MITIGATED, S.RESOLVED, S.CLOSED},
    )


def _headline(incident: Incident, at: datetime) -> str:
    minutes, seconds = divmod(int((at - incident.opened_at).total_seconds()), 60)
    age = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    where = "/".join(p for p in (incident.environment, incident.service) if p) or "no service named"
    return f"{incident.severity.upper()} · {where} · {quoted(incident.title)} · open {age}"


def _proposal_lines(run: Run, approval: Approval | None, people: People) -> Sequence[str]:
    proposal = run.proposal
    word = {Mode.POLICY: "runs by policy", Mode.ASK: "asks first", Mode.RUNBOOK: "never run by the bot"}
    lines = [
        f"Action (Tier {proposal.tier}, {word[proposal.mode]}): {proposal.effect}",
        f"Undo: {proposal.undo}",
        f"Needs: {'; '.join(proposal.requires)}",
        f"Check after: {'; '.join(_target(x) for x in proposal.check.targets)}",
    ]
    if proposal.trusted:
        lines.append("The owner trusts this action by name (config/policy.yaml).")
    if proposal.runbook:
        lines += ["Runbook for a person:", *(f"• {step}" for step in proposal.runbook)]
    if approval is not None and approval.state is ApprovalState.AWAITING:
        names = ", ".join(p.name for p in people.approvers()) or "nobody is configured"
        lines += [
            f"Approve? Until {clock(approval.deadline)}; if nobody answers it expires and nothing is run.",
            f"Plan {quoted(approval.plan_hash[:8])} · votes {len(approval.votes)} of {approval.quorum} · "
            f"approvers: {quoted(names)}",
        ]
    elif approval is not None and approval.decided_by:
        at = f" at {clock(approval.decided_at)}" if approval.decided_at else ""
        lines.append(f"{approval.state.capitalize()} by {quoted(approval.decided_by)}{at}")
    lines.append(
        f"Run: {run.state.lower().replace('_', ' ')}" + (f" ({quoted(run.reason)})" if run.reason else "")
    )
    return lines


def _proposal_tokens(proposal: Proposal, approval: Approval | None, people: People) -> set[str]:
    values = {str(v) for v in proposal.parameters.values()}
    names = ", ".join(p.name for p in people.approvers()) or "nobody is configured"
    known = values | {proposal.service, str(proposal.tier), names}
    for target in proposal.check.targets:
        known |= _target_tokens(target)
    for step in proposal.runbook:
        known |= tokens(step) & values
    if approval is not None:
        known |= {clock(approval.deadline), approval.plan_hash[:8], str(len(approval.votes)), str(approval.quorum)}
        known |= {quoted(approval.decided_by or "")[1:-1]}
        if approval.decided_at:
            known.add(clock(approval.decided_at))
    return known


def _place(target: Target) -> str:
    c = target.criterion
    return c.where.instance or (f"peers of {c.where.not_instance}" if c.where.not_instance else c.service)


def _target(target: Target) -> str:
    c = target.criterion
    title = QUANTITIES[c.quantity].title
    return f"`{_place(target)}` {title} {c.op} {number(target.threshold, c.quantity)}"


def _target_tokens(target: Target) -> set[str]:
    c = target.criterion
    return {_place(target)} | tokens(number(target.threshold, c.quantity)) | tokens(QUANTITIES[c.quantity].title)


def _sample_lines(targets: Sequence[Target], samples: Sequence[Sample], check: Any) -> Sequence[str]:
    marks = " ".join({"good": "✓", "bad": "·", "worse": "✗", "error": "?"}[mark(check, s)] for s in samples)
    newest = samples[-1]
    readings = []
    for target, measured in zip(targets, newest.measured, strict=True):
        c = target.criterion
        before = number(target.before, c.quantity) if target.before is not None else "not read"
        value = number(measured.value, c.quantity) if measured.value is not None else "not read"
        cited = " ".join(f"[{e}]" for e in measured.evidence)
        readings.append(
            f"• `{_place(target)}` {QUANTITIES[c.quantity].title}: {before} → {value} {cited}".rstrip()
        )
    return [f"Verification: {marks}", *readings]


def _sample_tokens(targets: Sequence[Target], samples: Sequence[Sample]) -> set[str]:
    known: set[str] = set()
    for target, measured in zip(targets, samples[-1].measured, strict=True):
        quantity = target.criterion.quantity
        known |= {_place(target), *measured.evidence} | tokens(QUANTITIES[quantity].title)
        for value in (target.before, measured.value):
            if value is not None:
                known |= tokens(number(value, quantity))
    return known


def _chart(tx: Tx, finding: Finding) -> Chart | None:
    if finding.chart is None:
        return None
    item, blob = evidence.find(tx, finding.chart)
    points = tuple(Reader(item, blob).line(Where()))
    if len(points) < 2:
        return None
    title = QUANTITIES[item.question.name].title
    return Chart(
        caption=f"{item.question.service} {title} ({item.probe})", quantity=item.question.name, points=points
    )
