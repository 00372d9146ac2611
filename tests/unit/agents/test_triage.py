"""What is concluded from evidence, and what is not."""

from datetime import timedelta

import pytest

from agents.calibration import Label, merged
from agents.incident.evidence import Status
from agents.incident.finding import FindingState, RefuterOutcome
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, GATEWAY, INVENTORY, Store, line, upstream

S = FindingState

FAULTS = [
    (world.pool_leak, "F11", "shop/checkout"),
    (world.hung_replica, "F34", "shop/checkout/checkout-2"),
    (world.stale_schema, "F49", "shop/inventory"),
    (world.surge, "F41", "shop/gateway"),
]


@pytest.mark.parametrize(("build", "signature", "entity"), FAULTS)
def test_a_known_fault_is_named_with_two_independent_signals(build, signature, entity):
    finding = build().finding()
    assert (finding.state, finding.signature, finding.entity) == (S.DIAGNOSED, signature, entity)
    assert finding.independent_groups >= 2
    assert len({g.vantage for g in finding.groups}) >= 2
    assert finding.dropped == ()
    held = set(finding.evidence)
    assert all(e in held for said in finding.claims for e in _cites(said.claim))


@pytest.mark.parametrize(
    ("build", "without"),
    [
        (world.pool_leak, "pool_waiters"),
        (world.pool_leak, "pool_used_ratio"),
        (world.pool_leak, "upstream_failure_ratio"),
        (world.stale_schema, "schema_cache_behind"),
        (world.surge, "request_rate"),
        (world.surge, "pool_used_ratio"),
        (world.hung_replica, "in_flight"),
    ],
)
def test_taking_one_group_away_always_leaves_diagnosed(build, without):
    finding = build().finding(without=without)
    assert finding.state not in {S.DIAGNOSED, S.LIKELY}
    assert finding.signature is None


def test_a_surge_is_not_called_a_fault_of_the_pool_it_fills():
    finding = world.surge().finding()
    assert finding.entity == "shop/gateway"
    assert "not a fault of the service" in finding.text
    assert "pool exhausted" not in finding.text


def test_the_same_without_a_deploy_is_still_the_pool_but_names_no_change():
    store = world.pool_leak()
    store.items = [e for e in store.items if e.question.kind != "changes"]
    finding = store.finding()
    assert finding.signature == "F11"
    assert finding.change is None


def test_a_deploy_alone_confirms_nothing():
    store = world.well(Store())
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.35, 0.0, per=16.0)})
    store.change(CHECKOUT)
    finding = store.finding()
    assert finding.state is S.INCONCLUSIVE
    assert finding.suspects == ()


def test_without_calibration_nothing_is_named():
    finding = world.pool_leak().finding(world.UNSURE)
    assert finding.state is S.SUSPECTS
    assert [s.signature for s in finding.suspects] == ["F11"]
    assert "Cause" not in finding.text


def test_a_card_says_how_many_of_its_labels_came_with_the_release():
    finding = world.pool_leak().finding(world.SURE)
    assert f"n {finding.n}, {finding.n} replayed · " in finding.text
    assert finding.score is not None
    local = [Label(score=finding.score, right=True)] * 5
    told = world.pool_leak().finding(merged(world.SURE, local))
    assert told.n is not None
    assert told.n == finding.n
    assert f"n {told.n}, {told.n - 5} replayed · " in told.text


def test_a_thin_calibration_makes_it_likely():
    assert world.pool_leak().finding(world.LIKELY).state is S.LIKELY


def test_a_symptom_that_is_over_is_no_fault_only_when_the_alert_is_about_it():
    store = world.well(Store())
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.0, 0.0, per=16.0)})
    assert store.finding().state is S.NO_FAULT
    other = world.incident(title="DiskAlmostFull")
    assert store.finding(about=other).state is S.INCONCLUSIVE


def test_an_edge_that_cannot_be_read_is_blind_and_says_so():
    store = Store()
    store.quantity(GATEWAY, "server_error_ratio", [], status=Status.ERROR)
    finding = store.finding()
    assert finding.state is S.BLIND
    assert any("gateway" in gap for gap in finding.not_checked)


def test_an_unknown_service_is_blind_and_names_the_file_to_mend():
    finding = world.pool_leak().finding(about=world.incident(service="nowhere"))
    assert finding.state is S.BLIND
    assert "config/services.yaml" in finding.text


def test_a_hard_refuter_removes_the_hypothesis():
    store = world.pool_leak()
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, line(0.3, 0.0, per=8.0))], probe="second")
    finding = store.finding()
    assert finding.signature is None
    assert [r.outcome for r in finding.refuters] == [RefuterOutcome.FIRED]


def test_a_look_alike_that_could_not_be_ruled_out_keeps_the_cause_unnamed():
    finding = world.surge().finding(without="request_rate")
    assert finding.state is S.SUSPECTS


def _upstream_of_checkout(store: world.Store, points: list[list[float]]) -> None:
    store.items = [
        e for e in store.items if (e.question.name, e.question.service) != ("upstream_failure_ratio", "checkout")
    ]
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    if points:
        store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, points)])


def test_a_pool_so_exhausted_that_it_makes_no_calls_is_still_named():
    store = world.pool_leak()
    _upstream_of_checkout(store, line(0.0, 0.0, per=0.0))
    finding = store.finding()
    assert (finding.state, finding.signature) == (S.DIAGNOSED, "F11")
    assert not any("its own upstream" in gap for gap in finding.not_checked)


def test_calls_to_its_own_upstream_that_nobody_could_read_keep_the_pool_unnamed():
    store = world.pool_leak()
    _upstream_of_checkout(store, [])
    assert store.finding().state is S.SUSPECTS


def test_a_pool_that_fills_because_everything_below_hangs_is_not_called_a_pool_fault():
    store = world.pool_leak()
    _upstream_of_checkout(store, line(0.0, 0.0, per=0.0))
    store.quantity(INVENTORY, "in_flight", {"inventory-1": line(20, 0)})
    store.quantity(INVENTORY, "request_rate", {"inventory-1": line(0, 16)})
    finding = store.finding()
    assert finding.signature is None
    assert [r.id for r in finding.refuters] == ["F11.x4"]


def test_a_refuter_nobody_could_ask_is_listed_as_not_checked():
    finding = world.pool_leak().finding()
    assert any("database is full" in gap for gap in finding.not_checked)


def test_two_readings_of_one_process_are_one_signal():
    store = world.pool_leak()
    store.items = [e for e in store.items if e.question.name != "upstream_failure_ratio"]
    store.quantity(
        GATEWAY,
        "upstream_failure_ratio",
        [upstream(0.4)],
        producers=("shop/checkout/checkout-1",),
    )
    assert store.finding().state is not S.DIAGNOSED


def test_two_groups_through_one_pipe_that_nobody_saw_alive_are_one_signal():
    store = world.well(Store())
    for service, name, series in (
        (CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)}),
        (CHECKOUT, "pool_used_ratio", {"checkout-1": line(1.0, 0.4)}),
        (GATEWAY, "upstream_failure_ratio", [upstream(0.4)]),
    ):
        store.quantity(service, name, series, pipeline="one prometheus", alive=None)
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.35, 0.0, per=16.0)})
    assert store.finding().state is not S.DIAGNOSED


def test_a_path_that_was_not_seen_convicts_nobody():
    store = world.stale_schema()
    store.items = [
        e
        for e in store.items
        if not (e.question.name == "upstream_failure_ratio" and e.question.service == "checkout")
    ]
    assert store.finding().signature is None


def test_partial_evidence_may_show_that_something_is_there():
    store = world.pool_leak()
    store.items = [e for e in store.items if e.question.name != "pool_waiters"]
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)}, status=Status.PARTIAL)
    assert store.finding().state is S.DIAGNOSED


def test_partial_evidence_never_shows_that_something_is_not_there():
    store = world.hung_replica()
    store.items = [
        e for e in store.items if not (e.question.name == "request_rate" and e.question.service == "checkout")
    ]
    store.quantity(
        CHECKOUT,
        "request_rate",
        {"checkout-1": line(8, 8), "checkout-2": line(0, 8)},
        status=Status.PARTIAL,
    )
    assert store.finding().signature is None


def test_bytes_that_changed_under_their_hash_are_dropped():
    store = world.pool_leak()
    waiters = next(e for e in store.items if e.question.name == "pool_waiters")
    store.blobs[waiters.blob_sha256] = store.blobs[waiters.blob_sha256].replace(b"7", b"9")
    finding = store.finding()
    assert finding.state is not S.DIAGNOSED
    assert {d.code for d in finding.dropped} == {"BLOB_MISMATCH", "SINGLE_SIGNAL"}


def test_evidence_of_another_hour_is_stale():
    store = world.pool_leak()
    finding = store.finding(at=world.NOW + timedelta(hours=1))
    assert finding.state is not S.DIAGNOSED
    assert "STALE" in {d.code for d in finding.dropped}


def test_renaming_services_changes_nothing_but_names():
    before = world.pool_leak().finding()
    assert before.text.replace("checkout", "basket") != before.text
    assert before.score == pytest.approx(world.pool_leak().finding().score)


def _cites(claim):
    from agents.incident.claims import cites

    return cites(claim)
