"""The card of one action: what it would do and why, who may decide it, and what became of it."""

import re
from collections.abc import Sequence

from sqlalchemy import select

from actions.approval import Approval, ApprovalState, button
from actions.explain import explain
from actions.policy import People, Person
from actions.ports import Run
from actions.proposal import Mode, Proposal
from actions.verification import Check
from agents.incident.claims import MetricChange, MetricValue, cites
from agents.incident.finding import Finding
from agents.render import tokens
from bot.journal import approvals, runs
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces import brief
from bot.surfaces.accounted import Accounted
from bot.surfaces.cutting import within, words
from bot.surfaces.outcome import expected
from bot.surfaces.ports import Ask, Button

TIERS = {Mode.POLICY: "runs by policy", Mode.ASK: "asks first", Mode.RUNBOOK: "never run by the bot"}
HOLD = "Hold +15 min"

TRIED, BECAUSE = 400, 800
"""What earlier tries and reasons may cost on a card, so that the plan beside them is never cut."""

_CITED = re.compile(r" ?\[ev_[a-z2-7]{20}\]")


def same_before(all_runs: Sequence[Run], run: Run) -> Sequence[Run]:
    """Earlier runs of the same action on the same target: one card is asked on, again and again."""
    plan = run.proposal
    return [
        r
        for r in all_runs
        if r.proposal.number < plan.number
        and (r.proposal.action, dict(r.proposal.parameters)) == (plan.action, dict(plan.parameters))
    ]


def ask_of(
    tx: Tx, run: Run, earlier: Sequence[Run], finding: Finding | None, people: People, told: Accounted
) -> tuple[Ask, Approval | None]:
    """The card that asks for one run or tells of it, and the approval it waits for or got."""
    proposal = run.proposal
    approval = approvals.approval_of(tx, run.id)
    waiting = approval is not None and approval.state is ApprovalState.AWAITING
    values = {str(v) for v in proposal.parameters.values()}
    told.known |= values | {proposal.service, str(proposal.tier)}
    for said in (proposal.effect, proposal.undo, *proposal.requires, *proposal.runbook):
        told.known |= {token for token in tokens(said) if any(token in tokens(f"`{v}`") for v in values)}
    over = run.state not in runs.LIVE
    lines: list[str] = []
    for before in earlier:
        state = before.state.lower().replace("_", " ")
        lines.append(f"Tried before: {state} ({told.cut(before.reason)})")
        lines += _explained(before, told)
    lines = list(within(lines, TRIED))
    decided = [*_question(run, approval, people, told), *_explained(run, told)]
    if not waiting and not proposal.runbook:
        lines += decided
    lines += within(_because(finding), BECAUSE)
    lines += [f"Undo: {proposal.undo}"]
    if not over or proposal.runbook:
        lines += [
            f"Needs: {'; '.join(proposal.requires)}",
            f"Expect within {told.words(_span(proposal.check))}: "
            f"{'; '.join(expected(x, told) for x in proposal.check.targets)}",
            *_conflicts(tx, run, told),
        ]
    if proposal.trusted:
        lines.append("The owner trusts this action by name (config/policy.yaml).")
    if proposal.runbook:
        told_how = f"Runbook for a person (Tier {told.count(proposal.tier)}, {TIERS[proposal.mode]}):"
        lines += [told_how, *(f"• {step}" for step in proposal.runbook)]
    lines += _evidence(finding)
    if waiting:
        lines += decided
    head = "Approve?" if waiting else "Runbook:" if proposal.runbook else "Action:"
    return (
        Ask(
            id=(earlier[0] if earlier else run).id,
            headline=f"{head} {proposal.effect}",
            lines=tuple(lines),
            buttons=_choices(approval) if waiting and approval is not None else (),
            more=_behind(approval, proposal, told) if waiting and approval is not None else (),
            waiting=waiting,
            over=over,
            runbook=bool(proposal.runbook),
            eligible=tuple(p.id for p in _eligible(approval, people)) if waiting and approval is not None else (),
            brief=brief.of(proposal, approval, decided, told) if waiting and approval is not None else None,
        ),
        approval,
    )


def _explained(run: Run, told: Accounted) -> Sequence[str]:
    """What a failing platform's words mean, where we know."""
    found = explain(run.reason)
    return [told.words(found)] if found else []


def _choices(approval: Approval) -> tuple[Button, ...]:
    return (
        Button(label="Approve", data=button("a", approval.id, approval.plan_hash), style="primary"),
        Button(label="Reject", data=button("r", approval.id, approval.plan_hash), style="danger"),
    )


def _behind(approval: Approval, proposal: Proposal, told: Accounted) -> tuple[Button, ...]:
    told.words(HOLD)
    return (
        Button(label=HOLD, data=button("h", approval.id, approval.plan_hash)),
        Button(label="Details", data=f"d:{proposal.incident_id}"),
        Button(
            label="Stop all",
            data=button("s", approval.id, approval.plan_hash),
            confirm="Stop every action of this installation? Nothing is run until a lead lifts it.",
        ),
    )


def _because(finding: Finding | None) -> Sequence[str]:
    """Two to four claims that carry the finding, and whatever speaks against it."""
    if finding is None:
        return ()
    telling = [
        s.text for s in finding.claims if isinstance(s.claim, MetricValue | MetricChange) and cites(s.claim)
    ]
    against = [r.text for r in finding.refuters if r.outcome.value == "fired"]
    unseen = list(finding.not_checked)
    out = ["Because:", *(f"• {_CITED.sub('', text)}" for text in telling[:4])] if telling else []
    out.append(
        f"Against: {_CITED.sub('', '; '.join(against))}" if against else "Against: nothing in what was looked at"
    )
    if unseen:
        out.append(f"Not checked: {'; '.join(unseen)}")
    return out


def _evidence(finding: Finding | None) -> Sequence[str]:
    """What is cited by the claims of :func:`_because`, out of the way of whoever reads them."""
    if finding is None:
        return ()
    claims = [s.text for s in finding.claims if isinstance(s.claim, MetricValue | MetricChange)]
    cited = dict.fromkeys(c.strip() for text in claims[:4] for c in _CITED.findall(text))
    return [f"Evidence: {' '.join(cited)}"] if cited else []


def _conflicts(tx: Tx, run: Run, told: Accounted) -> Sequence[str]:
    """Other runs on the same service that have not ended."""
    rows = tx.all(
        select(t.action_runs.c.incident_id, t.action_runs.c.state, t.proposals.c.record)
        .join(t.proposals, t.proposals.c.id == t.action_runs.c.proposal_id)
        .where(t.action_runs.c.state.in_([s.value for s in runs.LIVE]), t.action_runs.c.id != run.id)
    )
    same = [r for r in rows if r["record"].get("service") == run.proposal.service]
    if not same:
        return ("Conflicts: none",)
    named = "; ".join(f"{told.name(r['incident_id'])} is {r['state'].lower()} there" for r in same[:3])
    return (f"Conflicts: {named}",)


def _question(run: Run, approval: Approval | None, people: People, told: Accounted) -> Sequence[str]:
    lines: list[str] = []
    if approval is not None and approval.state is ApprovalState.AWAITING:
        names = words(", ".join(p.name for p in _eligible(approval, people))) or "nobody is configured"
        held = f" (held {told.count(approval.holds)} times)" if approval.holds else ""
        lines = [
            f"Plan: {told.name(approval.plan_hash[:8])} · "
            f"Tier {told.count(run.proposal.tier)}, {TIERS[run.proposal.mode]} · "
            f"votes {told.count(len(approval.votes))} of {told.count(approval.quorum)} · "
            f"approvers: {told.text(names)}",
            f"Until {told.at(approval.deadline)}{held}. If nobody answers it EXPIRES and nothing is run.",
        ]
    elif approval is not None and approval.decided_by:
        at = f" at {told.at(approval.decided_at)}" if approval.decided_at else ""
        why = f": {told.cut(approval.reason)}" if approval.reason else ""
        lines = [f"{approval.state.capitalize()} by {told.text(approval.decided_by)}{at}{why}"]
    ran = f"Run: {run.state.lower().replace('_', ' ')}" + (f" ({told.cut(run.reason)})" if run.reason else "")
    return [*lines, ran] if approval is None or approval.state is not ApprovalState.AWAITING else lines


def _eligible(approval: Approval, people: People) -> Sequence[Person]:
    """Whose yes would count: approvers of what is acted on, save whoever asked for it."""
    return [p for p in people.approvers(approval.subject) if p.id != approval.proposed_by]


def _span(check: Check) -> str:
    seconds = int(check.give_up.total_seconds())
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"
