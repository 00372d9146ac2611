"""The services an operator told us of: where they run, what they call, and where an outsider may look at them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Criticality(StrEnum):
    """What it costs when a service is down; together with severity and burn it makes an incident's priority."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One environment; of it one project, or with ``None`` what belongs to no project and is shared by all."""

    environment: str
    project: str | None = None

    def admits(self, other: "Scope") -> bool:
        """Whether what belongs to *other* may be asked from here: this project's own, and what is shared."""
        return self.environment == other.environment and other.project in {None, self.project}

    def another(self, other: "Scope") -> str:
        """*other*, as what it is seen from here: another environment, or another project of the same."""
        kind = "project" if self.environment == other.environment else "environment"
        return f"another {kind} ({other})"

    def __str__(self) -> str:
        """For people: ``production``, or ``production, project shop``."""
        return f"{self.environment}, project {self.project}" if self.project else self.environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running instance and where an outsider may look at it."""

    name: str
    metrics_url: str | None = None
    health_url: str | None = None
    log_file: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every place it may be looked at: addresses and the path of its log."""
        return tuple(a for a in (self.metrics_url, self.health_url, self.log_file) if a)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of one environment, from config/services.yaml.

    ``objectives`` are upper bounds on quantities a user feels, kept by edge services. ``aliases`` are other names
    that alerts and deploys use, ``repositories`` are ``owner/name``. ``backends`` are those of config/probes.yaml
    that hold its signals; ``None`` stands for every one that its scope admits.
    """

    name: str
    environment: str
    calls: tuple[str, ...] = ()
    edge: bool = False
    objectives: Mapping[str, float] = field(default_factory=dict)
    replicas: tuple[Replica, ...] = ()
    project: str | None = None
    owners: tuple[str, ...] = ()
    criticality: Criticality = Criticality.NORMAL
    aliases: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    backends: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """``environment/name``, the entity written in evidence and locks."""
        return f"{self.environment}/{self.name}"

    @property
    def scope(self) -> Scope:
        """Where it belongs, and so from where it may be asked about."""
        return Scope(environment=self.environment, project=self.project)

    def closed_to(self, scope: Scope) -> str:
        """Why an incident of *scope* may not look here; empty when it may."""
        if scope.admits(self.scope):
            return ""
        return f"{self.id} belongs to {scope.another(self.scope)}; this incident is of {scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The services we know, and how often their telemetry is written.

    ``symptoms`` says which quantity an alert, by its name, is about; ``environments`` gives the other names of
    some environments. Nothing is ever chosen among several: what is meant by none or by two is ``None``.
    """

    services: tuple[Service, ...]
    telemetry_interval: timedelta = timedelta(seconds=15)
    symptoms: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, name: str | None, environment: str | None) -> Service | None:
        """The service of exactly this name; the environment may be left out where the name is unique."""
        return _only(
            s for s in self.services if s.name == name and (environment is None or s.environment == environment)
        )

    def place(self, name: str | None, environment: str | None) -> Service | None:
        """The service that a sender means, by its name or an alias of it, in whatever case."""
        if not name:
            return None
        if environment is not None:
            known = self.environment_named(environment)
            return _only(self._meant(name, known)) if known is not None else None
        return _only(s for known in self.known_environments() for s in self._meant(name, known))

    def _meant(self, name: str, environment: str) -> tuple[Service, ...]:
        here = self.within(environment)
        exact = tuple(s for s in here if s.name == name)
        return exact or tuple(s for s in here if folded(name) in {folded(n) for n in (s.name, *s.aliases)})

    def by_repository(self, repository: str | None, environment: str | None) -> Service | None:
        """The service that is built from ``owner/name``, in whatever case."""
        known = self.environment_named(environment)
        if not repository or (environment is not None and known is None):
            return None
        return _only(
            s
            for s in self.services
            if known in {None, s.environment} and folded(repository) in {folded(r) for r in s.repositories}
        )

    def environment_named(self, raw: str | None) -> str | None:
        """The environment's own name, from that or an alias in whatever case."""
        if not raw:
            return None
        known = self.known_environments()
        if raw in known:
            return raw
        return _only(e for e in known if folded(raw) in {folded(n) for n in (e, *self.environments.get(e, ()))})

    def known_environments(self) -> tuple[str, ...]:
        """Every environment that has a name here, in the order of the file."""
        return tuple(dict.fromkeys((*self.environments, *(s.environment for s in self.services))))

    def scopes(self) -> tuple[Scope, ...]:
        """Every scope that a service belongs to, in the order of the file."""
        return tuple(dict.fromkeys(s.scope for s in self.services))

    def held_by(self, backend: str, scope: Scope) -> tuple[Service, ...]:
        """The services whose signals a backend of config/probes.yaml holds: those that name it, or name none."""
        return tuple(
            s for s in self.services if s.scope.admits(scope) and (s.backends is None or backend in s.backends)
        )

    def scope_of(self, name: str | None, environment: str | None) -> Scope:
        """What an incident of this service may ask about; of a service nobody knows, nothing of any project."""
        service = self.find(name, environment)
        return service.scope if service is not None else Scope(environment=environment or "")

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
        """*service* and everything it relies on, nearest first; each once, also where calls go in a circle."""
        return _reached(service, self.callees)

    def edges(self, service: Service) -> tuple[Service, ...]:
        """The user-facing services above *service* (itself included, if it is one)."""
        above = {s.id for s in _reached(service, self.callers)}
        return tuple(s for s in self.within(service.environment) if s.edge and s.id in above)


def _reached(start: Service, step: Callable[[Service], tuple[Service, ...]]) -> tuple[Service, ...]:
    seen = {start.id: start}
    waiting = [start]
    for at in waiting:
        found = [s for s in step(at) if s.id not in seen]
        seen |= {s.id: s for s in found}
        waiting += found
    return tuple(seen.values())


def folded(word: str) -> str:
    """*word* as names are compared: without case and outer blanks."""
    return word.strip().casefold()


def _only(found: Iterable[T]) -> T | None:
    several = tuple(found)
    return several[0] if len(several) == 1 else None
