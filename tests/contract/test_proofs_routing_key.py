"""The routing_key in the body: good, wrong, rotated, missing, misshapen, repeated."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from agents.incident.errors import BadProof
from bot.receiver import proofs

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
FIRST, SECOND, FOREIGN = "first-routing-key-of-ours", "second-routing-key-of-ours", "somebody-elses-key"
USED = proofs.scheme("routing_key")


def event(key: object, **more) -> bytes:
    said = {"routing_key": key, "event_action": "trigger", "payload": {"summary": "zu spät"}}
    return json.dumps(said | more).encode()


def ask(body: bytes, secrets=(FIRST,), now=NOW):
    return USED.verify({}, body, secrets, now)


def refused(answer) -> None:
    assert isinstance(answer, BadProof)
    for secret in (FIRST, SECOND, FOREIGN):
        assert secret not in str(answer)


def test_good():
    assert ask(event(FIRST)) is None


def test_a_wrong_key_is_refused():
    for wrong in (FOREIGN, FIRST[:-1], FIRST + "x", FIRST.upper(), f" {FIRST}", FIRST + "\n", "\udcff", "é"):
        refused(ask(event(wrong)))


def test_both_keys_are_good_while_one_is_being_changed_and_the_log_can_say_which():
    secrets = {"old": FIRST, "new": SECOND}
    assert proofs.prove(USED, {}, event(FIRST), secrets, NOW) == "old"
    assert proofs.prove(USED, {}, event(SECOND), secrets, NOW) == "new"
    with pytest.raises(BadProof):
        proofs.prove(USED, {}, event(FOREIGN), secrets, NOW)
    refused(ask(event(FIRST), (SECOND,)))


def test_without_a_live_key_everything_is_refused():
    for secrets in ((), ("",)):
        assert "no live secret" in str(ask(event(FIRST), secrets))
        refused(ask(event(""), secrets))
    with pytest.raises(BadProof):
        proofs.prove(USED, {}, event(FIRST), {}, NOW)


@pytest.mark.parametrize("wrong", [None, "", 7, True, [FIRST], {"routing_key": FIRST}])
def test_a_key_that_is_missing_or_no_text_is_refused(wrong):
    refused(ask(event(wrong)))
    refused(ask(json.dumps({"payload": {"routing_key": FIRST}}).encode()))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"\xff", b"[" * 100_000, f'["{FIRST}"]'.encode(), f'"{FIRST}"'.encode(), FIRST.encode()],
)
def test_a_body_that_is_no_object_is_refused(body):
    refused(ask(body))


def test_the_key_elsewhere_is_no_proof():
    body = json.dumps({"event_action": "trigger"}).encode()
    for headers in ({"x-routing-key": FIRST}, {"authorization": f"Bearer {FIRST}"}, {proofs.URL_TOKEN: FIRST}):
        refused(USED.verify(headers, body, (FIRST,), NOW))


def test_it_says_nothing_of_the_time_or_the_rest_so_a_repeat_has_to_be_harmless():
    assert ask(event(FIRST), now=NOW + timedelta(days=365)) is None
    assert ask(event(FIRST, event_action="resolve")) is None
    assert not USED.timestamped
    assert USED.delivery_header == ""
