"""A call for a person on an incident's card: why, whom it calls, who has it."""

from actions.policy import People
from agents.incident.finding import Finding
from agents.incident.incident import Incident
from bot.journal import escalations
from bot.journal.journal import Tx
from bot.surfaces.accounted import Accounted
from bot.surfaces.ports import Button, Plea

RESPONDS = ("responder", "approver", "lead")
"""Roles that may take an incident over."""


def plea_of(tx: Tx, incident: Incident, people: People, told: Accounted, finding: Finding | None) -> Plea | None:
    """The call that stands for *incident*, or how the last one ended; ``None`` when nobody was ever called."""
    standing = escalations.standing(tx, incident.id)
    if standing is None:
        return _answered(escalations.newest(tx, incident.id), told, finding)
    told.count(standing.times)
    called = whom(incident, people)
    lines = _why(standing.reason, told, finding)
    if standing.acked_by:
        at = f" at {told.at(standing.acked_at)}" if standing.acked_at else ""
        lines.append(f"{told.person(people, standing.acked_by)} has it{at}.")
    elif not called:
        over = f" for {told.name(incident.subject)}" if incident.subject else ""
        lines.append(f"Nobody may respond{over}: give somebody that role in config/people.yaml.")
    elif standing.times > 1:
        lines.append(f"Asked {told.count(standing.times)} times; nobody has said yet that they have it.")
    else:
        lines.append("Press Take over to say that you have it.")
    take = Button(label="Take over", data=f"t:{incident.id}", style="primary")
    return Plea(
        id=standing.id,
        times=standing.times,
        lines=tuple(lines),
        buttons=() if standing.acked_by else (take,),
        acked=bool(standing.acked_by),
        called=called,
    )


def whom(incident: Incident, people: People) -> tuple[str, ...]:
    """Ids of those on call who may respond there; when there are none, of everybody who may."""
    there = [p for p in people.people if any(p.may(role, incident.subject) for role in RESPONDS)]
    on_call = [p for p in there if p.id in people.on_call]
    return tuple(p.id for p in on_call or there)


def _answered(last: escalations.Escalation | None, told: Accounted, finding: Finding | None) -> Plea | None:
    """A call that is over: its message says so, and has no button any more."""
    if last is None:
        return None
    lines = (*_why(last.reason, told, finding), "It is over: nobody need come any more.")
    return Plea(id=last.id, times=last.times, lines=lines, buttons=(), acked=True)


def _why(reason: str, told: Accounted, finding: Finding | None) -> list[str]:
    return [f"Why: {told.cut(reason)}"] if adds(reason, finding) else []


def adds(reason: str, finding: Finding | None) -> bool:
    """Whether a reason says more than the finding's first line does."""
    first = finding.text.partition("\n")[0] if finding is not None else ""
    return bool(reason.strip()) and reason.casefold() != first.casefold()
