"""Incidents: opened, moved by compare-and-set, never moved back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select

from agents.incident.catalogue import Service
from agents.incident.errors import BadInput, Refused
from agents.incident.ids import IncidentId, new_id
from agents.incident.incident import Alert, Incident, Severity
from agents.incident.lifecycle import REOPENS, IncidentState, incident_may
from bot.grouping import Kind, priority, worse
from bot.journal import escalations
from bot.journal import tables as t
from bot.journal.journal import Tx

S = IncidentState
OVER = frozenset({S.RESOLVED, S.CLOSED, S.SUPPRESSED, S.MERGED})
ENGINE = "grouping"
"""Who did it, in the history; and what is done by one transaction at a time."""


def _incident(row: Mapping[str, Any]) -> Incident:
    return Incident(
        id=IncidentId(row["id"]),
        source=row["source"],
        identity=row["identity"],
        title=row["title"],
        severity=Severity(row["severity"]),
        service=row["service"],
        environment=row["environment"],
        summary=row["summary"],
        state=IncidentState(row["state"]),
        attempt=row["attempt"],
        look=row["look"],
        version=row["version"],
        opened_at=row["opened_at"],
        alert_started_at=row["alert_started_at"],
        alert_firing=row["alert_firing"],
        reason=row["reason"],
        asked_by=row["asked_by"],
        window=timedelta(seconds=row["window_s"]) if row["window_s"] else None,
        kind=row["kind"],
        priority=row["priority"],
        waiting_on=row["waiting_on"],
        merged_into=row["merged_into"],
    )


def load(tx: Tx, incident_id: IncidentId, *, lock: bool = False) -> Incident:
    """The incident as it is now; BadInput when there is none."""
    query = select(t.incidents).where(t.incidents.c.id == incident_id)
    # Its key never changes, so rows that point to it may be written meanwhile; a full lock would deadlock on them.
    row = tx.one(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise BadInput(f"there is no incident {incident_id!r}")
    return _incident(row)


def recent(tx: Tx, limit: int = 50) -> list[Incident]:
    """The newest incidents first."""
    return [_incident(r) for r in tx.all(select(t.incidents).order_by(t.incidents.c.id.desc()).limit(limit))]


def move(tx: Tx, incident: Incident, to: IncidentState, *, actor: str, reason: str = "", **data: Any) -> Incident:
    """One move by compare-and-set, with its line of history. Raises Refused when somebody else moved it."""
    if not incident_may(incident.state, to):
        raise Refused(f"incident {incident.id} cannot go from {incident.state} to {to}")
    attempt = incident.attempt + ((incident.state, to) in REOPENS)
    changed = tx.changed(
        t.incidents.update()
        .where(
            t.incidents.c.id == incident.id,
            t.incidents.c.state == incident.state.value,
            t.incidents.c.version == incident.version,
        )
        .values(
            state=to.value,
            version=incident.version + 1,
            attempt=attempt,
            state_since=tx.now,
            heartbeat_at=tx.now,
            look=1 if attempt != incident.attempt else t.incidents.c.look,
            look_at=None,
            triage_tries=0 if attempt != incident.attempt else t.incidents.c.triage_tries,
            reason=reason,
        )
    )
    if changed != 1:
        raise Refused(f"incident {incident.id} was moved by somebody else")
    tx.event(incident.id, actor, "incident." + to.value.lower(), reason=reason, **data)
    if to is S.NEEDS_HUMAN:
        escalations.open_one(tx, incident.id, reason, owner=_present(tx, incident.id))
    elif to in OVER | {S.MITIGATED, S.REOPENED}:
        escalations.close(tx, incident.id)
    return load(tx, incident.id)


def open_one(tx: Tx, alert: Alert, *, priority: int, kind: Kind = Kind.ORDINARY) -> IncidentId:
    """A new incident, as *alert* tells it."""
    incident = IncidentId(new_id("INC"))
    tx.run(
        t.incidents.insert().values(
            id=incident,
            source=alert.source,
            identity=alert.identity,
            title=alert.title,
            severity=alert.severity.value,
            service=alert.service,
            environment=alert.environment,
            summary=alert.summary,
            state=S.RECEIVED.value,
            attempt=1,
            version=1,
            card_version=0,
            opened_at=tx.now,
            alert_started_at=alert.started_at or alert.at or tx.now,
            alert_firing=True,
            state_since=tx.now,
            kind=kind.value,
            priority=priority,
            group_key=alert.group[:400] if alert.group else None,
            entity=alert.entity[:200] if alert.entity else None,
            last_alert_at=tx.now,
        )
    )
    tx.event(incident, alert.source, "alert.firing", title=alert.title, summary=alert.summary)
    return incident


def fires(tx: Tx, incident_id: IncidentId, *, firing: bool) -> None:
    """Whether one of its alerts fires."""
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(alert_firing=firing))


def heard(tx: Tx, incident_id: IncidentId) -> None:
    """Another alert of it came: for a while it takes in more."""
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(last_alert_at=tx.now))


def louder(tx: Tx, incident_id: IncidentId, severity: Severity) -> bool:
    """Take a severity that is worse than its own."""
    incident = load(tx, incident_id)
    if not worse(severity, incident.severity):
        return False
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(severity=severity.value))
    return True


def priority_of(alert: Alert, service: Service | None) -> int:
    """1 (now) to 4, as policy reads what the sender says and what the catalogue knows."""
    return priority(alert.severity, service.criticality if service is not None else "normal", alert.labels)


def raise_severity(tx: Tx, incident_id: IncidentId, alert: Alert, service: Service | None) -> bool:
    """A worse severity raises the priority, and people are told once."""
    if not louder(tx, incident_id, alert.severity):
        return False
    raised = min(priority_of(alert, service), load(tx, incident_id).priority)
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(priority=raised))
    tx.event(incident_id, alert.source, "incident.raised", severity=alert.severity.value, priority=raised)
    return True


MAY_WAIT = frozenset({S.RECEIVED, S.TRIAGING, S.REPORTED})


def wait(tx: Tx, incident: Incident, on: IncidentId, *, actor: str) -> None:
    """Do nothing about it until another one is over, or has taken too long."""
    tx.run(t.incidents.update().where(t.incidents.c.id == incident.id).values(waiting_on=on))
    move(tx, incident, S.WAITING_ON, actor=actor, reason=f"what it relies on has {on}", on=on)


def waits_over(tx: Tx, at_most: timedelta) -> None:
    """Look into what has waited long enough, or for something that is over; what no longer fires is settled."""
    for row in in_state(tx, S.WAITING_ON):
        on = tx.one(select(t.incidents.c.state).where(t.incidents.c.id == row["waiting_on"]))
        ended = on is None or S(on["state"]) in OVER
        if not ended and tx.now - row["state_since"] <= at_most:
            continue
        if not row["alert_firing"]:
            tx.ring("settle", row["id"])
            continue
        reason = f"{row['waiting_on']} is over and this goes on" if ended else "waited long enough"
        move(tx, load(tx, IncidentId(row["id"]), lock=True), S.TRIAGING, actor="clock", reason=reason)
        tx.ring("diagnose", row["id"])


def look_from(tx: Tx, incident: Incident, after: timedelta, *, actor: str) -> None:
    """Begin to look, not before *after* has passed: what belongs together is still coming in."""
    move(tx, incident, S.TRIAGING, actor=actor)
    later = {"look_at": tx.now + after, "heartbeat_at": tx.now + after}
    tx.run(t.incidents.update().where(t.incidents.c.id == incident.id).values(**later))


def placed(tx: Tx, incident_id: IncidentId, service: Service) -> None:
    """It is about this service, as it turned out."""
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(service=service.name))
    tx.event(incident_id, ENGINE, "incident.placed", service=service.name)


def more_urgent(tx: Tx, than: Incident) -> IncidentId | None:
    """The most urgent incident that nobody has begun to look into, if it is more urgent than *than*."""
    row = tx.one(
        select(t.incidents.c.id)
        .where(
            t.incidents.c.state.in_([S.RECEIVED.value, S.REOPENED.value]),
            t.incidents.c.priority < than.priority,
        )
        .order_by(t.incidents.c.priority, t.incidents.c.id)
        .limit(1)
    )
    return IncidentId(row["id"]) if row is not None else None


def open_asked(
    tx: Tx, *, service: str, environment: str, title: str, person_id: str, name: str, window: timedelta | None
) -> tuple[IncidentId, bool]:
    """The open incident of a service, or a new one that a person asked for. Returns it and whether it is new."""
    tx.serialise(ENGINE)
    live = tx.one(
        select(t.incidents.c.id)
        .where(
            t.incidents.c.service == service,
            t.incidents.c.environment == environment,
            t.incidents.c.state.not_in([s.value for s in OVER]),
        )
        .order_by(t.incidents.c.id.desc())
        .limit(1)
    )
    if live is not None:
        return IncidentId(live["id"]), False
    incident_id = IncidentId(new_id("INC"))
    tx.run(
        t.incidents.insert().values(
            id=incident_id,
            source="chat",
            identity=f"asked:{environment}/{service}",
            title=title,
            severity=Severity.INFO.value,
            service=service,
            environment=environment,
            summary="",
            state=S.RECEIVED.value,
            attempt=1,
            version=1,
            card_version=0,
            opened_at=tx.now,
            alert_started_at=tx.now,
            alert_firing=True,
            state_since=tx.now,
            asked_by=person_id,
            window_s=int(window.total_seconds()) if window is not None else None,
        )
    )
    tx.event(incident_id, name, "incident.asked")
    tx.ring("diagnose", incident_id)
    return incident_id, True


def asked_lately(tx: Tx, person_id: str, service: str, within: timedelta) -> int:
    """How often a person has asked about a service."""
    return int(
        tx.run(
            select(func.count())
            .select_from(t.incidents)
            .where(
                t.incidents.c.asked_by == person_id,
                t.incidents.c.service == service,
                t.incidents.c.opened_at > tx.now - within,
            )
        ).scalar_one()
    )


def close_asked(tx: Tx, incident: Incident, *, actor: str, reason: str) -> Incident:
    """End an incident that no alert will end."""
    tx.run(t.incidents.update().where(t.incidents.c.id == incident.id).values(alert_firing=False))
    return move(tx, incident, S.RESOLVED, actor=actor, reason=reason)


def in_state(tx: Tx, *states: IncidentState) -> list[Mapping[str, Any]]:
    """Rows of incidents in these states."""
    return tx.all(select(t.incidents).where(t.incidents.c.state.in_([s.value for s in states])))


def triage_again(tx: Tx, incident_id: IncidentId) -> None:
    """Count another try of a triage that went silent."""
    tx.run(
        t.incidents.update()
        .where(t.incidents.c.id == incident_id)
        .values(triage_tries=t.incidents.c.triage_tries + 1, heartbeat_at=tx.now)
    )


def since(tx: Tx, incident_id: IncidentId) -> datetime:
    """When the incident came to the state it is in."""
    at: datetime = tx.run(select(t.incidents.c.state_since).where(t.incidents.c.id == incident_id)).scalar_one()
    return at


def look_again(tx: Tx, incident: Incident, after: timedelta, actor: str) -> None:
    """Keep an attempt open for another look: its evidence may not have come yet."""
    tx.run(
        t.incidents.update()
        .where(t.incidents.c.id == incident.id, t.incidents.c.look == incident.look)
        .values(look=incident.look + 1, look_at=tx.now + after, heartbeat_at=tx.now + after)
    )
    tx.event(incident.id, actor, "triage.look_again", after_s=after.total_seconds())


def looks_due(tx: Tx) -> list[IncidentId]:
    """Incidents whose next look has come; each is told once."""
    due = t.incidents.c.look_at <= tx.now
    rows = tx.all(select(t.incidents.c.id).where(t.incidents.c.state == S.TRIAGING.value, due))
    tx.run(t.incidents.update().where(t.incidents.c.id.in_([r["id"] for r in rows])).values(look_at=None))
    return [IncidentId(r["id"]) for r in rows]


def any_look_due(tx: Tx) -> bool:
    """Whether a look has come due."""
    due = select(t.incidents.c.id).where(t.incidents.c.state == S.TRIAGING.value, t.incidents.c.look_at <= tx.now)
    return tx.one(due.limit(1)) is not None


def looks_later(tx: Tx, incident_id: IncidentId) -> bool:
    """Whether the next look of this incident is still to come."""
    row = tx.one(select(t.incidents.c.look_at).where(t.incidents.c.id == incident_id))
    return row is not None and row["look_at"] is not None and row["look_at"] > tx.now


def owner(tx: Tx, incident_id: IncidentId) -> str | None:
    """The person who has taken the incident over, if one has."""
    found: str | None = tx.run(select(t.incidents.c.owner).where(t.incidents.c.id == incident_id)).scalar()
    return found


def _present(tx: Tx, incident_id: IncidentId) -> str | None:
    """Its owner, unless it ended and came back since: who had it yesterday may be asleep."""
    row = tx.one(select(t.incidents.c.owner, t.incidents.c.owned_at).where(t.incidents.c.id == incident_id))
    if row is None or row["owner"] is None:
        return None
    reopened: datetime | None = tx.run(
        select(func.max(t.events.c.at)).where(
            t.events.c.incident_id == incident_id, t.events.c.kind == "incident.reopened"
        )
    ).scalar()
    found: str = row["owner"]
    return None if reopened is not None and row["owned_at"] < reopened else found


def take_over(
    tx: Tx, incident_id: IncidentId, person_id: str, name: str, *, instead_of: str | None = None
) -> bool:
    """A person has it: from now on nothing begins by itself. False when somebody else already has it.

    Args:
        instead_of: An owner who did not come when called, from whom it may be taken.
    """
    free = t.incidents.c.owner.is_(None)
    changed = tx.changed(
        t.incidents.update()
        .where(
            t.incidents.c.id == incident_id,
            free if instead_of is None else or_(free, t.incidents.c.owner == instead_of),
        )
        .values(owner=person_id, owned_at=tx.now)
    )
    if changed:
        tx.event(incident_id, name, "incident.taken")
    return changed > 0


def give_back(tx: Tx, incident_id: IncidentId, person_id: str, name: str) -> bool:
    """The machine may propose again. Only whoever has it gives it back."""
    changed = tx.changed(
        t.incidents.update()
        .where(t.incidents.c.id == incident_id, t.incidents.c.owner == person_id)
        .values(owner=None, owned_at=None)
    )
    if changed:
        tx.event(incident_id, name, "incident.given_back")
    return changed > 0
