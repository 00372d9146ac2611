"""What is decided about a delivery without a server: answers, events of PagerDuty's shape, load, refusals."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.responses import Response

from agents.incident.errors import BadInput
from bot.configuration import Source
from bot.journal.intake import Stored
from bot.receiver import answers, pagerduty
from bot.receiver.door import _key
from bot.receiver.load import Overload, Rates
from bot.receiver.refused import MANY, Refused
from bot.receiver.sources import Sender, ready
from bot.receiver.systems.reading import Category, Reading
from tests.door.test_commits import Log
from tests.door.test_inbox import delivery, store

STORED = Stored(id="IN_1", duplicate=False)
UNRENDERED = Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": "$EVENT_TITLE"})
MADE = UUID(int=7)
REFUSABLE = (
    *("datadog", "newrelic", "dynatrace", "zabbix", "healthchecks", "uptime_kuma", "uptimerobot", "elastic"),
    *("argocd", "generic"),
)


def sender(system: str) -> Sender:
    return ready({"one": Source(system=system, proof="bearer")}, {"one": {"1": "s"}}, {})["one"]


def body(response: Response) -> dict[str, object]:
    return dict(json.loads(bytes(response.body)))


@pytest.mark.parametrize("system", REFUSABLE)
def test_a_template_left_unrendered_is_told_where_nobody_retries_or_switches_off(system):
    answer = answers.taken(sender(system), STORED, UNRENDERED)
    assert answer.status_code == 422
    assert "$EVENT_TITLE" in str(body(answer)["error"])
    assert body(answer)["id"] == "IN_1"


@pytest.mark.parametrize("system", ["pagerduty_webhook_v3", "sentry", "alertmanager", "github"])
def test_elsewhere_it_is_a_warning_for_a_refusal_would_switch_the_sender_off(system):
    answer = answers.taken(sender(system), STORED, UNRENDERED)
    assert answer.status_code == 202
    assert "$EVENT_TITLE" in str(body(answer)["warning"])


@pytest.mark.parametrize(
    ("reading", "says"),
    [
        (BadInput("no JSON"), "stored as it came, but no JSON"),
        (Reading(category=Category.OTHER, error="GitHub kind 'star' is not read"), "star"),
    ],
)
def test_what_is_not_used_or_not_read_is_a_warning(reading, says):
    answer = answers.taken(sender("datadog"), STORED, reading)
    assert answer.status_code == 202
    assert says in str(body(answer)["warning"])


@pytest.mark.parametrize("sent", ["{{ \ud800 }}", "{{ \x00 }}"])
def test_a_placeholder_that_no_database_keeps_is_told_and_can_be_kept(sent):
    opened = {"title": sent, "firstresponder": 1, "identity": "a", "status": "firing"}
    reading = sender("generic").read({}, json.dumps(opened).encode())
    assert reading.category is Category.UNRENDERED_TEMPLATE
    hole = str(reading.about["placeholder"])
    assert hole.isprintable()
    assert hole in str(body(answers.taken(sender("generic"), STORED, reading))["error"])


def test_half_a_surrogate_pair_is_answered_as_it_was_sent():
    said = body(answers.Said(pagerduty.took_alert("\ud800x", ""), status_code=202))
    assert said["dedup_key"] == "\ud800x"


@pytest.mark.parametrize("own", ["\ud800", "a\x00b", "x" * 300])
def test_a_delivery_key_fits_its_column_and_stays_its_own(own):
    reading = Reading(category=Category.OTHER, delivery_key=own)
    key = _key("", reading)
    assert key is not None
    assert len(key) <= 200
    assert "\x00" not in key
    key.encode()
    assert key == _key(own, BadInput("no JSON"))
    assert key != _key("", Reading(category=Category.OTHER, delivery_key=own + "1"))


def test_what_is_used_has_no_warning():
    answer = answers.taken(sender("github"), STORED, Reading(category=Category.DEPLOY))
    assert (answer.status_code, body(answer)) == (202, {"id": "IN_1", "duplicate": False})


# Events of PagerDuty's shape

PAYLOAD = {"summary": "down", "source": "db-1", "severity": "critical"}
TRIGGER = {"routing_key": "k", "event_action": "trigger", "payload": PAYLOAD}


def test_events_that_pagerduty_takes_have_no_errors():
    assert not pagerduty.alert_errors(TRIGGER)
    assert not pagerduty.alert_errors({"routing_key": "k", "event_action": "resolve", "dedup_key": "a"})
    assert not pagerduty.change_errors({"routing_key": "k", "payload": {"summary": "deploy"}})


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({**TRIGGER, "routing_key": " "}, "routing_key"),
        ({**TRIGGER, "event_action": "explode"}, "event_action"),
        ({**TRIGGER, "payload": None}, "payload"),
        ({**TRIGGER, "payload": {**PAYLOAD, "summary": ""}}, "payload.summary"),
        ({**TRIGGER, "payload": {**PAYLOAD, "source": 3}}, "payload.source"),
        ({**TRIGGER, "payload": {**PAYLOAD, "severity": "page"}}, "payload.severity"),
        ({**TRIGGER, "dedup_key": "x" * 256}, "dedup_key"),
        ({"routing_key": "k", "event_action": "resolve"}, "resolve needs it"),
        ({"routing_key": "k", "event_action": ["trigger"], "payload": PAYLOAD}, "event_action"),
    ],
)
def test_events_that_pagerduty_refuses_are_refused_by_field(event, says):
    assert any(says in error for error in pagerduty.alert_errors(event))


@pytest.mark.parametrize("event", [{"payload": {"summary": "x"}}, {"routing_key": "k"}])
def test_changes_that_pagerduty_refuses_are_refused(event):
    assert pagerduty.change_errors(event)


def test_a_missing_dedup_key_is_made_and_stands_in_what_is_stored():
    key, rewritten = pagerduty.keyed({**TRIGGER, "dedup_key": None}, MADE)
    assert rewritten is not None
    assert json.loads(rewritten) == {**TRIGGER, "dedup_key": key}
    assert pagerduty.keyed({**TRIGGER, "dedup_key": "mine"}, MADE) == ("mine", None)


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_object_is_no_event(sent):
    assert pagerduty.opened(sent) is None


# Load


def test_a_source_has_its_share_of_five_minutes_and_no_other_pays_for_it():
    at = [1000.0]
    rates = Rates(3, clock=lambda: at[0])
    for _ in range(3):
        assert not rates.full("loud")
        rates.count("loud")
    assert rates.full("loud")
    assert not rates.full("quiet")
    at[0] += 280
    assert rates.full("loud")
    at[0] += 30
    assert not rates.full("loud")


def test_a_source_that_was_silent_for_long_begins_anew():
    at = [0.0]
    rates = Rates(1, clock=lambda: at[0])
    rates.count("one")
    at[0] = 1e6
    assert not rates.full("one")


def test_without_a_limit_there_is_none():
    rates = Rates(0)
    for _ in range(5000):
        rates.count("one")
    assert not rates.full("one")


def test_a_backlog_or_a_slow_journal_is_overload_and_passes(journal):
    slow = [(0.1, 0.0)]
    watch = Overload(journal, oldest=timedelta(seconds=60), slow=lambda: slow[0], log=Log())
    assert asyncio.run(watch.look()) == ""
    slow[0] = (2.1, 0.5)
    assert "written too slowly" in asyncio.run(watch.look())
    slow[0] = (2.1, 6.0)
    assert asyncio.run(watch.look()) == ""  # it is tried again, or it could never be seen to be faster
    store(journal, delivery("a"))
    assert asyncio.run(watch.look()) == ""
    from bot.journal import tables as t

    with journal.write("test.older") as tx:
        tx.run(t.inbox.update().values(received_at=tx.now - timedelta(seconds=61)))
    assert "not read as fast" in asyncio.run(watch.look())


# Refusals


def test_many_in_a_row_are_said_twice_and_counted_all():
    log = Log()
    errands: list[Any] = []
    refused = Refused(now=lambda: datetime(2026, 3, 4, 12, 30, 45, tzinfo=UTC), also=errands.append, log=log)
    for _ in range(3 * MANY):
        refused.count("github", "unproven", "WRONG")
    assert log.names() == ["receive.refused", "receive.refused_many"]
    refused.taken("github")
    refused.count("github", "unproven")
    assert log.names()[2:] == ["receive.refused"]
    refused.hand_over()
    refused.hand_over()
    (errand,) = errands
    ((refusal, count),) = errand.keywords["counted"].items()
    assert (refusal.source, refusal.reason, count) == ("github", "unproven", 3 * MANY + 1)
    assert refusal.minute == datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
