"""What an incident's card says, without a platform: rendered from the journal alone, every value accounted for."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from actions.approval import Approval, ApprovalState, button
from actions.explain import explain
from actions.policy import People, Person
from actions.ports import Run
from actions.proposal import Mode, Proposal
from actions.verification import Check, Mark, Measured, Target, mark
from agents.facts import Reader
from agents.incident.claims import ChangeFact, MetricChange, MetricValue, Where, cites
from agents.incident.clock import to_ms
from agents.incident.errors import BadInput
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import ActionState, IncidentState
from agents.incident.quantities import QUANTITIES
from agents.render import clock, number, quoted, tokens
from bot.journal import approvals, escalations, evidence, incidents, runs, stops, verifications
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces import ports
from bot.surfaces.ports import Ask, Button, Card, Chart, MarkKind, Plea

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
NEXT = {
    S.TRIAGING: "; a finding comes next",
    S.REPORTED: "; looking whether an action fits it",
    S.MITIGATING: "; then it is watched whether it helped",
}
"""What happens by itself after a state, where that is not plain from its name."""

MARKS = {Mark.GOOD: "✓", Mark.BAD: "–", Mark.WORSE: "✗", Mark.ERROR: "?"}
SIGNS = {"==": "=", ">=": "≥", "<=": "≤"}
TIERS = {Mode.POLICY: "runs by policy", Mode.ASK: "asks first", Mode.RUNBOOK: "never run by the bot"}
HOLD = "Hold +15 min"
TITLE = 120
"""Characters of an alert's title on a card; the page and the history have all of it."""

_CITED = re.compile(r" ?\[ev_[a-z2-7]{20}\]")


_SAFE = {ord("`"): "'", ord("“"): '"', ord("”"): '"'}
"""A name with these would end early, or begin a quote."""


@dataclass(slots=True)
class _Account:
    """What may be said, collected beside what is said."""

    known: set[str] = field(default_factory=set)

    def text(self, value: str) -> str:
        """Somebody's own words, in quotes."""
        self.known |= tokens(quoted(value))
        return quoted(value)

    def name(self, value: str) -> str:
        """A name of data, in backticks."""
        safe = f"`{value.translate(_SAFE)}`"
        self.known |= tokens(safe)
        return safe

    def at(self, value: datetime) -> str:
        """A time of day."""
        self.known.add(clock(value))
        return clock(value)

    def count(self, value: int) -> str:
        """A whole number."""
        self.known.add(str(value))
        return str(value)

    def reading(self, value: float | None, quantity: str) -> str:
        """A measured value with its unit."""
        if value is None:
            return "not read"
        self.known |= tokens(number(value, quantity))
        return number(value, quantity)

    def title(self, quantity: str) -> str:
        """A quantity's own title."""
        self.known |= tokens(QUANTITIES[quantity].title)
        return QUANTITIES[quantity].title

    def words(self, value: str) -> str:
        """A sentence made by code from typed values."""
        self.known |= tokens(value)
        return value


def card(tx: Tx, incident_id: IncidentId, people: People, *, link: str = "") -> Card:
    """The incident as of now."""
    told = _Account()
    incident = incidents.load(tx, incident_id)
    row = tx.one(select(t.incidents.c.card_version, t.incidents.c.owner).where(t.incidents.c.id == incident_id))
    assert row is not None  # noqa: S101  # just loaded
    finding = evidence.latest_finding(tx, incident_id)
    if finding is not None:
        told.known |= tokens(finding.text)  # passed G14 against its facts when it was made
    all_runs = runs.of_incident(tx, incident_id)
    asks = tuple(_ask(tx, run, _same(all_runs, run), finding, people, told) for run in all_runs)
    last = asks[-1] if asks else None
    owner = people.by_id(row["owner"]) if row["owner"] else None
    state = STATES.get(incident.state, incident.state.lower()) + NEXT.get(incident.state, "")
    if owner is not None:
        state += f"; {told.text(owner.name)} has taken over, the bot does nothing on its own"
    stopped = stops.standing(tx, incident.subject)
    if stopped is not None:
        state += f"; stopped by {told.text(_name(people, stopped.stopped_by))}, nothing is run"
    if last is not None and last[1] is not None and last[0].waiting:
        state += f"; it waits for an answer until {told.at(last[1].deadline)}, else it expires and nothing is run"
    return Card(
        incident_id=incident_id,
        version=row["card_version"],
        headline=_headline(incident, tx.now, told),
        state=state,
        summary=_summary(finding, incident, tx, told),
        finding_id=finding.id if finding is not None else None,
        finding=_told(finding) if finding is not None else (),
        actions=tuple(
            {ask.id: _so_far(run, ask, a, told) for run, (ask, a) in zip(all_runs, asks, strict=True)}.values()
        ),
        outcome=_outcome(tx, incident_id, told),
        reason=told.text(incident.reason) if _adds(incident.reason, finding) else "",
        chart=_chart(tx, incident_id, finding, told) if finding is not None else None,
        asks=tuple(ask for ask, _ in asks),
        plea=_plea(tx, incident, people, told),
        buttons=_buttons(incident, owner is not None),
        link=link,
        accounted=frozenset(told.known),
        reported=finding is not None and incident.state is not S.TRIAGING,
        over=incident.state in {S.MITIGATED, S.RESOLVED, S.CLOSED},
        loud=incident.state in {S.REPORTED, S.NEEDS_HUMAN, S.MITIGATED, S.RESOLVED, S.CLOSED},
    )


def _name(people: People, person_id: str) -> str:
    person = people.by_id(person_id)
    return person.name if person is not None else person_id


def _headline(incident: Incident, at: datetime, told: _Account) -> str:
    minutes = int((at - incident.opened_at).total_seconds() // 60)
    age = f" · open {told.words(f'{minutes} min')}" if minutes else ""
    where = "/".join(p for p in (incident.environment, incident.service) if p)
    place = told.name(where) if where else "no service named"
    title = incident.title if len(incident.title) <= TITLE else incident.title[: TITLE - 1].rstrip() + "…"
    return f"{incident.severity.upper()} · {place} · {told.text(title)}{age}"


def _adds(reason: str, finding: Finding | None) -> bool:
    """Whether a reason says more than the finding's first line does."""
    first = finding.text.partition("\n")[0] if finding is not None else ""
    return bool(reason) and reason.casefold() != first.casefold()


def _told(finding: Finding) -> tuple[str, ...]:
    """The finding's own text, one thing a line: its name, how sure it is, and a bullet for each thing said."""
    first, *rest = finding.text.splitlines() or [""]
    name, cut, sure = first.partition(" · p ")
    out = [name, *([f"How sure: p {sure}"] if cut else [])]
    ruled_out = [r.text for r in finding.refuters if r.outcome.value == "clear"]
    against = [r.text for r in finding.refuters if r.outcome.value == "fired"]
    lists = {"Ruled out": ruled_out, "Against": against, "Not checked": list(finding.not_checked)}
    for line in rest:
        label, _, told = line.partition(": ")
        parts = lists.get(label, [])
        if len(parts) > 1 and told == "; ".join(parts):
            out += [f"{label}:", *(f"• {part}" for part in parts)]
        else:
            out.append(f"• {line[2:]}" if line.startswith("- ") else line)
    return tuple(out)


def _buttons(incident: Incident, taken: bool) -> tuple[Button, ...]:
    if incident.state in {S.RESOLVED, S.CLOSED}:
        return (Button(label="Details", data=f"d:{incident.id}"),)
    take = Button(label="Take over", data=f"t:{incident.id}")
    details = Button(label="Details", data=f"d:{incident.id}")
    return (details,) if taken else (take, details)


def _summary(finding: Finding | None, incident: Incident, tx: Tx, told: _Account) -> tuple[str, ...]:
    if finding is None:
        return ("No finding yet.",)
    lines = [finding.text.splitlines()[0] if finding.text else "No finding yet."]
    earlier = tx.run(
        select(func.count())
        .select_from(t.incidents)
        .where(
            t.incidents.c.title == incident.title,
            t.incidents.c.service == incident.service,
            t.incidents.c.environment == incident.environment,
            t.incidents.c.id < incident.id,
        )
    ).scalar_one()
    if earlier:
        lines.append(
            f"Seen before: {told.words(f'{earlier} earlier incident')}{'s' if earlier > 1 else ''} of this alert; "
            "/history tells them."
        )
    return tuple(lines)


def _so_far(run: Run, ask: Ask, approval: Approval | None, told: _Account) -> str:
    """One line of what was asked or done."""
    effect = run.proposal.effect
    if ask.waiting:
        return f"Proposed: {effect}; its own card asks"
    if ask.runbook:
        return f"For a person: {effect}; never run by the bot, the steps are in the thread"
    state = run.state.lower().replace("_", " ")
    decided = approval.state.lower() if approval is not None else ""
    by = f"{decided} by {told.text(approval.decided_by)}" if approval is not None and approval.decided_by else ""
    said = [by] if by else []
    return f"Action: {effect}: {', '.join(said if by and state == decided else [*said, state])}"


def _same(all_runs: Sequence[Run], run: Run) -> Sequence[Run]:
    """Earlier runs of the same action on the same target: one card is asked on, again and again."""
    plan = run.proposal
    return [
        r
        for r in all_runs
        if r.proposal.number < plan.number
        and (r.proposal.action, dict(r.proposal.parameters)) == (plan.action, dict(plan.parameters))
    ]


def _ask(
    tx: Tx, run: Run, earlier: Sequence[Run], finding: Finding | None, people: People, told: _Account
) -> tuple[Ask, Approval | None]:
    proposal = run.proposal
    approval = approvals.approval_of(tx, run.id)
    waiting = approval is not None and approval.state is ApprovalState.AWAITING
    values = {str(v) for v in proposal.parameters.values()}
    told.known |= values | {proposal.service, str(proposal.tier)}
    for said in (proposal.effect, proposal.undo, *proposal.requires, *proposal.runbook):
        told.known |= {token for token in tokens(said) if any(token in tokens(f"`{v}`") for v in values)}
    over = run.state not in runs.LIVE
    lines = []
    for before in earlier:
        lines.append(f"Tried before: {before.state.lower().replace('_', ' ')} ({told.text(before.reason)})")
        lines += _explained(before, told)
    decided = [*_question(run, approval, people, told), *_explained(run, told)]
    if not waiting and not proposal.runbook:
        lines += decided
    lines += _because(finding)
    lines += [f"Undo: {proposal.undo}"]
    if not over or proposal.runbook:
        lines += [
            f"Needs: {'; '.join(proposal.requires)}",
            f"Expect within {told.words(_span(proposal.check))}: "
            f"{'; '.join(_target(x, told) for x in proposal.check.targets)}",
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
        ),
        approval,
    )


def _explained(run: Run, told: _Account) -> Sequence[str]:
    """What a failing platform's words mean, where we know."""
    found = explain(run.reason)
    return [told.words(found)] if found else []


def _choices(approval: Approval) -> tuple[Button, ...]:
    return (
        Button(label="Approve", data=button("a", approval.id, approval.plan_hash), style="primary"),
        Button(label="Reject", data=button("r", approval.id, approval.plan_hash), style="danger"),
    )


def _behind(approval: Approval, proposal: Proposal, told: _Account) -> tuple[Button, ...]:
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


def _conflicts(tx: Tx, run: Run, told: _Account) -> Sequence[str]:
    """Other runs on the same service that have not ended."""
    rows = tx.all(
        select(t.action_runs.c.incident_id, t.action_runs.c.state, t.proposals.c.record)
        .join(t.proposals, t.proposals.c.id == t.action_runs.c.proposal_id)
        .where(t.action_runs.c.state.in_([s.value for s in runs.LIVE]), t.action_runs.c.id != run.id)
    )
    same = [r for r in rows if r["record"].get("service") == run.proposal.service]
    if not same:
        return ("Conflicts: none",)
    named = "; ".join(
        f"{told.name(r['incident_id'])} is {r['state'].lower()} on {told.name(run.proposal.service)}"
        for r in same[:3]
    )
    return (f"Conflicts: {named}",)


def _question(run: Run, approval: Approval | None, people: People, told: _Account) -> Sequence[str]:
    lines: list[str] = []
    if approval is not None and approval.state is ApprovalState.AWAITING:
        names = ", ".join(p.name for p in _eligible(approval, people)) or "nobody is configured"
        held = f" (held {told.count(approval.holds)} times)" if approval.holds else ""
        lines = [
            f"Tier {told.count(run.proposal.tier)}, {TIERS[run.proposal.mode]} · "
            f"plan {told.name(approval.plan_hash[:8])} · votes {told.count(len(approval.votes))} of "
            f"{told.count(approval.quorum)} · approvers: {told.text(names)}",
            f"Until {told.at(approval.deadline)}{held}. If nobody answers it EXPIRES and nothing is run.",
        ]
    elif approval is not None and approval.decided_by:
        at = f" at {told.at(approval.decided_at)}" if approval.decided_at else ""
        why = f": {told.text(approval.reason)}" if approval.reason else ""
        lines = [f"{approval.state.capitalize()} by {told.text(approval.decided_by)}{at}{why}"]
    ran = f"Run: {run.state.lower().replace('_', ' ')}" + (f" ({told.text(run.reason)})" if run.reason else "")
    return [*lines, ran] if approval is None or approval.state is not ApprovalState.AWAITING else lines


def _eligible(approval: Approval, people: People) -> Sequence[Person]:
    """Whose yes would count: approvers of what is acted on, save whoever asked for it."""
    return [p for p in people.approvers(approval.subject) if p.id != approval.proposed_by]


def _span(check: Check) -> str:
    seconds = int(check.give_up.total_seconds())
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def _place(target: Target) -> str:
    c = target.criterion
    return c.where.instance or (f"peers of {c.where.not_instance}" if c.where.not_instance else c.service)


def _target(target: Target, told: _Account) -> str:
    c = target.criterion
    value = told.reading(target.threshold, c.quantity)
    return f"{told.name(_place(target))} {told.title(c.quantity)} {SIGNS.get(c.op, c.op)} {value}"


def _outcome(tx: Tx, incident_id: IncidentId, told: _Account) -> tuple[str, ...]:
    """The newest verification: a mark for each sample, and what changed from before to now."""
    done = runs.of_incident(tx, incident_id)
    found = verifications.of_run(tx, done[-1].id) if done else None
    if found is None or not found[2]:
        return ()
    row, check, samples = found
    seen = [mark(check, s) for s in samples]
    marks = " ".join(MARKS[m] for m in seen)
    good = f"{told.count(seen.count(Mark.GOOD))} of {told.count(len(seen))} samples good"
    word = f" · {row['outcome'].lower()}" if row["outcome"] else " · watching"
    pairs = zip(check.targets, samples[-1].measured, strict=True)
    return (
        f"Verification: {good} ({marks}){word}",
        *(_change(target, measured, told) for target, measured in pairs),
    )


def _change(target: Target, measured: Measured, told: _Account) -> str:
    c = target.criterion
    told.known |= set(measured.evidence)
    before, value = told.reading(target.before, c.quantity), told.reading(measured.value, c.quantity)
    cited = " ".join(f"[{e}]" for e in measured.evidence)
    return f"• {told.name(_place(target))} {told.title(c.quantity)}: {before} → {value} {cited}".rstrip()


def _plea(tx: Tx, incident: Incident, people: People, told: _Account) -> Plea | None:
    standing = escalations.standing(tx, incident.id)
    if standing is None:
        return _answered(escalations.newest(tx, incident.id), told)
    told.known |= {str(standing.times)}
    lines = [f"Why: {told.text(standing.reason)}"]
    if standing.acked_by:
        at = f" at {told.at(standing.acked_at)}" if standing.acked_at else ""
        lines.append(f"{told.text(_name(people, standing.acked_by))} has it{at}.")
    elif standing.times > 1:
        lines.append(f"Asked {told.count(standing.times)} times; nobody has said yet that they have it.")
    else:
        lines.append("Press Take over to say that you have it.")
    return Plea(
        id=standing.id,
        times=standing.times,
        lines=tuple(lines),
        buttons=()
        if standing.acked_by
        else (Button(label="Take over", data=f"t:{incident.id}", style="primary"),),
        acked=bool(standing.acked_by),
    )


def _answered(last: escalations.Escalation | None, told: _Account) -> Plea | None:
    """A call that is over: its message says so, and has no button any more."""
    if last is None:
        return None
    lines = (f"Why: {told.text(last.reason)}", "It is over: nobody need come any more.")
    return Plea(id=last.id, times=last.times, lines=lines, buttons=(), acked=True)


def _chart(tx: Tx, incident_id: IncidentId, finding: Finding, told: _Account) -> Chart | None:
    """The cited metric with its onset, the change on record and the action that was run."""
    if finding.chart is None or finding.state in {FindingState.BLIND, FindingState.NO_FAULT}:
        return None
    try:
        item, blob = evidence.find(tx, finding.chart)
        reader = Reader(item, blob)
    except BadInput:
        return None  # a picture that cannot be drawn keeps no card back
    where = next(
        (
            s.claim.where
            for s in finding.claims
            if isinstance(s.claim, MetricValue | MetricChange) and s.claim.evidence == item.id
        ),
        Where(),
    )
    points = tuple(reader.line(where))
    if len(points) < 2:
        return None
    onset = reader.onset(where)
    threshold = next(
        (
            s.claim.threshold
            for s in finding.claims
            if isinstance(s.claim, MetricValue)
            and s.claim.evidence == item.id
            and s.claim.fact.value != "ratio_to_baseline"
        ),
        None,
    )
    return Chart(
        caption=told.words(f"{item.question.service} {QUANTITIES[item.question.name].title} ({item.probe})"),
        quantity=item.question.name,
        points=points,
        marks=tuple(_marks(tx, incident_id, finding)),
        onset=(to_ms(onset[0]), to_ms(onset[1])) if onset is not None else None,
        threshold=threshold,
    )


def _marks(tx: Tx, incident_id: IncidentId, finding: Finding) -> Iterable[ports.Mark]:
    for said in finding.claims:
        if isinstance(said.claim, ChangeFact):
            yield ports.Mark(at_ms=to_ms(said.claim.at), kind=MarkKind.CHANGE, label=said.claim.kind)
    for row in tx.all(
        select(t.events.c.at).where(t.events.c.incident_id == incident_id, t.events.c.kind == "run.executed")
    ):
        yield ports.Mark(at_ms=to_ms(row["at"]), kind=MarkKind.ACTION, label="action")
