"""Telegram end to end, against a stub that refuses what Telegram refuses."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from starlette.applications import Starlette
from structlog.testing import capture_logs

from actions.approval import button
from actions.policy import People
from agents.incident.errors import BadInput, JournalUnavailable, Refused, Transient
from agents.incident.ids import ApprovalId, new_id
from agents.incident.lifecycle import ActionState
from bot.desk import desk
from bot.journal import runs
from bot.journal.journal import Journal, open_engine
from bot.surfaces.ports import Busy, Button, Chart, Chat, Gone, Incoming, Lane, Message, Reasoned, Reply, Typed
from bot.surfaces.speaker import Speech, speak
from bot.surfaces.telegram.listen import PATH
from bot.surfaces.telegram.surface import TelegramChat
from tests.builders import a_person, ask, desk_parts
from tests.stubs.client import TelegramStub
from tests.stubs.telegram import BOT_USERNAME

GROUP, FORUM, PLAIN, ANA, BEN, CAT = -100200, -100300, -400, 1001, 1002, 1003
SECRET = "a-secret-of-the-webhook"
PEOPLE = People(
    people=(
        a_person("ana", "approver", "lead", telegram=str(ANA)),
        a_person("ben", "approver", telegram=str(BEN)),
        a_person("cleo", "approver", telegram=str(CAT)),
    )
)
CHART = Chart(
    caption="checkout `errors` @web", quantity="server_error_ratio", points=((0.0, 0.0), (60_000.0, 0.3))
)
Answering = Callable[[Incoming], Reply]


@pytest.fixture(scope="module", name="program")
def _program():
    with TelegramStub() as stub:
        yield stub


@pytest.fixture(name="stub")
def _stub(program: TelegramStub) -> TelegramStub:
    program.reset()
    program.limits(rates=False, webhook_first_pause_s=0.05)
    return program


def a_chat(stub: TelegramStub, **named: Any) -> TelegramChat:
    usual: dict[str, Any] = {
        "token": stub.token,
        "api_url": stub.url,
        "chat": str(GROUP),
        "chats": frozenset({str(PLAIN)}),
        "mode": "polling",
        "people": lambda: PEOPLE,
        "log": structlog.get_logger(),
    }
    return TelegramChat(**(usual | named))


@dataclass
class Inbox:
    """Stores, then works: reads what came and answers it, as the receiver does."""

    chat: Chat
    answering: Answering
    down: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    read: list[Incoming] = field(default_factory=list)
    works: set[asyncio.Task[None]] = field(default_factory=set)
    times: int = 0
    fails: type[Exception] = JournalUnavailable

    async def take(self, key: str | None, body: bytes) -> None:
        self.times += 1
        if self.down > 0:
            self.down -= 1
            raise self.fails("it could not be stored")
        fresh = key is None or key not in self.stored
        self.stored[key or f"?{len(self.stored)}"] = body
        if fresh:
            task = asyncio.create_task(self._work(body))
            self.works.add(task)

    async def _work(self, body: bytes) -> None:
        try:
            came = self.chat.read(body)
        except BadInput:
            return
        if came is not None:
            self.read.append(came)
            await self.chat.answer(came.asker, await asyncio.to_thread(self.answering, came))


def nothing(_: Incoming) -> Reply:
    return Reply(text="Approved by you.")


@contextlib.asynccontextmanager
async def polling(
    stub: TelegramStub, answering: Answering = nothing, **named: Any
) -> AsyncIterator[tuple[TelegramChat, Inbox]]:
    down, fails = named.pop("down", 0), named.pop("fails", JournalUnavailable)
    chat = a_chat(stub, **named)
    inbox = Inbox(chat=chat, answering=answering, down=down, fails=fails)
    await chat.start()
    listening = asyncio.create_task(chat.listen(inbox.take))
    try:
        yield chat, inbox
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        done = await asyncio.gather(*inbox.works, return_exceptions=True)
        await chat.close()
        assert [d for d in done if d is not None] == []


def do(call: Callable[..., Any], *args: Any, **named: Any) -> Awaitable[Any]:
    """A call of the stub's client, off the loop."""
    return asyncio.to_thread(call, *args, **named)


async def until(true: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.02)


def a_message(**named: Any) -> Message:
    usual: dict[str, Any] = {
        "key": "INC_1/root",
        "lane": Lane.ROOT,
        "headline": "SEV1 · `demo/checkout` · “@all <b>fails</b> http://x.example”",
        "lines": ("State: looking", "No finding yet."),
        "buttons": (Button(label="Take over", data="t:INC_1"), Button(label="Details", data="d:INC_1")),
        "link": "http://127.0.0.1:8080/incidents/INC_1",
        "loud": True,
    }
    return Message(**(usual | named))


def shown(stub: TelegramStub, ref: str) -> dict[str, Any]:
    chat, number, _ = ref.split(":")
    found: dict[str, Any] = stub.message(int(chat), int(number))
    return found


def labels(message: dict[str, Any]) -> list[list[str]]:
    rows = (message["reply_markup"] or {"inline_keyboard": []})["inline_keyboard"]
    return [[key["text"] for key in row] for row in rows]


def with_chat(stub: TelegramStub, work: Callable[[TelegramChat], Awaitable[Any]], **named: Any) -> Any:
    async def run() -> Any:
        chat = a_chat(stub, **named)
        try:
            return await work(chat)
        finally:
            await chat.close()

    return asyncio.run(run())


# --- said ---------------------------------------------------------------------------------------------------


def test_a_root_a_reply_with_its_picture_and_history_below_it(stub):
    async def work(chat):
        root = await chat.post(a_message(), None)
        below = await chat.post(a_message(key="INC_1/finding", below=True, loud=False, chart=CHART), root)
        await chat.detail(root, ["14:00:00 looking", "14:00:04 finding: “@web” x"])
        return root, below

    root, below = with_chat(stub, work)
    first, second, picture, history = stub.messages(chat_id=GROUP)
    assert first["text"].endswith("http://127.0.0.1:8080/incidents/INC_1")
    assert labels(first) == [["Take over", "Details"]]
    assert not first["silent"]
    assert shown(stub, below) == second
    assert second["reply_to"] == first["message_id"]
    assert second["silent"]
    assert picture["reply_to"] == second["message_id"]
    assert picture["caption"].startswith("checkout errors")
    assert stub.file(picture["media"]["photo"][0]["file_id"]).startswith(b"\x89PNG")
    assert history["reply_to"] == first["message_id"]
    assert history["silent"]
    kinds = {e["type"] for m in (first, second, history) for e in m["entities"]}
    assert kinds == {"bold", "code"}
    assert root.startswith(f"{GROUP}:{first['message_id']}:")
    assert stub.violations() == []


def test_an_edit_brings_text_and_buttons_up_to_date_and_the_same_again_is_well(stub):
    async def work(chat):
        root = await chat.post(a_message(), None)
        await chat.edit(root, a_message(lines=("State: closed",), buttons=()))
        await chat.edit(root, a_message(lines=("State: closed",), buttons=()))
        return root

    message = shown(stub, with_chat(stub, work))
    assert "State: closed" in message["text"]
    assert labels(message) == []
    assert len(message["edits"]) == 1


def test_a_message_that_is_gone_is_said_to_be(stub):
    async def work(chat):
        with pytest.raises(Gone):
            await chat.edit(f"{GROUP}:99999:", a_message())
        other = stub.say("not the bot's")["message_id"]
        with pytest.raises(Gone):
            await chat.edit(f"{GROUP}:{other}:", a_message())

    with_chat(stub, work)


def test_a_wait_that_telegram_asks_for_holds_that_method_alone(stub):
    now = [0.0]

    async def work(chat):
        root = await chat.post(a_message(), None)
        stub.fail("sendMessage", "ratelimited", retry_after=9)
        for _ in range(2):
            with pytest.raises(Busy) as caught:
                await chat.post(a_message(), None)
            assert caught.value.retry_after.total_seconds() == 9
        await chat.edit(root, a_message(lines=("State: closed",)))
        now[0] = 9.1
        await chat.post(a_message(), None)

    with_chat(stub, work, clock=lambda: now[0])
    assert len(stub.calls("sendMessage")) == 3  # not asked again before its time


def test_a_picture_that_fails_costs_nothing_but_itself(stub):
    async def work(chat):
        for kind in ("error", "status", "ratelimited", "reset"):
            stub.fail("sendPhoto", kind)
            await chat.post(a_message(chart=CHART), None)

    with capture_logs() as logs:
        with_chat(stub, work)
    assert len(stub.messages(chat_id=GROUP)) == 4
    assert [e["event"] for e in logs] == ["telegram.picture_failed"] * 4


@pytest.mark.parametrize(
    ("trouble", "raised", "says"),
    [
        ({"kind": "status", "status": 502}, Transient, "sendMessage"),
        ({"kind": "reset"}, Transient, "sendMessage"),
        (
            {"kind": "error", "status": 403, "error": "bot was kicked from the group chat"},
            Refused,
            "TELEGRAM__CHAT",
        ),
        ({"kind": "error", "error": "chat not found"}, Refused, "TELEGRAM__CHAT"),
        (
            {"kind": "error", "error": "not enough rights to send text messages to the chat"},
            Refused,
            "TELEGRAM__CHAT",
        ),
        ({"kind": "error", "status": 401, "error": "Unauthorized"}, BadInput, "TELEGRAM__TOKEN"),
        ({"kind": "error", "error": "message is too long"}, Refused, "too long"),
    ],
)
def test_trouble_is_named_by_what_to_do_about_it(stub, trouble, raised, says):
    async def work(chat):
        stub.fail("sendMessage", **trouble)
        with pytest.raises(raised, match=says) as caught:
            await chat.post(a_message(), None)
        assert stub.token not in f"{caught.value!r} {caught.value.__cause__!r}"

    with_chat(stub, work)


def test_what_telegram_does_not_parse_is_said_without_marks(stub):
    async def work(chat):
        stub.fail("sendMessage", "error", error="can't parse entities: what we sent")
        await chat.post(a_message(), None)
        stub.fail("sendMessage", "error", error="inline keyboard button URL 'x' is invalid: Wrong HTTP URL")
        await chat.post(a_message(link="https://pages.example.com/i/1"), None)
        await chat.post(a_message(link="https://pages.example.com/i/2"), None)

    with_chat(stub, work)
    bare, *linked = stub.messages(chat_id=GROUP)
    assert bare["entities"] == []
    assert bare["text"].startswith("SEV1 · demo/checkout")
    assert [m["text"].splitlines()[-1] for m in linked] == [f"https://pages.example.com/i/{n}" for n in (1, 2)]


def test_an_answer_with_a_link_that_is_no_button_is_given_all_the_same(stub):
    link = "https://pages.example.com/i/1"

    async def work():
        async with polling(stub, lambda _: Reply(text="One incident:", link=link)):
            stub.fail("sendMessage", "error", error="BUTTON_URL_INVALID")
            await do(stub.say, "/incidents", ANA)
            await do(stub.wait_for, lambda m: m["text"] == f"One incident:\n{link}", chat_id=GROUP)

    asyncio.run(work())


def test_a_topic_of_a_forum_is_where_everything_goes(stub):
    async def work(chat):
        await chat.start()
        root = await chat.post(a_message(), None)
        await chat.detail(root, ["14:00:00 looking"])

    with_chat(stub, work, chat=f"{FORUM}/10", chats=frozenset())
    first, second = stub.messages(chat_id=FORUM)
    assert (first["thread"], second["thread"]) == (10, 10)
    assert second["reply_to"] == first["message_id"]


# --- pressed ------------------------------------------------------------------------------------------------


def test_a_press_is_answered_at_once_and_whatever_asks_for_more_room_goes_to_the_person(stub):
    def answering(came: Incoming) -> Reply:
        if getattr(came, "data", "").startswith("d:"):
            return Reply(text="Why: “@x” <b>", lines=("a line", "`b`"), link="http://127.0.0.1:8080/i/1")
        return Reply(text="Already rejected by Ben at 14:03:11.")

    async def work():
        async with polling(stub, answering) as (chat, inbox):
            await chat.post(a_message(), None)
            refused = await do(stub.press, ANA, data="t:INC_1")
            assert refused["answers"][0]["text"] == "Already rejected by Ben at 14:03:11."
            assert refused["answers"][0]["show_alert"]
            told = await do(stub.press, ANA, data="d:INC_1")
            assert "private chat" in told["answers"][0]["text"]
            stranger = await do(stub.press, CAT, data="d:INC_1")
            assert f"@{BOT_USERNAME}" in stranger["answers"][0]["text"]
            assert [i.asker.account for i in inbox.read] == [str(ANA), str(ANA), str(CAT)]

    asyncio.run(work())
    (private,) = stub.messages(chat_id=ANA)
    assert private["text"].splitlines()[1:] == ["a line", "b", "http://127.0.0.1:8080/i/1"]
    assert stub.messages(chat_id=CAT) == []
    assert len(stub.messages(chat_id=GROUP)) == 1  # nothing private was said in the group
    assert stub.violations() == []


def test_a_press_whose_answer_is_lost_is_answered_again_and_one_too_old_is_answered_privately(stub):
    async def work():
        async with polling(stub) as (chat, _):
            await chat.post(a_message(), None)
            stub.fail("answerCallbackQuery", "status", status=502, count=2)
            again = await do(stub.press, ANA, data="t:INC_1")
            assert again["answered"]
            stub.limits(answer_s=0.0)
            late = await do(stub.press, ANA, data="t:INC_1", wait=1)
            assert not late["answered"]
            await do(stub.wait_for, lambda m: m["text"] == "Approved by you.", chat_id=ANA)

    asyncio.run(work())


def test_what_is_public_is_said_to_the_whole_place(stub):
    async def work():
        async with polling(stub, lambda _: Reply(text="Everything is stopped by Ana.", public=True)) as (chat, _):
            root = await chat.post(a_message(), None)
            await do(stub.press, ANA, data="t:INC_1")
            told = await do(stub.wait_for, lambda m: m["text"].startswith("Everything"), chat_id=GROUP)
            assert told["reply_to"] == int(root.split(":")[1])

    asyncio.run(work())


def test_whoever_cannot_be_known_is_told_so(stub):
    def answering(came: Incoming) -> Reply:
        assert not came.asker.trusted
        return Reply(text=f"Refused: {came.asker.why_not}.")

    async def work():
        async with polling(stub, answering) as (chat, _):
            await chat.post(a_message(), None)
            for how in ({"is_bot": True}, {"hidden": "anonymous_admin"}, {"inline": True}, {"inaccessible": True}):
                who = 2002 if "is_bot" in how else ANA
                press = await do(stub.press, who, data="t:INC_1", **how)
                assert press["answers"][0]["text"].startswith("Refused: ")
                assert press["answers"][0]["show_alert"]
            copy = await do(stub.press, ANA, data="t:INC_1", forwarded_to=ANA)
            assert "forwarded" in copy["answers"][0]["text"]

    asyncio.run(work())


def test_a_dangerous_button_asks_once_more_also_after_a_restart(stub):
    stop = Button(label="Stop all", data="s:1", style="danger", confirm="Stop every action?")
    card = a_message(more=(Button(label="Hold", data="h:1"), stop))
    plain = [["Take over", "Details"], ["Hold", "Stop all"]]
    asks = [["Take over", "Details"], ["Hold"], ["Really? Stop all", "No"]]

    async def first() -> str:
        async with polling(stub) as (chat, inbox):
            ref = await chat.post(card, None)
            press = await do(stub.press, ANA, label="Stop all")
            assert press["answers"][0]["text"] == "Stop every action?"
            assert labels(shown(stub, ref)) == asks
            press = await do(stub.press, ANA, label="No")
            assert labels(shown(stub, ref)) == plain
            assert inbox.read == []  # nothing was decided
            stale = await do(stub.press, ANA, label="No", stale=True)
            assert stale["answers"][0]["text"] == "Left as it was."
            return str(ref)

    async def second(ref: str) -> None:
        async with polling(stub) as (chat, inbox):
            hint = await do(stub.press, BEN, label="Stop all")
            assert "Really?" in hint["answers"][0]["text"]
            assert labels(shown(stub, ref)) == asks
            await do(stub.press, BEN, label="Really? Stop all")
            assert [getattr(i, "data", "") for i in inbox.read] == ["s:1"]
            await chat.edit(ref, card)
            assert labels(shown(stub, ref)) == plain
            bot = await do(stub.press, 2002, label="Stop all", is_bot=True)
            assert bot["answers"][0]["text"].startswith("Refused: bots")
            await chat.edit(ref, a_message())
            gone = await do(stub.press, ANA, label="Stop all", stale=True)
            assert "has changed" in gone["answers"][0]["text"]
            assert labels(shown(stub, ref)) == [["Take over", "Details"]]

    asyncio.run(second(asyncio.run(first())))


# --- typed --------------------------------------------------------------------------------------------------


def test_commands_and_mentions_are_answered_where_they_were_typed(stub):
    def answering(came: Incoming) -> Reply:
        assert isinstance(came, Typed)
        return Reply(text=f"heard: {came.text}", lines=("more",))

    async def work():
        async with polling(stub, answering):
            for text, chat_id, heard in (
                (f"/why@{BOT_USERNAME} INC_1", GROUP, "why INC_1"),
                ("/fr why", PLAIN, "fr why"),
                (f"@{BOT_USERNAME} status", GROUP, "status"),
                ("what is up", ANA, "what is up"),
            ):
                said = await do(stub.say, text, ANA, chat_id=chat_id)
                answer = await do(
                    stub.wait_for, lambda m, h=heard: m["text"] == f"heard: {h}\nmore", chat_id=chat_id
                )
                assert answer["reply_to"] == said["message_id"]
            await do(stub.say, "/why@other_bot", ANA)
            await do(stub.say, "/report", ANA)
            await do(stub.say, "just talk", ANA)
            await asyncio.sleep(0.3)

    asyncio.run(work())
    assert len([m for m in stub.messages() if m["sender"]["is_bot"]]) == 4


def test_a_rejection_is_asked_about_and_the_reason_comes_back_with_the_approval(stub):
    approval_id = ApprovalId(new_id("AP"))

    def answering(came: Incoming) -> Reply:
        if isinstance(came, Reasoned):
            assert came.approval_id == approval_id
            return Reply(text=f"Noted: {came.text}")
        return Reply(text="Rejected by you. Nothing is run.", wants_reason=approval_id)

    async def work():
        async with polling(stub, answering) as (chat, _):
            root = await chat.post(a_message(), None)
            await do(stub.press, ANA, data="t:INC_1")
            question = await do(stub.wait_for, lambda m: approval_id in (m["text"] or ""), chat_id=GROUP)
            assert question["reply_markup"]["force_reply"]
            assert question["reply_markup"]["selective"]
            assert question["reply_to"] == int(root.split(":")[1])
            assert question["entities"][0].get("url") == f"tg://user?id={ANA}"
            await do(stub.say, "not at peak hours", ANA, reply_to=question["message_id"])
            await do(stub.wait_for, lambda m: m["text"] == "Noted: not at peak hours", chat_id=GROUP)

    asyncio.run(work())
    assert stub.violations() == []


# --- lost and refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [JournalUnavailable, ZeroDivisionError], ids=["the journal is away", "a bug"])
def test_what_could_not_be_stored_is_not_confirmed_and_comes_again(stub, fails):
    async def work():
        async with polling(stub, down=2, fails=fails) as (chat, inbox):
            await chat.post(a_message(), None)
            press = await do(stub.press, ANA, data="t:INC_1", wait=0)
            await until(lambda: inbox.times)
            assert not [u for u in stub.updates() if u["confirmed_at"]]
            answered = await do(stub.pressed, press["id"], wait=8)
            assert answered["answered"]
            assert inbox.times == 3
            await until(lambda: all(u["confirmed_at"] for u in stub.updates()))
            await do(stub.redeliver, press["update_id"])
            await until(lambda: inbox.times == 4)
            assert len(inbox.read) == 1

    asyncio.run(work())


def test_an_update_that_cannot_be_read_is_stored_and_stands_in_nobodys_way(stub):
    async def work():
        async with polling(stub) as (chat, inbox):
            await chat.post(a_message(), None)
            bad = await do(stub.update, "message", {"message_id": 1})
            good = await do(stub.press, ANA, data="t:INC_1")
            assert good["answered"]
            with pytest.raises(BadInput):
                chat.read(inbox.stored[str(bad["update_id"])])

    asyncio.run(work())


def test_a_second_poller_is_named_and_does_not_end_the_first(stub):
    async def work():
        with capture_logs() as logs:
            async with polling(stub, log=structlog.get_logger()) as (chat, _):
                await chat.post(a_message(), None)
                await until(lambda: stub.calls("getUpdates"))
                async with httpx.AsyncClient() as other:
                    await other.post(f"{stub.api_url}/getUpdates")
                await until(lambda: [e for e in logs if e["event"] == "telegram.another_poller"])
                assert any("another poller" in c and "TELEGRAM__TOKEN" in c for c in await chat.check())
                press = await do(stub.press, ANA, data="t:INC_1", wait=12)
                assert press["answered"]

    asyncio.run(work())


def test_a_webhook_left_by_somebody_is_taken_away_before_polling(stub):
    async def work():
        async with httpx.AsyncClient() as other:
            await other.post(f"{stub.api_url}/setWebhook", json={"url": "https://old.example/hook"})
        with capture_logs() as logs:
            async with polling(stub, log=structlog.get_logger()) as (chat, _):
                await chat.post(a_message(), None)
                assert (await do(stub.press, ANA, data="t:INC_1"))["answered"]
        assert [e["host"] for e in logs if e["event"] == "telegram.webhook_removed"] == ["old.example"]

    asyncio.run(work())


def test_an_outage_is_waited_out(stub):
    async def work():
        async with polling(stub) as (chat, _):
            await chat.post(a_message(), None)
            await until(lambda: stub.calls("getUpdates"))
            await do(stub.down)
            await asyncio.sleep(0.5)
            await do(stub.down, False)
            assert (await do(stub.press, ANA, data="t:INC_1", wait=10))["answered"]

    asyncio.run(work())


# --- by webhook ---------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def hooked(stub: TelegramStub, answering: Answering = nothing, **named: Any):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    chat = a_chat(stub, mode="webhook", webhook_url=url, webhook_secret=SECRET, **named)
    inbox = Inbox(chat=chat, answering=answering)
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=list(chat.routes(inbox.take))), log_level="warning", lifespan="off")
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        await chat.start()
        yield chat, inbox, url + PATH
    finally:
        server.should_exit = True
        await serving
        await asyncio.gather(*inbox.works)
        await chat.close()


def test_a_webhook_stores_before_it_says_so_and_knows_telegram_by_its_secret(stub):
    async def work():
        async with hooked(stub) as (chat, inbox, url):
            assert stub.webhook()["secret"] == SECRET
            assert await chat.check() == []
            await chat.post(a_message(), None)
            assert (await do(stub.press, ANA, data="t:INC_1"))["answered"]
            inbox.down = 1
            press = await do(stub.press, ANA, data="t:INC_1")  # refused with 503, brought again
            assert press["answered"]
            assert press["update"]["attempts"] == 2
            known = len(inbox.stored)
            body = json.dumps({"update_id": 1}).encode()
            async with httpx.AsyncClient() as other:
                for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": SECRET[:-1]}):
                    assert (await other.post(url, content=body, headers=headers)).status_code == 401
                assert len(inbox.stored) == known
                right = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
                assert (await other.post(url, content=b"x" * (1 << 20) + b"x", headers=right)).status_code == 413
                inbox.down = 1
                refused = await other.post(url, content=body, headers=right)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                assert len(inbox.stored) == known
                for raw in (body, b"not an update", b"\xff\xfe"):
                    assert (await other.post(url, content=raw, headers=right)).status_code == 200
            assert len(inbox.stored) == known + 3  # kept as they came
            assert inbox.stored[f"?{known + 2}"] == b"\xff\xfe"

    asyncio.run(work())


def test_a_button_that_asks_once_more_works_by_webhook_too(stub):
    async def work():
        async with hooked(stub) as (chat, _, _url):
            ref = await chat.post(a_message(more=(Button(label="Stop all", data="s:1", confirm="Sure?"),)), None)
            assert (await do(stub.press, ANA, label="Stop all"))["answers"][0]["text"] == "Sure?"
            assert labels(shown(stub, ref))[-1] == ["Really? Stop all", "No"]

    asyncio.run(work())


# --- set up -------------------------------------------------------------------------------------------------


def test_commands_are_registered_for_groups_and_private_chats(stub):
    with_chat(stub, lambda chat: chat.start())
    by_scope = {json.loads(k)[0]: {c["command"] for c in v} for k, v in stub.commands().items()}
    assert {"fr", "diagnose", "why", "stop"} <= by_scope["default"]
    assert "link" not in by_scope["default"]
    assert {"fr", "why", "link", "login"} <= by_scope["all_private_chats"]
    assert "diagnose" not in by_scope["all_private_chats"]


@pytest.mark.parametrize(
    ("named", "prepare", "says"),
    [
        ({"token": "123456789:another-token-another-token-another"}, {}, "TELEGRAM__TOKEN"),
        ({"token": "nonsense"}, {}, "TELEGRAM__TOKEN"),
        ({"chat": "-100999"}, {}, "TELEGRAM__CHAT"),
        ({}, {"bot_status": "kicked"}, "TELEGRAM__CHAT"),
        ({}, {"bot_status": "restricted"}, "TELEGRAM__CHAT"),
        ({}, {"type": "channel"}, "TELEGRAM__CHAT"),
        (
            {"mode": "webhook", "webhook_url": "http://bot.example", "webhook_secret": "s"},
            {},
            "TELEGRAM__WEBHOOK_URL",
        ),
        ({"mode": "webhook", "webhook_url": "https://x", "webhook_secret": "ü"}, {}, "TELEGRAM__WEBHOOK_SECRET"),
    ],
)
def test_a_set_up_that_cannot_work_is_refused_by_the_name_of_its_setting(stub, named, prepare, says):
    if prepare:
        stub.chat(GROUP, **prepare)

    async def work(chat):
        with pytest.raises(BadInput, match=says) as caught:
            await chat.start()
        assert str(named.get("token", stub.token)) not in str(caught.value)

    with_chat(stub, work, **named)


def test_a_chat_that_is_no_number_is_refused_at_once(stub):
    with pytest.raises(BadInput, match="TELEGRAM__CHAT"):
        a_chat(stub, chat="@incidents")


def test_the_check_names_what_went_wrong_since(stub):
    async def work(chat):
        await chat.start()
        assert await chat.check() == []
        stub.membership(GROUP, "kicked")
        async with httpx.AsyncClient() as other:
            await other.post(f"{stub.api_url}/setWebhook", json={"url": "https://old.example/hook"})
        wrong = await chat.check()
        assert len(wrong) == 2
        assert "TELEGRAM__CHAT" in wrong[0]
        assert "TELEGRAM__MODE" in wrong[1]
        stub.bot(token="123456789:a-new-token-a-new-token-a-new-token-")
        try:
            assert ["TELEGRAM__TOKEN" in w for w in await chat.check()] == [True]
        finally:
            stub.bot(token=stub.token)

    with_chat(stub, work)


def test_the_test_card_comes_back(stub):
    async def work():
        async with polling(stub, lambda _: Reply(text="It works: 0.1 s.")) as (chat, inbox):
            ref = await chat.selftest("T1")
            press = await do(stub.press, ANA, label="Press me")
            assert press["answers"][0]["text"].startswith("It works")
            assert getattr(inbox.read[0], "data", "") == "p:T1"
            assert shown(stub, ref)["reply_to"] is None

    asyncio.run(work())


def test_no_token_in_what_is_logged(stub, caplog):
    async def work():
        async with polling(stub) as (chat, _):
            stub.fail("getUpdates", "error", status=401, error="Unauthorized")
            await until(lambda: stub.calls("getUpdates"))
            stub.fail("sendMessage", "reset")
            with pytest.raises(Transient):
                await chat.post(a_message(), None)
        async with hooked(stub):
            pass

    with caplog.at_level(logging.DEBUG), capture_logs() as logs:
        asyncio.run(work())
    assert "/getUpdates" in caplog.text  # the library did log addresses
    assert "setWebhook" in caplog.text
    for text in (caplog.text, json.dumps(logs, default=str)):
        assert stub.token.partition(":")[2] not in text
        assert SECRET not in text


# --- with the rest of the house -----------------------------------------------------------------------------


async def said_all(speech: Speech, chat: TelegramChat) -> None:
    """Rounds, until nothing waits for the budget any more."""
    deadline = time.monotonic() + 15
    while not await speak(speech, chat):
        assert time.monotonic() < deadline, "it was never said"
        await asyncio.sleep(0.2)


def test_a_question_is_asked_pressed_and_decided_and_the_card_follows(stub, sqlite_url):
    journal = Journal(open_engine(sqlite_url))
    question = ask(journal)
    parts = desk_parts(journal, people=lambda: PEOPLE, places={"telegram": frozenset({str(GROUP)})})

    async def work():
        async with polling(stub, lambda came: desk.take(came, parts)) as (chat, _):
            speech = Speech(journal=journal, people=lambda: PEOPLE, log=structlog.get_logger())
            chat.patient = False
            await said_all(speech, chat)
            card = await do(stub.wait_for, lambda m: (m["text"] or "").startswith("Approve?"), chat_id=GROUP)
            assert labels(card) == [["Approve", "Reject"], ["Hold +15 min", "Details", "Stop all"]]
            assert "tg://user?id=1001" in card["source"]
            outsider = await do(stub.press, 5005, label="Approve")
            assert "do not know you" in outsider["answers"][0]["text"]
            won = await do(stub.press, ANA, label="Approve")
            assert "Approved by you" in won["answers"][0]["text"]
            lost = await do(stub.press, BEN, label="Approve")
            assert "Already approved by" in lost["answers"][0]["text"]
            await said_all(speech, chat)
            card = await do(stub.message, GROUP, card["message_id"])
            assert labels(card) == []
            late = await do(
                stub.press, BEN, data=button("a", question.approval_id, question.proposal.plan_hash), stale=True
            )
            assert "Already approved by" in late["answers"][0]["text"]

    asyncio.run(work())
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.READY
    journal.close()
    assert stub.violations() == []


def test_presses_are_answered_fast(stub):
    took: list[float] = []

    async def work():
        async with polling(stub) as (chat, _):
            await chat.post(a_message(), None)
            for _ in range(60):
                press = await do(stub.press, ANA, data="t:INC_1")
                took.append(press["latency"])

    asyncio.run(work())
    took.sort()
    middle, most, worst = (1000 * took[i] for i in (30, 57, -1))
    print(f"answered within: median {middle:.1f} ms, p95 {most:.1f} ms, worst {worst:.1f} ms")
    assert took[57] < 1.0
