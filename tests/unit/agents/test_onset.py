"""When something began: two detectors, every doubt an interval wider; and what moved, without false alarms."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.anomaly import scan, survivors
from agents.association import associated
from agents.facts import Reader
from agents.incident.claims import Where
from agents.incident.clock import from_ms
from agents.incident.evidence import Status
from agents.onset import Doubt, change_point, ends_before, onset, parted, ranks, robust_z
from tests.unit.agents.world import CHECKOUT, GATEWAY, INVENTORY, Store, line

SECOND = timedelta(seconds=1)
PLAIN = Doubt(step=SECOND, skew=timedelta(0))


def at(*values):
    return [(float(i * 1000), v) for i, v in enumerate(values)]


STEP = at(*[0.0] * 20, *[5.0] * 10)


def test_the_interval_runs_from_the_last_normal_to_the_first_abnormal_sample():
    assert onset(STEP, [0.0] * 20, 1, PLAIN) == (from_ms(18_000), from_ms(21_000))


@pytest.mark.parametrize(
    ("doubt", "low", "high"),
    [
        (Doubt(step=5 * SECOND, skew=timedelta(0)), 14, 25),
        (Doubt(step=SECOND, skew=2 * SECOND), 16, 23),
        (Doubt(step=SECOND, skew=timedelta(0), rate_window=60 * SECOND), -42, 21),
        (Doubt(step=SECOND, skew=timedelta(0), ingest_lag=10 * SECOND), 8, 21),
    ],
)
def test_every_doubt_widens_it_and_what_only_delays_widens_it_to_the_past(doubt, low, high):
    assert onset(STEP, [0.0] * 20, 1, doubt) == (from_ms(low * 1000), from_ms(high * 1000))


def test_what_only_one_detector_sees_has_no_onset():
    # the z sees the end of a line as abnormal; by rank it is no other than what was there before
    values = [0.0, 9.0] * 15
    assert onset(at(*values), [0.0] * 10, 1, PLAIN) is None
    # ranks part a line whose change is smaller than the floor
    assert change_point([0.0] * 20 + [0.1] * 10) == 20
    assert onset(at(*[0.0] * 20, *[0.1] * 10), [0.0] * 20, 1, PLAIN) is None


def test_a_line_that_did_not_change_has_no_change_point():
    assert change_point([3.0] * 50) is None
    found = [change_point([random.Random(seed).gauss(0, 1) for _ in range(60)]) for seed in range(40)]
    assert sum(f is not None for f in found) <= 4


@pytest.mark.parametrize("where", [10, 30, 50, 55])
def test_a_change_is_found_where_it_is(where):
    noise = random.Random(7)  # a made-up line
    values = [noise.gauss(0 if i < where else 12, 1) for i in range(60)]
    found = change_point(values)
    assert found is not None
    assert abs(found - where) <= 2


def test_an_old_change_outside_the_reach_is_another_matter():
    values = [0.0] * 300 + [5.0] * 300 + [50.0] * 10
    assert onset(at(*values), values[300:600], 1, PLAIN) is not None


def test_intervals_that_overlap_have_no_order():
    a, b, c = ((from_ms(x), from_ms(y)) for x, y in ((0, 10), (10, 20), (5, 15)))
    assert ends_before(a, b)
    assert not ends_before(a, c)
    assert not ends_before(c, b)


def test_a_spread_is_never_smaller_than_the_floor():
    assert robust_z(2.0, [1.0] * 10, 0.5) == 2.0


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_ranks_add_up_and_ties_share(values):
    ranked = ranks(values)
    assert sum(ranked) == pytest.approx(len(values) * (len(values) + 1) / 2)
    assert all(ranked[i] == ranked[j] for i, v in enumerate(values) for j, w in enumerate(values) if v == w)


def test_samples_of_one_kind_do_not_part():
    assert parted([1.0] * 20, [1.0] * 5) == 1.0
    assert parted([0.0] * 20, [1.0] * 5) < 0.001


def test_of_many_chances_a_bounded_share_is_false():
    assert survivors([0.01, 0.04, 0.03, 0.5], 0.05) == (True, False, False, False)
    assert survivors([0.01, 0.02, 0.03, 0.04], 0.05) == (True,) * 4
    assert survivors([], 0.05) == ()


def readers(store):
    return [Reader(e, store.blobs[e.blob_sha256]) for e in store.items]


def test_what_moved_is_found_and_what_did_not_is_not():
    store = Store()
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    store.quantity(GATEWAY, "request_rate", {"gateway-1": line(16, 16)})
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.004, 0.0, per=16.0)})
    moved = scan(readers(store))
    assert [m.reader.evidence.question.name for m in moved] == ["pool_waiters"]
    assert (moved[0].before, moved[0].after) == (0.0, 7.0)


def test_what_was_cut_short_is_not_scanned():
    store = Store()
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)}, status=Status.TRUNCATED)
    assert scan(readers(store)) == ()


def test_among_many_that_stand_still_noise_raises_no_alarm():
    store, noise = Store(), random.Random(3)  # made-up lines
    for service in (CHECKOUT, GATEWAY, INVENTORY):
        for name in ("pool_waiters", "in_flight", "request_rate", "health_ok", "health_failing"):
            points = [[t, noise.gauss(50, 5)] for t, _ in line(0)]
            store.quantity(service, name, {"a": points})
    assert scan(readers(store)) == ()


def test_lines_that_move_together_say_so_with_their_lag():
    first = at(*[float(i % 7) for i in range(60)])
    second = at(*[0.0, 0.0], *[float(i % 7) for i in range(58)])
    found = associated(first, second, SECOND)
    assert found is not None
    rho, lag = found
    assert rho == pytest.approx(1.0)
    assert lag == 2 * SECOND
    assert associated(first[:5], second, SECOND) is None
    assert associated(at(*[1.0] * 20), second, SECOND) is None


def test_an_answer_knows_its_own_doubt():
    store = Store()
    item = store.quantity(GATEWAY, "request_rate", {"g": line(80, 16)})
    found = Reader(item, store.blobs[item.blob_sha256]).onset(Where())
    assert found is not None
    low, high = found
    assert high - low == timedelta(
        seconds=7
    )  # a step between samples, a step and two seconds of skew on each side
