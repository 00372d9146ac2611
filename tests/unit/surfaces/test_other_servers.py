"""Servers of the same APIs that know less than Slack's and Telegram's own, or an older version."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from telegram import ForceReply, InlineKeyboardButton, InlineKeyboardMarkup

from agents.incident.errors import Transient
from bot.surfaces.slack import calls as slack
from bot.surfaces.slack import proof
from bot.surfaces.telegram import calls as telegram
from bot.surfaces.telegram import prove
from bot.surfaces.telegram.read import Me, Ref
from bot.surfaces.telegram.render import Shown
from bot.surfaces.telegram.send import Sender

KEYS = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="s:1", style="danger")]])
SHOWN = Shown(html="<b>x</b>", plain="x", keyboard=KEYS)


class OldBot:
    """Takes what it knows, and says of the rest what it was."""

    def __init__(self, refuses: Callable[[dict[str, Any]], str]) -> None:
        self.refuses = refuses
        self.taken: list[dict[str, Any]] = []
        self.tries = 0

    async def __call__(self, _: str, make: Callable[[Any], Awaitable[Any]], **__: Any) -> Any:
        return await make(self)

    async def send_message(self, _chat: int, _text: str, **given: Any) -> Any:
        self.tries += 1
        if self.refuses(given):
            raise telegram.Unacceptable(self.refuses(given))
        self.taken.append(given)
        return self

    message_id = 5


def unknown(given: dict[str, Any]) -> str:
    if given["link_preview_options"] is not None:
        return "Bad Request: link_preview_options is not supported yet"
    keys = given["reply_markup"]
    if keys is not None and any("style" in key for row in keys.to_dict()["inline_keyboard"] for key in row):
        return "Bad Request: invalid reply_markup"
    return ""


def test_telegram_what_is_optional_is_left_out_from_then_on():
    bot: Any = OldBot(unknown)  # stands where a Bot is expected
    sender = Sender(bot, lambda: 0.0)

    async def work() -> None:
        assert await sender.send("-1", SHOWN) == 5
        await sender.send("-1", SHOWN, to=Ref(chat="-1", message=5), force=ForceReply())

    asyncio.run(work())
    assert bot.tries == 3
    assert [g["reply_markup"].to_dict() for g in bot.taken] == [
        {"inline_keyboard": [[{"text": "Stop", "callback_data": "s:1"}]]}
    ] * 2


def test_telegram_another_refusal_is_not_taken_for_that():
    bot: Any = OldBot(lambda _: "Bad Request: invalid reply_markup")  # stands where a Bot is expected
    sender = Sender(bot, lambda: 0.0)
    with pytest.raises(telegram.Unacceptable):
        asyncio.run(sender.send("-1", SHOWN))
    bot.refuses = lambda _: ""
    asyncio.run(sender.send("-1", SHOWN))
    assert bot.taken[0]["link_preview_options"] is not None


def served(handle: Callable[[httpx.Request], httpx.Response]) -> telegram.Calls:
    made = telegram.Calls(token="7:" + "a" * 30, api_url="http://bot.example", clock=lambda: 0.0, poll_s=1)
    request: Any = made.bot.request
    request._client_kwargs["transport"] = httpx.MockTransport(handle)
    request._client = request._build_client()
    return made


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (501, {"ok": False, "error_code": 501, "description": "not implemented"}),
        (404, {"ok": False, "error_code": 404, "description": "Not Found"}),
        (200, {"ok": True, "result": {"id": -1, "type": "group", "title": "Incidents"}}),
    ],
)
def test_telegram_a_chat_that_cannot_be_asked_about_is_not_a_wrong_one(status: int, body: dict[str, Any]):
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/getMe"):
            me = {"id": 7, "is_bot": True, "first_name": "No username"}
            return httpx.Response(200, json={"ok": True, "result": me})
        return httpx.Response(status, json=body)

    calls = served(handle)

    async def work() -> None:
        assert await prove.me(calls) == Me(id=7)
        await prove.chat(calls, Me(id=7), "-1")

    asyncio.run(work())


def test_telegram_a_token_that_was_never_good_is_named():
    calls = served(lambda _: httpx.Response(404, json={"ok": False, "description": "Not Found"}))
    with pytest.raises(telegram.BadToken):
        asyncio.run(prove.me(calls))


def answered(status: int, data: dict[str, Any]) -> AsyncSlackResponse:
    return AsyncSlackResponse(
        client=AsyncWebClient(token="none"),
        http_verb="POST",
        api_url="http://slack.example/api/x",
        req_args={},
        data=data,
        headers={},
        status_code=status,
    )


class OldSlack(slack.Calls):
    """Reads by one verb only."""

    def __init__(self, verbs: set[str], channel: dict[str, Any]) -> None:
        super().__init__("none", "http://slack.example/api", logging.getLogger("test"))
        self.asked: list[str] = []

        async def api_call(_: str, *, http_verb: str = "POST", **given: Any) -> AsyncSlackResponse:
            self.asked.append(http_verb)
            assert (given.get("params") or given.get("data")) == {"channel": "C1"}
            if http_verb in verbs:
                return answered(200, {"ok": True, "channel": channel})
            raise SlackApiError("no", answered(404, {}))

        client: Any = self.client
        client.api_call = api_call


@pytest.mark.parametrize(("verbs", "asked"), [({"GET"}, ["GET"]), ({"POST"}, ["GET", "POST"])])
def test_slack_is_read_by_either_verb(verbs: set[str], asked: list[str]):
    calls = OldSlack(verbs, {"id": "C1"})  # it does not say whether the bot is a member

    async def work() -> None:
        assert await proof.places(calls, "C1", ()) == []
        await calls.close()

    asyncio.run(work())
    assert calls.asked == asked


def test_slack_that_knows_neither_is_down():
    calls = OldSlack(set(), {})

    async def work() -> None:
        try:
            await calls.call("conversations.info", channel="C1")
        finally:
            await calls.close()

    with pytest.raises(Transient):
        asyncio.run(work())
