"""config/*.yaml: what ships is read, and what does not hold together is refused by file and reason."""

import shutil

import pytest
import yaml

from agents.incident.errors import BadInput
from bot import configuration
from tests.unit.agents.world import CONFIG

ONE_WAY = "give either value, or numerator and denominator"
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
