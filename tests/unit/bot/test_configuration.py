"""config/*.yaml: what ships is read, and what does not hold together is refused by file and reason."""

import shutil

import pytest
import yaml

from agents.incident.errors import BadInput
from bot import configuration
from tests.unit.agents.world import CONFIG

ONE_WAY = "give either value, or numerator and denominator"
ODD = ["a b", "a\n", "`a`", "a'", 'a"', "a\\", "<a>", "@a", "a*b", "\u202ea", "a\u200bb", "", "a" * 121]
BARE = {"environment": "prod"}
SPELLED = {"b-1": {"metrics": "http://A:80/healthz/"}}
TARGET = {"url": "http://p", "environment": "prod"}
SERVICE = {"environment": "prod", "calls": [], "replicas": {"a-1": {"health": "http://a/healthz"}}}


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def write(folder, name, **content):
    (folder / name).write_text(yaml.safe_dump({"schema": 1, **content}))


def test_what_ships_is_read(folder):
    assert configuration.services(folder).services == ()
    assert configuration.people(folder).approvers() == ()
    assert configuration.policy(folder).trusted == frozenset()
    assert configuration.policy(folder).phase == 3
    assert set(configuration.sources(folder)) == {"alertmanager", "changes", "traces"}
    assert configuration.probes(folder).openmetrics_queries


def test_the_graph_is_walked_down_and_up(folder):
    write(
        folder,
        "services.yaml",
        services={"a": SERVICE | {"calls": ["b"], "edge": True}, "b": SERVICE | {"calls": ["c"]}, "c": SERVICE},
    )
    known = configuration.services(folder)
    a, c = known.find("a", "prod"), known.find("c", None)
    assert a is not None
    assert c is not None
    assert [s.name for s in known.below(a)] == ["a", "b", "c"]
    assert [s.name for s in known.edges(c)] == ["a"]
    assert known.find("a", "staging") is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("services.yaml", {"services": {"a": SERVICE | {"calls": ["ghost"]}}}, "ghost"),
        ("services.yaml", {"services": {"a": SERVICE | {"objectives": {"happiness": 1}}}}, "happiness"),
        ("services.yaml", {"services": {"a b": SERVICE}}, "services.yaml"),
        *((("services.yaml", {"services": {name: SERVICE}}, "services")) for name in ODD),
        *(
            (("services.yaml", {"services": {"a": SERVICE | {"replicas": {name: {}}}}}, "replicas"))
            for name in ODD
        ),
        *((("services.yaml", {"services": {"a": SERVICE | {"owners": [name]}}}, "owners")) for name in ODD[1:]),
        *((("services.yaml", {"services": {"a": SERVICE | {"aliases": [name]}}}, "aliases")) for name in ODD[1:]),
        ("services.yaml", {"services": {"a": SERVICE | {"owners": ["ana "]}}}, "owners"),
        ("services.yaml", {"services": {"a": SERVICE | {"repositories": ["checkout"]}}}, "repositories"),
        ("services.yaml", {"services": {"a": SERVICE | {"repositories": ["a/../b"]}}}, "repositories"),
        ("services.yaml", {"services": {"a": SERVICE | {"criticality": "huge"}}}, "criticality"),
        ("services.yaml", {"services": {"a": {}}}, "services.a"),
        ("services.yaml", {"services": {"a": SERVICE | {"environments": {"staging": {}}}}}, "services.a"),
        (
            "services.yaml",
            {"services": {"a": {"environments": {"prod": {}, "staging": {"calls": ["ghost"]}}}}},
            "services.a.environments.staging.calls: a calls 'ghost'",
        ),
        (
            "services.yaml",
            {"services": {"a": {"environments": {"prod": {}, "staging": {}}, "calls": ["b"]}, "b": SERVICE}},
            "services.a.environments.staging.calls: a calls 'b'",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE | {"aliases": ["Web"]}, "b": BARE | {"aliases": ["web"]}}},
            "services.b.aliases: 'web' means a in 'prod' already",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE | {"aliases": ["B"]}, "b": BARE}},
            "services.a.aliases: 'B' means b in 'prod' already",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE | {"repositories": ["x/y"]}, "b": BARE | {"repositories": ["X/y"]}}},
            "services.b.repositories: 'X/y' means a in 'prod' already",
        ),
        (
            "services.yaml",
            {"environments": {"production": {"aliases": ["prod"]}}, "services": {"a": SERVICE}},
            "services.a: environment 'prod' is another name of 'production'; write 'production'",
        ),
        (
            "services.yaml",
            {"environments": {"production": {"aliases": ["live"]}, "staging": {"aliases": ["LIVE"]}}},
            "environments.staging: 'LIVE' stands for 'production' already",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE | {"backends": ["elsewhere"]}}},
            "services.a.backends: 'elsewhere' is no backend of probes.yaml; it has none",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE, "b": SERVICE | {"environment": "staging"}}},
            "services.b.replicas.a-1: one of its addresses is also one of prod/a",
        ),
        (
            "services.yaml",
            {"services": {"a": SERVICE, "b": BARE | {"project": "x", "replicas": SPELLED}}},
            "services.b.replicas.b-1: one of its addresses is also one of prod/a",
        ),
        (
            "services.yaml",
            {"services": {"a": {"environments": {"prod": {}, "staging": {}}, "replicas": SPELLED}}},
            "services.a.environments.staging.replicas.b-1: one of its addresses is also one of prod/a",
        ),
        ("probes.yaml", {"prometheus": [TARGET | {"name": "a.b"}]}, "name"),
        ("probes.yaml", {"prometheus": [TARGET, TARGET | {"name": "prometheus"}]}, "two are named 'prometheus'"),
        ("services.yaml", {"services": {}, "surprise": 1}, "surprise"),
        ("people.yaml", {"people": {"a": {"name": "A", "roles": ["boss"]}}}, "roles"),
        (
            "people.yaml",
            {
                "people": {
                    "a": {"name": "A", "roles": ["approver"], "accounts": {"console": ["x"]}},
                    "b": {"name": "B", "roles": ["approver"], "accounts": {"console": ["x"]}},
                }
            },
            "'x' is given to a and b",
        ),
        ("policy.yaml", {"version": "1", "trusted": ["rollback_deployment"]}, "only Tier 1"),
        ("policy.yaml", {"version": "1", "trusted": ["drop_column"]}, "only Tier 1"),
        ("policy.yaml", {"version": "1", "trusted": ["typo"]}, "only Tier 1"),
        ("policy.yaml", {"version": "1", "quorum": {"typo": 2}}, "typo"),
        ("policy.yaml", {"version": "1", "phase": 4}, "phase"),
        ("policy.yaml", {"version": "1", "quorum": {"restart_replica": 0}}, "quorum"),
        (
            "policy.yaml",
            {"version": "1", "verification": {"settle_s": 30, "horizon_s": 600, "give_up_s": 630}},
            "give_up_s must be longer than settle_s + horizon_s",
        ),
        ("sources.yaml", {"sources": {"x": {"system": "unheard-of"}}}, "system"),
        ("probes.yaml", {"openmetrics_queries": {"happiness": {"gauge": {"metric": "x"}}}}, "happiness"),
        ("probes.yaml", {"prometheus_queries": {"request_rate": {}}}, ONE_WAY),
        ("probes.yaml", {"prometheus_queries": {"request_rate": {"numerator": "a"}}}, ONE_WAY),
        ("probes.yaml", {"prometheus_queries": {"request_rate": {"denominator": "b"}}}, ONE_WAY),
        ("probes.yaml", {"prometheus_queries": {"request_rate": {"value": "v", "denominator": "b"}}}, ONE_WAY),
        (
            "probes.yaml",
            {"prometheus_queries": {"request_rate": {"value": "v", "numerator": "a", "denominator": "b"}}},
            ONE_WAY,
        ),
    ],
)
def test_what_does_not_hold_together_is_refused(folder, name, content, says):
    write(folder, name, **content)
    read = getattr(configuration, name.removesuffix(".yaml"))
    with pytest.raises(BadInput) as refused:
        read(folder)
    assert says in str(refused.value)
    assert name in str(refused.value)


@pytest.mark.parametrize("name", ["services", "people", "policy", "sources", "probes"])
def test_a_missing_or_broken_file_is_named(folder, name):
    file = folder / f"{name}.yaml"
    file.write_text("a: [")
    with pytest.raises(BadInput, match=f"{name}.yaml"):
        getattr(configuration, name)(folder)
    file.unlink()
    with pytest.raises(BadInput, match="is missing"):
        getattr(configuration, name)(folder)


def test_a_service_is_read_with_all_that_is_said_of_it(folder):
    write(
        folder,
        "services.yaml",
        environments={"prod": {"aliases": ["production", "live"]}, "dev": None},
        services={
            "a": SERVICE
            | {
                "project": "shop",
                "owners": ["Zoë Müller", "Payments", "支払い"],
                "criticality": "high",
                "aliases": ["a-api", "shop/a"],
                "repositories": ["example/a", "group/sub/b"],
            }
        },
    )
    known = configuration.services(folder)
    (a,) = known.services
    assert (a.project, a.criticality) == ("shop", "high")
    assert a.owners == ("Zoë Müller", "Payments", "支払い")
    assert a.aliases == ("a-api", "shop/a")
    assert a.repositories == ("example/a", "group/sub/b")
    assert a.backends is None
    assert known.environment_named("LIVE") == "prod"
    assert set(known.known_environments()) == {"prod", "dev"}


def test_a_service_of_several_environments_has_its_own_in_each_and_the_rest_in_common(folder):
    write(
        folder,
        "services.yaml",
        services={
            "a": {
                "environments": {
                    "prod": {"replicas": {"a-1": {"health": "http://a/healthz"}}, "objectives": {"in_flight": 9}},
                    "staging": None,
                    "test": {"calls": [], "backends": []},
                },
                "edge": True,
                "calls": ["b"],
                "owners": ["ana"],
                "objectives": {"server_error_ratio": 0.5},
            },
            "b": {"environments": {"prod": {}, "staging": {}}},
        },
    )
    known = configuration.services(folder)
    prod, staging, test = (known.find("a", e) for e in ("prod", "staging", "test"))
    assert prod is not None
    assert staging is not None
    assert test is not None
    assert [r.health_url for r in prod.replicas] == ["http://a/healthz"]
    assert (prod.objectives, staging.objectives) == ({"in_flight": 9}, {"server_error_ratio": 0.5})
    assert (prod.calls, staging.calls, test.calls) == (("b",), ("b",), ())
    assert (staging.replicas, staging.backends, test.backends) == ((), None, ())
    assert {s.owners for s in (prod, staging, test)} == {("ana",)}
    assert [s.id for s in known.below(staging)] == ["staging/a", "staging/b"]


def test_services_that_call_each_other_in_a_circle_are_read(folder):
    write(folder, "services.yaml", services={"a": SERVICE | {"calls": ["b"]}, "b": BARE | {"calls": ["a"]}})
    a = configuration.services(folder).find("a", "prod")
    assert a is not None
    assert [s.name for s in configuration.services(folder).below(a)] == ["a", "b"]


def test_one_address_may_serve_two_services_of_one_environment(folder):
    write(folder, "services.yaml", services={"a": SERVICE, "b": SERVICE})
    assert len(configuration.services(folder).services) == 2


def test_backends_have_a_name_of_their_own_or_one_by_their_place(folder):
    write(folder, "probes.yaml", prometheus=[TARGET, TARGET | {"name": "shop", "project": "shop"}, TARGET])
    found = configuration.probes(folder).prometheus
    assert [t.name for t in found] == ["prometheus", "shop", "prometheus-3"]
    assert [str(t.scope) for t in found] == ["prod", "prod, project shop", "prod"]


@pytest.mark.parametrize(
    ("service", "refused"),
    [
        ({"environment": "production"}, ""),
        ({"environment": "production", "project": "shop"}, ""),
        ({"environment": "staging"}, "'main' belongs to another environment (production) than staging/a"),
        (
            {"environments": {"production": {}, "staging": {}}},
            "services.a.environments.staging.backends: 'main' belongs to another environment",
        ),
        ({"environment": "production", "backends": ["shop"]}, "'shop' belongs to another project"),
        ({"environment": "production", "project": "bank", "backends": ["shop"]}, "another project"),
        ({"environment": "production", "project": "shop", "backends": ["shop"]}, ""),
    ],
)
def test_a_service_names_backends_of_its_own_environment_and_project_alone(folder, service, refused):
    main = {"url": "http://p", "environment": "prod", "name": "main"}
    write(folder, "probes.yaml", prometheus=[main, main | {"name": "shop", "project": "shop"}])
    write(
        folder,
        "services.yaml",
        environments={"production": {"aliases": ["prod"]}},
        services={"a": {"backends": ["main"]} | service},
    )
    if not refused:
        assert configuration.services(folder).services[0].backends
        return
    with pytest.raises(BadInput) as error:
        configuration.services(folder)
    assert refused in str(error.value)
    assert "services.yaml: services.a" in str(error.value)
