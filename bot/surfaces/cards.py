"""What an incident's card says, without a platform: rendered from the journal alone, every value accounted for."""

from datetime import datetime

from sqlalchemy import func, select

from actions.approval import Approval
from actions.policy import People
from actions.ports import Run
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from agents.render import tokens
from bot.journal import escalations, evidence, incidents, runs, stops
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces.accounted import Accounted
from bot.surfaces.asks import ask_of, same_before
from bot.surfaces.incident_chart import chart_of
from bot.surfaces.outcome import outcome_of
from bot.surfaces.ports import Ask, Button, Card, Plea

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
}
NEXT = {
    S.TRIAGING: "; a finding comes next",
    S.REPORTED: "; looking whether an action fits it",
    S.MITIGATING: "; then it is watched whether it helped",
}
"""What happens by itself after a state, where that is not plain from its name."""

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
        told.known |= tokens(finding.text)  # passed G14 against its facts when it was made
    all_runs = runs.of_incident(tx, incident_id)
    asks = tuple(ask_of(tx, run, same_before(all_runs, run), finding, people, told) for run in all_runs)
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
        outcome=outcome_of(tx, incident_id, told),
        reason=told.text(incident.reason) if _adds(incident.reason, finding) else "",
        chart=chart_of(tx, incident_id, finding, told) if finding is not None else None,
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


def _headline(incident: Incident, at: datetime, told: Accounted) -> str:
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


def _summary(finding: Finding | None, incident: Incident, tx: Tx, told: Accounted) -> tuple[str, ...]:
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


def _so_far(run: Run, ask: Ask, approval: Approval | None, told: Accounted) -> str:
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


def _plea(tx: Tx, incident: Incident, people: People, told: Accounted) -> Plea | None:
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


def _answered(last: escalations.Escalation | None, told: Accounted) -> Plea | None:
    """A call that is over: its message says so, and has no button any more."""
    if last is None:
        return None
    lines = (f"Why: {told.text(last.reason)}", "It is over: nobody need come any more.")
    return Plea(id=last.id, times=last.times, lines=lines, buttons=(), acked=True)
