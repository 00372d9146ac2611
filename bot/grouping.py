"""Which alerts people handle as one thing: rules over what is open, the service graph and time. Pure functions.

The first rule that meets something decides. A rule in shadow says what it would have done and does nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agents.incident.catalogue import Catalogue, Service
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert, Severity


class Rule(StrEnum):
    """Why one alert belongs to what is open."""

    GROUP = "group"
    SERVICE = "service"
    DEPENDENCY = "dependency"
    ENTITY = "entity"


class Use(StrEnum):
    """What a rule may do."""

    USE = "use"
    SHADOW = "shadow"
    SKIP = "skip"


class Kind(StrEnum):
    """What an incident is about: a service, a storm of alerts, or a thing that several services stand on."""

    ORDINARY = "ordinary"
    STORM = "storm"
    ENTITY = "entity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """config/grouping.yaml. The numbers are starting values of the design.

    ``hold`` is how long a resolved alert is not believed yet. More than ``flapping_turns`` turns within
    ``flapping_within`` make an alert flap, until ``flapping_quiet`` has passed without one. ``window`` is how long
    after its last alert an incident takes others of its service, ``longest`` for how long in all. A storm is more
    than ``storm_incidents`` new incidents within ``storm_within``, or more than ``storm_share`` of the known
    services alerting; its alerts are gathered for ``storm_gather`` before it is looked into. ``wait_at_most`` is
    how long an incident waits for that of its dependency.
    """

    hold: timedelta = timedelta(seconds=120)
    reopen_within: timedelta = timedelta(hours=24)
    flapping_turns: int = 5
    flapping_within: timedelta = timedelta(hours=1)
    flapping_quiet: timedelta = timedelta(minutes=30)
    window: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=1)
    wait_at_most: timedelta = timedelta(minutes=15)
    storm_incidents: int = 10
    storm_within: timedelta = timedelta(minutes=5)
    storm_share: float = 0.4
    storm_gather: timedelta = timedelta(seconds=15)
    entity_services: int = 3
    uses: Mapping[Rule, Use] = field(
        default_factory=lambda: {
            Rule.GROUP: Use.USE,
            Rule.SERVICE: Use.USE,
            Rule.DEPENDENCY: Use.USE,
            Rule.ENTITY: Use.SHADOW,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The rules and the graph they are read over."""

    rules: Rules
    catalogue: Catalogue


LEAST_SERVICES = 5
"""A share of fewer alerting services than this is no storm: in a small system one fault shows everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An incident that is open in the alert's environment, as far as grouping needs it.

    ``holds_group`` says that alerts of the new alert's own group go on in it, however they came to it.
    """

    id: IncidentId
    kind: Kind
    source: str
    group: str | None
    service: str | None
    entity: str | None
    opened_at: datetime
    last_alert_at: datetime
    waits: bool = False
    holds_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meets:
    """A rule met an open incident: the alert joins it, or (``waits``) its own incident waits for it."""

    rule: Rule
    incident_id: IncidentId
    waits: bool = False
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A new episode and what stands around it; ``open`` is what is open in its own environment, newest first."""

    alert: Alert
    service: Service | None
    open: Sequence[Open]
    grouping: Grouping
    now: datetime


def meets(scene: Scene) -> tuple[Meets, ...]:
    """What the rules make of it, in their order: shadows, and at the end the one that decides, if any."""
    found: list[Meets] = []
    for rule, find in _FINDERS.items():
        use = scene.grouping.rules.uses.get(rule, Use.SKIP)
        met = find(scene) if use is not Use.SKIP else None
        if met is None:
            continue
        shadow = use is Use.SHADOW
        found.append(Meets(rule=rule, incident_id=met.id, waits=rule is Rule.DEPENDENCY, shadow=shadow))
        if not shadow:
            break
    return tuple(found)


def _same_group(scene: Scene) -> Open | None:
    """The sender's own group is one incident: where its open alerts are, else the one that it opened."""
    group, source = scene.alert.group, scene.alert.source
    held = next((o for o in scene.open if o.holds_group), None)
    return held or next((o for o in scene.open if group and (o.group, o.source) == (group, source)), None)


def _same_service(scene: Scene) -> Open | None:
    """One service, windows that overlap."""
    return next(
        (
            o
            for o in scene.open
            if o.kind is Kind.ORDINARY
            and scene.alert.service is not None
            and o.service == scene.alert.service
            and scene.now - o.last_alert_at <= scene.grouping.rules.window
            and scene.now - o.opened_at <= scene.grouping.rules.longest
        ),
        None,
    )


def _dependency(scene: Scene) -> Open | None:
    """The nearest service below that has an incident of its own, which waits for none itself."""
    if scene.service is None:
        return None
    by_name = {o.service: o for o in scene.open if o.kind is Kind.ORDINARY and not o.waits}
    below = (s for s in scene.grouping.catalogue.below(scene.service) if s.name != scene.service.name)
    return next((by_name[s.name] for s in below if s.name in by_name), None)


def _same_entity(scene: Scene) -> Open | None:
    """An incident on the node, zone or database that the alert names."""
    entity = scene.alert.entity
    return next((o for o in scene.open if entity and o.kind is Kind.ENTITY and o.entity == entity), None)


_FINDERS = {
    Rule.GROUP: _same_group,
    Rule.SERVICE: _same_service,
    Rule.DEPENDENCY: _dependency,
    Rule.ENTITY: _same_entity,
}


def nearby(service: Service | None, catalogue: Catalogue) -> tuple[str, ...]:
    """The names of the services whose incidents could matter to an alert of *service*: itself and all below."""
    return tuple(s.name for s in catalogue.below(service)) if service is not None else ()


def storms(opened: int, alerting: int, known: int, rules: Rules) -> bool:
    """Whether one more incident would be a storm: *opened* lately, *alerting* of *known* services."""
    if opened >= rules.storm_incidents:
        return True
    return alerting >= LEAST_SERVICES and known > 0 and alerting / known > rules.storm_share


def origin(alerting: Iterable[str], environment: str | None, catalogue: Catalogue) -> Service | None:
    """The one alerting service that explains most of a storm: none below it alerts, most of the others rely on it.

    ``None`` where no such service explains at least seven in ten of the alerting ones (the design's coverage), or
    two explain as many: a storm with two origins is told as it is.
    """
    names = set(alerting)
    services = [s for s in catalogue.services if s.environment == environment and s.name in names]
    if not services:
        return None
    below = {s.name: {b.name for b in catalogue.below(s)} for s in services}
    explains = Counter(
        {
            s.name: sum(s.name in below[other.name] for other in services)
            for s in services
            if not (below[s.name] - {s.name}) & names
        }
    )
    ranked = explains.most_common(2)
    if not ranked or ranked[0][1] / len(names) < COVERAGE or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return None
    return next(s for s in services if s.name == ranked[0][0])


COVERAGE = 0.7

SEVERE: Mapping[Severity, int] = {
    Severity.CRITICAL: 1,
    Severity.HIGH: 2,
    Severity.WARNING: 3,
    Severity.UNKNOWN: 3,
    Severity.INFO: 4,
}
CRITICALITY: Mapping[str, int] = {"critical": -1, "high": 0, "normal": 0, "low": 1}
FAST_BURN, BURN = 14.4, 6.0
"""Times the rate at which an error budget would just last its month: 2 % of it in an hour, 5 % in six hours
(the multiwindow alerts of the SRE workbook)."""


def priority(severity: Severity, criticality: str, labels: Mapping[str, str]) -> int:
    """1 (now) to 4 (when there is time), from the sender's severity, the service's criticality and its burn."""
    level = SEVERE[severity] + CRITICALITY.get(criticality, 0)
    burn = _burn(labels)
    if burn >= FAST_BURN:
        level = 1
    elif burn >= BURN:
        level = min(level, 2)
    return min(max(level, 1), 4)


def _burn(labels: Mapping[str, str]) -> float:
    try:
        return float(labels.get("burn_rate", ""))
    except ValueError:
        return 0.0


def worse(severity: Severity, than: Severity) -> bool:
    """Whether a severity is louder than another."""
    return SEVERE[severity] < SEVERE[than]


def turned(turns: Sequence[str], now: datetime, rules: Rules) -> tuple[list[str], bool]:
    """*turns* (ISO times) with one more, old ones forgotten; and whether that is flapping."""
    since = now - rules.flapping_within
    kept = [at for at in turns if datetime.fromisoformat(at) > since] + [now.isoformat()]
    return kept[-(rules.flapping_turns + 1) :], len(kept) > rules.flapping_turns
