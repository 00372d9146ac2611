"""What people say about what belongs together, and about work that is going on: merge, split, maintenance.

Their answers name titles, scopes and reasons from outside, so they note what they may say as they say it (G14).
"""

from collections.abc import Sequence
from datetime import timedelta

from actions.policy import Person
from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from bot.desk import steer, tell
from bot.journal import incidents, maintenance, merging
from bot.surfaces.accounted import Accounted
from bot.surfaces.ports import Reply
from bot.wiring.parts import DeskParts

SHOWN = 12
"""Alerts that are listed where one is to be chosen."""

LONGEST = timedelta(days=7)


def merge(incident_id: IncidentId, into: IncidentId, person: Person, parts: DeskParts) -> Reply:
    """One incident goes into another, with its alerts."""
    with parts.journal.write("incident.merged") as tx:
        for one in (incident_id, into):
            if not steer.may_respond(person, incidents.load(tx, one).subject):
                return steer.refuse(person, "responder")
        reason = f"{person.name} says that they are one"
        merging.merge(tx, incident_id, into, actor=person.name, reason=reason)
    told = Accounted()
    return tell.reply(
        told, told.words(f"{incident_id} goes on in {into}."), link=parts.link(into), incident_id=into, public=True
    )


def split(incident_id: IncidentId, alerts: Sequence[str], person: Person, parts: DeskParts) -> Reply:
    """Some alerts of an incident become one of their own; without any named, they are listed."""
    told = Accounted()
    with parts.journal.write("incident.split") as tx:
        if not steer.may_respond(person, incidents.load(tx, incident_id).subject):
            return steer.refuse(person, "responder")
        if not alerts:
            known = merging.alerts_of(tx, incident_id, SHOWN)
            lines = [
                f"{told.words(i)}  {state}  {told.name(service or '-')}  {told.cut(title)}"
                for i, title, service, state in known
            ]
            how = f"Name the alerts to take out of {incident_id}: {parts.prefix}split {incident_id} EP_…"
            return tell.reply(told, told.words(how), lines)
        new = merging.split(tx, incident_id, alerts, actor=person.name)
    text = told.words(f"{len(alerts)} alert(s) of {incident_id} are {new} now.")
    return tell.reply(told, text, link=parts.link(new), incident_id=new, public=True)


def begin(scope: str, lasts: timedelta, reason: str, person: Person, parts: DeskParts) -> Reply:
    """From now on alerts in *scope* are written down and wake nobody."""
    if not steer.may_respond(person, scope):
        return steer.refuse(person, "responder")
    if lasts > LONGEST:
        raise BadInput(f"maintenance lasts {LONGEST.days} d at most; begin it again then")
    with parts.journal.write("maintenance.begun") as tx:
        made = maintenance.begin(tx, scope=scope, reason=reason[:500], lasts=lasts, made_by=person.id)
    told = Accounted()
    until = told.words(f"{made.ends_at:%Y-%m-%d %H:%M}")
    return tell.reply(
        told,
        f"Maintenance of {told.name(scope)} until {until} UTC, by {told.text(person.name)}: "
        f"its alerts are written down and wake nobody; what is open there still closes. "
        f"{told.words(f'{parts.prefix}maintenance end {made.id}')} ends it.",
        public=True,
    )


def end(maintenance_id: str, person: Person, parts: DeskParts) -> Reply:
    """It is over; what still fires there is a new incident."""
    told = Accounted()
    with parts.journal.write("maintenance.ended") as tx:
        known = next((m for m in maintenance.standing(tx, to_come=True) if m.id == maintenance_id), None)
        if known is None:
            return tell.reply(told, f"There is no maintenance {told.cut(maintenance_id)} to end.")
        if not steer.may_respond(person, known.scope):
            return steer.refuse(person, "responder")
        maintenance.end(tx, maintenance_id, person.id)
    text = f"Maintenance of {told.name(known.scope)} is over: what still fires there is a new incident."
    return tell.reply(told, text, public=True)


def windows(parts: DeskParts) -> Reply:
    """What goes on and what is to come."""
    with parts.journal.read() as tx:
        found = maintenance.standing(tx, to_come=True)
    people, told = parts.people(), Accounted()
    lines = []
    for one in found:
        starts, ends = (told.words(f"{at:%m-%d %H:%M}") for at in (one.starts_at, one.ends_at))
        why = f": {told.cut(one.reason)}" if one.reason else ""
        lines.append(
            f"{told.words(one.id)}  {told.name(one.scope)}  {starts} to {ends} UTC, "
            f"by {told.person(people, one.made_by)}{why}"
        )
    return tell.reply(
        told, f"{told.count(len(found))} maintenance window(s)." if found else "No maintenance.", lines
    )
