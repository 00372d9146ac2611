"""What happened, as told from outside: alerts, changes, services; and the incident people handle as one thing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState


class Severity(StrEnum):
    """How loud the sender said it is; unknown stays unknown."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, raw: str | None) -> "Severity":
        """The level a sender's word stands for."""
        word = (raw or "").strip().lower()
        if word in {"critical", "page", "fatal", "sev1", "p1", "high", "emergency"}:
            return cls.CRITICAL
        if word in {"warning", "warn", "sev2", "p2", "medium", "error"}:
            return cls.WARNING
        if word in {"info", "information", "none", "low", "p5"}:
            return cls.INFO
        return cls.UNKNOWN


class AlertStatus(StrEnum):
    """Whether the sender says that the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of one delivery. ``identity`` joins firing and resolved; it is never empty."""

    source: str
    identity: str
    status: AlertStatus
    title: str
    severity: Severity
    service: str | None
    environment: str | None
    started_at: datetime
    ended_at: datetime | None = None
    summary: str = ""
    link: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.identity:
            raise BadInput(f"alert {self.title!r} of source {self.source!r} has no identity")


class ChangeKind(StrEnum):
    """What was changed. A change raises a prior and supplies the undo target; it confirms nothing."""

    DEPLOY = "deploy"
    MIGRATION = "migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change record, as its sender told it."""

    id: str
    kind: ChangeKind
    service: str
    environment: str
    at: datetime
    artifact: str | None = None
    revision: int | None = None
    previous_revision: int | None = None
    schema_version: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running instance and where an outsider may look at it."""

    name: str
    metrics_url: str | None = None
    health_url: str | None = None
    log_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of one environment, from config/services.yaml.

    ``objectives`` are upper bounds on quantities a user feels, kept by edge services.
    """

    name: str
    environment: str
    calls: tuple[str, ...] = ()
    edge: bool = False
    objectives: Mapping[str, float] = field(default_factory=dict)
    replicas: tuple[Replica, ...] = ()

    @property
    def id(self) -> str:
        """``environment/name``, the entity written in evidence and locks."""
        return f"{self.environment}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The services we know, and how often their telemetry is written.

    ``symptoms`` says which quantity an alert, by its name, is about.
    """

    services: tuple[Service, ...]
    telemetry_interval: timedelta = timedelta(seconds=15)
    symptoms: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str | None, environment: str | None) -> Service | None:
        """The named service; the environment may be left out where the name is unique."""
        found = [
            s for s in self.services if s.name == name and (environment is None or s.environment == environment)
        ]
        return found[0] if len(found) == 1 else None

    def within(self, environment: str) -> tuple[Service, ...]:
        """Every service of one environment."""
        return tuple(s for s in self.services if s.environment == environment)

    def callers(self, service: Service) -> tuple[Service, ...]:
        """Who calls *service* directly."""
        return tuple(s for s in self.within(service.environment) if service.name in s.calls)

    def callees(self, service: Service) -> tuple[Service, ...]:
        """Whom *service* calls directly."""
        return tuple(s for s in self.within(service.environment) if s.name in service.calls)

    def below(self, service: Service) -> tuple[Service, ...]:
        """*service* and everything it relies on, nearest first."""
        seen = [service]
        for at in seen:
            seen.extend(s for s in self.callees(at) if s not in seen)
        return tuple(seen)

    def edges(self, service: Service) -> tuple[Service, ...]:
        """The user-facing services above *service* (itself included, if it is one)."""
        return tuple(s for s in self.within(service.environment) if s.edge and service in self.below(s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What people handle as one thing. ``attempt`` and ``state`` move by compare-and-set in the journal.

    ``look`` counts how often this attempt has looked: the first look may come before its evidence does.
    ``asked_by`` is the person who opened it by asking, and ``window`` how far back they asked to look.
    """

    id: IncidentId
    source: str
    identity: str
    title: str
    severity: Severity
    service: str | None
    environment: str | None
    summary: str
    state: IncidentState
    attempt: int
    look: int
    version: int
    opened_at: datetime
    alert_started_at: datetime
    alert_firing: bool
    reason: str = ""
    asked_by: str | None = None
    window: timedelta | None = None

    @property
    def subject(self) -> str:
        """What roles and stops are held against: ``environment/service``."""
        return f"{self.environment or '-'}/{self.service or '-'}"
