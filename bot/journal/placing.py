"""Which incident a new episode is in: one that a rule finds, a storm, one that waits for another, or a new one."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import and_, or_, select

from agents.incident.catalogue import Service
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert
from agents.incident.lifecycle import IncidentState
from bot import grouping as g
from bot.grouping import Grouping, Kind, Meets, Open, Rule, Rules, Scene, Use
from bot.journal import incidents, storms
from bot.journal import tables as t
from bot.journal.incidents import ENGINE, OVER
from bot.journal.journal import Tx

S = IncidentState
_e = t.episodes.c


def place(tx: Tx, alert: Alert, service: Service | None, grouping: Grouping) -> IncidentId:
    """Join, wait, storm or stand alone: the rules over what is open in this environment."""
    rules = grouping.rules
    scene = Scene(
        alert=alert, service=service, open=_open(tx, alert, service, grouping), grouping=grouping, now=tx.now
    )
    met = g.meets(scene)
    for shadow in (m for m in met if m.shadow):
        tx.event(shadow.incident_id, ENGINE, "grouping.shadow", rule=shadow.rule.value, title=alert.title)
    decided = next((m for m in met if not m.shadow), None)
    if decided is not None and not decided.waits:
        return _join(tx, alert, service, decided)
    storm = storms.active(tx, alert.environment, rules)
    if storm is None and storms.begins(tx, alert, grouping):
        storm = storms.begin(tx, alert, rules)
    if storm is not None:
        storms.join(tx, storm, alert)
        return storm
    others = _on_entity(tx, alert, rules)
    if others and rules.uses[Rule.ENTITY] is Use.USE:
        return _gather(tx, alert, others)
    incident_id = incidents.open_one(tx, alert, priority=incidents.priority_of(alert, service))
    if others:
        tx.event(incident_id, ENGINE, "grouping.shadow", rule=Rule.ENTITY.value, title=alert.entity or "")
    if decided is not None:
        incidents.wait(tx, incidents.load(tx, incident_id), decided.incident_id, actor=ENGINE)
    else:
        tx.ring("diagnose", incident_id)
    return incident_id


def _open(tx: Tx, alert: Alert, service: Service | None, grouping: Grouping) -> tuple[Open, ...]:
    """What a rule could meet in this environment, newest first. What a person asked for is theirs alone."""
    i = t.incidents.c
    holder = group_is_in(tx, alert, grouping.rules, only_used=False)
    names = set(g.nearby(service, grouping.catalogue)) | ({alert.service} if alert.service else set())
    rows = tx.all(
        select(t.incidents)
        .where(
            i.state.not_in([s.value for s in OVER]),
            i.asked_by.is_(None),
            i.environment == alert.environment,  # none stated is an environment of its own: IS NULL
            or_(
                i.id == (holder or ""),
                i.service.in_(names),
                and_(i.source == alert.source, i.group_key == (alert.group or "")),
                and_(i.kind == Kind.ENTITY.value, i.entity == (alert.entity or "")),
            ),
        )
        .order_by((i.id == (holder or "")).desc(), i.id.desc())
        .limit(100)
    )
    rows.sort(key=lambda r: str(r["id"]), reverse=True)
    return tuple(
        Open(
            id=IncidentId(r["id"]),
            kind=Kind(r["kind"]),
            source=r["source"],
            group=r["group_key"],
            service=r["service"],
            entity=r["entity"],
            opened_at=r["opened_at"],
            last_alert_at=r["last_alert_at"] or r["opened_at"],
            waits=r["state"] == S.WAITING_ON.value,
            holds_group=r["id"] == holder,
        )
        for r in rows
    )


def group_is_in(tx: Tx, alert: Alert, rules: Rules, *, only_used: bool = True) -> IncidentId | None:
    """The open incident in which alerts of this one's own group go on, in its environment; the newest of them.

    Args:
        only_used: None where the rule of the sender's group only runs in shadow.
    """
    use = rules.uses.get(Rule.GROUP, Use.SKIP)
    if not alert.group or use is Use.SKIP or (only_used and use is not Use.USE):
        return None
    i = t.incidents.c
    for state in ("open", "holding"):  # one after the other: each is the end of an index, however large the group
        row = tx.one(
            select(_e.incident_id)
            .join(t.incidents, i.id == _e.incident_id)
            .where(
                _e.source == alert.source,
                _e.group_key == alert.group[:400],
                _e.state == state,
                i.state.not_in([s.value for s in OVER]),
                i.asked_by.is_(None),
                i.environment == alert.environment,
            )
            .order_by(_e.id.desc())
            .limit(1)
        )
        if row is not None:
            return IncidentId(row["incident_id"])
    return None


def _join(tx: Tx, alert: Alert, service: Service | None, met: Meets) -> IncidentId:
    incident = incidents.load(tx, met.incident_id, lock=True)
    silent = not incident.alert_firing
    if incident.kind == Kind.STORM:
        storms.join(tx, incident.id, alert)
        if silent:
            tx.ring("diagnose", incident.id)
        return incident.id
    incidents.fires(tx, incident.id, firing=True)
    incidents.heard(tx, incident.id)
    tx.event(incident.id, alert.source, "alert.joined", title=alert.title, rule=met.rule.value)
    incidents.raise_severity(tx, incident.id, alert, service)
    if silent:
        tx.ring("diagnose", incident.id)
    return incident.id


def _on_entity(tx: Tx, alert: Alert, rules: Rules) -> list[IncidentId]:
    """The incidents of other services that lately alert on the same thing, where they are enough to say so."""
    if alert.entity is None or alert.service is None or rules.uses.get(Rule.ENTITY, Use.SKIP) is Use.SKIP:
        return []
    rows = tx.all(
        select(_e.service, _e.incident_id)
        .where(
            _e.entity == alert.entity[:200],
            _e.environment == alert.environment,
            _e.state == "open",
            _e.last_seen_at >= tx.now - rules.window,
            _e.service.is_not(None),
            _e.service != alert.service,
        )
        .distinct()
    )
    if len({r["service"] for r in rows}) + 1 < rules.entity_services:
        return []
    return sorted({IncidentId(r["incident_id"]) for r in rows if r["incident_id"]})


def _gather(tx: Tx, alert: Alert, others: Iterable[IncidentId]) -> IncidentId:
    """One incident on the thing that several services stand on; those of the services wait for it."""
    on = replace(alert, title=f"Several services alert on {alert.entity}", service=None)
    incident_id = incidents.open_one(tx, on, priority=1, kind=Kind.ENTITY)
    for other in others:
        incident = incidents.load(tx, other, lock=True)
        if incident.state in incidents.MAY_WAIT:
            incidents.wait(tx, incident, incident_id, actor=ENGINE)
    tx.ring("diagnose", incident_id)
    return incident_id
