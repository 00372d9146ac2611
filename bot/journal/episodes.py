"""One alert, again and again: an episode begins, is believed to be over, flaps, ends; and which incident it is in.

Everything here is serial over the whole journal (``Tx.serialise``): two alerts of one fault that arrive at once
meet each other's incident.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, and_, func, or_, select

from agents.incident.catalogue import Service
from agents.incident.ids import IncidentId, new_id
from agents.incident.incident import Alert, AlertStatus, Severity
from agents.incident.lifecycle import IncidentState
from bot import grouping as g
from bot.grouping import Grouping, Kind, Rules
from bot.journal import incidents, maintenance, placing
from bot.journal import tables as t
from bot.journal.incidents import ENGINE, OVER
from bot.journal.journal import Tx
from bot.journal.maintenance import Maintenance
from bot.journal.merging import SPLIT_OFF, alert_of

S = IncidentState
OPEN, HOLDING, ENDED = "open", "holding", "ended"

LATE_WITHIN = timedelta(minutes=10)
"""Without a time of its own, a firing that is older than its end is a late delivery only for so long; after that
the sender still says that it fires, and is believed."""

Row = Mapping[str, Any]
_e = t.episodes.c


def apply(
    tx: Tx,
    alert: Alert,
    grouping: Grouping,
    windows: Sequence[Maintenance] | None = None,
    seen: datetime | None = None,
) -> Sequence[IncidentId]:
    """Take one alert in: every incident it belongs to, none where it opens and changes none; the newest last.

    The same identity in another environment is another alert. An end that names no environment ends all of them.

    Args:
        windows: Maintenance that goes on now, where the caller has read it for several alerts.
        seen: When its delivery had its turn, if that was before now: whatever was heard of it since is newer.
    """
    tx.serialise(ENGINE)
    service = _service(alert, grouping)
    if alert.environment is None and service is not None:
        alert = replace(alert, environment=service.environment)
    everywhere = alert.environment is None and alert.status is AlertStatus.RESOLVED
    each = [replace(alert, environment=name) for name in (_firing_in(tx, alert) if everywhere else ())]
    found = [_apply(tx, one, grouping, windows, seen) for one in (*each, alert)]
    return [incident_id for incident_id in found if incident_id is not None]


def _firing_in(tx: Tx, alert: Alert) -> Sequence[str]:
    """The environments in which an identity has not ended."""
    same = (_e.source == alert.source) & (_e.identity == alert.identity) & (_e.state != ENDED)
    return list(tx.run(select(_e.environment).where(same, _e.environment.is_not(None)).distinct()).scalars())


def _apply(
    tx: Tx, alert: Alert, grouping: Grouping, windows: Sequence[Maintenance] | None, seen: datetime | None
) -> IncidentId | None:
    where = (_e.source == alert.source) & (_e.identity == alert.identity)
    if alert.environment is not None:
        where &= or_(_e.environment == alert.environment, _e.environment.is_(None))
    newest = tx.one(select(t.episodes).where(where).order_by(_e.number.desc()).limit(1))
    if newest is not None and alert.at is not None and newest["at"] is not None and alert.at < newest["at"]:
        return _late(tx, alert, newest)
    if newest is not None and seen is not None and newest["last_seen_at"] > seen:
        return _late(tx, alert, newest)
    at = seen or tx.now
    match alert.status:
        case AlertStatus.FIRING:
            standing = maintenance.standing(tx) if windows is None else windows
            return _fires(tx, alert, newest, grouping, standing, at)
        case AlertStatus.RESOLVED:
            return _resolves(tx, alert, newest, grouping.rules, at)
        case _:
            return _noted(tx, alert, newest, at)


def _of(row: Row | None) -> IncidentId | None:
    return IncidentId(row["incident_id"]) if row is not None and row["incident_id"] else None


def _touch(tx: Tx, row: Row, alert: Alert, seen: datetime, **values: Any) -> None:
    tx.run(
        t.episodes.update().where(_e.id == row["id"]).values(last_seen_at=seen, at=alert.at or row["at"], **values)
    )


def _late(tx: Tx, alert: Alert, newest: Row) -> IncidentId | None:
    """It happened before what was already applied: stored, and changes nothing."""
    incident_id = _of(newest)
    if incident_id is not None:
        tx.event(incident_id, alert.source, "alert.late", status=alert.status.value)
    return incident_id


def _noted(tx: Tx, alert: Alert, newest: Row | None, seen: datetime) -> IncidentId | None:
    """Neither a beginning nor an end: no data, paused, acknowledged elsewhere. Nothing recovers by it."""
    incident_id = _of(newest)
    if incident_id is not None and newest is not None and newest["state"] != ENDED:
        _touch(tx, newest, alert, seen)
        tx.event(incident_id, alert.source, f"alert.{alert.status.value}", word=alert.word)
    return incident_id


def _resolves(tx: Tx, alert: Alert, newest: Row | None, rules: Rules, seen: datetime) -> IncidentId | None:
    if newest is None:
        # Nothing was known to fire. Kept, so that a firing that was overtaken on its way is born ended.
        told = replace(alert, at=alert.at or alert.ended_at)
        _insert(tx, told, None, None, [], seen, state=ENDED, ended_at=told.at or seen)
        return None
    incident_id = _of(newest)
    if newest["state"] != OPEN or not newest["firing"]:
        _touch(tx, newest, alert, seen)
        return incident_id
    turns, flaps = g.turned(newest["turns"], tx.now, rules)
    flapping = flaps or newest["flapping_until"] is not None
    ended = {"firing": False, "turns": turns, "ended_at": alert.ended_at or seen}
    if flapping:
        _touch(tx, newest, alert, seen, flapping_until=tx.now + rules.flapping_quiet, **ended)
    elif rules.hold > timedelta(0):
        _touch(tx, newest, alert, seen, state=HOLDING, held_until=tx.now + rules.hold, **ended)
    else:
        _touch(tx, newest, alert, seen, state=ENDED, **ended)
    if incident_id is None:
        return None
    if flapping and newest["flapping_until"] is None:
        _flaps(tx, incident_id, alert, rules)
    if not flapping:
        _refresh(tx, incident_id, alert.source)
    return incident_id


def _flaps(tx: Tx, incident_id: IncidentId, alert: Alert, rules: Rules) -> None:
    minutes = rules.flapping_within.total_seconds() / 60
    tx.event(incident_id, alert.source, "alert.flapping", turns=rules.flapping_turns + 1, minutes=minutes)


def _refresh(tx: Tx, incident_id: IncidentId, source: str) -> None:
    """Whether anything of the incident still fires; if not, it is told and looked at."""
    if tx.one(select(_e.id).where(_e.incident_id == incident_id, _e.state == OPEN).limit(1)) is not None:
        tx.turn_card(incident_id)
        return
    incidents.fires(tx, incident_id, firing=False)
    tx.event(incident_id, source, "alert.resolved", held=held(tx, incident_id))
    tx.ring("settle", incident_id)


def _fires(
    tx: Tx, alert: Alert, newest: Row | None, grouping: Grouping, windows: Sequence[Maintenance], seen: datetime
) -> IncidentId | None:
    rules = grouping.rules
    incident_id = _of(newest)
    if newest is None or newest["state"] == ENDED:
        if newest is not None and _overtaken(tx, alert, newest):
            # Its end stays when it was: repeats of what is late buy no more time.
            _touch(tx, newest, alert, newest["last_seen_at"])
            return _late(tx, alert, newest)
        return _begin(tx, alert, newest, grouping, windows, seen)
    assert incident_id is not None  # noqa: S101  # what opened has one
    if newest["firing"]:
        told = {"started_at": alert.started_at, "group_key": _group(alert, newest)}
        known = {name: value for name, value in told.items() if value is not None}
        _touch(tx, newest, alert, seen, labels=dict(alert.labels), **known)
        if g.worse(alert.severity, Severity(newest["severity"])):
            tx.run(t.episodes.update().where(_e.id == newest["id"]).values(severity=alert.severity.value))
            incidents.raise_severity(tx, incident_id, alert, _service(alert, grouping))
        return incident_id
    # It was held to be over, or it flaps: it is the same episode, and never a new triage.
    turns, flaps = g.turned(newest["turns"], tx.now, rules)
    flapping = flaps or newest["flapping_until"] is not None
    until = tx.now + rules.flapping_quiet if flapping else None
    _touch(
        tx,
        newest,
        alert,
        seen,
        state=OPEN,
        firing=True,
        ended_at=None,
        held_until=None,
        turns=turns,
        flapping_until=until,
    )
    if flapping and newest["flapping_until"] is None:
        _flaps(tx, incident_id, alert, rules)
    if newest["state"] == HOLDING:
        _goes_on(tx, incident_id, alert, "alert.again")
    return incident_id


def _goes_on(tx: Tx, incident_id: IncidentId, alert: Alert, kind: str) -> None:
    """Another alert of an open incident fires: what waited for it goes on."""
    silent = not incidents.load(tx, incident_id).alert_firing
    incidents.fires(tx, incident_id, firing=True)
    tx.event(incident_id, alert.source, kind, title=alert.title)
    if silent:
        tx.ring("diagnose", incident_id)


def _overtaken(tx: Tx, alert: Alert, ended: Row) -> bool:
    """Whether this firing happened before the end that is already known, by the sender's own times.

    The same beginning as before is no sign of it: an alert that its sender forgot and fires again has that.
    """
    if alert.started_at is None or (alert.at is not None and ended["at"] is not None):
        return False
    began = ended["started_at"] if ended["incident_id"] else None
    older = (began is not None and alert.started_at < began) or (
        ended["at"] is not None and alert.started_at < ended["at"]
    )
    return older and bool(tx.now - ended["last_seen_at"] <= LATE_WITHIN)


def _service(alert: Alert, grouping: Grouping) -> Service | None:
    return grouping.catalogue.find(alert.service, alert.environment)


def _group(alert: Alert, before: Row | None) -> str | None:
    """The sender's group; not that of what a person took out of it."""
    if before is not None and before["group_key"] == SPLIT_OFF:
        return SPLIT_OFF
    return alert.group[:400] if alert.group else None


def _insert(
    tx: Tx,
    alert: Alert,
    incident_id: IncidentId | None,
    before: Row | None,
    turns: list[str],
    seen: datetime,
    *,
    state: str = OPEN,
    **values: Any,
) -> None:
    started = alert.started_at or alert.at or values.get("ended_at") or seen
    tx.run(
        t.episodes.insert().values(
            id=new_id("EP"),
            source=alert.source,
            identity=alert.identity,
            number=_next(alert),
            incident_id=incident_id,
            firing=state == OPEN,
            state=state,
            started_at=started,
            at=alert.at,
            last_seen_at=seen,
            turns=turns,
            title=alert.title,
            severity=alert.severity.value,
            service=alert.service,
            environment=alert.environment,
            entity=alert.entity[:200] if alert.entity else None,
            labels=dict(alert.labels),
            group_key=_group(alert, before),
            **values,
        )
    )


def _next(alert: Alert) -> ScalarSelect[int]:
    """The number of an identity's next episode, in whichever environment."""
    same = (_e.source == alert.source) & (_e.identity == alert.identity)
    return select(func.coalesce(func.max(_e.number), 0) + 1).where(same).scalar_subquery()


def _begin(
    tx: Tx, alert: Alert, before: Row | None, grouping: Grouping, windows: Sequence[Maintenance], seen: datetime
) -> IncidentId:
    """A new episode, in the incident it had, in one that a rule finds, or in a new one."""
    rules = grouping.rules
    service = _service(alert, grouping)
    turns, flaps = g.turned(before["turns"] if before is not None else [], tx.now, rules)
    window = next((m for m in windows if m.covers(alert)), None)
    incident_id = None if window is not None else _again(tx, alert, before, grouping)
    known = incident_id is not None
    if window is not None:
        incident_id = incidents.open_one(tx, alert, priority=incidents.priority_of(alert, service))
        reason = f"maintenance of {window.scope} until {window.ends_at:%Y-%m-%d %H:%M} UTC"
        incidents.move(tx, incidents.load(tx, incident_id), S.SUPPRESSED, actor=ENGINE, reason=reason)
    elif incident_id is None:
        incident_id = placing.place(tx, alert, service, grouping)
        if before is not None and before["incident_id"] not in {None, incident_id}:
            tx.event(incident_id, ENGINE, "incident.follows", other=before["incident_id"])
    until = tx.now + rules.flapping_quiet if flaps and known else None
    alike = before if before is not None and before["incident_id"] == incident_id else None
    _insert(tx, alert, incident_id, alike, turns, seen, flapping_until=until)
    if until is not None:
        _flaps(tx, incident_id, alert, rules)
    return incident_id


def _again(tx: Tx, alert: Alert, before: Row | None, grouping: Grouping) -> IncidentId | None:
    """The incident that this identity was in, if it is open still or ended within a day.

    One that ended stays over where the rest of the sender's group has an incident by now.
    """
    incident_id = _of(before)
    if incident_id is None or before is None:
        return None
    incident = incidents.load(tx, incident_id, lock=True)
    while incident.merged_into is not None:
        incident = incidents.load(tx, IncidentId(incident.merged_into), lock=True)
    if alert.environment is not None and incident.environment not in {None, alert.environment}:
        return None
    if incident.state not in OVER | {S.MITIGATED}:
        _goes_on(tx, incident.id, alert, "alert.firing")
        return incident.id
    ended: datetime | None = before["ended_at"]
    lately = ended is not None and tx.now - ended <= grouping.rules.reopen_within
    if incident.state not in {S.RESOLVED, S.MITIGATED} or not lately or incident.kind == Kind.STORM:
        return None
    if incident.state is S.RESOLVED and placing.group_is_in(tx, alert, grouping.rules) is not None:
        return None
    incidents.fires(tx, incident.id, firing=True)
    incidents.move(tx, incident, S.REOPENED, actor=alert.source, reason="the same alert fires again")
    tx.ring("diagnose", incident.id)
    return incident.id


# What time does


def any_due(tx: Tx) -> bool:
    """Whether an end is to be believed by now, or something stopped flapping."""
    held = and_(_e.state == HOLDING, _e.held_until <= tx.now)
    return tx.one(select(_e.id).where(or_(held, _e.flapping_until <= tx.now)).limit(1)) is not None


def believe(tx: Tx) -> None:
    """End what was held long enough, and what stopped flapping with a resolved as its last word."""
    tx.serialise(ENGINE)
    for row in tx.all(select(t.episodes).where(_e.state == HOLDING, _e.held_until <= tx.now)):
        tx.run(t.episodes.update().where(_e.id == row["id"]).values(state=ENDED))
        if (incident_id := _of(row)) is not None:
            tx.ring("settle", incident_id)
    for row in tx.all(select(t.episodes).where(_e.flapping_until <= tx.now)):
        values = {"flapping_until": None} if row["firing"] else {"flapping_until": None, "state": ENDED}
        tx.run(t.episodes.update().where(_e.id == row["id"]).values(**values))
        incident_id = _of(row)
        if incident_id is None:
            continue
        tx.event(incident_id, ENGINE, "alert.steady", firing=row["firing"])
        if row["firing"]:
            tx.ring("diagnose", incident_id)
        else:
            _refresh(tx, incident_id, row["source"])


def after_maintenance(tx: Tx, grouping: Grouping) -> None:
    """What alerted under maintenance and still fires after it is a new incident."""
    tx.serialise(ENGINE)
    rows = tx.all(
        select(t.episodes)
        .join(t.incidents, t.incidents.c.id == _e.incident_id)
        .where(_e.state == OPEN, _e.firing.is_(True), t.incidents.c.state == S.SUPPRESSED.value)
    )
    windows = maintenance.standing(tx)
    for row in rows:
        alert = alert_of(row)
        if not any(m.covers(alert) for m in windows):
            tx.run(t.episodes.update().where(_e.id == row["id"]).values(state=ENDED, firing=False))
            _begin(tx, alert, {**row, "incident_id": None}, grouping, windows, tx.now)


def held(tx: Tx, incident_id: IncidentId) -> bool:
    """Whether an end of one of its alerts is not believed yet."""
    return tx.one(select(_e.id).where(_e.incident_id == incident_id, _e.state == HOLDING).limit(1)) is not None


def flapping(tx: Tx, incident_id: IncidentId) -> bool:
    """Whether one of its alerts flaps: nothing is done about it, and it is not looked into again."""
    query = select(_e.id).where(_e.incident_id == incident_id, _e.flapping_until.is_not(None))
    return tx.one(query.limit(1)) is not None
