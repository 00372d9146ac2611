"""Every payload of the corpora becomes alerts, changes or a note, and what it states is kept apart and joined."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from agents.incident.incident import AlertStatus, ChangeKind
from bot.receiver import systems
from bot.receiver.translate import ALERTS, CHANGES
from tests.unit.receiver.deliveries import of_body, of_reading
from tests.unit.systems.corpora import Payload, all_payloads, each

ENDS = {"resolved": AlertStatus.RESOLVED, "firing": AlertStatus.FIRING, "acknowledged": AlertStatus.ACKNOWLEDGED}


def translated(payload: Payload):
    return of_body(payload.system, payload.body, payload.headers)


@pytest.mark.parametrize("payload", each())
def test_items_become_alerts_or_changes_and_the_rest_a_note(payload):
    category, items = payload.expect["category"], payload.expect["items"]
    found = translated(payload)
    assert len(found.alerts) == (len(items) if category in ALERTS else 0)
    assert len(found.changes) == (len(items) if category in CHANGES else 0)
    assert found.notes or category in ALERTS | CHANGES
    for alert in found.alerts:
        assert alert.identity.strip()
        assert len(alert.identity) <= 200
        assert alert.title.strip()
        for time in (alert.started_at, alert.ended_at, alert.at):
            assert time is None or time.utcoffset() is not None
    for change in found.changes:
        assert change.id.startswith("mine:")
        assert len(change.id) <= 200
        assert change.at.utcoffset() is not None


@pytest.mark.parametrize("payload", each())
def test_only_what_a_sender_calls_over_is_over(payload):
    found = translated(payload)
    for alert, expect in zip(found.alerts, payload.expect["items"], strict=payload.expect["category"] in ALERTS):
        if payload.expect["category"] != "incident":
            assert alert.status is ENDS.get(expect["status"], AlertStatus.NOTED)
        else:
            assert (alert.status is AlertStatus.RESOLVED) == (expect["status"] in ("resolved", "completed"))
        assert (alert.ended_at is None) or alert.status is AlertStatus.RESOLVED
        if "no tz in source" in expect.get("event_at", ""):
            assert alert.at is None
            assert any("names no zone" in note for note in found.notes)


def pairs():
    found = defaultdict(list)
    for payload in all_payloads():
        if payload.line.get("pair") and payload.expect["category"] in ALERTS:
            found[payload.system, payload.line["pair"]].append(payload)
    return [pytest.param(members, id=f"{system}-{name}") for (system, name), members in found.items()]


@pytest.mark.parametrize("members", pairs())
def test_firing_and_resolved_are_one_identity(members):
    identities = [{alert.identity for alert in translated(member).alerts} for member in members]
    assert all(identities)
    assert all(found == identities[0] for found in identities)


@pytest.mark.parametrize("members", pairs())
def test_no_step_of_an_alerts_life_is_a_repeat_of_another(members):
    keys = [
        key
        for payload in members
        if (key := systems.read(payload.system, payload.headers, payload.body).delivery_key)
    ]
    assert len(set(keys)) == len(keys)


def test_what_the_index_keeps_apart_stays_apart():
    by_key, by_change = defaultdict(set), defaultdict(set)
    for payload in all_payloads():
        found = translated(payload)
        event = str(payload.expect.get("event") or payload.expect["category"]).removesuffix("_status")
        for value, expect in zip((*found.alerts, *found.changes), payload.expect["items"], strict=False):
            if found.changes:
                by_change[payload.system, value.id].add((event.split(".")[0], str(expect["dedup_key"])))
            else:
                by_key[payload.system, value.identity].add(str(expect["dedup_key"]))
    assert {key: wanted for key, wanted in by_key.items() if len(wanted) > 1} == {}
    assert {key: wanted for key, wanted in by_change.items() if len(wanted) > 1} == {}


def test_kinds_of_changes_are_told_apart():
    kinds: dict[str, set[ChangeKind]] = defaultdict(set)
    for payload in all_payloads():
        kinds[payload.system] |= {change.kind for change in translated(payload).changes}
    assert ChangeKind.FLAG in kinds["launchdarkly"]
    assert kinds["rundeck"] == {ChangeKind.JOB}
    assert kinds["circleci"] == {ChangeKind.BUILD}
    for system in ("vercel", "netlify", "flux", "argocd", "honeybadger"):
        assert kinds[system] == {ChangeKind.DEPLOY}
    assert ChangeKind.DEPLOY in kinds["github"]


@pytest.mark.parametrize("payload", each())
def test_an_item_robbed_of_its_fields_is_still_an_alert_with_an_identity(payload):
    reading = systems.read(payload.system, payload.headers, payload.body)
    for field in ("title", "dedup_key", "entity", "service", "started_at", "event_at", "severity_raw"):
        for value in (None, "  "):
            if field.endswith("_at") and value is not None:
                continue
            robbed: dict[str, Any] = {"change": None, field: value}
            bare = replace(reading, items=tuple(replace(i, **robbed) for i in reading.items))
            found = of_reading(payload.system, bare)
            assert all(alert.identity.strip() and alert.title.strip() for alert in found.alerts)
            assert all(change.id.removeprefix("mine:").strip() for change in found.changes)
