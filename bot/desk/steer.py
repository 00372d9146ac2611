"""What people may do to the machine itself: stop it, let it go on, take an incident from it, say it was wrong."""

from datetime import timedelta

from actions.policy import Person
from agents.incident.errors import Refused
from agents.incident.ids import IncidentId, new_id
from agents.incident.lifecycle import IncidentState
from agents.incident.quantities import QUANTITIES
from agents.incident.redaction import redact
from bot import relook
from bot.desk import tell
from bot.journal import approvals, escalations, evidence, incidents, runs, stops
from bot.journal import tables as t
from bot.surfaces.pleas import RESPONDS
from bot.surfaces.ports import Reply
from bot.wiring.parts import DeskParts

S = IncidentState
ASKS_AN_HOUR = 6
"""Starting value: how often one person may have one service looked at in an hour."""

UNDECIDED = frozenset({S.RECEIVED, S.TRIAGING, S.WAITING_ON, S.REPORTED, S.PROPOSED, S.REOPENED})


def may_respond(person: Person, subject: str = "") -> bool:
    """Responders, approvers and leads may stop, hold, take over, ask and judge."""
    return any(person.may(role, subject) for role in RESPONDS)


def refuse(person: Person, role: str) -> Reply:
    """Why not, and who may."""
    return Reply(text=f"You may not do this, {person.name}: it needs the role {role} (config/people.yaml).")


def stop(scope: str, person: Person, parts: DeskParts, reason: str = "") -> Reply:
    """Nothing in *scope* is run from now on. What is half-way is brought to its end."""
    if not may_respond(person):
        return refuse(person, "responder")
    with parts.journal.write("stop") as tx:
        stops.stop(tx, scope, person.id, reason)
        live = runs.in_state(tx, *(runs.LIVE - runs.WAITING))
    what = "Everything is" if scope == "*" else f"{scope} is"
    going = f" Still going on: {len(live)} action(s), which are brought to their end." if live else ""
    return Reply(
        text=f"{what} stopped by {person.name}; nothing more is run.{going} A lead lifts it.", public=True
    )


def resume(scope: str, person: Person, parts: DeskParts) -> Reply:
    """Lift a stop."""
    if not person.may("lead", scope):  # over everything: only whoever leads everything
        return refuse(person, "lead")
    with parts.journal.write("stop.lifted") as tx:
        lifted = stops.lift(tx, scope, person.id)
        left = stops.all_standing(tx)
    if not lifted:
        scopes = ", ".join(s.scope for s in left) or "nothing"
        return Reply(text=f"There is no stop of {scope} to lift. Stopped now: {scopes}.")
    return Reply(
        text=f"{scope if scope != '*' else 'Everything'} may run again: lifted by {person.name}.", public=True
    )


def take_over(incident_id: IncidentId, person: Person, parts: DeskParts) -> Reply:
    """From now on the machine begins nothing in this incident; its open questions are withdrawn."""
    with parts.journal.write("incident.taken") as tx:
        incident = incidents.load(tx, incident_id, lock=True)
        if not may_respond(person, incident.subject):
            return refuse(person, "responder")
        if incident.state in incidents.OVER:
            return Reply(text=f"{incident_id} is over; there is nothing left to take.")
        owner = incidents.owner(tx, incident_id)
        called = escalations.standing(tx, incident_id)
        unheard = called is not None and called.acked_by is None  # whoever had it was called and did not answer
        if not incidents.take_over(tx, incident_id, person.id, person.name, instead_of=owner if unheard else None):
            has = parts.people().by_id(owner or "")
            return Reply(text=f"{has.name if has is not None else 'Somebody'} already has it.")
        approvals.cancel_open(tx, incident_id, f"{person.name} took the incident over")
        escalations.acknowledge(tx, incident_id, person.id)
        incident = incidents.load(tx, incident_id)
        if incident.state in UNDECIDED:
            reason = f"{person.name} took it over"
            incidents.move(tx, incident, S.NEEDS_HUMAN, actor=person.name, reason=reason)
    return Reply(
        text=f"It is yours, {person.name}: the bot begins nothing in {incident_id}. "
        f"{parts.prefix}release gives it back."
    )


def release(incident_id: IncidentId, person: Person, parts: DeskParts) -> Reply:
    """Give an incident back."""
    with parts.journal.write("incident.given_back") as tx:
        if not incidents.give_back(tx, incident_id, person.id, person.name):
            return Reply(text=f"{incident_id} is not yours to give back.")
        escalations.call_again(tx, incident_id)
    return Reply(
        text=f"{incident_id} is nobody's now: the bot may propose there at its next attempt, and where a person "
        "is needed one is asked for again."
    )


def title(symptom: str) -> str:
    """What an incident is called that somebody asked for; *symptom* is a quantity's name, or empty."""
    return "asked for in chat" + (f": {QUANTITIES[symptom].title}" if symptom else "")


def diagnose(
    service: str, environment: str, window: timedelta | None, title: str, person: Person, parts: DeskParts
) -> Reply:
    """Look into a service now; an incident that is open for it is joined."""
    if not may_respond(person, f"{environment}/{service}"):
        return refuse(person, "responder")
    with parts.journal.write("asked") as tx:
        asked = incidents.asked_lately(tx, person.id, service, timedelta(hours=1))
        if asked >= ASKS_AN_HOUR:
            raise Refused(f"you asked about {service} {asked} times within the hour; wait, or take what is known")
        incident_id, new = incidents.open_asked(
            tx,
            service=service,
            environment=environment,
            title=title,
            person_id=person.id,
            name=person.name,
            window=window,
        )
        state = incidents.load(tx, incident_id).state
    link = parts.link(incident_id)
    if not new:
        return Reply(
            text=f"{incident_id} is open for {service} ({state.lower()}).", link=link, incident_id=incident_id
        )
    return Reply(
        text=f"Looking at {service} in {environment}: first word within 10 s, as {incident_id}.",
        link=link,
        incident_id=incident_id,
    )


def look_again(incident_id: IncidentId, person: Person, parts: DeskParts) -> Reply:
    """Look again at what was reported: a finding that no longer stands is taken back, with its question."""
    with parts.journal.write("asked.again") as tx:
        incident = incidents.load(tx, incident_id)
        if not may_respond(person, incident.subject):
            return refuse(person, "responder")
        if incident.state not in relook.OPEN:
            return tell.one(incident_id, parts)
        relook.ask(tx, incident_id, person.name)
    return Reply(
        text=f"Looking again at {incident_id}: what comes of it is told there.",
        link=parts.link(incident_id),
        incident_id=incident_id,
    )


def close(incident_id: IncidentId, person: Person, parts: DeskParts) -> Reply:
    """End an incident that somebody asked for; one that an alert opened ends with its alert."""
    with parts.journal.write("incident.ended") as tx:
        incident = incidents.load(tx, incident_id, lock=True)
        if not may_respond(person, incident.subject):
            return refuse(person, "responder")
        if not incident.asked_by:
            return Reply(text="An alert opened this one: it ends when the alert does.")
        approvals.cancel_open(tx, incident_id, f"{person.name} ended the incident")
        if any(r.state in runs.LIVE for r in runs.of_incident(tx, incident_id)):
            return Reply(text="An action is under way here; it ends with that.")
        incidents.close_asked(
            tx, incidents.load(tx, incident_id), actor=person.name, reason=f"ended by {person.name}"
        )
    return Reply(text=f"{incident_id} is ended.")


VERDICTS = ("right", "wrong", "partly")


def feedback(incident_id: IncidentId, verdict: str, cause: str, person: Person, parts: DeskParts) -> Reply:
    """Whether the finding was right, for the accounts that autonomy is earned by."""
    with parts.journal.write("feedback") as tx:
        incident = incidents.load(tx, incident_id)
        if not may_respond(person, incident.subject):
            return refuse(person, "responder")
        finding = evidence.latest_finding(tx, incident_id)
        if finding is None:
            return Reply(text="There is no finding yet to judge.")
        tx.run(
            t.feedback.insert().values(
                id=new_id("FB"),
                incident_id=incident_id,
                finding_id=finding.id,
                person_id=person.id,
                verdict=verdict,
                cause=redact(cause)[:500],
                at=tx.now,
            )
        )
        tx.event(incident_id, person.name, "feedback.given", verdict=verdict)
    more = (
        "" if cause or verdict == "right" else " If you know the cause, say it too: it is kept with this incident."
    )
    return Reply(text=f"Noted: the finding of {incident_id} was {verdict}.{more}")
