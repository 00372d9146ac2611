"""Two incidents that are one, and one that is two: alerts go from one to the other, nothing is deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from agents.incident.errors import BadInput, Refused
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert, AlertStatus, Incident, Severity
from agents.incident.lifecycle import IncidentState
from bot.journal import approvals, incidents, runs
from bot.journal import tables as t
from bot.journal.incidents import ENGINE, OVER
from bot.journal.journal import Tx

S = IncidentState
SPLIT_OFF = ""
"""The group of an episode that a person took out of its sender's group: whatever it says of itself later."""

_e = t.episodes.c


def merge(
    tx: Tx, incident_id: IncidentId, into: IncidentId, *, actor: str, reason: str, told: bool = True
) -> Incident:
    """Everything of one incident belongs to another from now on. Returns the other.

    Args:
        told: Whether it is a line of the other's history.

    Raises Refused where an action runs for it, where either is over, or where they are of two environments:
    what is read for one could then be read for the other.
    """
    tx.serialise(ENGINE)
    if incident_id == into:
        raise Refused("an incident cannot be merged into itself")
    first, second = sorted((incident_id, into))
    loaded = {i: incidents.load(tx, i, lock=True) for i in (first, second)}
    one, other = loaded[incident_id], loaded[into]
    if one.state in OVER or other.state in OVER:
        over = one if one.state in OVER else other
        raise Refused(f"{over.id} is {over.state.lower()} already; nothing was merged")
    if one.environment != other.environment:
        raise Refused(f"{one.id} is of {one.environment}, {other.id} of {other.environment}: they stay apart")
    if any(r.state in runs.LIVE - runs.WAITING for r in runs.of_incident(tx, one.id)):
        raise Refused(f"an action is under way for {one.id}; it has to end first")
    approvals.cancel_open(tx, one.id, f"merged into {other.id}")
    tx.run(t.episodes.update().where(_e.incident_id == one.id).values(incident_id=other.id))
    tx.run(t.incidents.update().where(t.incidents.c.waiting_on == one.id).values(waiting_on=other.id))
    tx.run(t.incidents.update().where(t.incidents.c.id == one.id).values(merged_into=other.id, alert_firing=False))
    incidents.move(tx, incidents.load(tx, one.id), S.MERGED, actor=actor, reason=reason, into=other.id)
    if one.alert_firing:
        incidents.fires(tx, other.id, firing=True)
    incidents.louder(tx, other.id, one.severity)
    if one.priority < other.priority:
        tx.run(t.incidents.update().where(t.incidents.c.id == other.id).values(priority=one.priority))
    if other.state is S.WAITING_ON and other.waiting_on == one.id:
        # What it waited for is now its own: nobody else's end would ever wake it.
        tx.run(t.incidents.update().where(t.incidents.c.id == other.id).values(waiting_on=None))
        incidents.move(
            tx, incidents.load(tx, other.id), S.TRIAGING, actor=actor, reason=f"{one.id} is part of it now"
        )
        tx.ring("diagnose", other.id)
    if told:
        tx.event(other.id, actor, "incident.absorbed", other=one.id, reason=reason)
    return incidents.load(tx, other.id)


def split(tx: Tx, incident_id: IncidentId, episode_ids: Sequence[str], *, actor: str) -> IncidentId:
    """Some alerts of an incident are a matter of their own: a new incident, looked into from the start."""
    tx.serialise(ENGINE)
    incident = incidents.load(tx, incident_id, lock=True)
    if incident.state in OVER:
        raise Refused(f"{incident.id} is {incident.state.lower()} already; nothing was split off")
    rows = tx.all(select(t.episodes).where(_e.incident_id == incident_id).order_by(_e.id))
    wanted = set(episode_ids)
    chosen = [r for r in rows if r["id"] in wanted]
    if not chosen:
        known = ", ".join(r["id"] for r in rows[:8])
        raise BadInput(f"none of these alerts is in {incident_id}; it has {known}")
    if len(chosen) == len(rows):
        raise Refused(f"that would leave {incident_id} without an alert; nothing was split off")
    alone = replace(alert_of(chosen[0]), group=None)  # what else comes of the group belongs where the rest is
    new = incidents.open_one(tx, alone, priority=incident.priority)
    mine = _e.id.in_([r["id"] for r in chosen])
    tx.run(t.episodes.update().where(mine).values(incident_id=new, group_key=SPLIT_OFF))
    left = [r for r in rows if r["id"] not in wanted]
    for where, of in ((new, chosen), (incident_id, left)):
        incidents.fires(tx, where, firing=any(r["state"] == "open" for r in of))
    tx.event(incident_id, actor, "incident.split", other=new, alerts=len(chosen))
    tx.event(new, actor, "incident.split_off", other=incident_id, alerts=len(chosen))
    tx.ring("diagnose", new)
    tx.ring("settle", incident_id)
    return new


def alert_of(row: Mapping[str, Any]) -> Alert:
    """The firing alert that an episode was begun by, as far as the episode keeps it."""
    return Alert(
        source=row["source"],
        identity=row["identity"],
        status=AlertStatus.FIRING,
        title=row["title"],
        severity=Severity(row["severity"]),
        service=row["service"],
        environment=row["environment"],
        started_at=row["started_at"],
        at=row["at"],
        entity=row["entity"],
        labels=row["labels"],
        group=row["group_key"],
    )


def alerts_of(tx: Tx, incident_id: IncidentId, limit: int = 50) -> Sequence[tuple[str, str, str, str]]:
    """(episode id, title, service, state) of the alerts of an incident, newest first."""
    rows = tx.all(
        select(_e.id, _e.title, _e.service, _e.state)
        .where(_e.incident_id == incident_id)
        .order_by(_e.id.desc())
        .limit(limit)
    )
    return [(r["id"], r["title"], r["service"] or "", r["state"]) for r in rows]
