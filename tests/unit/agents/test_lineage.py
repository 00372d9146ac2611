"""Which readings are independent: the six rules, common mode, and the pairs that the design works through."""

from datetime import timedelta
from typing import Any

import pytest

from agents.gather import keep
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Trust
from agents.lineage import A_CHANGE, independent
from tests.unit.agents.world import INC, WINDOW


def reading(name="x", *, kind=QuestionKind.EVENTS, place="prod/checkout", alive=True, **lineage):
    usual: dict[str, Any] = {"producers": (), "pipeline": f"pipe of {name}", "quantity": name, "place": place}
    answer = Answer(
        question=Question(kind=kind, service="checkout", environment="prod", name=name),
        status=Status.COMPLETE,
        query=name,
        lineage=Lineage(**(usual | lineage)),
        body={"of": name},
        alive=alive,
    )
    return keep(answer, INC, "canned", WINDOW, timedelta(0))[0]


KSM = {"exporter": "kube-state-metrics", "pipeline": "prometheus"}
OOM = "the reason of the last end"
STATUS_WRITER, CADVISOR = "kubelet-n1/status-writer", "kubelet-n1-cadvisor/cgroups"

PAIRS = {
    "OOMKilled and the restart count of the same state": (
        reading("oom_killed", producers=(STATUS_WRITER,), construction=(OOM,), **KSM),
        reading("restarts", producers=(STATUS_WRITER,), construction=(OOM,), **KSM),
        1,
    ),
    "OOMKilled and a working set at its limit": (
        reading("oom_killed", producers=(STATUS_WRITER,), **KSM),
        reading("working_set", producers=(CADVISOR,), exporter="kubelet-n1/cadvisor", pipeline="prometheus"),
        2,
    ),
    "OOMKilled and the kernel's own counter": (
        reading("oom_killed", producers=(STATUS_WRITER,), **KSM),
        reading("oom_kill", producers=("node-exporter-n1/kernel",), place="node/n1", pipeline="prometheus"),
        2,
    ),
    "evictions and memory of one Redis, through one exporter": (
        reading("evicted", producers=("redis-1/server",), exporter="redis-exporter-1"),
        reading("memory_used", producers=("redis-1/server",), exporter="redis-exporter-1"),
        1,
    ),
    "Redis evictions and the misses its client sees": (
        reading("evicted", producers=("redis-1/server",), exporter="redis-exporter-1", place="prod/redis"),
        reading("miss_latency", producers=("prod/checkout/1",), place="prod/checkout"),
        2,
    ),
    "client errors of one process and server errors of another": (
        reading("client_errors", producers=("prod/a/1",), place="prod/a", pipeline="otlp"),
        reading("server_errors", producers=("prod/b/1",), place="prod/b", pipeline="otlp"),
        2,
    ),
    "latency and errors out of one SDK": (
        reading("p99", producers=("prod/b/1",), place="prod/b"),
        reading("errors", producers=("prod/b/1",), place="prod/b"),
        1,
    ),
    "a log of the pool and the pool's own metric": (
        reading("log", producers=("prod/checkout/1",), pipeline="loki"),
        reading("pool_pending", producers=("prod/checkout/1",), pipeline="prometheus"),
        1,
    ),
    "a probe from outside and a metric from inside": (
        reading("probe_failed", producers=("blackbox/prober",), place="prod/checkout"),
        reading("errors", producers=("prod/checkout/1",)),
        2,
    ),
    "a deploy on record and the new image that it left": (
        reading("", kind=QuestionKind.CHANGES, producers=("cd",)),
        reading("image", producers=(STATUS_WRITER,), construction=(A_CHANGE,), **KSM),
        0,
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_the_pairs_that_were_worked_through(pair):
    first, second, signals = PAIRS[pair]
    assert independent([[first], [second]]) == signals


RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one process measured both": ({"producers": ("prod/a/1",)}, {"producers": ("prod/a/2",)}),
    "one exporter measured both": ({"exporter": "e"}, {"exporter": "e"}),
    "one raw series": ({"samples": ("s",)}, {"samples": ("s",)}),
    "one is computed from the other": ({"samples": ("s",)}, {"derived_from": ("s",)}),
    "one request": (
        {"producers": ("prod/a/1",), "request_ids": ("r",)},
        {"producers": ("prod/a/1",), "request_ids": ("r",)},
    ),
    "one quantity at one place": ({"quantity": "q"}, {"quantity": "q"}),
    "text that outsiders write": ({"trust": Trust.USER_PAYLOAD}, {"trust": Trust.USER_PAYLOAD}),
    "one makes the other": ({"construction": ("c",)}, {"construction": ("c",)}),
    "one pipe that nobody saw alive": ({"pipeline": "p", "alive": None}, {"pipeline": "p", "alive": None}),
    "one node that nobody saw alive": ({"node": "n", "alive": False}, {"node": "n", "alive": False}),
}


@pytest.mark.parametrize("rule", RULES)
def test_sharing_one_key_is_enough(rule):
    first, second = RULES[rule]
    assert independent([[reading("a", place="prod/a", **({"quantity": "a"} | first))]]) == 1
    place = "prod/a" if "quantity" in first else "prod/b"
    one, two = reading("a", place="prod/a", **first), reading("b", place=place, **second)
    assert independent([[one], [two]]) == 1


def test_a_shared_pipe_that_was_seen_alive_is_no_common_cause():
    one, two = reading("a", place="prod/a", pipeline="p"), reading("b", place="prod/b", pipeline="p")
    assert independent([[one], [two]]) == 2


def test_the_same_request_in_two_processes_is_two_readings():
    one = reading("a", place="prod/a", producers=("prod/a/1",), request_ids=("r",))
    two = reading("b", place="prod/b", producers=("prod/b/1",), request_ids=("r",))
    assert independent([[one], [two]]) == 2


def test_what_two_quantities_are_computed_from_comes_from_the_catalogue():
    def of(name, producer):
        return reading(name, kind=QuestionKind.QUANTITY, producers=(producer,))

    assert independent([[of("server_error_ratio", "prod/a/1")], [of("slow_request_ratio", "prod/b/1")]]) == 1
    assert independent([[of("server_error_ratio", "prod/a/1")], [of("pool_waiters", "prod/b/1")]]) == 2


def test_outsiders_text_never_suffices_with_more_of_it():
    texts = [reading(f"log{n}", place=f"prod/{n}", trust=Trust.USER_PAYLOAD) for n in range(5)]
    assert independent([[t] for t in texts]) == 1
    assert independent([[texts[0]], [reading("gauge", place="prod/g")]]) == 2
