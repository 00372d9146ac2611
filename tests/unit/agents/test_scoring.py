"""Scores, calibration and independence, against the figures they were designed with."""

import pytest

from agents.calibration import Bin, Calibration, beta_quantile, load
from agents.incident.errors import BadInput
from agents.incident.evidence import Evidence
from agents.lineage import independent
from agents.scoring import score
from tests.unit.agents.world import CHECKOUT, CONFIG, GATEWAY, Store, line


def test_the_worked_example_scores_as_written_down():
    # prior 0.06; waiters specific 12 with pool use supportive 4; callers supportive 4
    assert score(0.06, [(12.0, 4.0), (4.0,)], 0) == pytest.approx(0.81, abs=0.005)


def test_a_soft_refuter_weighs_one_sixth():
    assert score(0.5, [], 1) == pytest.approx(1 / 7)


def test_one_group_is_capped_however_many_readings_it_has():
    assert score(0.5, [(1000.0, 1000.0)], 0) == pytest.approx(20 / 21)


@pytest.mark.parametrize(
    ("right", "total", "p", "low"),
    [
        (0, 0, 0.50, 0.14),
        (5, 5, 0.78, 0.53),
        (19, 19, 0.91, 0.80),
        (26, 27, 0.90, 0.80),
        (43, 43, 0.96, 0.90),
        (13, 14, 0.83, 0.67),
    ],
)
def test_counts_become_the_probabilities_of_the_design(right, total, p, low):
    read = Calibration(source="", bins=(Bin(low=0, high=1.01, right=right, total=total),)).read(0.8)
    assert (round(read.p, 2), round(read.p_low, 2), read.n) == (p, low, total)


def test_the_quantile_inverts_the_distribution():
    assert beta_quantile(0.5, 1, 1) == pytest.approx(0.5, abs=1e-6)
    assert beta_quantile(0.05, 2, 1) == pytest.approx(0.05**0.5, abs=1e-6)


def test_what_ships_holds_together():
    assert load(CONFIG / "calibration.yaml").bins


def test_a_table_with_more_right_than_total_is_refused(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("{schema: 1, source: x, bins: [{low: 0, high: 1, right: 2, total: 1}]}")
    with pytest.raises(BadInput, match="2 right of 1"):
        load(file)


def one(
    producers: tuple[str, ...], name: str = "pool_waiters", pipeline: str = "direct", alive: bool | None = True
) -> Evidence:
    return Store().quantity(CHECKOUT, name, {"x": line(1)}, producers=producers, pipeline=pipeline, alive=alive)


def test_two_processes_are_two_signals():
    other = Store().quantity(GATEWAY, "request_rate", {"x": line(1)}, producers=("gateway",))
    assert independent([[one(("checkout",))], [other]]) == 2


def test_one_producer_is_one_signal():
    assert independent([[one(("checkout",))], [one(("checkout",), "in_flight")]]) == 1


def test_one_quantity_at_one_place_is_one_signal():
    assert independent([[one(("a",))], [one(("b",))]]) == 1


def test_a_shared_pipe_counts_once_unless_it_was_seen_alive():
    dead = [[one(("a",), pipeline="p", alive=None)], [one(("b",), "in_flight", pipeline="p", alive=None)]]
    assert independent(dead) == 1
    alive = [[one(("a",), pipeline="p")], [one(("b",), "in_flight", pipeline="p")]]
    assert independent(alive) == 2


def test_merging_is_transitive():
    groups = [[one(("a",))], [one(("a", "b"), "in_flight")], [one(("b",), "request_rate")]]
    assert independent(groups) == 1


def test_an_empty_group_counts_for_nothing():
    assert independent([[one(("a",))], []]) == 1


def test_one_process_under_two_names_is_one_signal():
    log, gauge = one(("shop/inventory/inventory-1",)), one(("shop/inventory/10.0.0.7:8000",), "in_flight")
    assert independent([[log], [gauge]]) == 1
