"""config/*.yaml → values, once at start. A file that does not hold together is refused by name and place."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actions.action import Tier
from actions.catalogue import CATALOGUE
from actions.policy import People, Person, Policy, Windows
from agents.incident.errors import BadInput
from agents.incident.ids import PersonId
from agents.incident.incident import Catalogue, Replica, Service
from agents.incident.quantities import QUANTITIES

M = TypeVar("M", bound=BaseModel)
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Replica(_Strict):
    metrics: str | None = None
    health: str | None = None
    log: str | None = None


class _Service(_Strict):
    environment: Name
    calls: list[Name] = []
    edge: bool = False
    objectives: dict[str, float] = {"server_error_ratio": 0.02, "slow_request_ratio": 0.25}
    replicas: dict[Name, _Replica] = {}


class _Services(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    telemetry_interval_s: Seconds = 15
    symptoms: dict[str, str] = {}
    services: dict[Name, _Service] = {}


class _Person(_Strict):
    name: str
    roles: list[Literal["viewer", "responder", "approver", "lead"]]
    accounts: dict[str, list[str]] = {}
    services: list[str] = ["*"]


class _People(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    people: dict[Name, _Person] = {}
    on_call: list[Name] = []


class _Windows(_Strict):
    settle_s: Seconds = 30
    interval_s: Seconds = 30
    horizon_s: Seconds = 600
    good_samples: Annotated[int, Field(ge=2)] = 5
    give_up_s: Seconds = 1200

    @model_validator(mode="after")
    def _long_enough(self) -> "_Windows":
        if self.give_up_s <= self.settle_s + self.horizon_s:
            raise ValueError("give_up_s must be longer than settle_s + horizon_s, or no fix could succeed")
        return self


class _Policy(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    version: str
    phase: Literal[1, 3] = 3
    trusted: list[str] = []
    deadline_minutes: Annotated[float, Field(gt=0)] = 30
    quorum: dict[str, Annotated[int, Field(ge=1)]] = {}
    max_attempts: Annotated[int, Field(ge=1, le=3)] = 3
    verification: _Windows = _Windows()


class Source(_Strict):
    """One configured sender. ``allow_unsigned`` must be said; it is never the default."""

    system: Literal["alertmanager", "cdevents", "otlp"]
    environment: str | None = None
    service_label: str = "service"
    environment_label: str = "environment"
    allow_unsigned: bool = False


class _Sources(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    sources: dict[Name, Source] = {}


class PrometheusTarget(_Strict):
    """One Prometheus API and the environment it may be asked about."""

    url: str
    environment: Name


class Probes(_Strict):
    """Which systems may be read, and the tables from quantity to each one's own query."""

    schema_: Literal[1] = Field(alias="schema")
    prometheus: list[PrometheusTarget] = []
    prometheus_queries: dict[str, "PrometheusQuery"] = {}
    openmetrics_window_s: Seconds = 2
    openmetrics_queries: dict[str, "Ratio | Gauge"] = {}
    health_fields: dict[str, str] = {}
    timeout_s: Seconds = 3


class PrometheusQuery(_Strict):
    """PromQL templates; ``$service``, ``$environment`` and ``$window`` are filled with escaped labels."""

    value: str = ""
    numerator: str = ""
    denominator: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> "PrometheusQuery":
        if bool(self.value) == bool(self.numerator) or bool(self.numerator) != bool(self.denominator):
            raise ValueError("give either value, or numerator and denominator")
        return self


class Selector(_Strict):
    """Samples of one metric whose labels match (regular expressions, whole value)."""

    metric: str
    match: dict[str, str] = {}
    sign: Literal[1, -1] = 1


class Ratio(_Strict):
    """Growth of one set of counters over that of another, or over seconds where there is none."""

    numerator: list[Selector] = Field(min_length=1)
    denominator: list[Selector] = []
    labels: dict[str, str] = {}


class Gauge(_Strict):
    """A level, or one level over another."""

    gauge: Selector
    over: Selector | None = None
    labels: dict[str, str] = {}


Probes.model_rebuild()


def _read(kind: type[M], path: Path) -> M:
    try:
        return kind.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing; config/ in the project has one to start from") from error
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error


def services(folder: Path) -> Catalogue:
    """config/services.yaml."""
    file = _read(_Services, folder / "services.yaml")
    known = {(s.environment, name) for name, s in file.services.items()}
    for name, service in file.services.items():
        for callee in service.calls:
            if (service.environment, callee) not in known:
                raise BadInput(f"services.yaml: {name} calls {callee!r}, which is not in {service.environment!r}")
        for quantity in service.objectives:
            if quantity not in QUANTITIES:
                raise BadInput(f"services.yaml: {name} has an objective on unknown quantity {quantity!r}")
    return Catalogue(
        telemetry_interval=timedelta(seconds=file.telemetry_interval_s),
        symptoms=file.symptoms,
        services=tuple(
            Service(
                name=name,
                environment=s.environment,
                calls=tuple(s.calls),
                edge=s.edge,
                objectives=s.objectives if s.edge else {},
                replicas=tuple(
                    Replica(name=r, metrics_url=x.metrics, health_url=x.health, log_file=x.log)
                    for r, x in s.replicas.items()
                ),
            )
            for name, s in file.services.items()
        ),
    )


def people(folder: Path) -> People:
    """config/people.yaml; one account belongs to one person."""
    file = _read(_People, folder / "people.yaml")
    seen: dict[tuple[str, str], str] = {}
    for person, p in file.people.items():
        for surface, accounts in p.accounts.items():
            for account in accounts:
                other = seen.setdefault((surface, account), person)
                if other != person:
                    raise BadInput(f"people.yaml: {surface} account {account!r} is given to {other} and {person}")
    for name in file.on_call:
        if name not in file.people:
            raise BadInput(f"people.yaml: {name!r} is on call and not among the people")
    return People(
        on_call=tuple(file.on_call),
        people=tuple(
            Person(
                id=PersonId(key),
                name=p.name,
                roles=frozenset(p.roles),
                accounts={s: tuple(a) for s, a in p.accounts.items()},
                scopes=tuple(p.services),
            )
            for key, p in file.people.items()
        ),
    )


def policy(folder: Path) -> Policy:
    """config/policy.yaml; only Tier 1 actions can be trusted."""
    file = _read(_Policy, folder / "policy.yaml")
    for name in file.trusted:
        action = CATALOGUE.get(name)
        if action is None or action.tier is not Tier.SAFE:
            raise BadInput(f"policy.yaml: {name!r} cannot be trusted; only Tier 1 actions can")
    for name in file.quorum:
        if name not in CATALOGUE:
            raise BadInput(f"policy.yaml: quorum for unknown action {name!r}")
    v = file.verification
    return Policy(
        version=file.version,
        phase=file.phase,
        trusted=frozenset(file.trusted),
        deadline=timedelta(minutes=file.deadline_minutes),
        quorum=file.quorum,
        max_attempts=file.max_attempts,
        windows=Windows(
            settle=timedelta(seconds=v.settle_s),
            interval=timedelta(seconds=v.interval_s),
            horizon=timedelta(seconds=v.horizon_s),
            good_samples=v.good_samples,
            give_up=timedelta(seconds=v.give_up_s),
        ),
    )


def sources(folder: Path) -> Mapping[str, Source]:
    """config/sources.yaml."""
    return _read(_Sources, folder / "sources.yaml").sources


def probes(folder: Path) -> Probes:
    """config/probes.yaml."""
    file = _read(Probes, folder / "probes.yaml")
    for table in (file.prometheus_queries, file.openmetrics_queries, file.health_fields):
        for quantity in table:
            if quantity not in QUANTITIES:
                raise BadInput(f"probes.yaml: unknown quantity {quantity!r}")
    return file
