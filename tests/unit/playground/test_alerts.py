"""The alert: its identity, its rule, its message and what is posted when."""

from dataclasses import replace

from tests.playground.alerts import LABELS, NOT_ENDED, Alert, EdgeRule, fingerprint, message
from tests.playground.osproc import now
from tests.playground.watcher import Delivery, edge_counts


def test_the_fingerprint_is_the_one_alertmanager_gives_these_labels() -> None:
    assert fingerprint(LABELS) == "3383e87cf416ac01"
    assert fingerprint(dict(reversed(LABELS.items()))) == fingerprint(LABELS)
    assert fingerprint({}) == "cbf29ce484222325"


def _run(rule: EdgeRule, start_s: float, seconds: float, *, total: list[float], share: float) -> list[bool]:
    states = []
    for step in range(int(seconds * 2)):
        total[0] += 8
        total[1] += 8 * share
        states.append(rule.observe(start_s + step / 2, total=total[0], errors=total[1]))
    return states


def test_fires_after_two_bad_readings_and_clears_after_four_calm_seconds() -> None:
    rule, total = EdgeRule(), [0.0, 0.0]
    assert not any(_run(rule, 0.0, 5.0, total=total, share=0.0))
    states = _run(rule, 5.0, 5.0, total=total, share=0.5)
    assert states[0] is False, "one bad reading is not enough"
    assert states[-1] is True
    states = _run(rule, 10.0, 12.0, total=total, share=0.0)
    # The window takes up to 4 s to forget the errors, and only then do the 4 calm seconds begin.
    cleared_after = states.index(False) / 2
    assert 7.0 <= cleared_after <= 8.0
    assert not any(states[states.index(False) :])


def test_stays_quiet_below_the_ratio_and_below_five_requests() -> None:
    assert not any(_run(EdgeRule(), 0.0, 10.0, total=[0.0, 0.0], share=0.09))
    rule = EdgeRule()
    rule.observe(0.0, total=0, errors=0)
    assert not any(rule.observe(0.5 + step / 2, total=4, errors=4) for step in range(6))


def test_counters_that_start_again_are_counted_from_zero() -> None:
    rule = EdgeRule()
    for step in range(10):
        rule.observe(step / 2, total=1000 + 8 * step, errors=0)
    assert rule.observe(5.0, total=8, errors=8) is False
    assert rule.observe(5.5, total=16, errors=16) is True


def test_reads_the_edge_only() -> None:
    text = "\n".join(
        (
            "# TYPE http_server_requests_total counter",
            'http_server_requests_total{code="201",instance="gateway-1",service="gateway"} 90.0',
            'http_server_requests_total{code="504",instance="gateway-1",service="gateway"} 7.0',
            'http_server_requests_total{code="502",instance="gateway-1",service="gateway"} 3.0',
            'http_server_requests_total{code="500",instance="x",service="checkout"} 50.0',
        )
    )
    assert edge_counts(text) == (100.0, 10.0)


def test_the_message_has_the_shape_of_the_webhook() -> None:
    alert = Alert(started_at=now())
    firing = message(alert, generator_url="http://g", external_url="http://e")
    resolved = message(replace(alert, ended_at=now()), generator_url="http://g", external_url="http://e")
    assert firing["version"] == "4"
    assert firing["groupKey"] == '{}:{alertname="EdgeErrorRatioHigh", service="gateway"}'
    (first,), (last,) = firing["alerts"], resolved["alerts"]
    assert (firing["status"], first["status"], first["endsAt"]) == ("firing", "firing", NOT_ENDED)
    assert (resolved["status"], last["status"]) == ("resolved", "resolved")
    assert last["endsAt"] != NOT_ENDED
    assert first["startsAt"] == last["startsAt"]
    assert first["fingerprint"] == last["fingerprint"]


def test_what_fires_is_repeated_and_its_end_is_told_once() -> None:
    delivery, firing = Delivery(), Alert(started_at=now())
    assert delivery.due(firing, 0.0)
    assert delivery.due(firing, 0.5), "not accepted, so still due"
    delivery.delivered(firing, 0.5)
    assert not delivery.due(firing, 5.0)
    assert delivery.due(firing, 5.5)
    ended = replace(firing, ended_at=now())
    assert delivery.due(ended, 5.6)
    delivery.delivered(ended, 5.6)
    assert not delivery.due(ended, 60.0)


def test_the_end_of_an_alert_nobody_heard_of_is_not_told() -> None:
    delivery = Delivery()
    first = Alert(started_at=now())
    assert not delivery.due(None, 0.0)
    assert not delivery.due(replace(first, ended_at=now()), 0.0)
    delivery.delivered(first, 0.0)
    other = Alert(started_at=now(), ended_at=now())
    assert not delivery.due(other, 1.0)
