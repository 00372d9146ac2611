"""Every payload of the corpora: what its index says comes out, and nothing besides."""

from collections import defaultdict

import pytest

from bot.receiver import parse_cli, systems
from tests.evals import payloads
from tests.unit.systems.corpora import OWN, SHARED, Payload, all_payloads, each


def items_of(payload: Payload):
    return [parse_cli.stated(item) for item in systems.read(payload.system, payload.headers, payload.body).items]


@pytest.mark.parametrize("payload", each())
def test_a_payload_says_what_its_index_says_and_no_more(payload):
    folder = (SHARED if payload.line.get("sha256") else OWN).parent
    found = payloads.outcome(folder, payload.line, auto=False)
    assert payloads.differences(payload.line, found) == []


@pytest.mark.parametrize("payload", each())
def test_what_is_about_the_whole_delivery_is_as_the_index_says(payload):
    reading = systems.read(payload.system, payload.headers, payload.body)
    per_item = {key for item in reading.items for key in item.extras}
    for field, wanted in payload.expect.items():
        # What a person must do, and remarks, are the index's; a null is a field that is not there.
        if field in ("category", "n", "items", "must", "note") or wanted is None:
            continue
        if field == "delivery_id":
            assert wanted in (reading.delivery_key, reading.about.get(field))
        elif field not in per_item or field in reading.about:
            assert reading.about.get(field) == wanted, field


@pytest.mark.parametrize("payload", each())
def test_a_delivery_is_recognised_without_being_told_who_sent_it(payload):
    assert list(systems.recognise(payload.headers, payload.body))[:1] == [payload.system]


def pairs():
    found = defaultdict(list)
    for payload in all_payloads():
        if payload.line.get("pair"):
            found[payload.system, payload.line["pair"]].append(payload)
    return [pytest.param(members, id=f"{system}-{name}") for (system, name), members in found.items()]


@pytest.mark.parametrize("members", pairs())
def test_the_key_that_opens_is_the_key_that_closes(members):
    keys = [{item["dedup_key"] for item in items_of(member)} for member in members]
    assert all(keys)
    assert all(key == keys[0] for key in keys), keys


def test_what_the_index_keeps_apart_stays_apart():
    by_key = defaultdict(set)
    for payload in all_payloads():
        for wanted, item in zip(payload.expect["items"], items_of(payload), strict=True):
            by_key[payload.system, item["dedup_key"]].add(wanted["dedup_key"])
    assert {key: wanted for key, wanted in by_key.items() if len(wanted) > 1} == {}


def test_an_identity_is_never_empty_nor_one_for_all():
    for payload in all_payloads():
        for item in items_of(payload):
            assert str(item["dedup_key"]).strip(), payload.line["file"]
            assert item["dedup_key"] != "cbf29ce484222325", "FNV's offset: an alert without labels"
