"""A storm: so many alerts of one environment at once that they are told and looked into as one incident."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import case, func, select

from agents.incident.ids import IncidentId
from agents.incident.incident import Alert, Severity
from agents.incident.lifecycle import IncidentState
from bot import grouping as g
from bot.grouping import Grouping, Kind, Rules
from bot.journal import incidents, merging
from bot.journal import tables as t
from bot.journal.incidents import ENGINE, OVER
from bot.journal.journal import Tx

S = IncidentState
_i, _e = t.incidents.c, t.episodes.c

ABSORBED = frozenset({S.RECEIVED, S.TRIAGING, S.WAITING_ON, S.REPORTED})
"""Incidents that nobody decides on yet; what people were asked about stays on its own."""


def active(tx: Tx, environment: str | None, rules: Rules) -> IncidentId | None:
    """The storm that goes on in an environment: open, and its last alert is not long ago."""
    row = tx.one(
        select(_i.id)
        .where(
            _i.kind == Kind.STORM.value,
            _i.environment == environment,
            _i.state.not_in([s.value for s in OVER]),
            _i.last_alert_at >= tx.now - rules.storm_within,
        )
        .order_by(_i.id.desc())
        .limit(1)
    )
    return IncidentId(row["id"]) if row is not None else None


def begins(tx: Tx, alert: Alert, grouping: Grouping) -> bool:
    """Whether one more incident, for *alert*, would make it a storm."""
    since = tx.now - grouping.rules.storm_within
    lately = (
        select(func.count())
        .select_from(t.incidents)
        .where(
            _i.kind == Kind.ORDINARY.value,
            _i.asked_by.is_(None),
            _i.environment == alert.environment,
            _i.opened_at >= since,
            _i.state.not_in([S.SUPPRESSED.value, S.MERGED.value]),
        )
    )
    alerting = select(_e.service).where(
        _e.environment == alert.environment,
        _e.state == "open",
        _e.last_seen_at >= since,
        _e.service.is_not(None),
    )
    known = {s.name for s in grouping.catalogue.services if s.environment == alert.environment}
    loud = {str(name) for name in tx.run(alerting.distinct()).scalars()} & known
    return g.storms(tx.run(lately).scalar_one(), len(loud), len(known), grouping.rules)


def begin(tx: Tx, alert: Alert, rules: Rules) -> IncidentId:
    """Open the storm's incident and take into it what opened lately and nobody decides on yet."""
    since = tx.now - rules.storm_within
    where = alert.environment or "no environment named"
    storm = incidents.open_one(
        tx,
        replace(alert, identity=f"storm:{where}"[:200], title=f"Alert storm: {where}", service=None, group=None),
        priority=1,
        kind=Kind.STORM,
    )
    rows = tx.all(
        select(_i.id, _i.severity).where(
            _i.kind == Kind.ORDINARY.value,
            _i.asked_by.is_(None),
            _i.owner.is_(None),
            _i.environment == alert.environment,
            _i.opened_at >= since,
            _i.state.in_([s.value for s in ABSORBED]),
        )
    )
    for row in rows:
        one = IncidentId(row["id"])
        merging.merge(tx, one, storm, actor=ENGINE, reason="many alerts at once", told=False)
    tx.event(storm, ENGINE, "storm.began", incidents=len(rows))
    incidents.look_from(tx, incidents.load(tx, storm), rules.storm_gather, actor=ENGINE)
    return storm


def join(tx: Tx, storm: IncidentId, alert: Alert) -> None:
    """One more alert of the storm: it counts on the card, and is no line of its own."""
    quieter = [s.value for s in Severity if g.worse(alert.severity, s)]
    tx.run(
        t.incidents.update()
        .where(_i.id == storm)
        .values(
            alert_firing=True,
            last_alert_at=tx.now,
            card_version=_i.card_version + 1,
            severity=case((_i.severity.in_(quieter), alert.severity.value), else_=_i.severity),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an incident is made of: alerts, those that fire, by severity and by service."""

    alerts: int
    firing: int
    severities: Mapping[Severity, int]
    services: Mapping[str, int]


def tally(tx: Tx, incident_id: IncidentId) -> Tally:
    """Count the alerts of an incident, once for each identity."""
    rows = tx.all(
        select(_e.state, _e.severity, _e.service, func.count(_e.identity.distinct()).label("alerts"))
        .where(_e.incident_id == incident_id)
        .group_by(_e.state, _e.severity, _e.service)
    )
    severities: Counter[Severity] = Counter()
    services: Counter[str] = Counter()
    firing = 0
    for row in rows:
        severities[Severity(row["severity"])] += row["alerts"]
        services[row["service"] or "no service named"] += row["alerts"]
        firing += row["alerts"] if row["state"] == "open" else 0
    return Tally(alerts=severities.total(), firing=firing, severities=severities, services=services)
