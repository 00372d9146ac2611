"""What an incident's card says, without a platform: rendered from the journal alone, every value accounted for."""

from datetime import datetime

from sqlalchemy import func, select

from actions.approval import Approval
from actions.policy import People
from actions.ports import Run
from agents.incident.evidence import Reading
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from bot.journal import evidence, incidents, runs, spending, stops, storms
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces import thoughts
from bot.surfaces.accounted import Accounted
from bot.surfaces.asks import ask_of, same_before
from bot.surfaces.belongs import apart, belongs
from bot.surfaces.cutting import shortened, words
from bot.surfaces.incident_chart import chart_of
from bot.surfaces.outcome import outcome_of
from bot.surfaces.pleas import adds, plea_of
from bot.surfaces.ports import Ask, Button, Card

S = IncidentState

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
    S.MERGED: "merged into another incident",
    S.SUPPRESSED: "under maintenance: nobody is told",
}
NEXT = {
    S.TRIAGING: "; a finding comes next",
    S.REPORTED: "; looking whether an action fits it",
    S.MITIGATING: "; then it is watched whether it helped",
}
"""What happens by itself after a state, where that is not plain from its name."""

EFFECT = 300
"""What an action's effect may cost on the root card; its own card has it whole, or says that it has not."""

PLACE = 80
"""Characters of a service and its environment in a headline."""

UNREAD = 400
"""What the gaps of a finding that sees nothing may cost on the root card."""

TITLE = 120
"""Characters of an alert's title on a card; the page and the history have all of it."""


def card(tx: Tx, incident_id: IncidentId, people: People, *, link: str = "") -> Card:
    """The incident as of now."""
    told = Accounted()
    incident = incidents.load(tx, incident_id)
    row = tx.one(select(t.incidents.c.card_version, t.incidents.c.owner).where(t.incidents.c.id == incident_id))
    assert row is not None  # noqa: S101  # just loaded
    finding = evidence.latest_finding(tx, incident_id)
    if finding is not None:
        told.finding(finding)
    all_runs = runs.of_incident(tx, incident_id)
    tally = storms.tally(tx, incident_id)
    asks = tuple(ask_of(tx, run, same_before(all_runs, run), finding, people, told) for run in all_runs)
    last = asks[-1] if asks else None
    owner = people.by_id(row["owner"]) if row["owner"] else None
    state = STATES.get(incident.state, incident.state.lower()) + NEXT.get(incident.state, "")
    if owner is not None:
        state += f"; {told.text(owner.name)} has taken over, the bot does nothing on its own"
    stopped = stops.standing(tx, incident.subject)
    if stopped is not None:
        state += f"; stopped by {told.person(people, stopped.stopped_by)}, nothing is run"
    if last is not None and last[1] is not None and last[0].waiting:
        state += f"; it waits for an answer until {told.at(last[1].deadline)}, else it expires and nothing is run"
    return Card(
        incident_id=incident_id,
        version=row["card_version"],
        headline=_headline(incident, tx.now, told),
        state=state,
        summary=(
            *_summary(finding, incident, tx, told),
            *_model(tx, incident, told),
            *belongs(tx, incident, tally, told),
        ),
        finding_id=finding.id if finding is not None else None,
        finding=_told(finding) if finding is not None else (),
        actions=tuple(
            {ask.id: _so_far(run, ask, a, told) for run, (ask, a) in zip(all_runs, asks, strict=True)}.values()
        ),
        outcome=outcome_of(tx, all_runs, told),
        reason=told.cut(incident.reason) if adds(incident.reason, finding) else "",
        chart=chart_of(tx, incident_id, finding, told) if finding is not None else None,
        asks=tuple(ask for ask, _ in asks),
        plea=plea_of(tx, incident, people, told, finding),
        buttons=_buttons(incident, owner is not None),
        link=link,
        accounted=frozenset(told.known),
        reported=finding is not None and incident.state is not S.TRIAGING,
        over=incident.state in {S.MITIGATED, S.RESOLVED, S.CLOSED, S.MERGED},
        apart=apart(tx, incident, tally),
        loud=incident.state in {S.REPORTED, S.NEEDS_HUMAN, S.MITIGATED, S.RESOLVED, S.CLOSED},
    )


def _headline(incident: Incident, at: datetime, told: Accounted) -> str:
    minutes = int((at - incident.opened_at).total_seconds() // 60)
    age = f" · open {told.words(f'{minutes} min')}" if minutes else ""
    where = "/".join(p for p in (incident.environment, incident.service) if p)
    place = told.name(words(where, PLACE)) if where else "no service named"
    return f"{incident.severity.upper()} · {place} · {told.text(words(incident.title, TITLE))}{age}"


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
    if incident.state in {S.RESOLVED, S.CLOSED, S.MERGED}:
        return (Button(label="Details", data=f"d:{incident.id}"),)
    take = Button(label="Take over", data=f"t:{incident.id}")
    details = Button(label="Details", data=f"d:{incident.id}")
    return (details,) if taken else (take, details)


def _summary(finding: Finding | None, incident: Incident, tx: Tx, told: Accounted) -> tuple[str, ...]:
    if finding is None:
        return ("No finding yet.",)
    lines = [finding.text.splitlines()[0] if finding.text else "No finding yet."]
    if finding.state is FindingState.BLIND:
        lines.append(f"Could not be read: {_unread(tx, finding, told)}")
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


def _model(tx: Tx, incident: Incident, told: Accounted) -> tuple[str, ...]:
    """What a model had to do with it, if one is configured."""
    said = thoughts.notice(spending.latest(tx, incident.id), told)
    return (said,) if said else ()


def _unread(tx: Tx, finding: Finding, told: Accounted) -> str:
    """What a finding that sees nothing could not see, as it says itself or as its readings have it."""
    gaps = list(finding.not_checked)
    if not gaps:
        looked = evidence.of_look(tx, finding.incident_id, attempt=finding.attempt, look=finding.look)
        blind = dict.fromkeys(
            (e.probe, e.question.name, e.question.entity) for e in looked if e.reading is Reading.COULD_NOT_LOOK
        )
        gaps = [f"{told.name(what)} of {told.name(of)} by {told.name(by)}" for by, what, of in blind]
        if looked and not gaps:
            gaps = ["what users feel; every probe answered, none of them with that"]
    return shortened("; ".join(gaps), UNREAD) or "no probe was asked (config/probes.yaml)"


def _so_far(run: Run, ask: Ask, approval: Approval | None, told: Accounted) -> str:
    """One line of what was asked or done."""
    effect = shortened(run.proposal.effect, EFFECT)
    if ask.waiting:
        return f"Proposed: {effect}; its own card asks"
    if ask.runbook:
        return f"For a person: {effect}; never run by the bot, the steps are in the thread"
    state = run.state.lower().replace("_", " ")
    decided = approval.state.lower() if approval is not None else ""
    by = f"{decided} by {told.text(approval.decided_by)}" if approval is not None and approval.decided_by else ""
    said = [by] if by else []
    return f"Action: {effect}: {', '.join(said if by and state == decided else [*said, state])}"
