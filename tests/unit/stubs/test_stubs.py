"""The stubs against the real client libraries: what they speak, and what they refuse."""

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from telegram import Bot, BotCommand, BotCommandScopeAllGroupChats, ForceReply, InlineKeyboardButton
from telegram import InlineKeyboardMarkup as Keyboard
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from tests.stubs.client import Refused, SlackStub, TelegramStub

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
ROOM, GROUP, PLAIN = "C0INCIDENTS", -100200, -400


@pytest.fixture(scope="module", name="slack_program")
def _slack_program() -> Iterator[SlackStub]:
    with SlackStub() as stub:
        yield stub


@pytest.fixture(name="slack")
def _slack(slack_program: SlackStub) -> SlackStub:
    slack_program.reset()
    return slack_program


@pytest.fixture(scope="module", name="telegram_program")
def _telegram_program() -> Iterator[TelegramStub]:
    with TelegramStub() as stub:
        yield stub


@pytest.fixture(name="telegram")
def _telegram(telegram_program: TelegramStub, monkeypatch: pytest.MonkeyPatch) -> TelegramStub:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # the library warns about what it will do one day
    telegram_program.reset()
    return telegram_program


def button(value="a:1", **more):
    text = {"type": "plain_text", "text": more.pop("label", "Approve")}
    return {"type": "button", "text": text, "value": value, "action_id": "approve", **more}


def actions(*buttons, **more):
    return {"type": "actions", "elements": list(buttons), **more}


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def with_slack(stub: SlackStub, work: Callable[[AsyncWebClient], Awaitable[Any]], **client: Any) -> Any:
    async def run() -> Any:
        return await work(AsyncWebClient(token=client.get("token", stub.bot_token), base_url=stub.api_url))

    return asyncio.run(run())


def refusal(stub, work, **client):
    with pytest.raises(SlackApiError) as caught:
        with_slack(stub, work, **client)
    return caught.value.response


def post(stub, **given):
    return with_slack(stub, lambda c: c.chat_postMessage(**{"channel": ROOM, "text": "hello", **given}))


class TestSlackApi:
    def test_a_message_is_posted_edited_linked_and_found_again_by_its_metadata(self, slack):
        async def work(client):
            meta = {"event_type": "card", "event_payload": {"outbox": "42"}}
            blocks = [section("one"), actions(button(), block_id="v1")]
            root = await client.chat_postMessage(
                channel=ROOM, text="one", blocks=blocks, metadata=meta, unfurl_links=False
            )
            await client.chat_postMessage(channel=ROOM, text="detail", thread_ts=root["ts"])
            await client.chat_update(channel=ROOM, ts=root["ts"], text="two", blocks=[section("two")])
            link = await client.chat_getPermalink(channel=ROOM, message_ts=root["ts"])
            found = await client.conversations_history(channel=ROOM, include_all_metadata=True)
            thread = await client.conversations_replies(channel=ROOM, ts=root["ts"])
            return root, link, found, thread

        root, link, found, thread = with_slack(slack, work)
        assert root["ts"].replace(".", "") in link["permalink"]
        assert [m["metadata"]["event_payload"] for m in found["messages"]] == [{"outbox": "42"}]
        assert [m["text"] for m in thread["messages"]] == ["two", "detail"]
        kept = slack.message(ROOM, root["ts"])
        assert kept["edits"][0]["text"] == "one"
        assert kept["unfurl_links"] in ("false", "0", False)
        assert [c["method"] for c in slack.calls("chat.update")] == ["chat.update"]
        assert slack.violations() == []

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"channel": "C0NONE"}, "channel_not_found"),
            ({"channel": "C0SECRET"}, "channel_not_found"),
            ({"channel": "C0OTHER"}, "not_in_channel"),
            ({"text": "x" * 40_001}, "msg_too_long"),
            ({"blocks": [section("x" * 3_001)]}, "invalid_blocks"),
            ({"blocks": [section("")]}, "invalid_blocks"),
            ({"blocks": [section("x")] * 51}, "invalid_blocks"),
            ({"blocks": [section("x" * 2_900)] * 4}, "msg_blocks_too_long"),
            ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
            (
                {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
                "invalid_blocks",
            ),
            ({"blocks": [actions(button(label="x" * 76))]}, "invalid_blocks"),
            ({"blocks": [actions(button("x" * 2_001))]}, "invalid_blocks"),
            ({"blocks": [actions(button(action_id="x" * 256))]}, "invalid_blocks"),
            ({"blocks": [actions(button(), button())]}, "invalid_blocks"),
            ({"blocks": [actions(button(), block_id="a"), actions(button(), block_id="a")]}, "invalid_blocks"),
            ({"blocks": [actions(*[button(action_id=str(n)) for n in range(26)])]}, "invalid_blocks"),
            ({"blocks": [{"type": "unheard"}]}, "invalid_blocks"),
            ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, slack, given, error):
        assert (
            refusal(slack, lambda c: c.chat_postMessage(**{"channel": ROOM, "text": "t", **given}))["error"]
            == error
        )
        assert slack.messages() == []

    def test_the_place_of_what_is_wrong_is_named(self, slack):
        answer = refusal(
            slack, lambda c: c.chat_postMessage(channel=ROOM, text="t", blocks=[section("x" * 3_001)])
        )
        assert answer["response_metadata"]["messages"] == [
            "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
        ]

    def test_tokens_and_scopes(self, slack):
        assert refusal(slack, lambda c: c.auth_test(), token="xoxb-other")["error"] == "invalid_auth"
        assert refusal(slack, lambda c: c.auth_test(), token=None)["error"] == "not_authed"
        assert refusal(slack, lambda c: c.auth_test(), token=slack.app_token)["error"] == "not_allowed_token_type"
        assert "chat:write" in with_slack(slack, lambda c: c.auth_test()).headers["x-oauth-scopes"]
        slack.workspace(scopes=["users:read"])
        answer = refusal(slack, lambda c: c.chat_postMessage(channel=ROOM, text="t"))
        assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")
        slack.workspace(auth_error="token_revoked")
        assert refusal(slack, lambda c: c.auth_test())["error"] == "token_revoked"

    def test_one_cannot_edit_an_ephemeral_nor_a_foreign_nor_a_missing_message(self, slack):
        private = with_slack(slack, lambda c: c.chat_postEphemeral(channel=ROOM, user="U0ANA", text="only you"))
        edit = {"channel": ROOM, "text": "t"}
        assert (
            refusal(slack, lambda c: c.chat_update(ts=private["message_ts"], **edit))["error"]
            == "message_not_found"
        )
        slack.mention("U0ANA", "@bot hello", via="socket", wait=0)
        theirs = slack.messages()[-1]["ts"]
        assert refusal(slack, lambda c: c.chat_update(ts=theirs, **edit))["error"] == "cant_update_message"
        assert [m["text"] for m in slack.ephemerals("U0ANA")] == ["only you"]

    def test_data_that_got_through_unescaped_is_recorded(self, slack):
        post(slack, text="<https://x.test|fine> <@U0ANA> &lt;b&gt;\n> quoted")
        assert slack.violations() == []
        assert slack.messages()[-1]["mentions"] == ["@U0ANA"]
        post(slack, text="fine", blocks=[section("a <b> & c"), section("<!everyone>")])
        assert {v["kind"] for v in slack.violations()} == {"unescaped_lt", "unescaped_gt", "unescaped_amp"}
        assert slack.messages()[-1]["mentions"] == ["!everyone"]

    def test_a_reused_block_id_is_recorded(self, slack):
        ts = post(slack, blocks=[actions(button(), block_id="same")])["ts"]
        with_slack(
            slack,
            lambda c: c.chat_update(channel=ROOM, ts=ts, text="t", blocks=[actions(button(), block_id="same")]),
        )
        assert [v["kind"] for v in slack.violations()] == ["block_id_reused"]

    def test_rates(self, slack):
        slack.limits(post_burst=2, tier_3_a_minute=1)
        ts = post(slack)["ts"]
        post(slack)
        answer = refusal(slack, lambda c: c.chat_postMessage(channel=ROOM, text="t"))
        assert (answer["error"], answer.status_code) == ("ratelimited", 429)
        assert int(answer.headers["Retry-After"]) >= 1
        post(slack, channel="C0OPS")
        with_slack(slack, lambda c: c.chat_update(channel=ROOM, ts=ts, text="t"))
        refusal(slack, lambda c: c.chat_update(channel=ROOM, ts=ts, text="t"))
        slack.limits(rates=False)
        post(slack)

    def test_ordered_failures(self, slack):
        slack.fail("chat.postMessage", "status", status=503)
        with pytest.raises(SlackApiError):
            post(slack)
        slack.fail("chat.postMessage", "ratelimited", retry_after=7)
        answer = refusal(slack, lambda c: c.chat_postMessage(channel=ROOM, text="t"))
        assert answer.headers["Retry-After"] == "7"
        slack.fail("chat.postMessage", "reset", applied=True)
        assert slack.messages() == []
        slack.limits(rates=False)

        def bare(method):
            headers = {"Authorization": f"Bearer {slack.bot_token}"}
            return httpx.post(
                f"{slack.api_url}{method}", headers=headers, json={"channel": ROOM, "text": "t"}
            ).json()

        with pytest.raises(httpx.HTTPError):
            bare("chat.postMessage")
        assert len(slack.messages()) == 1
        slack.down()
        with pytest.raises(httpx.HTTPError):
            bare("auth.test")
        slack.down(False)
        assert bare("auth.test")["ok"]

    def test_text_is_needed_and_either_encoding_will_do(self, slack):
        def bare(**how):
            headers = {"Authorization": f"Bearer {slack.bot_token}"}
            return httpx.post(f"{slack.api_url}chat.postMessage", headers=headers, **how).json()

        assert bare(data={"channel": ROOM})["error"] == "no_text"
        blocks = [section("t")]
        assert bare(data={"channel": ROOM, "text": "t", "blocks": json.dumps(blocks)})["ok"]
        assert bare(json={"channel": ROOM, "text": "t", "blocks": blocks})["ok"]
        assert bare(data={"channel": ROOM, "text": "t", "blocks": "{"})["error"] == "invalid_blocks_format"
        assert bare(content=b"{", json=None)["error"] == "channel_not_found"

    def test_a_file_reaches_the_thread(self, slack):
        ts = post(slack)["ts"]
        with_slack(
            slack,
            lambda c: c.files_upload_v2(channel=ROOM, thread_ts=ts, content="long\n", filename="audit.txt"),
        )
        (reply,) = slack.thread(ROOM, ts)
        assert slack.file(reply["files"][0]["id"]) == b"long\n"

    def test_people_and_places(self, slack):
        async def work(client):
            await client.conversations_info(channel=ROOM)
            direct = await client.conversations_open(users="U0ANA")
            await client.chat_postMessage(channel=direct["channel"]["id"], text="psst")
            return await client.users_info(user="W0FOREIGN")

        assert with_slack(slack, work)["user"]["team_id"] == "T0FOREIGN"
        assert refusal(slack, lambda c: c.users_info(user="U0NONE"))["error"] == "user_not_found"


@asynccontextmanager
async def bolt(stub: SlackStub, app: AsyncApp) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, stub.app_token)
    handler.client.ping_interval = 1
    await handler.connect_async()
    try:
        await asyncio.to_thread(stub.wait_for_sockets)
        yield handler
    finally:
        await handler.close_async()


def bolt_app(stub: SlackStub) -> AsyncApp:
    return AsyncApp(client=AsyncWebClient(token=stub.bot_token, base_url=stub.api_url))


class TestPrograms:
    @pytest.mark.parametrize("kind", [SlackStub, TelegramStub])
    def test_a_stub_ends_with_whoever_started_it(self, kind):
        start = f"from tests.stubs.client import {kind.__name__} as Kind; print(Kind().pid, flush=True)"
        words = f"import os; {start}; os._exit(0)"
        said = subprocess.run([sys.executable, "-c", words], capture_output=True, timeout=30, check=True)
        path, until = Path(f"/proc/{int(said.stdout)}/cmdline"), time.monotonic() + 5
        while path.exists() and path.read_bytes() and time.monotonic() < until:
            time.sleep(0.02)
        assert not path.exists() or not path.read_bytes()


class TestSlackSockets:
    def test_press_command_mention_and_modal_are_acknowledged(self, slack):
        post(slack, blocks=[actions(button("a:1"), button("r:1", label="Reject", action_id="reject"))])
        seen: list[Any] = []

        async def work() -> None:
            app = bolt_app(slack)

            @app.action("approve")
            async def _approve(ack, body, respond):
                await ack()
                seen.append(body["actions"][0]["value"])
                await respond(text="counted", replace_original=False)

            @app.action("reject")
            async def _reject(ack, body, client):
                await ack()
                element = {"type": "plain_text_input", "action_id": "why"}
                label = {"type": "plain_text", "text": "Why?"}
                block = {"type": "input", "block_id": "b", "label": label, "element": element}
                title = {"type": "plain_text", "text": "Reason"}
                view = {
                    "type": "modal",
                    "callback_id": "reason",
                    "title": title,
                    "submit": title,
                    "blocks": [block],
                }
                opened = await client.views_open(trigger_id=body["trigger_id"], view=view)
                await client.views_update(view_id=opened["view"]["id"], hash=opened["view"]["hash"], view=view)
                seen.append(opened["view"]["id"])

            @app.view("reason")
            async def _reason(ack, view):
                await ack()
                seen.append(view["state"]["values"]["b"]["why"]["value"])

            @app.command("/fr")
            async def _fr(ack, command):
                await ack(text=f"heard {command['text']}")

            @app.event("app_mention")
            async def _mention(event, say):
                await say(text="here", thread_ts=event.get("thread_ts"))

            @app.event("message")
            async def _message(event):
                seen.append(event["channel_type"])

            async with bolt(slack, app):
                pressed = await asyncio.to_thread(slack.press, value="a:1")
                assert pressed["within_3s"]
                assert pressed["latency"] < 3
                await asyncio.to_thread(slack.press, label="Reject")
                for _ in range(100):
                    if slack.views():
                        break
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.1)
                sent = await asyncio.to_thread(slack.submit, {"why": "too risky"})
                assert sent["within_3s"]
                command = await asyncio.to_thread(slack.command, "U0ANA", "/fr", "status")
                assert command["response"] == {"text": "heard status"}
                mention = await asyncio.to_thread(slack.mention, "U0BEN", "@bot why", thread_ts=root)
                assert mention["acked"]
                await asyncio.to_thread(slack.direct, "U0BEN", "help")
                await asyncio.sleep(0.2)

        root = slack.messages()[0]["ts"]
        asyncio.run(work())
        assert seen[0] == "a:1"
        assert "too risky" in seen
        assert "im" in seen
        assert {m["text"] for m in slack.ephemerals("U0ANA")} == {"counted", "heard status"}
        assert [m["text"] for m in slack.thread(ROOM, root)][-1] == "here"
        assert not slack.views()[0]["open"]
        assert slack.violations() == []

    def test_ten_presses_at_once_over_two_sockets_and_a_response_address_used_up(self, slack):
        post(slack, blocks=[actions(button("a:1"))])
        answered: list[int] = []

        async def work() -> None:
            app = bolt_app(slack)

            @app.action("approve")
            async def _approve(ack):
                await ack()

            async with bolt(slack, app), bolt(slack, app):
                await asyncio.to_thread(slack.wait_for_sockets, 2)
                sent = await asyncio.gather(
                    *[asyncio.to_thread(slack.press, f"U0P{n}", value="a:1") for n in range(10)]
                )
                assert all(d["within_3s"] for d in sent)
                assert len({d["attempts"][0]["socket"] for d in sent}) == 2
                async with httpx.AsyncClient() as client:
                    for n in range(6):
                        said = await client.post(sent[0]["payload"]["response_url"], json={"text": f"{n}"})
                        answered.append(said.status_code)

        asyncio.run(work())
        assert answered == [200] * 5 + [404]
        assert len(slack.ephemerals("U0P0")) == 5

    def test_what_cannot_be_pressed_is_refused(self, slack):
        blocks = [actions(button("a:1"))]
        with_slack(slack, lambda c: c.chat_postEphemeral(channel=ROOM, user="U0ANA", text="t", blocks=blocks))
        with pytest.raises(Refused, match="ephemeral"):
            slack.press(value="a:1")
        ts = post(slack, blocks=blocks)["ts"]
        with pytest.raises(Refused, match="no message"):
            slack.press(value="a:2")
        with_slack(slack, lambda c: c.chat_update(channel=ROOM, ts=ts, text="t", blocks=[section("done")]))
        with pytest.raises(Refused):
            slack.press(value="a:1", ts=ts)
        late = slack.press(value="a:1", ts=ts, stale=True, team="T0FOREIGN", user="W0FOREIGN")
        assert late["payload"]["user"]["team_id"] == "T0FOREIGN"
        assert not late["acked"]
        assert late["attempts"][0]["error"] == "no_socket"
        with pytest.raises(Refused, match="threads"):
            slack.command("U0ANA", "/fr", thread_ts=ts)

    def test_an_event_not_acknowledged_is_sent_again_and_an_interaction_is_not(self, slack):
        slack.limits(ack_s=0.3, event_retries_s=[0.0, 0.1])
        ts = post(slack, blocks=[actions(button("a:1"))])["ts"]
        tries: list[str | None] = []

        async def work() -> None:
            app = bolt_app(slack)

            @app.middleware
            async def _count(req, next_):
                tries.append((req.headers.get("x-slack-retry-num") or [None])[0])
                return await next_()

            @app.event("app_mention", matchers=[never])
            async def _event() -> None: ...

            async with bolt(slack, app):
                sent = await asyncio.to_thread(slack.mention, "U0ANA", "@bot hi", wait=1.5)
                pressed = await asyncio.to_thread(slack.press, value="a:1", ts=ts, wait=1)
                assert [a["n"] for a in sent["attempts"]] == [0, 1, 2]
                assert not sent["acked"]
                assert [a["error"] for a in pressed["attempts"]] == ["timeout"]

        async def never() -> bool:
            return False

        asyncio.run(work())
        assert tries[:3] == ["0", "1", "2"]

    def test_the_app_connects_again_when_told_to_go(self, slack):
        slack.limits(disconnect_grace_s=0.2)

        async def work() -> None:
            app = bolt_app(slack)
            async with bolt(slack, app):
                (first,) = slack.sockets()
                slack.disconnect()
                await asyncio.to_thread(slack.wait_for_sockets)
                assert first["id"] not in [s["id"] for s in slack.sockets() if not s["leaving"]]

        asyncio.run(work())


class Sink:
    """An endpoint of an app; what came stands in ``got``."""

    def __init__(self, answer: Callable[[dict[str, str], bytes], tuple[int, str]]) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(5)

    def _run(self) -> None:
        async def handle(request: web.Request) -> web.Response:
            body = await request.read()
            headers = {k.lower(): v for k, v in request.headers.items()}
            self.got.append((headers, body))
            status, text = self._answer(headers, body)
            return web.Response(status=status, text=text)

        async def start() -> web.AppRunner:
            app = web.Application()
            app.router.add_post("/hook", handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
            return runner

        runner = self._loop.run_until_complete(start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class TestSlackHttp:
    def test_deliveries_are_signed_and_can_be_spoiled_or_doubled(self, slack):
        post(slack, blocks=[actions(button("a:1"))])
        verifier = SignatureVerifier(slack.signing_secret)

        def answer(headers: dict[str, str], body: bytes) -> tuple[int, str]:
            return (200, "") if verifier.is_valid_request(body, headers) else (401, "no")

        with Sink(answer) as sink:
            slack.transport(interactions=sink.url, commands=sink.url, events=sink.url)
            good = slack.press(value="a:1")
            assert good["within_3s"]
            assert json.loads(parse_qs(sink.got[-1][1].decode())["payload"][0])["type"] == "block_actions"
            for how in ("wrong", "old", "missing"):
                done = slack.press(value="a:1", signature=how)
                assert (done["status"], done["acked"]) == (401, False), how
            assert slack.command("U0ANA", "/fr", "status")["acked"]
            assert parse_qs(sink.got[-1][1].decode())["command"] == ["/fr"]
            again = slack.redeliver(good["id"], retry_num=1)
            assert again["acked"]
            assert sink.got[-1][0]["x-slack-retry-num"] == "1"
            digest = hmac.new(
                slack.signing_secret.encode(),
                f"v0:{sink.got[-1][0]['x-slack-request-timestamp']}:".encode() + sink.got[-1][1],
                hashlib.sha256,
            ).hexdigest()
            assert sink.got[-1][0]["x-slack-signature"] == f"v0={digest}"

    def test_an_events_address_is_verified(self, slack):
        with Sink(lambda _, body: (200, json.loads(body)["challenge"])) as sink:
            assert slack.verify_url(sink.url)["verified"]


def with_bot(stub: TelegramStub, work: Callable[[Bot], Awaitable[Any]], **given: Any) -> Any:
    async def run() -> Any:
        bot = Bot(
            given.get("token", stub.token),
            base_url=stub.base_url,
            base_file_url=stub.base_file_url,
            local_mode=False,
        )
        async with bot:
            return await work(bot)

    return asyncio.run(run())


def keys(*data):
    return Keyboard([[InlineKeyboardButton(text=d, callback_data=d) for d in data]])


class TestTelegramApi:
    def test_a_message_is_sent_edited_pinned_and_deleted(self, telegram):
        async def work(bot):
            sent = await bot.send_message(GROUP, "<b>one</b> &lt;", parse_mode="HTML", reply_markup=keys("a:1"))
            await bot.edit_message_text("two", GROUP, sent.message_id)
            await bot.pin_chat_message(GROUP, sent.message_id)
            reply = await bot.send_message(
                GROUP, "why?", reply_to_message_id=sent.message_id, reply_markup=ForceReply(selective=True)
            )
            await bot.delete_message(GROUP, reply.message_id)
            return sent, reply, await bot.get_chat(GROUP)

        sent, reply, chat = with_bot(telegram, work)
        kept = telegram.message(GROUP, sent.message_id)
        assert sent.text == "one <"
        assert [e.type for e in sent.entities] == ["bold"]
        assert (kept["text"], kept["reply_markup"]) == ("two", None)
        assert kept["edits"][0]["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "a:1"
        assert reply.reply_to_message.message_id == sent.message_id
        assert telegram.message(GROUP, reply.message_id)["deleted"]
        assert chat.pinned_message.message_id == sent.message_id

    @pytest.mark.parametrize(
        ("given", "what"),
        [
            ({"chat_id": 99}, "Chat not found"),
            ({"text": "x" * 4_097}, "Message is too long"),
            ({"text": " "}, "Message text is empty"),
            ({"text": "<b>x", "parse_mode": "HTML"}, "Can't parse entities"),
            ({"text": "a < b", "parse_mode": "HTML"}, "Can't parse entities"),
            ({"text": "a & b", "parse_mode": "HTML"}, "Can't parse entities"),
            ({"text": "<b><i>x</b></i>", "parse_mode": "HTML"}, "Can't parse entities"),
            ({"text": "<script>x</script>", "parse_mode": "HTML"}, "Unsupported start tag"),
            ({"text": "x</b>", "parse_mode": "HTML"}, "Unexpected end tag"),
            ({"reply_markup": keys("é" * 33)}, "Button_data_invalid"),
            ({"message_thread_id": 77}, "Message thread not found"),
            ({"reply_to_message_id": 77}, "Message to be replied not found"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, telegram, given, what):
        with pytest.raises(BadRequest, match=f"(?i){what}"):
            with_bot(telegram, lambda b: b.send_message(**{"chat_id": GROUP, "text": "t", **given}))
        assert telegram.messages() == []

    def test_length_counts_after_parsing(self, telegram):
        with_bot(telegram, lambda b: b.send_message(GROUP, "&lt;" * 4_096, parse_mode="HTML"))

    def test_edits_that_cannot_be(self, telegram):
        async def work(bot):
            sent = await bot.send_message(GROUP, "one", reply_markup=keys("a:1"))
            with pytest.raises(BadRequest, match="not modified"):
                await bot.edit_message_text("one", GROUP, sent.message_id, reply_markup=keys("a:1"))
            with pytest.raises(BadRequest, match="not found"):
                await bot.edit_message_text("one", GROUP, 1)
            await bot.edit_message_reply_markup(GROUP, sent.message_id)
            with pytest.raises(BadRequest, match="not modified"):
                await bot.edit_message_reply_markup(GROUP, sent.message_id)

        with_bot(telegram, work)

    def test_who_the_bot_is_and_where_it_may_not_speak(self, telegram):
        assert with_bot(telegram, lambda b: b.get_me()).username == "firstresponder_stub_bot"
        with pytest.raises(InvalidToken):
            with_bot(telegram, lambda b: b.get_me(), token="123456789:another-token-another-token-another")
        with pytest.raises(Forbidden, match="initiate"):
            with_bot(telegram, lambda b: b.send_message(1003, "t"))
        telegram.membership(GROUP, "kicked")
        with pytest.raises(Forbidden, match="kicked"):
            with_bot(telegram, lambda b: b.send_message(GROUP, "t"))
        assert with_bot(telegram, lambda b: b.get_chat_member(PLAIN, 1001)).status == "member"

    def test_rates(self, telegram):
        telegram.limits(chat_burst=100, group_a_minute=3)

        async def work(bot):
            for n in range(3):
                await bot.send_message(GROUP, f"{n}")
            with pytest.raises(RetryAfter):
                await bot.send_message(GROUP, "more")
            await bot.send_message(1001, "elsewhere")

        with_bot(telegram, work)
        telegram.limits(rates=False)
        with_bot(telegram, lambda b: b.send_message(GROUP, "more"))

    def test_files_and_commands(self, telegram):
        async def work(bot):
            photo = await bot.send_photo(GROUP, PNG, caption="<i>graph</i>", parse_mode="HTML")
            document = await bot.send_document(GROUP, b"text", filename="audit.txt")
            await bot.edit_message_caption(GROUP, photo.message_id, caption="new")
            back = await (await bot.get_file(document.document.file_id)).download_as_bytearray()
            scope = BotCommandScopeAllGroupChats()
            await bot.set_my_commands([BotCommand("why", "evidence")], scope=scope)
            with pytest.raises(BadRequest, match=r"(?i)command_invalid"):
                await bot.set_my_commands([("Why", "evidence")])
            return photo, bytes(back), await bot.get_my_commands(scope=scope), await bot.get_my_commands()

        photo, back, group, default = with_bot(telegram, work)
        assert photo.caption == "graph"
        assert telegram.file(photo.photo[0].file_id) == PNG
        assert back == b"text"
        assert [c.command for c in group] == ["why"]
        assert default == ()
        with pytest.raises(BadRequest, match=r"(?i)image_process"):
            with_bot(telegram, lambda b: b.send_photo(GROUP, b"not a picture"))

    def test_ordered_failures(self, telegram):
        telegram.fail("sendMessage", "status", status=502, applied=True)
        with pytest.raises(NetworkError):
            with_bot(telegram, lambda b: b.send_message(GROUP, "t"))
        assert len(telegram.messages()) == 1
        telegram.fail("sendMessage", "ratelimited", retry_after=9)
        with pytest.raises(RetryAfter) as caught:
            with_bot(telegram, lambda b: b.send_message(GROUP, "t"))
        assert str(caught.value).endswith("0:00:09")
        telegram.down()
        with pytest.raises(NetworkError):
            with_bot(telegram, lambda b: b.send_message(GROUP, "t"))
        telegram.down(False)

        async def poll(bot):
            waiting = asyncio.create_task(bot.get_updates(timeout=20))
            await asyncio.sleep(0.2)
            telegram.down()
            with pytest.raises(NetworkError):
                await waiting

        with_bot(telegram, poll)


class TestTelegramUpdates:
    def test_polling_with_the_library_answers_presses_and_commands(self, telegram):
        seen: list[Any] = []

        async def pressed(update, _):
            await update.callback_query.answer("counted", show_alert=True)
            seen.append((update.callback_query.data, update.effective_user.id))

        async def why(update, _):
            seen.append(update.message.text)
            await update.message.reply_text("because")

        async def work() -> None:
            builder = Application.builder().token(telegram.token).base_url(telegram.base_url)
            app = builder.base_file_url(telegram.base_file_url).build()
            app.add_handler(CallbackQueryHandler(pressed))
            app.add_handler(CommandHandler("why", why))
            async with app:
                await app.start()
                assert app.updater is not None
                await app.updater.start_polling(timeout=2, poll_interval=0)
                await app.bot.send_message(GROUP, "Approve?", reply_markup=keys("a:1", "r:1"))
                press = await asyncio.to_thread(telegram.press, 1002, data="a:1")
                said = await asyncio.to_thread(telegram.command, "/why@firstresponder_stub_bot", chat_id=PLAIN)
                await asyncio.to_thread(telegram.wait_for, lambda m: m["text"] == "because")
                assert press["answered"]
                assert press["answers"][0]["text"] == "counted"
                assert press["latency"] < 3
                assert said["heard"]
                await app.updater.stop()
                await app.stop()

        asyncio.run(work())
        assert seen == [("a:1", 1002), "/why@firstresponder_stub_bot"]
        assert all(u["confirmed_at"] for u in telegram.updates())

    def test_offsets_confirm_and_two_pollers_conflict(self, telegram):
        telegram.say("/one")
        telegram.say("/two")

        async def work(bot):
            first = await bot.get_updates()
            again = await bot.get_updates()
            assert [u.update_id for u in first] == [u.update_id for u in again]
            rest = await bot.get_updates(offset=first[1].update_id)
            assert [u.message.text for u in rest] == ["/two"]
            assert await bot.get_updates(offset=rest[0].update_id + 1) == ()
            older = asyncio.create_task(bot.get_updates(timeout=5))
            await asyncio.sleep(0.2)
            async with Bot(telegram.token, base_url=telegram.base_url) as other:
                await other.get_updates()
            with pytest.raises(Conflict):
                await older

        with_bot(telegram, work)

    def test_a_press_is_kept_for_150_seconds_and_answered_within_15(self, telegram):
        with_bot(telegram, lambda b: b.send_message(GROUP, "t", reply_markup=keys("a:1")))
        telegram.limits(answer_s=0.1, presses_kept_s=1.5)
        press = telegram.press(data="a:1", wait=0)
        time.sleep(0.15)
        with pytest.raises(BadRequest, match="too old"):
            with_bot(telegram, lambda b: b.answer_callback_query(press["id"]))
        assert len(with_bot(telegram, lambda b: b.get_updates())) == 1
        time.sleep(1.5)
        assert with_bot(telegram, lambda b: b.get_updates()) == ()
        telegram.limits(answer_s=15)
        press = telegram.press(data="a:1", wait=0)
        with pytest.raises(BadRequest, match=r"(?i)too_long"):
            with_bot(telegram, lambda b: b.answer_callback_query(press["id"], text="x" * 201))

    def test_presses_of_every_kind_of_presser(self, telegram):
        with_bot(telegram, lambda b: b.send_message(GROUP, "t", reply_markup=keys("a:1")))
        with pytest.raises(Refused):
            telegram.press(data="b:1")
        telegram.press(data="a:1", wait=0, hidden="anonymous_admin")
        telegram.press(2002, data="a:1", wait=0, is_bot=True)
        telegram.press(data="a:1", wait=0, inline=True)
        telegram.press(data="a:1", wait=0, forwarded_to=1001)
        telegram.say("hello", hidden="anonymous_admin")
        got = with_bot(telegram, lambda b: b.get_updates())
        queries = [u.callback_query for u in got if u.callback_query]
        assert queries[0].from_user.username == "GroupAnonymousBot"
        assert queries[1].from_user.is_bot
        assert queries[2].message is None
        assert queries[3].message.chat.id == 1001
        assert queries[3].message.forward_origin is not None
        assert got[-1].message.sender_chat.id == GROUP

    def test_privacy_mode_hides_talk_that_is_not_for_the_bot(self, telegram):
        assert not telegram.say("just talk", chat_id=PLAIN)["heard"]
        assert not telegram.say("/why@other_bot", chat_id=PLAIN)["heard"]
        assert telegram.say("/why", chat_id=PLAIN)["heard"]
        mine = with_bot(telegram, lambda b: b.send_message(PLAIN, "reason?", reply_markup=ForceReply()))
        assert telegram.say("too risky", chat_id=PLAIN, reply_to=mine.message_id)["heard"]

    def test_a_webhook_gets_its_secret_and_is_tried_again(self, telegram):
        telegram.limits(webhook_first_pause_s=0.05)
        answers = iter([(500, ""), (200, "")])
        with Sink(lambda *_: next(answers, (200, ""))) as sink:
            with_bot(telegram, lambda b: b.set_webhook(sink.url, secret_token="s3cret"))
            with pytest.raises(Conflict, match="webhook is active"):
                with_bot(telegram, lambda b: b.get_updates())
            number = telegram.say("/why")["update_id"]
            until = time.monotonic() + 5
            while not telegram.updates()[0]["confirmed_at"] and time.monotonic() < until:
                time.sleep(0.02)
            assert [h["x-telegram-bot-api-secret-token"] for h, _ in sink.got] == ["s3cret", "s3cret"]
            assert json.loads(sink.got[-1][1])["update_id"] == number
            info = with_bot(telegram, lambda b: b.get_webhook_info())
            assert info.pending_update_count == 0
            assert "500" in info.last_error_message
            telegram.redeliver(number)
            until = time.monotonic() + 5
            while len(sink.got) < 3 and time.monotonic() < until:
                time.sleep(0.02)
            assert json.loads(sink.got[2][1])["update_id"] == number
        with_bot(telegram, lambda b: b.delete_webhook())
        with pytest.raises(BadRequest, match=r"(?i)https"):
            with_bot(telegram, lambda b: b.set_webhook("http://bot.example/hook"))
