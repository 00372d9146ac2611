"""Slack behind the chat port: cards in a channel, detail in threads, answers for the eyes of whoever asked."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from slack_sdk.web.async_slack_response import AsyncSlackResponse
from starlette.routing import Route

from actions.policy import People
from agents.incident.errors import BadInput, ResponderError, Transient
from bot.surfaces import layout
from bot.surfaces.chart import png
from bot.surfaces.limits import Budget, Rate
from bot.surfaces.ports import Asker, Button, Card, Chart, Gone, Incoming, Kind, Lane, Message, Reply, Take
from bot.surfaces.slack import proof, render
from bot.surfaces.slack.calls import ANSWER_S, TIMEOUT_S, Calls, Failed
from bot.surfaces.slack.listen import Listener, quiet
from bot.surfaces.slack.read import Me, read

RATES = {Kind.POST: (Rate(most=1, seconds=1.0),), Kind.EDIT: (Rate(most=45, seconds=60.0, reserved=10),)}
"""Starting values, below what Slack allows. https://docs.slack.dev/apis/web-api/rate-limits"""

BACK_S = 24 * 3600.0
"""How far back a message is looked for that was posted just before a crash."""

_ELSEWHERE = frozenset({"user_not_in_channel", "not_in_channel", "channel_not_found", "is_archived"})
"""An answer that cannot be given where it was asked is given in private."""

_FORM_OPEN = frozenset({"exchanged_trigger_id"})
NO_FORM = "The form for the reason could not be opened. The rejection counts; say why in the thread of its card."


class SlackChat:
    """One workspace. What is posted carries its key in its metadata, so that it can be found again."""

    name = render.NAME
    patient = True

    def __init__(
        self,
        *,
        bot_token: str,
        app_token: str = "",
        signing_secret: str = "",
        api_url: str = "https://slack.com/api/",
        channel: str,
        channels: frozenset[str] = frozenset(),
        mode: Literal["socket", "http"] = "socket",
        people: Callable[[], People],
        log: Any,
        theme: Literal["light", "dark"] = "light",
        prefix: str = "/",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget(RATES, clock)
        self.me = Me()
        self._calls = Calls(bot_token, api_url, quiet(log))
        self._listener = Listener(
            calls=self._calls,
            app_token=app_token,
            signing_secret=signing_secret,
            me=lambda: self.me,
            log=log,
            clock=clock,
        )
        self._app_token = app_token
        self._channel = channel
        self._channels = channels
        self._mode = mode
        self._people = people
        self._log = log
        self._theme: Literal["light", "dark"] = theme
        self._prefix = prefix
        self._clock = clock

    # --- the port: coming and going ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Prove the tokens and the channels, learn who the bot is. BadInput names the setting."""
        try:
            self.me = await proof.who(self._calls)
            if self._mode == "socket":
                await proof.app(self._calls, self._app_token)
        except Failed as error:
            raise BadInput(str(error)) from error
        wrong = await proof.places(self._calls, self._channel, self._channels, self.me.name)
        if wrong:
            raise BadInput("; ".join(wrong))

    async def listen(self, take: Take) -> None:
        """Socket Mode: hand over what comes, stored before it is acknowledged. By HTTP there is nothing to do."""
        if self._mode == "socket":
            await self._listener.sockets(take)
        else:
            await asyncio.Event().wait()

    def routes(self, take: Take) -> Sequence[Route]:
        """Where Slack sends its requests, in HTTP mode."""
        return self._listener.routes(take) if self._mode == "http" else ()

    def read(self, body: bytes) -> Incoming | None:
        """A stored delivery. Transient before the bot knows its workspace: nobody could be recognised."""
        if not self.me.team_id:
            raise Transient("Slack has not yet said which workspace this is")
        return read(body, self.me, self._prefix)

    async def check(self) -> Sequence[str]:
        """What is wrong with the set-up, each with what changes it."""
        found = await proof.check(self._calls, self._channel, self._channels)
        if self._mode == "socket" and not await self._listener.connected():
            found.append(
                "no socket is open: is Socket Mode on (the app's page Socket Mode), and is"
                " FIRSTRESPONDER_SLACK__APP_TOKEN this app's?"
            )
        heard = self._listener.heard
        if self._mode == "http" and heard is None:
            found.append(
                "Slack has sent nothing yet: the app's pages Event Subscriptions, Interactivity & Shortcuts and"
                " Slash Commands must all name this receiver's /v1/chat/slack"
            )
        elif heard is not None and self._clock() - heard > 7 * 86400:
            found.append(
                "Slack has sent nothing for a week: press the button of a self-test to see whether it does"
            )
        return found

    async def close(self) -> None:
        """Give the connections back."""
        await self._calls.close()

    # --- the port: saying --------------------------------------------------------------------------------------

    def layout(self, card: Card) -> Sequence[Message]:
        """A root that is edited, questions of their own, the rest in the thread."""
        return layout.messages(card)

    async def post(self, message: Message, root: str | None) -> str:
        """Post a message, in the root's thread if it belongs there. Returns its channel and time."""
        channel, thread = _of(root) if message.below and root else (self._channel, "")
        said = render.message(message, self._people(), _nonce())
        posted = await self._post(channel, thread, said, key=message.key)
        ref = f"{posted['channel']}:{posted['ts']}"
        if message.chart is not None:
            await self._picture(message.chart, channel, thread or str(posted["ts"]))
        return ref

    async def find(self, key: str, root: str | None) -> str | None:
        """The reference of a message posted just before a crash, by the key in its metadata."""
        asked: dict[str, Any] = {
            "include_all_metadata": True,
            "limit": 200,
            "oldest": f"{time.time() - BACK_S:.6f}",
        }
        try:
            found = await self._calls.call("conversations.history", channel=self._channel, **asked)
            ref = self._among(found, self._channel, key)
            if ref is None and root is not None:
                channel, ts = _of(root)
                found = await self._calls.call("conversations.replies", channel=channel, ts=ts, **asked)
                ref = self._among(found, channel, key)
        except Failed as error:
            # Said twice is better than not at all, which is what not being allowed to look would end in.
            self._log.warning("slack.not_found", key=key, error=str(error))
            return None
        return ref

    async def edit(self, ref: str, message: Message) -> None:
        """Bring a posted message up to date. Raises Gone when it is not there any more."""
        channel, ts = _of(ref)
        said = render.message(message, self._people(), _nonce())
        await self._calls.call("chat.update", channel=channel, ts=ts, parse="none", **said)

    async def detail(self, root: str, lines: Sequence[str], link: str = "") -> None:
        """Lines of history as one message in the thread."""
        channel, thread = _of(root)
        await self._post(channel, thread, render.lines(lines, _nonce(), link))

    async def answer(self, asker: Asker, reply: Reply) -> None:
        """Answer whoever pressed or typed: seen by them alone, unless the reply is public."""
        also: tuple[str, ...] = ()
        if reply.wants_reason is not None and not await self._ask_why(asker, reply):
            also = (NO_FORM,)
        said = render.reply(reply, _nonce(), *also)
        try:
            if asker.private or reply.public:
                await self._post(asker.place, asker.thread, said, within=ANSWER_S)
            else:
                await self._calls.call(
                    "chat.postEphemeral",
                    within=ANSWER_S,
                    channel=asker.place,
                    user=asker.account,
                    thread_ts=asker.thread or None,
                    **said,
                )
        except Failed as error:
            if error.error not in _ELSEWHERE:
                raise
            self._log.info("slack.answered_in_private", place=asker.place, why=error.error)
            opened = await self._calls.call("conversations.open", within=ANSWER_S, users=asker.account)
            await self._post(str(opened["channel"]["id"]), "", said, within=ANSWER_S)

    async def selftest(self, test_id: str) -> str:
        """Post the "press me" card. Returns its reference."""
        return await self.post(
            Message(
                key=f"selftest/{test_id}",
                lane=Lane.ASK,
                headline="Set-up test: please press the button",
                lines=("It proves that a press comes back here, is stored, and is known to be yours.",),
                buttons=(Button(label="Press me", data=f"p:{test_id}", style="primary"),),
            ),
            None,
        )

    # --- how ---------------------------------------------------------------------------------------------------

    async def _post(
        self, channel: str, thread: str, said: render.Json, *, key: str = "", within: float = TIMEOUT_S
    ) -> AsyncSlackResponse:
        metadata = {"event_type": render.EVENT, "event_payload": {"key": key}} if key else None
        return await self._calls.call(
            "chat.postMessage",
            within=within,
            channel=channel,
            thread_ts=thread or None,
            metadata=metadata,
            unfurl_links=False,
            unfurl_media=False,
            **said,
        )

    def _among(self, found: AsyncSlackResponse, channel: str, key: str) -> str | None:
        """The one of ours that carries *key*."""
        for message in found.get("messages") or ():
            metadata = message.get("metadata") or {}
            held = (metadata.get("event_payload") or {}).get("key")
            ours = (
                not self.me.bot_id
                or message.get("bot_id") == self.me.bot_id
                or message.get("user") == self.me.user_id
            )
            if ours and metadata.get("event_type") == render.EVENT and held == key:
                return f"{channel}:{message['ts']}"
        return None

    async def _picture(self, chart: Chart, channel: str, thread: str) -> None:
        """The chart below its message. A message without its picture is worth more than none."""
        try:
            drawn = await asyncio.to_thread(png, chart, theme=self._theme)
            title = render.shortened(chart.caption, 200)
            told = render.shortened(f"Chart: {chart.caption}", 1000)
            await self._calls.upload(drawn, title=title, told=told, channel=channel, thread=thread)
        except ResponderError as error:
            self._log.warning("slack.no_picture", error=str(error))
        except Exception:  # noqa: BLE001  # a chart that cannot be drawn is not worth a message either
            self._log.exception("slack.no_picture")

    async def _ask_why(self, asker: Asker, reply: Reply) -> bool:
        """Open the form; a trigger is good for three seconds and one form."""
        trigger = asker.extra.get("trigger_id", "")
        if not trigger or reply.wants_reason is None:
            return False
        origin = render.Origin(
            approval_id=reply.wants_reason, place=asker.place, thread=asker.thread, private=asker.private
        )
        try:
            view = render.form(reply.wants_reason, origin)
            await self._calls.call("views.open", within=ANSWER_S, trigger_id=trigger, view=view)
        except Failed as error:
            if error.error in _FORM_OPEN:
                return True
            self._log.info("slack.no_form", why=error.error)
            return False
        except Transient as error:
            self._log.info("slack.no_form", why=str(error))
            return False
        return True


def _nonce() -> str:
    """A new name for blocks: clients keep what was entered under an old one."""
    return secrets.token_hex(4)


def _of(ref: str) -> tuple[str, str]:
    """Channel and time of a reference."""
    channel, _, ts = ref.partition(":")
    if not channel or not ts:
        raise Gone(f"{ref!r} names no message in Slack")
    return channel, ts
