"""Bytes from outside become values, or an error that says what was met."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.incident.errors import BadInput
from agents.incident.incident import AlertStatus, ChangeKind, Severity
from bot.configuration import Source
from bot.receiver.parsers import Alerts, Changes, alertmanager, cdevents, delivery_key, parse

SAMPLES = Path(__file__).parents[2] / "samples"
CORPUS = Path(__file__).parents[3].parent / "shared" / "payloads"
AM, CD = Source(system="alertmanager"), Source(system="cdevents")


def sample(**changes):
    payload = json.loads((SAMPLES / "alertmanager_v4.json").read_text())
    payload["alerts"][0] |= changes
    return json.dumps(payload).encode()


def alerts(body):
    delivered = parse("am", AM, body)
    assert isinstance(delivered, Alerts)
    return delivered.items


def test_each_alert_carries_its_own_status_and_identity():
    firing, resolved = alerts(sample())
    assert (firing.status, resolved.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert firing.identity == "3383e87cf416ac01"
    assert (firing.service, firing.environment) == ("gateway", "playground")
    assert firing.severity is Severity.CRITICAL
    assert firing.ended_at is None
    assert resolved.ended_at == datetime(2026, 11, 24, 14, 7, tzinfo=UTC)


def test_unknown_keys_are_ignored():
    assert len(alerts(sample(notification_reason="new", x={"y": 1}))) == 2


def test_a_missing_fingerprint_is_computed_as_prometheus_does():
    (first, _) = alerts(sample(fingerprint=None))
    assert first.identity == alertmanager.fingerprint(first.labels)
    assert first.identity == "3383e87cf416ac01"


def test_alerts_without_labels_are_not_all_one_alert():
    one = alerts(sample(labels={}, fingerprint=None, annotations={"summary": "a"}))[0]
    two = alerts(sample(labels={}, fingerprint=None, annotations={"summary": "b"}))[0]
    assert one.identity != two.identity


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"{}", "alerts"),
        (b'{"alerts": [{"status": "odd", "startsAt": "2026-01-01T00:00:00Z"}]}', "status"),
        (b'{"alerts": [{"status": "firing", "startsAt": "yesterday"}]}', "startsAt"),
        (b"\xff\xfe", ""),
    ],
)
def test_what_is_no_notification_is_refused_by_what_is_wrong(body, says):
    with pytest.raises(BadInput) as refused:
        parse("am", AM, body)
    assert says in str(refused.value)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body):
    for source in (AM, CD):
        with contextlib.suppress(BadInput):
            parse("x", source, body)
        delivery_key(source.system, body)


def test_a_deploy_record_names_its_undo_target():
    delivered = parse("changes", CD, (SAMPLES / "cdevents_service_deployed.json").read_bytes())
    assert isinstance(delivered, Changes)
    (change,) = delivered.items
    assert (change.kind, change.service, change.environment) == (ChangeKind.DEPLOY, "checkout", "playground")
    assert (change.revision, change.previous_revision) == (42, 41)


def test_a_delivery_that_names_itself_has_a_key():
    body = (SAMPLES / "cdevents_service_deployed.json").read_bytes()
    assert delivery_key("cdevents", body) == "/playground/cd/6f1f3c2e-0000-4000-8000-000000000042"
    assert delivery_key("alertmanager", sample()) is None


def test_another_kind_of_event_is_refused_by_name():
    body = (SAMPLES / "cdevents_service_deployed.json").read_bytes().replace(b"service.deployed", b"build.queued")
    with pytest.raises(BadInput, match=r"build\.queued"):
        cdevents.parse("changes", CD, body)


def corpus(system):
    index = CORPUS / "index.jsonl"
    lines = [json.loads(text) for text in index.read_text().splitlines()] if index.exists() else []
    return [row for row in lines if row["system"] == system and row["expect"]["category"] == "alert"]


@pytest.mark.parametrize("row", corpus("alertmanager"), ids=lambda r: r["file"])
def test_the_corpus_of_real_notifications(row):
    body = (CORPUS / row["file"]).read_bytes()
    delivered = parse("am", AM, body)
    assert isinstance(delivered, Alerts)
    wanted = row["expect"]["items"]
    assert len(delivered.items) == row["expect"]["n"]
    for alert, expect in zip(delivered.items, wanted, strict=True):
        assert alert.status.value == expect["status"]
        assert alert.title == expect["title"]
        assert alert.identity == expect["dedup_key"]
        assert alert.started_at.strftime("%Y-%m-%dT%H:%M:%SZ") == expect["started_at"]
        if "ended_at" in expect and alert.status is AlertStatus.RESOLVED:
            assert alert.ended_at is not None
            assert alert.ended_at.strftime("%Y-%m-%dT%H:%M:%SZ") == expect["ended_at"]


def test_what_databases_refuse_and_what_is_secret_never_gets_in():
    (alert, _) = alerts(
        sample(
            labels={"alertname": "a\x00b", "service": "x\x00"},
            annotations={"summary": "password=hunter2secret"},
            fingerprint="f" * 500,
        )
    )
    assert "\x00" not in alert.title + (alert.service or "")
    assert "hunter2secret" not in alert.summary
    assert len(alert.identity) <= 200


def test_times_out_of_range_are_refused():
    with pytest.raises(BadInput):
        parse("am", AM, sample(startsAt="0001-01-01T00:00:00+05:00"))


def test_a_revision_beyond_exact_numbers_is_refused():
    body = (SAMPLES / "cdevents_service_deployed.json").read_bytes().replace(b"42,", b"20261124140500123,")
    with pytest.raises(BadInput, match="revision"):
        parse("changes", CD, body)


def test_a_long_delivery_key_is_shortened_without_losing_its_difference():
    body = (SAMPLES / "cdevents_service_deployed.json").read_text()
    one = delivery_key("cdevents", body.replace("6f1f3c2e", "a" * 500).encode())
    two = delivery_key("cdevents", body.replace("6f1f3c2e", "a" * 499 + "b").encode())
    assert one is not None
    assert two is not None
    assert one != two
    assert max(len(one), len(two)) <= 200
