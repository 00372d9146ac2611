"""config/services.yaml: its shape, and the catalogue that it makes once everything in it holds together."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.incident.catalogue import Catalogue, Criticality, Replica, Scope, Service, folded
from agents.incident.errors import BadInput
from agents.incident.quantities import QUANTITIES

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]
Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._:/-]*[A-Za-z0-9])?$", max_length=120)]
"""Senders' own names may hold blanks, colons and slashes; nothing that quotes, mentions or breaks a line."""

Owner = Annotated[
    str, Field(pattern=r"^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} ._-]*[\p{L}\p{M}\p{N}.])?$", max_length=120)
]
"""A person or team as cards show it: letters of any script, nothing that a chat reads as a mention."""

Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+$")]
BackendName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=120)]
"""Without dots: ``prometheus.production`` in the probes' tokens stands for an environment."""

Placed = tuple[str, Service]
"""Where in the file a service of one environment stands, and the service."""

_PORTS = {"http": 80, "https": 443}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Replica(_Strict):
    metrics: str | None = None
    health: str | None = None
    log: str | None = None


class _Here(_Strict):
    """What a service has of its own in one environment; what is left out is as for all of them."""

    calls: list[Name] | None = None
    objectives: dict[str, float] | None = None
    replicas: dict[Name, _Replica] | None = None
    backends: list[BackendName] | None = None


class _Service(_Strict):
    environment: Name | None = None
    environments: dict[Name, _Here | None] = {}
    project: Name | None = None
    owners: list[Owner] = []
    criticality: Criticality = Criticality.NORMAL
    aliases: list[Alias] = []
    repositories: list[Repository] = []
    calls: list[Name] = []
    edge: bool = False
    objectives: dict[str, float] = {"server_error_ratio": 0.02, "slow_request_ratio": 0.25}
    replicas: dict[Name, _Replica] = {}
    backends: list[BackendName] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "_Service":
        if (self.environment is None) is not bool(self.environments):
            raise ValueError("give either environment, or environments with one or more")
        return self


class _Environment(_Strict):
    aliases: list[Alias] = []


class Services(_Strict):
    """The file as it stands."""

    schema_: Literal[1] = Field(alias="schema")
    telemetry_interval_s: Annotated[float, Field(ge=0.001, le=86_400)] = 15
    symptoms: dict[str, str] = {}
    environments: dict[Name, _Environment | None] = {}
    services: dict[Name, _Service] = {}


def catalogue(file: Services, backends: Callable[[], Mapping[str, Scope]]) -> Catalogue:
    """The catalogue that *file* describes.

    Args:
        backends: The scope of each backend of config/probes.yaml; read only where a service names one.

    Raises:
        BadInput: Two places do not hold together; the message says which.
    """
    placed = [p for name, service in file.services.items() for p in _placed(name, service)]
    made = Catalogue(
        telemetry_interval=timedelta(seconds=file.telemetry_interval_s),
        symptoms=file.symptoms,
        environments={e: tuple(x.aliases if x else ()) for e, x in file.environments.items()},
        services=tuple(s for _, s in placed),
    )
    for check in (_environments, _calls, _objectives, _names, _repositories, _addresses):
        for wrong in check(placed, made):
            raise BadInput(f"services.yaml: {wrong}")
    if any(s.backends is not None for _, s in placed):
        for wrong in _backends(placed, made, backends()):
            raise BadInput(f"services.yaml: {wrong}")
    return made


def _placed(name: str, service: _Service) -> Iterator[Placed]:
    if service.environment is not None:
        yield f"services.{name}", _service(name, service, service.environment, _Here())
    for environment, here in service.environments.items():
        yield f"services.{name}.environments.{environment}", _service(name, service, environment, here or _Here())


def _service(name: str, all_: _Service, environment: str, here: _Here) -> Service:
    objectives = all_.objectives if here.objectives is None else here.objectives
    replicas = all_.replicas if here.replicas is None else here.replicas
    backends = all_.backends if here.backends is None else here.backends
    return Service(
        name=name,
        environment=environment,
        project=all_.project,
        owners=tuple(all_.owners),
        criticality=all_.criticality,
        aliases=tuple(all_.aliases),
        repositories=tuple(all_.repositories),
        calls=tuple(all_.calls if here.calls is None else here.calls),
        edge=all_.edge,
        objectives=objectives,
        replicas=tuple(
            Replica(name=r, metrics_url=x.metrics, health_url=x.health, log_file=x.log)
            for r, x in replicas.items()
        ),
        backends=None if backends is None else tuple(backends),
    )


def _environments(placed: Sequence[Placed], made: Catalogue) -> Iterator[str]:
    meant: dict[str, str] = {}
    for environment, aliases in made.environments.items():
        for word in (environment, *aliases):
            other = meant.setdefault(folded(word), environment)
            if other != environment:
                yield f"environments.{environment}: {word!r} stands for {other!r} already"
    for place, service in placed:
        own = meant.get(folded(service.environment), service.environment)
        if own != service.environment:
            yield f"{place}: environment {service.environment!r} is another name of {own!r}; write {own!r}"


def _calls(placed: Sequence[Placed], made: Catalogue) -> Iterator[str]:
    for place, service in placed:
        known = {s.name for s in made.within(service.environment)}
        for callee in service.calls:
            if callee not in known:
                yield (
                    f"{place}.calls: {service.name} calls {callee!r}, which is not in {service.environment!r};"
                    " add it there or take it out"
                )


def _objectives(placed: Sequence[Placed], _made: Catalogue) -> Iterator[str]:
    for place, service in placed:
        for quantity in service.objectives:
            if quantity not in QUANTITIES:
                yield f"{place}: {service.name} has an objective on unknown quantity {quantity!r}"


def _names(placed: Sequence[Placed], _made: Catalogue) -> Iterator[str]:
    held = {(s.environment, folded(s.name)): s.name for _, s in placed}
    yield from _claims(placed, "aliases", lambda s: s.aliases, held)


def _repositories(placed: Sequence[Placed], _made: Catalogue) -> Iterator[str]:
    yield from _claims(placed, "repositories", lambda s: s.repositories, {})


def _claims(
    placed: Sequence[Placed],
    key: str,
    claims: Callable[[Service], Iterable[str]],
    held: dict[tuple[str, str], str],
) -> Iterator[str]:
    for place, service in placed:
        for claim in claims(service):
            other = held.setdefault((service.environment, folded(claim)), service.name)
            if other != service.name:
                yield f"{place}.{key}: {claim!r} means {other} in {service.environment!r} already"


def _addresses(placed: Sequence[Placed], _made: Catalogue) -> Iterator[str]:
    held: dict[str, Service] = {}
    for place, service in placed:
        for replica in service.replicas:
            for address in replica.addresses:
                other = held.setdefault(_normal(address), service)
                if other.scope != service.scope:
                    where = f"{place}.replicas.{replica.name}"
                    yield (
                        f"{where}: one of its addresses is also one of {other.id}, which belongs to"
                        f" {service.scope.another(other.scope)}; give each its own"
                    )


def _normal(address: str) -> str:
    """An address or path as another spelling of it compares. Never shown: it may hold a secret."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return address
    if not parts.hostname:
        return posixpath.normpath(address)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}?{parts.query}"


def _backends(placed: Sequence[Placed], made: Catalogue, scopes: Mapping[str, Scope]) -> Iterator[str]:
    for place, service in placed:
        for name in service.backends or ():
            scope = scopes.get(name)
            if scope is None:
                known = ", ".join(scopes) or "none"
                yield f"{place}.backends: {name!r} is no backend of probes.yaml; it has {known}"
                continue
            theirs = placed_scope(made, scope)
            if not service.scope.admits(theirs):
                yield (
                    f"{place}.backends: {name!r} belongs to {service.scope.another(theirs)} than {service.id};"
                    " name one of its own"
                )


def backend_name(given: str, number: int) -> str:
    """What the *number*-th Prometheus of probes.yaml is called, counted from one."""
    return given or ("prometheus" if number == 1 else f"prometheus-{number}")


def placed_scope(made: Catalogue, scope: Scope) -> Scope:
    """*scope* with its environment's own name."""
    return Scope(environment=made.environment_named(scope.environment) or scope.environment, project=scope.project)
