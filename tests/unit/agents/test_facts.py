"""Numbers out of stored bytes."""

import math
from datetime import timedelta

import pytest

from agents.anomaly import scan
from agents.facts import Reader
from agents.incident.claims import FactName, Where
from agents.incident.clock import to_ms
from tests.unit.agents.world import CHECKOUT, GATEWAY, NOW, Store, line

F = FactName


def reader(service, name, series):
    store = Store()
    item = store.quantity(service, name, series)
    return Reader(item, store.blobs[item.blob_sha256])


def test_a_pooled_ratio_adds_numerators_and_denominators_apart():
    end = float(to_ms(NOW))
    read = reader(GATEWAY, "server_error_ratio", {"a": [[end, 9, 10]], "b": [[end, 1, 990]]})
    assert read.value(F.RECENT, Where()) == pytest.approx(0.01)


def test_a_rate_is_summed_over_instances_and_can_be_asked_of_one():
    read = reader(CHECKOUT, "request_rate", {"checkout-1": line(8), "checkout-2": line(6)})
    assert read.value(F.RECENT, Where()) == pytest.approx(14)
    assert read.value(F.RECENT, Where(instance="checkout-2")) == pytest.approx(6)
    assert read.value(F.RECENT, Where(not_instance="checkout-2")) == pytest.approx(8)


def test_no_requests_is_no_ratio_and_not_zero():
    end = float(to_ms(NOW))
    assert reader(GATEWAY, "server_error_ratio", {"a": [[end, 0, 0]]}).value(F.RECENT, Where()) is None


def test_a_series_nobody_has_is_unknown():
    assert reader(CHECKOUT, "in_flight", {"checkout-1": line(1)}).value(F.MAX, Where(instance="x")) is None


def test_a_ratio_to_baseline_needs_a_past():
    end = float(to_ms(NOW))
    assert reader(GATEWAY, "request_rate", {"g": [[end, 80]]}).value(F.RATIO_TO_BASELINE, Where()) is None
    read = reader(GATEWAY, "request_rate", {"g": line(80, 16)})
    assert read.value(F.RATIO_TO_BASELINE, Where()) == pytest.approx(5, rel=0.01)


def test_onset_is_an_interval_around_the_first_abnormal_sample():
    onset = reader(GATEWAY, "request_rate", {"g": line(80, 16)}).onset(Where())
    assert onset is not None
    low, high = onset
    changed = NOW - timedelta(seconds=5)
    assert low < changed < high
    assert high - low <= timedelta(seconds=7)


def test_a_flat_line_has_no_onset():
    assert reader(GATEWAY, "request_rate", {"g": line(16, 16)}).onset(Where()) is None


def test_one_normal_sample_inside_a_run_does_not_end_it():
    points = line(80, 16)
    points[-3][1] = 16
    assert reader(GATEWAY, "request_rate", {"g": points}).onset(Where()) == reader(
        GATEWAY, "request_rate", {"g": line(80, 16)}
    ).onset(Where())


def test_what_is_no_number_is_no_reading():
    end = float(to_ms(NOW))
    series = {"a": [[end - 1000, 3.0], [end, float("nan")]], "b": [[end, float("inf")]]}
    read = reader(CHECKOUT, "pool_waiters", series)
    assert read.value(F.MAX, Where()) == 3
    assert read.value(F.LAST, Where(instance="b")) is None


@pytest.mark.parametrize("absurd", [1.7e308, -1.7e308, 1e301])
@pytest.mark.parametrize("name", ["pool_waiters", "query_time", "pool_used_ratio"])
def test_a_value_that_nothing_can_measure_is_no_reading(name, absurd):
    points = line(absurd, 3.0)
    read = reader(CHECKOUT, name, {"a": points, "b": [list(p) for p in points]})
    assert {read.value(fact, Where()) for fact in (F.RECENT, F.MAX, F.MIN, F.LAST, F.RATIO_TO_BASELINE)} == {None}
    assert read.value(F.BASELINE, Where()) == (6 if name == "pool_waiters" else 3)
    assert read.onset(Where()) is None
    assert read.samples(F.RECENT, Where()) == 0


@pytest.mark.parametrize("name", ["pool_waiters", "query_time", "pool_used_ratio"])
def test_the_largest_values_that_are_read_stay_numbers_in_all_that_is_made_of_them(name):
    series = {"a": line(1e21, -1e21), "b": line(1e21, -1e21)}
    read = reader(CHECKOUT, name, series)
    assert all(math.isfinite(read.value(fact, Where())) for fact in F if fact is not F.COUNT)
    assert read.onset(Where()) is not None
    assert all(math.isfinite(m.z) for m in scan([read]))


@pytest.mark.parametrize("point", [[1e300, 1e-300], [1.0, 5e-324], [1.7e308, 1.7e308], [9e20, 1e-9]])
def test_a_quotient_that_is_no_finite_number_is_no_reading(point):
    end = float(to_ms(NOW))
    read = reader(GATEWAY, "server_error_ratio", {"a": [[end, *point]]})
    assert {read.value(fact, Where()) for fact in F} == {None}


@pytest.mark.parametrize("ms", [1e300, -1e17, 8.64e15])
def test_a_point_at_a_time_that_no_calendar_has_is_no_reading(ms):
    before = reader(GATEWAY, "request_rate", {"g": line(80, 16)})
    after = reader(GATEWAY, "request_rate", {"g": [*line(80, 16), [ms, 90.0]]})
    assert after.line(Where()) == before.line(Where())
    assert after.onset(Where()) == before.onset(Where())


def test_the_last_reading_is_of_now_and_not_of_any_time():
    points = [p for p in line(1) if p[0] < to_ms(NOW) - 30_000]
    assert reader(CHECKOUT, "schema_cache_behind", {"a": points}).value(F.LAST, Where()) is None
