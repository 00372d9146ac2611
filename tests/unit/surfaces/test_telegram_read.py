"""Updates as the bot understands them, and who can be held to theirs."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.incident.errors import BadInput
from agents.incident.ids import ApprovalId
from bot.surfaces.ports import Pressed, Reasoned, Typed
from bot.surfaces.telegram.read import Me, Ref, parsed, read, turn
from bot.surfaces.telegram.surface import KNOWN

SAMPLES = Path(__file__).parents[2] / "samples" / "telegram"
SHARED = Path(__file__).parents[4] / "shared" / "payloads"
ME = Me(id=123456789, username="firstresponder_bot")
APPROVAL = ApprovalId("AP_01K9ABCDEFGHJKMNPQRSTVWXYZ")
GROUP = -1001234567890


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return loaded


def taken(update: dict[str, Any] | str, me: Me = ME):
    given = sample(update) if isinstance(update, str) else update
    return read(json.dumps(given).encode(), me, KNOWN)


def typed(text: str, **more: Any):
    update = sample("command")
    update["message"] |= {"text": text, "entities": [], **more}
    return taken(update)


def test_a_press_tells_who_where_and_what_to_answer():
    press = taken("press")
    assert isinstance(press, Pressed)
    assert press.data == f"a:{APPROVAL}:3fa94c10"
    asker = press.asker
    assert (asker.surface, asker.account, asker.place) == ("telegram", "1001", str(GROUP))
    assert (asker.query, asker.message, asker.thread) == ("4382bfdwdsb323b2d9", "41", f"{GROUP}:41:")
    assert asker.trusted
    assert not asker.private


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("press_by_bot", "bots"),
        ("press_inline", "not on a message of mine"),
        ("press_foreign_message", "not on a message of mine"),
        ("press_forwarded", "forwarded"),
        ("press_inaccessible", "too old"),
        ("anonymous_admin", "anonymous"),
        ("channel_post", "anonymous"),
    ],
)
def test_whoever_cannot_be_held_to_it_is_not_trusted_and_hears_why(name, why):
    came = taken(name)
    assert came is not None
    assert not came.asker.trusted
    assert why in came.asker.why_not


def test_a_press_that_only_asks_once_more_is_none_of_the_desks_business():
    assert taken("press_confirm") is None
    found = turn(parsed((SAMPLES / "press_confirm.json").read_bytes()), ME)
    assert found is not None
    assert found.data == f"c:s:{APPROVAL}:3fa94c10"
    assert found.keyboard is not None
    assert turn(parsed((SAMPLES / "press.json").read_bytes()), ME) is None


def test_a_command_is_its_words_without_slash_and_name():
    came = taken("command")
    assert isinstance(came, Typed)
    assert came.text == "diagnose checkout 1h"
    assert came.asker.message == "52"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/fr why", "fr why"),
        ("/fr@FirstResponder_Bot why", "fr why"),
        ("/stop", "stop"),
        ("/\u2060stop", "stop"),  # copied from an answer
        ("@firstresponder_bot why INC_1", "why INC_1"),
        ("@firstresponder_bot", ""),
        ("why, @firstresponder_bot?", "why,"),
        ("/why@other_bot", None),
        ("/report", None),
        ("ask @firstresponder_bot about it", None),
        ("we should restart it", None),
        ("/", None),
        ("//why", None),
        ("  ", None),
    ],
)
def test_what_is_for_the_bot_in_a_group(text, meant):
    came = typed(text)
    assert (came.text if isinstance(came, Typed) else None) == meant


def test_everything_said_privately_is_for_the_bot():
    came = taken("private")
    assert isinstance(came, Typed)
    assert came.text == "what is going on"
    assert came.asker.private
    forwarded = sample("private")
    origin = {"type": "hidden_user", "date": 1, "sender_user_name": "x"}
    forwarded["message"]["forward_origin"] = origin
    came = taken(forwarded)
    assert came is not None
    assert not came.asker.trusted


def test_a_reply_to_the_question_for_a_reason_is_the_reason():
    came = taken("reason")
    assert isinstance(came, Reasoned)
    assert came.approval_id == APPROVAL
    assert came.text == "not at peak hours"
    for change in (
        {"from": {"id": 1002, "is_bot": False, "first_name": "Ben"}},  # somebody else wrote the question
        {"text": f"some card\nQuestion {APPROVAL}"},
        {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "x"}},
    ):
        update = sample("reason")
        update["message"]["reply_to_message"] |= change
        assert taken(update) is None
    command = sample("reason")
    command["message"]["text"] = "/status"
    assert isinstance(taken(command), Typed)


def test_a_reply_stands_in_the_thread_of_its_incident():
    came = taken("command_reply")
    assert came is not None
    assert came.asker.thread == f"{GROUP}:41:"
    assert str(Ref(chat=str(GROUP), message=41)).startswith(came.asker.thread)
    assert not str(Ref(chat=str(GROUP), message=411)).startswith(came.asker.thread)
    press = taken("press_topic")
    assert press is not None
    assert press.asker.extra == {"topic": "10"}
    assert press.asker.thread == "-1002234567890:41:"


def test_references_are_read_back():
    for ref in (Ref(chat="-100", message=5), Ref(chat="1001", message=5, topic=10)):
        assert Ref.of(str(ref)) == ref
    for text in ("", "root", "1:x", ":"):
        with pytest.raises(BadInput):
            Ref.of(text)


@pytest.mark.parametrize("name", ["joined"])
def test_what_else_happens_in_a_chat_is_not_for_the_bot(name):
    assert taken(name) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"update_id": "1"}',
        b"[" * 100_000,
        (SAMPLES / "malformed.json").read_bytes(),
    ],
)
def test_what_is_no_update_is_bad_input(body):
    with pytest.raises(BadInput):
        read(body, ME, KNOWN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "from", "chat", "date"]), inner)
    ),
    max_leaves=8,
)
PARTS = ("message", "from", "chat", "id", "data", "date", "text", "message_id", "reply_to_message", "is_bot")


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(p.stem for p in SAMPLES.glob("*.json"))), st.sampled_from(PARTS), JSON)
def test_a_mangled_update_is_read_or_bad_input_and_nothing_else(name, part, value):
    def mangle(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {k: value if k == part else mangle(v) for k, v in tree.items()}
        return tree

    try:
        read(json.dumps(mangle(sample(name))).encode(), ME, KNOWN)
    except BadInput:
        return


def test_of_real_updates_those_for_the_bot_are_understood_and_no_other():
    ours = {path.stem: path.read_bytes() for path in SAMPLES.glob("*.json")}
    with pytest.raises(BadInput):
        read(ours.pop("malformed"), ME, KNOWN)
    assert sorted(name for name, update in ours.items() if read(update, ME, KNOWN) is None) == [
        "joined",
        "press_confirm",
    ]
    if SHARED.exists():  # more of them, where they stand beside the checkout
        of_the_corpus()


def of_the_corpus() -> None:
    seen = 0
    for row in map(json.loads, (SHARED / "index.jsonl").read_text().splitlines()):
        if row["system"] != "telegram":
            continue
        seen += 1
        body = (SHARED / row["file"]).read_bytes()
        if "from" in str(body) and row["expect"]["category"] == "chat_interaction":
            with pytest.raises(BadInput):  # recorded before users had is_bot
                read(body, Me(id=264434259, username="alertaio_bot"), KNOWN)
            came = read(body.replace(b'"first_name"', b'"is_bot": false, "first_name"'), Me(id=264434259), KNOWN)
            assert isinstance(came, Pressed)
            assert came.asker.account == str(row["expect"]["user_id"])
            assert came.asker.place == str(row["expect"]["chat_id"])
            assert came.data == row["expect"]["callback_data"]
            assert came.asker.trusted
        else:
            assert read(body, ME, KNOWN) is None
    assert seen >= 11
