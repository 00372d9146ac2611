"""config/*.yaml → values, once at start. A file that does not hold together is refused by name and place."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actions.action import Tier
from actions.catalogue import CATALOGUE
from actions.policy import People, Person, Policy, Windows
from agents import documents
from agents.incident.catalogue import Catalogue, Scope
from agents.incident.errors import BadInput
from agents.incident.ids import PersonId
from agents.incident.quantities import QUANTITIES
from bot.grouping import Grouping, Rule, Rules, Use
from bot.services import BackendName, Name, Services, backend_name, catalogue

if TYPE_CHECKING:
    from bot.receiver.systems import generic

M = TypeVar("M", bound=BaseModel)
Seconds = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    """One configured sender. ``allow_unsigned`` must be said; it is never the default.

    ``proof`` is a scheme of bot/receiver/proofs, left out: what the system itself signs with, else a bearer token.
    ``service`` and ``environment`` stand in where a delivery names none. ``issuer`` is the id of Entra's tenant,
    ``caller`` that of the one application of it that may call.
    """

    system: str
    proof: str = ""
    header: str = ""
    timestamp_header: str = ""
    mapping: str = ""
    service: str | None = None
    environment: str | None = None
    service_label: str = "service"
    environment_label: str = "environment"
    topics: list[str] = []
    audience: str = ""
    issuer: str = ""
    email: str = ""
    caller: str = ""
    allow_unsigned: bool = False


class _Flapping(_Strict):
    turns: Annotated[int, Field(ge=2)] = 5
    within_s: Seconds = 3600
    quiet_s: Seconds = 1800


class _Storm(_Strict):
    incidents: Annotated[int, Field(ge=2)] = 10
    within_s: Seconds = 300
    share: Annotated[float, Field(gt=0, le=1)] = 0.4
    gather_s: Annotated[float, Field(ge=0)] = 15


class _Grouping(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    hold_s: Annotated[float, Field(ge=0)] = 120
    reopen_within_h: Annotated[float, Field(ge=0)] = 24
    window_s: Seconds = 300
    longest_s: Seconds = 3600
    wait_at_most_s: Seconds = 900
    entity_services: Annotated[int, Field(ge=2)] = 3
    flapping: _Flapping = _Flapping()
    storm: _Storm = _Storm()
    rules: dict[Rule, Use] = {}


class _Sources(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    sources: dict[Name, Source] = {}


class PrometheusTarget(_Strict):
    """One Prometheus API and what it may be asked about: an environment, and of it one project or all of them.

    ``name`` is what services.yaml and the probes' tokens call it; left out: ``prometheus``, ``prometheus-2``, …
    """

    url: str
    environment: Name
    name: BackendName = ""
    project: Name | None = None

    @property
    def scope(self) -> Scope:
        """As the file says it; the environment may be an alias."""
        return Scope(environment=self.environment, project=self.project)


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
        return kind.model_validate(documents.read(path))
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing; config/ in the project has one to start from") from error
    except ValidationError as error:
        raise BadInput(f"{path}: {error}") from error


def services(folder: Path) -> Catalogue:
    """config/services.yaml; where a service names backends, they are looked up in config/probes.yaml."""
    file = _read(Services, folder / "services.yaml")
    return catalogue(file, lambda: {t.name: t.scope for t in probes(folder).prometheus})


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


def grouping(folder: Path) -> Grouping:
    """config/grouping.yaml over the services of config/services.yaml; without the file, the starting values."""
    path = folder / "grouping.yaml"
    file = _read(_Grouping, path) if path.exists() else _Grouping(schema=1)
    usual = Rules()
    return Grouping(
        catalogue=services(folder),
        rules=Rules(
            hold=timedelta(seconds=file.hold_s),
            reopen_within=timedelta(hours=file.reopen_within_h),
            flapping_turns=file.flapping.turns,
            flapping_within=timedelta(seconds=file.flapping.within_s),
            flapping_quiet=timedelta(seconds=file.flapping.quiet_s),
            window=timedelta(seconds=file.window_s),
            longest=timedelta(seconds=file.longest_s),
            wait_at_most=timedelta(seconds=file.wait_at_most_s),
            storm_incidents=file.storm.incidents,
            storm_within=timedelta(seconds=file.storm.within_s),
            storm_share=file.storm.share,
            storm_gather=timedelta(seconds=file.storm.gather_s),
            entity_services=file.entity_services,
            uses={**usual.uses, **file.rules},
        ),
    )


def sources(folder: Path) -> Mapping[str, Source]:
    """config/sources.yaml; each row holds together with its system, its proof and config/mappings.yaml."""
    from bot.receiver.sources import check

    rows = _read(_Sources, folder / "sources.yaml").sources
    named = any(row.mapping for row in rows.values())
    known = mappings(folder) if named else {}
    for name, row in rows.items():
        check(name, row, known)
    return rows


def mappings(folder: Path) -> "Mapping[str, generic.Rules]":
    """config/mappings.yaml."""
    from bot.receiver.systems.generic import load

    return load(folder / "mappings.yaml")


def probes(folder: Path) -> Probes:
    """config/probes.yaml."""
    file = _read(Probes, folder / "probes.yaml")
    for table in (file.prometheus_queries, file.openmetrics_queries, file.health_fields):
        for quantity in table:
            if quantity not in QUANTITIES:
                raise BadInput(f"probes.yaml: unknown quantity {quantity!r}")
    named: dict[str, PrometheusTarget] = {}
    for number, target in enumerate(file.prometheus, start=1):
        name = backend_name(target.name, number)
        if name in named:
            raise BadInput(f"probes.yaml: prometheus: two are named {name!r}; give one another name")
        named[name] = target.model_copy(update={"name": name})
    return file.model_copy(update={"prometheus": list(named.values())})
