"""An incident of one environment or project never asks another's backends: real servers count."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr

from agents.gather import Gathered, gather
from agents.incident.catalogue import Catalogue, Replica, Scope, Service
from agents.incident.errors import BadInput, Refused
from agents.incident.evidence import Answer, Question, QuestionKind, Status, Window
from agents.incident.incident import Change
from agents.ports import Asked, Probe
from agents.probes.backend import Backend
from agents.probes.json_logs import JsonLogs
from agents.probes.otlp_traces import OtlpTraces
from agents.probes.reach import Reach
from agents.spans import Span
from bot import configuration
from bot.wiring.probes import Surroundings, placing, probes_of, token_of
from tests.unit.agents.world import CONFIG, INC
from tests.unit.probes import loopback

TLS = ssl.create_default_context()
BUDGET = timedelta(seconds=5)
SECONDS = timedelta(seconds=2)
LINE = "pool timeout after 5 s"


@dataclass(frozen=True, kw_only=True)
class World:
    """Two scopes, each with a service, a backend and a log of its own; an incident is of ``ours``."""

    catalogue: Catalogue
    probes: tuple[Probe, ...]
    ours: Service
    theirs: Service
    our_backend: loopback.Backend
    their_backend: loopback.Backend
    asked_for_changes: list[tuple[str, str]]


@pytest.fixture(name="servers")
def _servers() -> Iterator[tuple[loopback.Backend, loopback.Backend]]:
    with ExitStack() as stack:
        yield stack.enter_context(loopback.counted()), stack.enter_context(loopback.counted())


@pytest.fixture(name="world", params=["two environments", "two projects"])
def _world(request, tmp_path, servers) -> World:
    first, second = servers
    at = [_replicas(server, tmp_path / f"{n}.jsonl") for n, server in enumerate(servers)]
    if request.param == "two environments":
        services: dict[str, Any] = {
            "checkout": {
                "environments": {"production": {"replicas": at[0]}, "staging": {"replicas": at[1]}},
                "edge": True,
            }
        }
        backends = [{"environment": "production"}, {"environment": "staging"}]
        names = ("production", "checkout"), ("staging", "checkout")
    else:
        services = {
            "checkout": {
                "environment": "production",
                "project": "shop",
                "calls": ["ledger"],
                "edge": True,
                "replicas": at[0],
            },
            "ledger": {"environment": "production", "project": "bank", "calls": ["checkout"], "replicas": at[1]},
        }
        backends = [{"environment": "production", "project": p} for p in ("shop", "bank")]
        names = ("production", "checkout"), ("production", "ledger")
    config = tmp_path / "config"
    config.mkdir()
    (config / "services.yaml").write_text(yaml.safe_dump({"schema": 1, "services": services}))
    told = yaml.safe_load((CONFIG / "probes.yaml").read_text()) | {
        "openmetrics_window_s": 0.05,
        "prometheus": [{"url": s.url} | b for s, b in zip(servers, backends, strict=True)],
    }
    (config / "probes.yaml").write_text(yaml.safe_dump(told))
    catalogue = configuration.services(config)
    ours, theirs = (catalogue.find(name, environment) for environment, name in names)
    assert ours is not None
    assert theirs is not None
    asked_for_changes: list[tuple[str, str]] = []
    return World(
        catalogue=catalogue,
        probes=_probes(config, catalogue, asked_for_changes),
        ours=ours,
        theirs=theirs,
        our_backend=first,
        their_backend=second,
        asked_for_changes=asked_for_changes,
    )


def _replicas(server: loopback.Backend, log: Path) -> dict[str, dict[str, str]]:
    log.write_text(json.dumps({"ts": datetime.now(UTC).isoformat(), "msg": LINE}) + "\n")
    return {
        "one": {"metrics": f"{server.url}/metrics", "health": f"{server.url}/healthz", "log": str(log)},
    }


def _probes(config: Path, catalogue: Catalogue, asked_for_changes: list[tuple[str, str]]) -> tuple[Probe, ...]:
    around = Surroundings(
        catalogue=catalogue,
        sources=configuration.sources(CONFIG),
        tokens={"prometheus": SecretStr("ours"), "prometheus-2": SecretStr("theirs")},
        spans_kept=timedelta(minutes=5),
        tls=TLS,
    )

    def changes(services, _since: datetime) -> tuple[Change, ...]:
        asked_for_changes.extend(services)
        return ()

    def spans(_low: float, high: float) -> tuple[tuple[Span, ...], bool]:
        return tuple(_span(s.name, s.environment, high - 1500) for s in catalogue.services), False

    return tuple(probes_of(configuration.probes(config), around, spans=spans, changes=changes))


def _span(service: str, environment: str, end_ms: float) -> Span:
    return Span(service, f"{service}-1", environment, False, end_ms, 5.0, False, 200, "", "")


def questions(service: Service) -> tuple[Question, ...]:
    """At least one for each kind of probe."""

    def ask(kind: QuestionKind, name: str) -> Question:
        return Question(kind=kind, service=service.name, environment=service.environment, name=name)

    quantities = ("request_rate", "server_error_ratio", "health_failing", "schema_cache_behind")
    return (
        *(ask(QuestionKind.QUANTITY, name) for name in quantities),
        ask(QuestionKind.LOG, "pool timeout"),
        ask(QuestionKind.CHANGES, ""),
    )


def window() -> Window:
    end = datetime.now(UTC)
    return Window(start=end - timedelta(minutes=10), end=end, recent=timedelta(seconds=4))


def gathered(world: World, probes: tuple[Probe, ...], scope: Scope) -> Gathered:
    return gather(
        (*questions(world.ours), *questions(world.theirs)),
        incident_id=INC,
        catalogue=world.catalogue,
        probes=probes,
        window=window(),
        budget=BUDGET,
        scope=scope,
    )


def takers(world: World, service: Service) -> list[tuple[Probe, list[Asked]]]:
    """The probes that answer for *service*, each with all that it would take."""
    found = ((p, [(q, service) for q in questions(service) if p.answers(q, service)]) for p in world.probes)
    return [(probe, asked) for probe, asked in found if asked]


KINDS = {"prometheus", "openmetrics", "json_logs", "http", "otlp_traces", "changes"}


def test_every_kind_of_probe_asks_our_own_backend_and_nothing_of_theirs(world):
    found = gathered(world, world.probes, world.ours.scope)
    assert {e.probe for e in found.evidence} == KINDS
    assert {e.question.entity for e in found.evidence} == {world.ours.id}
    assert world.our_backend.paths == {"/api/v1/query_range", "/metrics", "/healthz"}
    assert world.their_backend.seen == []
    assert set(world.asked_for_changes) == {(world.ours.environment, world.ours.name)}
    assert set(found.unasked) == set(questions(world.theirs))
    for reason in found.unasked.values():
        assert f"{world.theirs.id} belongs to another" in reason


def test_an_incident_of_theirs_sees_theirs_and_nothing_of_ours(world):
    found = gathered(world, world.probes, world.theirs.scope)
    assert {e.question.entity for e in found.evidence} == {world.theirs.id}
    assert world.their_backend.paths == {"/api/v1/query_range", "/metrics", "/healthz"}
    assert world.our_backend.seen == []


def test_each_backend_gets_its_own_token_and_a_replica_gets_none(world):
    gathered(world, world.probes, world.ours.scope)
    sent = {(s.path, s.authorization) for s in world.our_backend.seen}
    assert sent == {("/api/v1/query_range", "Bearer ours"), ("/metrics", None), ("/healthz", None)}


# --- the plan alone: probes that send whatever they are handed


class Careless:
    """A probe that asks every address of every service it is handed."""

    name = "careless"

    def answers(self, question: Question, service: Service) -> bool:
        return True

    def look(self, asked, window, budget, scope) -> Iterator[Answer]:
        for _, service in asked:
            for replica in service.replicas:
                httpx.get(replica.health_url or "", timeout=2)
        yield from ()


def test_the_plan_alone_keeps_an_incident_from_their_backend(world):
    gathered(world, (Careless(),), world.ours.scope)
    assert world.our_backend.seen
    assert world.their_backend.seen == []


# --- the probes alone: no plan before them


def test_each_probe_alone_refuses_what_is_theirs_and_says_so(world):
    theirs = takers(world, world.theirs)
    assert {p.name.removesuffix("-2") for p, _ in theirs} == KINDS
    for probe, asked in theirs:
        answers = list(probe.look(asked, window(), SECONDS, world.ours.scope))
        assert len(answers) == len(asked)
        assert {a.status for a in answers} == {Status.ERROR}, probe.name
        assert all(f"{world.theirs.id} belongs to another" in a.reason for a in answers)
    assert world.their_backend.seen == []
    assert world.asked_for_changes == []


def test_the_same_probes_do_look_for_an_incident_of_theirs(world):
    for probe, asked in takers(world, world.theirs):
        for answer in probe.look(asked, window(), SECONDS, world.theirs.scope):
            assert "belongs to another" not in answer.reason
    assert world.their_backend.paths == {"/api/v1/query_range", "/metrics", "/healthz"}
    assert world.asked_for_changes


def test_a_backend_refuses_a_service_that_is_not_its_own_even_for_an_incident_of_that_service(world):
    for probe, _ in takers(world, world.ours):
        if probe.name in {"otlp_traces", "changes"}:
            continue  # our own stores hold every scope
        asked = [
            (q, world.theirs)
            for q in questions(world.theirs)
            if probe.answers(replaced(q, world.ours), world.ours)
        ]
        assert asked
        answers = list(probe.look(asked, window(), SECONDS, world.theirs.scope))
        assert {a.status for a in answers} == {Status.ERROR}, probe.name
    assert world.our_backend.seen == []
    assert world.their_backend.seen == []


def replaced(question: Question, service: Service) -> Question:
    return replace(question, service=service.name, environment=service.environment)


def test_a_service_that_carries_their_addresses_reaches_nobody(world):
    forged = replace(world.ours, replicas=world.theirs.replicas)
    for probe, asked in takers(world, world.ours):
        answers = list(probe.look([(q, forged) for q, _ in asked], window(), SECONDS, world.ours.scope))
        if probe.name not in {"otlp_traces", "changes"}:  # they go to no address
            assert {a.status for a in answers} == {Status.ERROR}, probe.name
    assert world.their_backend.seen == []
    assert world.our_backend.seen == []


def test_a_question_about_one_service_is_not_answered_from_another(world):
    for probe, asked in takers(world, world.ours):
        crossed = [(replaced(q, world.theirs), world.ours) for q, _ in asked]
        answers = list(probe.look(crossed, window(), SECONDS, world.ours.scope))
        assert {a.status for a in answers} == {Status.ERROR}, probe.name
    assert world.our_backend.seen == []
    assert world.their_backend.seen == []


# --- the sending function itself


PROD, STAGING = Scope(environment="production"), Scope(environment="staging")


def one(scope: Scope, server: loopback.Backend, name: str = "checkout") -> Service:
    replica = Replica(name="one", metrics_url=f"{server.url}/metrics", health_url=f"{server.url}/healthz")
    return Service(name=name, environment=scope.environment, project=scope.project, replicas=(replica,))


def sender(scope: Scope, *services: Service, base_url: str = "") -> Backend:
    return Backend(Reach("prometheus", scope, services), timeout=SECONDS, tls=TLS, base_url=base_url)


@pytest.mark.parametrize("base", [False, True], ids=["replicas", "an API"])
def test_a_request_leaves_only_for_whoever_may_ask_about_a_service_that_is_held(servers, base):
    ours, theirs = one(PROD, servers[0]), one(STAGING, servers[1])
    backend = sender(PROD, ours, base_url=servers[0].url if base else "")
    address = "/api" if base else f"{servers[0].url}/metrics"
    assert backend.send("GET", address, about=ours, scope=PROD).status_code == 200
    with pytest.raises(Refused, match=r"belongs to another environment \(production\).*nothing was sent"):
        backend.send("GET", address, about=ours, scope=STAGING)
    with pytest.raises(Refused, match="belongs to another environment"):
        backend.send("GET", address, about=theirs, scope=PROD)
    with pytest.raises(Refused, match="belongs to another environment"):
        backend.send("GET", address, about=theirs, scope=STAGING)
    with pytest.raises(Refused, match="does not hold"):
        backend.send("GET", address, about=one(PROD, servers[0], "billing"), scope=PROD)
    assert len(servers[0].seen) == 1
    assert servers[1].seen == []


def test_a_request_goes_to_no_address_but_the_services_own(servers):
    ours, beside = one(PROD, servers[0]), one(PROD, servers[1], "billing")
    backend = sender(PROD, ours, beside)
    for address in (f"{servers[1].url}/metrics", f"{servers[0].url}/admin", "/metrics"):
        with pytest.raises(Refused, match="none of production/checkout"):
            backend.send("GET", address, about=ours, scope=PROD)
    api = sender(PROD, ours, base_url=servers[0].url)
    with pytest.raises(Refused, match="none of production/checkout"):
        api.send("GET", f"{servers[1].url}/api", about=ours, scope=PROD)
    assert servers[0].seen == []
    assert servers[1].seen == []


def test_a_backend_that_points_elsewhere_is_not_followed(servers):
    with loopback.serving(lambda *_: (302, f"{servers[1].url}/metrics", "")) as url:
        ours = replace(one(PROD, servers[0]), replicas=(Replica(name="one", metrics_url=f"{url}/metrics"),))
        answer = sender(PROD, ours).send("GET", f"{url}/metrics", about=ours, scope=PROD)
    assert answer.status_code == 302
    assert servers[1].seen == []


def test_a_system_cannot_be_given_a_service_of_another_scope(servers):
    shop, bank = Scope(environment="production", project="shop"), Scope(environment="production", project="bank")
    for of, service in ((STAGING, PROD), (bank, shop), (shop, PROD)):
        with pytest.raises(BadInput, match="belongs to another"):
            sender(of, one(service, servers[0]))
    sender(PROD, one(shop, servers[0]), one(bank, servers[0], "ledger"))  # shared by its projects
    JsonLogs(Reach("json_logs", shop, [one(shop, servers[0])]))


# --- spans and tokens


def catalogue(*environments: str) -> Catalogue:
    services = tuple(Service(name="checkout", environment=e) for e in environments)
    return Catalogue(
        services=services, environments={"production": ("prod",)} if "production" in environments else {}
    )


def sources(*stated: str | None) -> dict[str, configuration.Source]:
    return {f"s{i}": configuration.Source(system="otlp", environment=e) for i, e in enumerate(stated)}


@pytest.mark.parametrize(
    ("stated", "known", "counts_for"),
    [
        ((None,), ("playground",), "playground"),
        ((), ("playground",), "playground"),
        ((None,), ("production", "staging"), None),
        ((), ("production", "staging"), None),
        (("staging",), ("production", "staging"), "staging"),
        (("prod",), ("production", "staging"), "production"),
        (("staging",), ("production",), None),
        (("staging", "prod"), ("production", "staging"), None),
        (("staging", None), ("production", "staging"), None),
    ],
)
def test_a_span_without_environment_counts_for_what_its_source_states_else_for_the_only_one(
    stated, known, counts_for
):
    assert placing(sources(*stated), catalogue(*known))("") == counts_for


def test_a_span_counts_for_the_environment_it_names_by_any_of_its_names_and_never_for_an_unknown_one():
    placed = placing(sources("staging"), catalogue("production", "staging"))
    assert [placed(w) for w in ("production", "PROD", "staging", "moon")] == [
        "production",
        "production",
        "staging",
        None,
    ]


@pytest.mark.parametrize(("word", "seen"), [("", False), ("staging", False), ("production", True), ("prod", True)])
def test_spans_of_nobody_or_of_another_environment_are_not_ours(word, seen):
    known = catalogue("production", "staging")
    probe = OtlpTraces(
        lambda _low, high: ((_span("checkout", word, high - 1500),), False),
        keep=timedelta(minutes=5),
        placed=placing(sources(None), known),
    )
    ours = known.services[0]
    (answer,) = probe.look([(questions(ours)[0], ours)], window(), SECONDS, ours.scope)
    assert (answer.status is Status.COMPLETE) is seen
    assert (answer.status is Status.EMPTY) is not seen


def test_a_token_kept_for_an_environment_is_not_sent_to_a_projects_backend():
    tokens = {"prometheus.production": SecretStr("shared"), "shop": SecretStr("own")}

    def of(**named: str) -> str:
        return token_of(configuration.PrometheusTarget(url="http://p", environment="production", **named), tokens)

    assert of(name="prometheus") == "shared"
    assert of(name="shop") == of(name="shop", project="shop") == "own"
    assert of(name="bank", project="bank") == ""
