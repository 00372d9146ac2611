"""Slack end to end against its stand-in: what is said, what comes in, and what happens when either goes wrong."""

import asyncio
import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from structlog.testing import CapturingLogger

from actions.policy import People, Person
from agents.incident.errors import BadInput, JournalUnavailable, Refused, ResponderError, Transient
from agents.incident.ids import ApprovalId, PersonId
from bot.journal.journal import Journal, open_engine
from bot.surfaces.ports import (
    Asker,
    Busy,
    Button,
    Chart,
    Chat,
    Gone,
    Lane,
    Message,
    Pressed,
    Reasoned,
    Reply,
    Take,
    Typed,
)
from bot.surfaces.slack.listen import PATH
from bot.surfaces.slack.surface import NO_FORM, SlackChat
from bot.surfaces.speaker import Speech, speak
from tests.builders import ask
from tests.stubs.client import SlackStub

CHANNEL = "C0INCIDENTS"
ANA = "U0ANA"
PEOPLE = People(
    people=(
        Person(id=PersonId("ana"), name="Ana", roles=frozenset({"approver"}), accounts={"slack": (ANA,)}),
        Person(id=PersonId("ben"), name="Ben", roles=frozenset(), accounts={"slack": ("<!channel>",)}),
    )
)
CHART = Chart(
    caption="checkout <errors> & more",
    quantity="server_error_ratio",
    points=tuple((1_700_000_000_000.0 + n * 1000, n / 10) for n in range(10)),
)
APPROVE = f"a:{ApprovalId('AP_01K9ZZZZZZZZZZZZZZZZZZZZZZ')}:3fa94c10"
MESSAGE = Message(
    key="INC_1/root",
    lane=Lane.ROOT,
    headline="CRITICAL · `demo/checkout` · “<!channel> is *down* & <https://evil.example|here>”",
    lines=("State: looking", "• `checkout-1` 5xx: 31% → 0.2% [ev_aa]"),
    buttons=(Button(label="Approve", data=APPROVE, style="primary"), Button(label="Reject", data="r:1:2")),
    more=(
        Button(label="Hold +15 min", data="h:1:2"),
        Button(label="Details", data="d:INC_1"),
        Button(label="Stop all", data="s:1:2", style="danger", confirm="Stop every action?"),
    ),
    link="https://page.example/incidents/INC_1?a=1&b=2",
    mention=("ana", "ben", "nobody"),
    loud=True,
)


@pytest.fixture(scope="module", name="one_stub")
def _one_stub() -> Iterator[SlackStub]:
    with SlackStub() as stub:
        yield stub


@pytest.fixture(name="stub")
def _stub(one_stub: SlackStub) -> Iterator[SlackStub]:
    one_stub.reset()
    yield one_stub
    assert one_stub.violations() == []


@dataclass(slots=True)
class Taken:
    """A journal in memory: what was handed over, and whether it is down."""

    rows: list[tuple[str | None, bytes]] = field(default_factory=list)
    down: bool = False
    slow: float = 0.0

    async def __call__(self, key: str | None, body: bytes) -> None:
        await asyncio.sleep(self.slow)
        if self.down:
            raise JournalUnavailable("the journal is down")
        self.rows.append((key, body))


@pytest.fixture(name="log")
def _log() -> CapturingLogger:
    return CapturingLogger()


@pytest.fixture(name="made")
def _made(stub: SlackStub, log: CapturingLogger) -> Iterator[Callable[..., SlackChat]]:
    def make(**named: Any) -> SlackChat:
        usual: dict[str, Any] = {
            "bot_token": stub.bot_token,
            "app_token": stub.app_token,
            "signing_secret": stub.signing_secret,
            "api_url": stub.api_url,
            "channel": CHANNEL,
            "channels": frozenset({"C0OPS"}),
            "mode": "socket",
            "people": lambda: PEOPLE,
            "log": log,
        }
        return SlackChat(**(usual | named))

    yield make
    said = repr(log.calls)
    assert stub.bot_token not in said
    assert stub.app_token not in said
    assert stub.signing_secret not in said
    assert "ticket=" not in said


def run(chat: SlackChat, *steps: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Start a chat, do the steps, close it; what each step returned."""

    async def all_of() -> list[Any]:
        try:
            await chat.start()
            return [await step() for step in steps]
        finally:
            await chat.close()

    return asyncio.run(all_of())


def raised(chat: SlackChat, do: Callable[[], Coroutine[Any, Any, Any]]) -> ResponderError:
    """What a step raises, the chat having started well."""

    async def caught() -> ResponderError:
        try:
            await do()
        except ResponderError as error:
            return error
        raise AssertionError("nothing was raised")

    error: ResponderError = run(chat, caught)[0]
    return error


class Running:
    """A chat that listens, in a thread of its own, while the test speaks to the stub."""

    def __init__(self, chat: SlackChat, take: Take) -> None:
        self.chat = chat
        self._take = take
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Running":
        self._thread.start()
        self.do(self.chat.start())
        self._listening = asyncio.run_coroutine_threadsafe(self.chat.listen(self._take), self._loop)
        return self

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def __exit__(self, *_: object) -> None:
        self._listening.cancel()
        with contextlib.suppress(BaseException):
            self._listening.result(10)
        self.do(self.chat.close())
        self.do(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def typed(chat: SlackChat, taken: Taken) -> list[Any]:
    return [chat.read(body) for _, body in taken.rows]


def newest(chat: SlackChat, taken: Taken) -> Any:
    return typed(chat, taken)[-1]


# --- what is said ---------------------------------------------------------------------------------------------


def test_a_message_is_posted_found_edited_and_carries_nothing_alive_from_data(stub: SlackStub, made):
    chat = made()
    edited = replace(MESSAGE, lines=("State: acting",), buttons=(), more=(), mention=())
    ref, found, missing, _, _ = run(
        chat,
        lambda: chat.post(MESSAGE, None),
        lambda: chat.find("INC_1/root", None),
        lambda: chat.find("INC_2/root", None),
        lambda: chat.edit(ref_of(stub), edited),
        lambda: chat.edit(ref_of(stub), edited),
    )
    assert found == ref
    assert missing is None
    assert len(ref) <= 400
    said = stub.messages(channel=CHANNEL)[0]
    assert said["metadata"] == {"event_type": "firstresponder_message", "event_payload": {"key": "INC_1/root"}}
    assert said["unfurl_links"] is False
    assert said["unfurl_media"] is False
    assert said["mentions"] == []  # after the edit
    assert said["edits"][0]["text"].startswith(f"<@{ANA}> CRITICAL")
    first = said["edits"][0]["blocks"]
    assert [b["type"] for b in first] == ["header", "section", "section", "actions", "context"]
    assert [e["type"] for e in first[3]["elements"]] == ["button", "button", "overflow", "button"]
    assert first[3]["elements"][3]["confirm"]["text"]["text"] == "Stop every action?"
    assert "<https://page.example/incidents/INC_1?a=1&amp;b=2|Open the page>" in json.dumps(first[4])


def ref_of(stub: SlackStub, n: int = 0) -> str:
    said = stub.messages(channel=CHANNEL)[n]
    return f"{said['channel']}:{said['ts']}"


def test_detail_findings_and_their_picture_stand_in_the_thread(stub: SlackStub, made):
    chat = made()
    below = Message(key="INC_1/finding:1", lane=Lane.DETAIL, headline="Found", chart=CHART, below=True, fixed=True)
    root, finding, found, _ = run(
        chat,
        lambda: chat.post(MESSAGE, None),
        lambda: chat.post(below, ref_of(stub)),
        lambda: chat.find("INC_1/finding:1", ref_of(stub)),
        lambda: chat.detail(ref_of(stub), [f"12:00:0{n} the alert fired <@U1>" for n in range(9)]),
    )
    assert found == finding
    ts = root.partition(":")[2]
    thread = stub.thread(CHANNEL, ts)
    assert [bool(m["files"]) for m in thread] == [False, True, False]
    picture = thread[1]["files"][0]
    assert picture["title"] == "checkout <errors> & more"
    assert stub.file(picture["id"]).startswith(b"\x89PNG")
    assert "the alert fired &lt;@U1&gt;" in thread[2]["text"]
    assert not any(m["reply_broadcast"] for m in stub.messages())


def test_a_chart_that_cannot_be_drawn_costs_nothing_else(stub: SlackStub, made, log, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("bot.surfaces.slack.surface.png", broken)
    chat = made()
    (ref,) = run(chat, lambda: chat.post(replace(MESSAGE, chart=CHART), None))
    assert ref
    assert [c.args[0] for c in log.calls].count("slack.no_picture") == 1


def test_a_picture_that_cannot_be_sent_costs_nothing_else(stub: SlackStub, made, log):
    chat = made()
    stub.fail("files.getUploadURLExternal", "error", error="internal_error")
    stub.fail("upload", "status", status=500)
    message = replace(MESSAGE, chart=CHART)
    refs = run(chat, lambda: chat.post(message, None), lambda: chat.post(message, None))
    assert all(refs)
    assert len(stub.messages(channel=CHANNEL)) == 2
    assert [c.args[0] for c in log.calls].count("slack.no_picture") == 2


def test_a_long_message_is_cut_where_it_shows_and_taken(stub: SlackStub, made):
    chat = made()
    long = replace(MESSAGE, lines=tuple(f"{n} & `<{'x' * 500}>`" for n in range(60)))
    run(chat, lambda: chat.post(long, None), lambda: chat.detail(ref_of(stub), long.lines))
    for said in stub.messages():
        assert "more lines" in said["text"]
        assert "more lines" in json.dumps(said["blocks"], ensure_ascii=False)


def test_an_incident_is_told_from_the_journal(stub: SlackStub, made, sqlite_url: str):
    journal = Journal(open_engine(sqlite_url), lambda *_: None)
    question = ask(journal)
    ticks = iter(range(0, 10**6, 61))
    chat = made(clock=lambda: float(next(ticks)))
    speech = Speech(journal=journal, people=lambda: PEOPLE)

    async def rounds() -> None:
        for _ in range(3):
            await speak(speech, chat)

    run(chat, rounds)
    journal.close()
    top = [m for m in stub.messages(channel=CHANNEL) if not m["thread_ts"]]
    root, asked = sorted(top, key=lambda m: not m["metadata"]["event_payload"]["key"].endswith("/root"))
    assert question.incident_id in root["metadata"]["event_payload"]["key"]
    assert asked["mentions"] == [f"@{ANA}"] * 2
    assert "If nobody answers it EXPIRES" in asked["text"]
    labels = [
        e["text"]["text"] for b in asked["blocks"] if b["type"] == "actions" for e in b["elements"] if "text" in e
    ]
    assert labels == ["Approve", "Reject", "Stop all"]
    assert stub.thread(CHANNEL, root["ts"])


def test_trouble_is_told_as_what_to_do_next(stub: SlackStub, made):
    chat = made()
    stub.fail("chat.postMessage", "ratelimited", retry_after=7)
    busy = raised(chat, lambda: chat.post(MESSAGE, None))
    assert isinstance(busy, Busy)
    assert busy.retry_after == timedelta(seconds=7)
    stub.fail("chat.postMessage", "status", status=503)
    assert type(raised(chat, lambda: chat.post(MESSAGE, None))) is Transient
    stub.fail("chat.postMessage", "reset")
    assert type(raised(chat, lambda: chat.post(MESSAGE, None))) is Transient
    assert len(stub.calls("chat.postMessage")) == 3  # nothing was sent again behind our back
    assert isinstance(raised(chat, lambda: chat.edit(f"{CHANNEL}:1.000001", MESSAGE)), Gone)
    assert isinstance(raised(chat, lambda: chat.edit("nonsense", MESSAGE)), Gone)
    stub.fail("chat.postMessage", "error", error="channel_not_found")
    refused = raised(chat, lambda: chat.post(MESSAGE, None))
    assert isinstance(refused, Refused)
    assert "FIRSTRESPONDER_SLACK__CHANNEL" in str(refused)
    stub.fail("chat.postMessage", "error", error="invalid_auth")
    refused = raised(chat, lambda: chat.post(MESSAGE, None))
    assert "FIRSTRESPONDER_SLACK__BOT_TOKEN" in str(refused)
    for error in (busy, refused):
        assert stub.bot_token not in f"{error!r}{error.__cause__!r}"


def test_a_lost_answer_is_made_good_by_finding_the_message(stub: SlackStub, made, monkeypatch):
    monkeypatch.setattr("bot.surfaces.slack.surface.TIMEOUT_S", 0.3)
    chat = made()
    stub.fail("chat.postMessage", "reset", applied=True)
    assert isinstance(raised(chat, lambda: chat.post(MESSAGE, None)), Transient)
    assert run(chat, lambda: chat.find("INC_1/root", None)) == [ref_of(stub)]


def test_a_call_that_hangs_ends(stub: SlackStub, made):
    chat = made()
    stub.fail("chat.postEphemeral", "hang", delay_s=20.0)
    began = time.monotonic()
    asker = Asker(surface="slack", account=ANA, place=CHANNEL, private=False)
    assert type(raised(chat, lambda: chat.answer(asker, Reply(text="hi")))) is Transient
    assert time.monotonic() - began < 4
    stub.heal()


# --- set-up ---------------------------------------------------------------------------------------------------


def refused_start(chat: SlackChat) -> str:
    async def go() -> str:
        try:
            await chat.start()
        except BadInput as error:
            return str(error)
        finally:
            await chat.close()
        raise AssertionError("it started")

    return asyncio.run(go())


def test_a_wrong_setting_is_named_at_the_start(stub: SlackStub, made):
    assert "FIRSTRESPONDER_SLACK__BOT_TOKEN" in refused_start(made(bot_token="xoxb-wrong"))
    assert "FIRSTRESPONDER_SLACK__BOT_TOKEN" in refused_start(made(bot_token=stub.app_token))
    assert "FIRSTRESPONDER_SLACK__APP_TOKEN" in refused_start(made(app_token="xapp-wrong"))
    assert "FIRSTRESPONDER_SLACK__CHANNEL:" in refused_start(made(channel="#incidents"))
    assert "FIRSTRESPONDER_SLACK__CHANNEL:" in refused_start(made(channel="C0NOWHERE"))
    stub.channel("C0OPS", is_member=False)
    told = refused_start(made())
    assert "FIRSTRESPONDER_SLACK__CHANNELS: the bot is not in the channel C0OPS; invite it" in told
    assert "/invite @firstresponder" in told
    stub.workspace(scopes=["chat:write"])
    assert "channels:read" in refused_start(made())


def test_check_finds_what_is_wrong_while_it_runs(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        assert running.do(running.chat.check()) == []
        stub.workspace(scopes=["chat:write", "channels:read"])
        stub.channel(CHANNEL, is_archived=True)
        found = running.do(running.chat.check())
    assert any("files:write" in f and "OAuth & Permissions" in f for f in found)
    assert any("is archived" in f for f in found)
    chat = made()
    assert any("no socket is open" in f for f in run_unchecked(chat, chat.check))


def run_unchecked(chat: SlackChat, step: Callable[[], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        try:
            return await step()
        finally:
            await chat.close()

    return asyncio.run(go())


# --- what comes in --------------------------------------------------------------------------------------------


def test_presses_commands_mentions_and_private_messages_are_stored_then_acknowledged(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        acks = [
            stub.press(ANA, label="Approve"),
            stub.press(ANA, label="Details"),
            stub.command(ANA, "/fr", "why INC_1"),
            stub.command(ANA, "/fr-diagnose", "checkout 1h"),
            stub.mention(ANA, "@bot why &lt;now&gt;", thread_ts=ref_of(stub).partition(":")[2]),
            stub.direct(ANA, "help"),
        ]
        stub.mention("U0BOTTO", "@bot approve all", is_bot=True)
        stub.event({"type": "reaction_added", "user": ANA, "reaction": "eyes"})
        assert all(a["acked"] and a["within_3s"] for a in acks)
        read = typed(running.chat, taken)
    root = ref_of(stub).partition(":")[2]
    assert [type(r) for r in read] == [Pressed, Pressed, Typed, Typed, Typed, Typed, type(None), type(None)]
    assert [r.data for r in read[:2]] == [APPROVE, "d:INC_1"]
    assert [r.text for r in read[2:6]] == ["why INC_1", "diagnose checkout 1h", "why <now>", "help"]
    assert all(r.asker.account == ANA and r.asker.trusted for r in read[:6])
    assert [r.asker.private for r in read[:6]] == [False] * 5 + [True]
    assert read[0].asker.message == root
    assert read[4].asker.thread == root
    for key, body in taken.rows:
        assert key
        for secret in (b"response_url", b"deprecated", b"authorizations", stub.bot_token.encode()):
            assert secret not in body
    assert len({key for key, _ in taken.rows}) == len(taken.rows)


def test_whoever_is_not_of_this_workspace_is_not_trusted(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        stub.press("U0FOREIGN", label="Approve", team="T0OTHER")
        stub.press(ANA, label="Approve", user_team=None)
        stub.mention("U0FOREIGN", "@bot stop", team="T0OTHER")
        stub.workspace(org_install=True)
        stub.press(ANA, label="Approve")
        read = typed(running.chat, taken)
    assert [r.asker.trusted for r in read] == [False, False, False, True]
    assert "another workspace" in read[0].asker.why_not


def test_the_same_delivery_again_has_the_same_key(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        for delivery in (stub.press(ANA, label="Reject"), stub.mention(ANA, "@bot why"), stub.command(ANA, "/fr")):
            again = stub.redeliver(delivery["id"], retry_num=1)
            assert again["acked"]
    keys = [key for key, _ in taken.rows]
    assert len(keys) == 6
    assert keys[:3] == keys[3:]
    assert len(set(keys)) == 3


def test_nothing_is_acknowledged_while_the_journal_is_down(stub: SlackStub, made):
    stub.limits(event_retries_s=(0.2, 0.2), ack_s=1.0)
    taken = Taken(down=True)
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        assert not stub.press(ANA, label="Approve")["acked"]
        event = stub.mention(ANA, "@bot why", wait=0.2)
        taken.down = False
        assert stub.delivery(event["id"], wait=5.0)["acked"]  # it comes again, and is stored then
        assert stub.press(ANA, label="Approve")["acked"]
    assert len(taken.rows) == 2


def test_a_socket_that_ends_is_replaced(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        for abrupt in (False, True):
            stub.disconnect(abrupt=abrupt)
            stub.wait_for_sockets(timeout=5.0)
            assert stub.press(ANA, label="Approve")["acked"]
        stub.down()
        time.sleep(0.7)
        stub.down(False)
        stub.wait_for_sockets(timeout=10.0)
        assert stub.press(ANA, label="Approve")["acked"]
        assert running.do(running.chat.check()) == []


def test_every_press_of_a_crowd_is_acknowledged_before_slack_gives_up(stub: SlackStub, made):
    taken = Taken(slow=0.005)
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        with ThreadPoolExecutor(20) as people:
            presses = [people.submit(stub.press, ANA, label="Approve") for _ in range(200)]
            assert all(p.result()["acked"] for p in presses)
    assert len(taken.rows) == 200


# --- answers --------------------------------------------------------------------------------------------------


def asker(**named: Any) -> Asker:
    usual: dict[str, Any] = {"surface": "slack", "account": ANA, "place": CHANNEL, "private": False}
    return Asker(**(usual | named))


def test_an_answer_is_seen_by_whoever_asked_unless_it_is_public(stub: SlackStub, made):
    chat = made()
    reply = Reply(text="Approved by you. <!here>", lines=("more",), link="https://page.example/x")
    run(chat, lambda: chat.answer(asker(), reply))
    assert [m["text"] for m in stub.ephemerals(ANA)] == ["Approved by you. &lt;!here&gt;\nmore"]
    run(chat, lambda: chat.answer(asker(thread="1.5"), replace(reply, public=True)))
    assert [(m["thread_ts"], m["ephemeral_to"]) for m in stub.messages()][1:] == [("1.5", None)]
    direct = stub.direct(ANA, "help", wait=0)["payload"]["event"]["channel"]
    run(chat, lambda: chat.answer(asker(place=direct, private=True), reply))
    assert stub.messages(channel=direct)[-1]["text"].startswith("Approved by you.")


def test_who_is_not_where_they_asked_is_answered_in_private(stub: SlackStub, made):
    chat = made()
    stub.channel("C0ELSE", is_member=False)
    run(chat, lambda: chat.answer(asker(place="C0ELSE"), Reply(text="Refused: this place is not configured.")))
    assert len([m for m in stub.messages() if m["channel"].startswith("D")]) == 1
    stub.fail("chat.postEphemeral", "error", error="user_not_in_channel")
    run(chat, lambda: chat.answer(asker(), Reply(text="Here")))
    assert len([m for m in stub.messages() if m["channel"].startswith("D")]) == 2


def test_a_rejection_is_asked_why_in_a_form(stub: SlackStub, made):
    taken = Taken()
    approval = ApprovalId("AP_01K9ZZZZZZZZZZZZZZZZZZZZZZ")
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        running.do(running.chat.post(MESSAGE, None))
        stub.press(ANA, label="Reject")
        pressed = newest(running.chat, taken)
        reply = Reply(text="Rejected by you. Nothing is run.", wants_reason=approval)
        running.do(running.chat.answer(pressed.asker, reply))
        assert len(stub.views()) == 1
        assert NO_FORM not in stub.ephemerals(ANA)[-1]["text"]
        sent = stub.submit({"reason": "not at <peak> hours"})
        assert sent["acked"]
        assert not stub.views()[0]["open"]
        reasoned = newest(running.chat, taken)
        running.do(running.chat.answer(pressed.asker, reply))  # once more, after a lost answer
        assert NO_FORM not in stub.ephemerals(ANA)[-1]["text"]
        stale = replace(pressed.asker, extra={"trigger_id": "1.2.3"})
        running.do(running.chat.answer(stale, reply))
        assert NO_FORM in stub.ephemerals(ANA)[-1]["text"]
    assert isinstance(reasoned, Reasoned)
    assert reasoned.text == "not at <peak> hours"
    assert reasoned.approval_id == approval
    assert (reasoned.asker.account, reasoned.asker.place, reasoned.asker.trusted) == (ANA, CHANNEL, True)


def test_the_press_me_card_comes_back(stub: SlackStub, made):
    taken = Taken()
    with Running(made(), taken) as running:
        stub.wait_for_sockets()
        ref = running.do(running.chat.selftest("ST_1"))
        assert ref == ref_of(stub)
        stub.press(ANA, label="Press me")
        assert newest(running.chat, taken).data == "p:ST_1"


# --- by HTTP --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(chat: Chat, take: Take) -> Iterator[str]:
    """The chat's routes on a port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = Starlette(routes=list(chat.routes(take)))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        server.should_exit = True
        thread.join(10)


def test_signed_requests_are_stored_and_all_others_refused(stub: SlackStub, made):
    chat, taken = made(mode="http"), Taken()
    run(chat, lambda: chat.post(MESSAGE, None))
    with served(chat, taken) as url:
        assert stub.verify_url(url)["verified"]
        assert taken.rows == []
        stub.transport(interactions=url, commands=url, events=url)
        for signature in ("wrong", "old", "missing"):
            assert stub.press(ANA, label="Approve", signature=signature)["status"] == 401
        assert taken.rows == []
        pressed = stub.press(ANA, label="Approve")
        assert pressed["within_3s"]
        assert pressed["response"] == ""
        assert stub.command(ANA, "/fr", "status")["within_3s"]
        event = stub.mention(ANA, "@bot why")
        assert stub.redeliver(event["id"], retry_num=1)["within_3s"]
        assert [type(r).__name__ for r in typed(chat, taken)] == ["Pressed", "Typed", "Typed", "Typed"]
        assert taken.rows[2][0] == taken.rows[3][0]
        taken.down = True
        assert stub.press(ANA, label="Approve")["status"] == 503
        taken.down = False
        latencies = [stub.press(ANA, label="Approve")["latency"] for _ in range(20)]
        print({"http_p50_ms": 1000 * statistics.median(latencies), "http_max_ms": 1000 * max(latencies)})
        assert max(latencies) < 1.5


def test_before_it_knows_its_workspace_it_takes_nothing_in(stub: SlackStub, made):
    chat, taken = made(mode="http"), Taken()
    with served(chat, taken) as url:
        stub.transport(commands=url)
        assert stub.command(ANA, "/fr", "status")["status"] == 503
        run(chat)
        assert stub.command(ANA, "/fr", "status")["within_3s"]
    assert len(taken.rows) == 1
    with pytest.raises(Transient):
        made().read(taken.rows[0][1])


def test_odd_requests_do_no_harm(stub: SlackStub, made):
    import httpx
    from slack_sdk.signature import SignatureVerifier

    chat, taken = made(mode="http"), Taken()
    run(chat)
    with served(chat, taken) as url, httpx.Client(trust_env=False) as http:

        def send(body: bytes, **headers: str) -> int:
            stamp = str(int(time.time()))
            signed = SignatureVerifier(stub.signing_secret).generate_signature(
                timestamp=stamp, body=body.decode(errors="replace")
            )
            usual = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signed)}
            return http.post(url, content=body, headers=usual | headers).status_code

        assert send(b"{}", **{"X-Slack-Request-Timestamp": "soon"}) == 401
        assert send(b"\xff\xfe") == 401
        assert send(b"x" * (1024 * 1024 + 1)) == 413
        assert send(b"{broken", **{"Content-Type": "application/json"}) in {200, 400}
        assert http.get(url).status_code == 405
        assert send(b"payload=%7Bbroken", **{"Content-Type": "application/x-www-form-urlencoded"}) in {200, 400}
    assert all(chat.read(body) is None for _, body in taken.rows)
