"""Slack's payloads as the desk understands them: who, where, what; and nothing that is not for the bot."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.incident.errors import BadInput
from bot.surfaces.ports import Pressed, Reasoned, Typed
from bot.surfaces.slack.read import LONGEST, Me, key, read, reduced, verb

SAMPLES = Path(__file__).parents[2] / "samples" / "slack"
CORPUS = Path(__file__).parents[4] / "shared" / "payloads" / "slack"
ME = Me(user_id="U0BOT", bot_id="B0BOT", team_id="T0HOME", enterprise_id="E0ORG")
THREAD = "1700000000.000100"


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def stored(payload: dict[str, Any]) -> bytes:
    return json.dumps(reduced(payload)).encode()


def understood(name: str, me: Me = ME, **changes: Any):
    return read(stored(sample(name) | changes), me)


def test_a_button_and_a_menu_entry():
    pressed = understood("button")
    assert isinstance(pressed, Pressed)
    assert pressed.data == "a:AP_1:3fa94c10"
    asker = pressed.asker
    assert (asker.surface, asker.account, asker.place, asker.private) == ("slack", "U0ANA", "C0INCIDENTS", False)
    assert (asker.thread, asker.message) == (THREAD, "1700000100.000100")
    assert asker.trusted
    assert asker.extra["trigger_id"] == "111.222.abc"
    assert understood("overflow").data == "d:INC_1"


def test_a_command_by_its_own_name_or_under_the_common_one():
    said = understood("command")
    assert isinstance(said, Typed)
    assert said.text == "why INC_1"
    assert said.asker.trusted
    assert understood("command", command="/diagnose", text="x 1h").text == "diagnose x 1h"
    assert understood("command", command="/fr", text="").text == ""
    assert understood("command", channel_id="D0ANA").asker.private


@pytest.mark.parametrize(
    ("command", "prefix", "found"),
    [
        ("/fr", "/", ""),
        ("/FirstResponder", "/", ""),
        ("/diagnose", "/", "diagnose"),
        ("/fr-diagnose", "/", "diagnose"),
        ("/fr_why", "/", "why"),
        ("/ops-why", "/ops-", "why"),
        ("/ops-why", "/ops", "why"),
        ("/fr-why", "/ops-", "why"),
        ("/freeze", "/", "freeze"),
        ("/fr", "/fr", ""),
    ],
)
def test_verbs_and_prefixes(command: str, prefix: str, found: str):
    assert verb(command, prefix) == found


def test_a_mention_is_read_as_it_was_typed_without_the_mention():
    said = understood("app_mention")
    assert isinstance(said, Typed)
    assert said.text == "why <5xx> in #ops said @U0BEN, see x.example/a &amp;"
    assert said.asker.thread == THREAD
    assert not said.asker.private


def test_a_private_message_and_what_the_bot_says_itself():
    assert understood("message_im").asker.private
    assert understood("message_im").text == "help"
    assert understood("message_im_of_the_bot") is None


def test_the_reason_for_a_rejection():
    told = understood("view_submission")
    assert isinstance(told, Reasoned)
    assert (told.approval_id, told.text) == ("AP_1", "not at peak hours")
    assert (told.asker.place, told.asker.thread, told.asker.trusted) == ("C0INCIDENTS", THREAD, True)
    other = sample("view_submission")
    other["view"]["callback_id"] = "another"
    assert read(stored(other), ME) is None
    other["view"] |= {"callback_id": "firstresponder_reason", "private_metadata": "{}"}
    with pytest.raises(BadInput, match="without the approval"):
        read(stored(other), ME)


def test_who_is_not_of_the_workspace_is_not_trusted_and_is_told_why():
    for name in ("stranger_button", "shared_channel_mention"):
        found = understood(name)
        assert not found.asker.trusted
        assert "another workspace" in found.asker.why_not
    assert understood("grid_button").asker.trusted  # team is null; the account is the organisation's
    assert not understood("grid_button", Me(user_id="U0BOT", team_id="T0HOME")).asker.trusted
    for user in ({}, {"id": "U0ANA"}, {"id": "U0ANA", "team_id": None}, {"team_id": "T0HOME"}):
        assert not understood("button", user=user).asker.trusted
    for mark in ("is_stranger", "is_bot"):
        assert not understood("button", user={"id": "U0ANA", "team_id": "T0HOME", mark: True}).asker.trusted
    assert not understood("button", Me()).asker.trusted  # before it knows itself it knows nobody
    assert not understood("command", team_id="T0OTHER").asker.trusted
    shared = sample("app_mention") | {"is_ext_shared_channel": True}
    shared["event"].pop("team")
    found = read(stored(shared), ME)
    assert found is not None
    assert not found.asker.trusted


@pytest.mark.parametrize("subtype", ["message_changed", "message_deleted", "channel_join", "bot_message"])
def test_edits_joins_and_bots_are_nothing(subtype: str):
    for name in ("message_im", "app_mention"):
        payload = sample(name)
        payload["event"]["subtype"] = subtype
        assert read(stored(payload), ME) is None


def test_a_message_in_a_channel_that_is_no_mention_is_nothing():
    payload = sample("message_im")
    payload["event"] |= {"channel_type": "channel", "channel": "C0INCIDENTS"}
    assert read(stored(payload), ME) is None


def test_nothing_secret_is_kept_and_the_trigger_is():
    for path in SAMPLES.glob("*.json"):
        body = stored(json.loads(path.read_text()))
        assert b"FAKE" not in body
        assert b"response_url" not in body
        assert b"authorizations" not in body
    assert b"111.222.abc" in stored(sample("button"))


def test_a_delivery_has_one_name_however_often_it_comes():
    def name(payload: dict[str, Any]) -> str:
        return key(reduced(payload), stored(payload))

    names = [name(sample(p.stem)) for p in sorted(SAMPLES.glob("*.json")) if "button" not in p.stem]
    assert names == [name(sample(p.stem)) for p in sorted(SAMPLES.glob("*.json")) if "button" not in p.stem]
    assert name(sample("app_mention")) == "event:Ev0001"
    button = sample("button")
    assert name(button) == "trigger:111.222.abc"
    del button["trigger_id"]
    assert name(button) == "action:U0ANA:1700000101.000001"
    assert len(name({"event_id": "x" * 500})) <= 150
    assert name({"a": 1}).startswith("body:")


def in_folder(folder: Path, me: Me) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".json", ".form"}):
        text = path.read_text()
        payload = dict(parse_qsl(text)) if path.suffix == ".form" else json.loads(text)
        found[path.stem] = read(stored(payload), me)
    return found


def test_of_real_payloads_those_for_the_bot_are_understood_and_no_other():
    ours = in_folder(SAMPLES, ME)
    assert [name for name, value in ours.items() if value is None] == ["message_im_of_the_bot"]
    assert {name for name, value in ours.items() if value is not None and not value.asker.trusted} == {
        "shared_channel_mention",
        "stranger_button",
    }
    if not CORPUS.is_dir():
        return  # more payloads, where they stand beside the checkout
    found = in_folder(CORPUS, Me(user_id="U0LAN0Z89", team_id="T024BE7LD", enterprise_id="E111"))
    named = {name: value for name, value in found.items() if value is not None}
    assert sorted(named) == ["bolt_request_block_actions", "bolt_slash_command", "triggerdev_1"]
    assert named["triggerdev_1"].text == "can you deploy the app?"
    assert named["triggerdev_1"].asker.trusted
    assert named["bolt_request_block_actions"].data == "click_me_123"
    assert not named["bolt_request_block_actions"].asker.trusted
    assert named["bolt_slash_command"].text == "hello-world Hi"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_payload_is_bad_input(body: bytes):
    with pytest.raises(BadInput):
        read(body, ME)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["button", "overflow", "command", "app_mention", "message_im", "view_submission"]),
    st.data(),
)
def test_odd_payloads_are_read_or_refused(name: str, data: st.DataObject):
    payload = sample(name)
    at: Any = payload
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [k for k, v in at.items() if isinstance(v, dict) and v]
        if not inner:
            break
        at = at[data.draw(st.sampled_from(sorted(inner)))]
    at[data.draw(st.sampled_from(sorted(at)))] = data.draw(NESTED)
    body = stored(payload)
    assert len(key(reduced(payload), body)) <= 150
    for raw in (body, json.dumps(payload).encode()):
        try:
            found = read(raw, ME)
        except BadInput:
            continue
        assert found is None or isinstance(found.asker.account, str)
        assert not isinstance(found, Typed) or len(found.text) <= LONGEST
