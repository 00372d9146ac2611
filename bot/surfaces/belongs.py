"""What an incident is made of and what it has to do with others: alerts, a storm's tally, what it waits for."""

from collections.abc import Sequence
from datetime import timedelta

from agents.incident.incident import Incident, Severity
from agents.incident.lifecycle import IncidentState
from bot.grouping import Kind
from bot.journal import episodes
from bot.journal.journal import Tx
from bot.journal.storms import Tally
from bot.surfaces.accounted import Accounted

WORST = 10
"""Services of a storm that are named; the rest are counted."""

APART = timedelta(seconds=15)
MANY = 10
"""Alerts of one incident from which on its card is edited less often."""


def apart(tx: Tx, incident: Incident, tally: Tally) -> timedelta:
    """Between two edits of its card at least; where many alerts came and it lasts, a tenth of its age."""
    if incident.kind != Kind.STORM and tally.alerts < MANY:
        return timedelta(0)
    return max(APART, (tx.now - incident.opened_at) / 10)


def belongs(tx: Tx, incident: Incident, tally: Tally, told: Accounted) -> tuple[str, ...]:
    """The lines of a card; none for an incident that is one alert and stands alone."""
    lines: list[str] = []
    if incident.kind == Kind.STORM:
        lines += _storm(tally, told)
    elif tally.alerts > 1:
        lines.append(f"Alerts: {told.count(tally.alerts)}, of which {told.count(tally.firing)} fire now")
    if incident.state is IncidentState.WAITING_ON and incident.waiting_on:
        lines.append(f"Waits for {told.name(incident.waiting_on)}: what it relies on has that incident")
    if incident.merged_into:
        lines.append(f"Goes on in {told.name(incident.merged_into)}")
    if episodes.flapping(tx, incident.id):
        lines.append("Flapping: its alert comes and goes. Nothing is done about it until it was quiet")
    elif not incident.alert_firing and episodes.held(tx, incident.id):
        lines.append("Every alert resolved; that is believed once it has lasted")
    return tuple(lines)


def _storm(tally: Tally, told: Accounted) -> Sequence[str]:
    """A storm in numbers: how many, how loud, which services most."""
    by_severity = ", ".join(f"{told.count(n)} {s.value}" for s in Severity if (n := tally.severities.get(s, 0)))
    worst = sorted(tally.services.items(), key=lambda x: (-x[1], x[0]))
    named = " · ".join(f"{told.name(service)} {told.count(n)}" for service, n in worst[:WORST])
    rest = f" · and {told.count(len(worst) - WORST)} more services" if len(worst) > WORST else ""
    return (
        f"Alerts: {told.count(tally.alerts)} of {told.count(len(worst))} services, "
        f"of which {told.count(tally.firing)} fire now",
        f"How loud: {by_severity}",
        f"Most: {named}{rest}",
        "Nothing runs without a person while the storm lasts",
    )
