"""Scores, calibration and independence, against the figures they were designed with."""

import pytest

from agents.calibration import (
    Bin,
    Calibration,
    Isotonic,
    Label,
    Platt,
    beta_quantile,
    error_bound,
    interval,
    load,
    merged,
)
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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "{schema: 1, source: x, bins: [{low: 0, high: 0.6, right: 0, total: 0},"
            " {low: 0.5, high: 1, right: 0, total: 0}]}",
            "overlaps",
        ),
        (
            "{schema: 1, source: x, bins: [{low: 0, high: 1, right: 1, total: 2}],"
            " families: {pools: [{low: 0, high: 1, right: 2, total: 2}]}}",
            "pools has labels",
        ),
        ("{schema: 1, source: x, bins: [], curve: {kind: isotonic, knots: [[0.2, 0.5], [0.4, 0.3]]}}", "falls"),
        ("{schema: 1, source: x, bins: [], curve: {kind: platt, slope: -1, intercept: 0}}", "slope"),
        ("{schema: 1, source: x, bins: [], curve: {kind: platt, slope: 1, intercept: .nan}}", "finite"),
        ("{schema: 1, source: x, bins: [], curve: {kind: platt, slope: .inf, intercept: 0}}", "finite"),
        ("{schema: 1, source: x, bins: [], curve: {kind: isotonic, knots: [[.nan, 0.5]]}}", "finite"),
        ("{schema: 1, source: x, bins: [{low: .nan, high: 1, right: 0, total: 0}]}", "finite"),
        ("{schema: 1, source: 2026-99-99, bins: []}", "c.yaml line 1: .* month must be in 1..12"),
        (5000 * "[", "c.yaml: it is nested too deeply"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(tmp_path, text, why):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=why):
        load(file)


def test_a_table_that_is_not_utf8_is_refused_by_name(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"c\.yaml: byte 0 is not UTF-8"):
        load(file)


def counts(right: int, total: int, **more: int) -> Bin:
    return Bin(low=0.5, high=1.01, right=right, total=total, **more)


def pooled(right: int, total: int, **families: tuple[int, int]) -> Calibration:
    own = {name: (counts(*of),) for name, of in families.items()}
    return Calibration(source="", bins=(counts(right, total),), families=own)


def label(right: bool = True, family: str = "") -> Label:
    return Label(score=0.8, right=right, family=family)


def test_each_local_label_displaces_one_that_was_shipped():
    found = merged(pooled(9, 9), [label(), label(), label(right=False)])
    assert found.bins == (counts(8, 9, local=3),)
    read = found.read(0.8)
    assert (read.n, read.replayed) == (9, 6)


def test_more_local_labels_than_shipped_ones_stand_alone():
    found = merged(pooled(2, 2), [label(right=False)] * 5)
    assert found.bins == (counts(0, 5, local=5),)


def test_what_is_left_of_the_shipped_ones_keeps_their_rate_rounded_against_us():
    assert merged(pooled(9, 10), [label()]).bins == (counts(8 + 1, 10, local=1),)


def test_a_local_label_moves_only_its_own_bin():
    table = Calibration(source="", bins=(Bin(low=0, high=0.5, right=3, total=4), counts(4, 4)))
    assert merged(table, [label(right=False)]).bins == (table.bins[0], counts(3, 4, local=1))


def test_without_local_labels_the_shipped_table_is_the_table():
    table = pooled(9, 9, pools=(4, 4))
    assert merged(table, []) is table


def test_a_family_with_few_labels_is_drawn_to_the_rate_of_all():
    table = pooled(24, 30, pools=(0, 3))
    alone, family = table.read(0.8), table.read(0.8, "pools")
    unknown = table.read(0.8, "never counted")
    assert (unknown.n, family.n, alone.n) == (24, 24, 30)
    assert 2 / 7 < family.p < unknown.p < alone.p
    assert pooled(24, 30).read(0.8, "never counted") == alone


def test_a_family_with_many_labels_speaks_for_itself():
    table = pooled(970, 1000, pools=(10, 40))
    assert table.read(0.8, "pools") == pooled(10, 40).read(0.8)


def test_a_family_labelled_here_is_known_from_its_first_label():
    found = merged(pooled(48, 48), [label(right=False, family="new")] * 3)
    assert found.read(0.8, "new").p_low < found.read(0.8).p_low


def test_a_family_that_counts_nothing_in_a_bin_yet_takes_labels_there():
    low, high = Bin(low=0, high=0.5, right=0, total=1), counts(24, 24)
    listed = Calibration(source="", bins=(low, high), families={"load": (counts(7, 7),)})
    unlisted = Calibration(source="", bins=(low, high), families={"other": (counts(7, 7),)})
    local = [Label(score=0.3, right=False, family="load")] * 10
    found = [merged(table, local).read(0.3, "load") for table in (listed, unlisted)]
    assert found[0] == found[1]
    assert (found[0].n, found[0].replayed) == (10, 0)
    assert found[0].p < 0.2


def test_families_never_borrow_more_right_labels_than_there_are():
    table = pooled(10, 20, pools=(10, 10), replicas=(0, 10))
    found = merged(table, [label(family="pools")] * 5)
    assert 0 <= found.read(0.8, "replicas").p <= 1
    assert found.read(0.8, "replicas").p < found.read(0.8, "pools").p


@pytest.mark.parametrize(
    "curve", [Platt(slope=1.0, intercept=0.0), Isotonic(knots=((0.2, 0.1), (0.8, 0.7), (0.9, 0.9)))]
)
def test_a_curve_gives_the_mean_and_never_the_bound(curve):
    table = Calibration(source="", bins=(counts(14, 20),), curve=curve)
    plain = Calibration(source="", bins=(counts(14, 20),))
    read = table.read(0.8)
    assert read.p == pytest.approx(curve.read(0.8))
    assert read.p_low == plain.read(0.8).p_low
    assert table.read(0.51).p >= table.read(0.51).p_low
    assert merged(table, [label()]).read(0.8).p == pytest.approx(merged(plain, [label()]).read(0.8).p)


def test_curves_read_as_their_definitions_say():
    assert Platt(slope=1.0, intercept=0.0).read(0.3) == pytest.approx(0.3)
    assert Platt(slope=500.0, intercept=0.0).read(1.0) == pytest.approx(1.0)
    steps = Isotonic(knots=((0.2, 0.1), (0.4, 0.5)))
    assert [steps.read(at) for at in (0.0, 0.2, 0.3, 0.4, 1.0)] == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


def test_bounds_are_those_of_the_published_tables():
    assert error_bound(0, 29) == pytest.approx(1 - 0.05 ** (1 / 29))
    assert error_bound(1, 10) == pytest.approx(0.3942, abs=1e-4)
    assert interval(1, 10) == pytest.approx((0.0025, 0.4450), abs=1e-4)
    assert interval(0, 5)[0] == 0
    assert interval(5, 5)[1] == 1
    assert error_bound(3, 3) == 1


def test_quantiles_of_many_thousand_counts_are_found():
    assert beta_quantile(0.5, 100_002, 100_002) == pytest.approx(0.5, abs=1e-4)
    assert beta_quantile(0.05, 100_002, 2) > 0.9999


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
