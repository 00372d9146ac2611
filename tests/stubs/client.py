"""Starts a stub as a program of its own and speaks to its control."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from bot.processes import die_with_parent
from tests.stubs import slack, telegram
from tests.stubs.common import FailureKind, Json

ROOT = Path(__file__).parents[2]


class Refused(Exception):
    """The stub would not do this: it could not happen on the platform."""


class Stub:
    """One running stub; end it with :meth:`stop` or use it as a context."""

    module = ""

    def __init__(self, *words: str, port: int = 0) -> None:
        """Start it and wait until it listens. It ends with the thread that started it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, "--port", str(port), *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # only a call of the system between fork and exec
        )
        stream = self._process.stdout
        if stream is None or not select.select([stream], [], [], 20.0)[0]:
            self._process.kill()
            raise TimeoutError(f"{self.module} did not start")
        said = json.loads(stream.readline() or b"{}")
        if "url" not in said:
            raise RuntimeError(f"{self.module} ended with {self._process.wait()}")
        self.url: str = said["url"]
        self.control: str = said["control"]
        self._http = httpx.Client(base_url=self.control, timeout=60.0, trust_env=False)

    def __enter__(self) -> Self:
        """Already started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    def stop(self) -> None:
        """End it by SIGTERM."""
        self._http.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._process.pid

    def ask(self, name: str, **given: Any) -> Any:
        """One control call; :class:`Refused` when it could not happen on the platform."""
        response = self._http.post(f"/{name}", json=given)
        if response.status_code == 409:
            raise Refused(response.json()["error"])
        if response.status_code != 200:
            raise ValueError(response.text)
        if response.headers["content-type"].startswith("application/json"):
            return response.json()["result"]
        return response.content

    def calls(self, method: str | None = None) -> list[Json]:
        """What was asked: method, at, seconds, status, error, args; in order."""
        return list(self.ask("calls", method=method))

    def violations(self) -> list[Json]:
        """Rules broken that the platform does not refuse: kind, detail, where."""
        return list(self.ask("violations"))

    def limits(self, **changes: Any) -> Json:
        """Change limits, e.g. ``rates=False``; all of them as they are now."""
        return dict(self.ask("limits", **changes))

    def fail(
        self,
        method: str = "*",
        kind: FailureKind = "status",
        *,
        count: int | None = 1,
        status: int = 500,
        error: str = "internal_error",
        retry_after: int = 1,
        delay_s: float = 30.0,
        applied: bool = False,
    ) -> None:
        """The next *count* calls fail; *applied*: they are carried out, and only the answer is lost."""
        given = {"count": count, "status": status, "error": error, "retry_after": retry_after, "delay_s": delay_s}
        self.ask("fail", method=method, kind=kind, applied=applied, **given)

    def heal(self) -> None:
        """Forget the ordered failures."""
        self.ask("fail", clear=True)

    def down(self, down: bool = True) -> None:
        """Every connection is reset; or it is well again."""
        self.ask("down", down=down)

    def reset(self) -> None:
        """As at the start: people, places, limits, no messages."""
        self.ask("reset")

    def messages(self, **where: Any) -> list[Json]:
        """Every message, oldest first."""
        return list(self.ask("messages", **where))

    def wait_for(self, what: Callable[[Json], bool], timeout: float = 10.0, **where: Any) -> Json:
        """The first message of which *what* is true."""
        until = time.monotonic() + timeout
        while True:
            for message in self.messages(**where):
                if what(message):
                    return message
            if time.monotonic() > until:
                raise TimeoutError("no such message came")
            time.sleep(0.02)


def _some(**given: Any) -> Json:
    return {k: v for k, v in given.items() if v is not None}


class SlackStub(Stub):
    """The Slack stub. A *delivery* tells acked, within_3s, latency, response, status and every attempt."""

    module = "tests.stubs.slack"

    def __init__(
        self,
        *,
        port: int = 0,
        bot_token: str = slack.BOT_TOKEN,
        app_token: str = slack.APP_TOKEN,
        signing_secret: str = slack.SIGNING_SECRET,
    ) -> None:
        """Start it."""
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        tokens = ("--bot-token", bot_token, "--app-token", app_token, "--signing-secret", signing_secret)
        super().__init__(*tokens, port=port)

    @property
    def api_url(self) -> str:
        """The base for slack_sdk: ``AsyncWebClient(base_url=stub.api_url)``."""
        return f"{self.url}/api/"

    def message(self, channel: str, ts: str) -> Json:
        """One message."""
        return next(m for m in self.messages(channel=channel) if m["ts"] == ts)

    def thread(self, channel: str, ts: str) -> list[Json]:
        """Replies, without the root; ephemeral ones too."""
        return [m for m in self.messages(channel=channel) if m["thread_ts"] == ts and m["ts"] != ts]

    def ephemerals(self, user: str) -> list[Json]:
        """What only this user saw."""
        return [m for m in self.messages() if m["ephemeral_to"] == user]

    def file(self, file_id: str) -> bytes:
        """The bytes of an uploaded file."""
        return bytes(self.ask("file", id=file_id))

    def press(
        self,
        user: str = "U0ANA",
        *,
        value: str | None = None,
        label: str | None = None,
        action_id: str | None = None,
        channel: str | None = None,
        ts: str | None = None,
        stale: bool = False,
        wait: float | None = None,
        **more: Any,
    ) -> Json:
        """Press the newest such button.

        *more*: team, is_bot, enterprise, org_install, user_team (raw, may be None); url, signature
        (good, wrong, old, missing), age_s, retry_num, via ("socket").
        """
        given = _some(value=value, label=label, action_id=action_id, channel=channel, ts=ts, wait=wait)
        return dict(self.ask("press", user=user, stale=stale, **given, **more))

    def command(
        self,
        user: str,
        command: str,
        text: str = "",
        *,
        channel: str = "C0INCIDENTS",
        wait: float | None = None,
        **more: Any,
    ) -> Json:
        """Run a slash command; *more* as for :meth:`press`."""
        given = {"user": user, "command": command, "text": text, "channel": channel, **_some(wait=wait)}
        return dict(self.ask("command", **given, **more))

    def mention(
        self, user: str, text: str, *, channel: str = "C0INCIDENTS", thread_ts: str | None = None, **more: Any
    ) -> Json:
        """Write ``@bot ...`` in a channel or thread: an ``app_mention`` event."""
        return dict(
            self.ask("message", user=user, text=text, channel=channel, **_some(thread_ts=thread_ts), **more)
        )

    def direct(self, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> Json:
        """Write to the bot alone: a ``message.im`` event."""
        return dict(self.ask("message", user=user, text=text, **_some(thread_ts=thread_ts), **more))

    def event(self, event: Json, **more: Any) -> Json:
        """Any event."""
        return dict(self.ask("event", event=event, **more))

    def submit(self, values: Mapping[str, Any] | None = None, *, view_id: str | None = None, **more: Any) -> Json:
        """Send the open modal off; *values* by action id. ``close=True`` closes it instead."""
        return dict(self.ask("submit", values=dict(values or {}), **_some(view_id=view_id), **more))

    def views(self) -> list[Json]:
        """Modals: view, user, open, updates."""
        return list(self.ask("views"))

    def delivery(self, delivery_id: str, wait: float = 0.0) -> Json:
        """One delivery again."""
        return dict(self.ask("delivery", id=delivery_id, wait=wait))

    def deliveries(self) -> list[Json]:
        """All deliveries."""
        return list(self.ask("deliveries"))

    def redeliver(self, delivery_id: str, **more: Any) -> Json:
        """The same once more; ``retry_num=1`` marks it as a retry."""
        return dict(self.ask("redeliver", id=delivery_id, **more))

    def transport(
        self, *, interactions: str | None = None, commands: str | None = None, events: str | None = None
    ) -> None:
        """HTTP addresses of the app; those not named go by socket."""
        self.ask("workspace", transport={"interactions": interactions, "commands": commands, "events": events})

    def verify_url(self, url: str) -> Json:
        """The ``url_verification`` of the events address; ``verified`` says whether it was answered."""
        return dict(self.ask("verify_url", url=url))

    def workspace(self, **changes: Any) -> Json:
        """*changes*: scopes, auth_error (or None), org_install."""
        return dict(self.ask("workspace", **changes))

    def user(self, user_id: str, **changes: Any) -> Json:
        """Make or change a person: name, team_id, is_bot, deleted."""
        return dict(self.ask("user", id=user_id, **changes))

    def channel(self, channel_id: str, **changes: Any) -> Json:
        """Make or change a channel: name, is_member, is_private, is_archived, is_ext_shared."""
        return dict(self.ask("channel", id=channel_id, **changes))

    def sockets(self) -> list[Json]:
        """Open Socket Mode connections."""
        return list(self.ask("sockets"))

    def wait_for_sockets(self, count: int = 1, timeout: float = 10.0) -> None:
        """Until so many are open and not leaving."""
        until = time.monotonic() + timeout
        while len([s for s in self.sockets() if not s["leaving"]]) < count:
            if time.monotonic() > until:
                raise TimeoutError("the app did not connect")
            time.sleep(0.02)

    def disconnect(
        self, reason: str = "refresh_requested", *, count: int | None = None, abrupt: bool = False
    ) -> list[str]:
        """Send ``disconnect`` frames and close; *abrupt* only closes."""
        return list(self.ask("disconnect", reason=reason, count=count, abrupt=abrupt))


class TelegramStub(Stub):
    """The Telegram stub."""

    module = "tests.stubs.telegram"

    def __init__(self, *, port: int = 0, token: str = telegram.TOKEN) -> None:
        """Start it."""
        self.token = token
        super().__init__("--token", token, port=port)

    @property
    def base_url(self) -> str:
        """For python-telegram-bot: ``base_url``; the token is appended."""
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        """For python-telegram-bot: ``base_file_url``."""
        return f"{self.url}/file/bot"

    @property
    def api_url(self) -> str:
        """With the token: methods are appended."""
        return f"{self.url}/bot{self.token}"

    def message(self, chat_id: int, message_id: int) -> Json:
        """One message."""
        return next(m for m in self.messages(chat_id=chat_id) if m["message_id"] == message_id)

    def press(
        self,
        user_id: int = 1001,
        *,
        data: str | None = None,
        label: str | None = None,
        chat_id: int | None = None,
        message_id: int | None = None,
        stale: bool = False,
        hidden: str | None = None,
        wait: float = 5.0,
        **more: Any,
    ) -> Json:
        """Press the newest such button; tells answered, answers, latency, late, update.

        *hidden*: anonymous_admin, channel. *more*: is_bot, inline, inaccessible, forwarded_to (a chat id).
        """
        given = _some(data=data, label=label, chat_id=chat_id, message_id=message_id, hidden=hidden)
        return dict(self.ask("press", user_id=user_id, stale=stale, wait=wait, **given, **more))

    def pressed(self, press_id: str, wait: float = 0.0) -> Json:
        """One press again."""
        return dict(self.ask("pressed", id=press_id, wait=wait))

    def presses(self) -> list[Json]:
        """All presses."""
        return list(self.ask("presses"))

    def say(
        self,
        text: str,
        user_id: int = 1001,
        *,
        chat_id: int = -100200,
        reply_to: int | None = None,
        message_thread_id: int | None = None,
        hidden: str | None = None,
        **more: Any,
    ) -> Json:
        """Write something; tells message_id, update_id, heard. *more*: is_bot, username, more (raw)."""
        given = _some(reply_to=reply_to, message_thread_id=message_thread_id, hidden=hidden)
        return dict(self.ask("message", text=text, user_id=user_id, chat_id=chat_id, **given, **more))

    def command(self, text: str, user_id: int = 1001, *, chat_id: int = -100200, **more: Any) -> Json:
        """Write a command, e.g. ``/why INC_1``."""
        return self.say(text if text.startswith("/") else f"/{text}", user_id, chat_id=chat_id, **more)

    def membership(self, chat_id: int, status: str, *, user_id: int | None = None, by: int = 1001) -> Json:
        """Change somebody's status, or the bot's own (no *user_id*): member, kicked, left, blocked ..."""
        return dict(self.ask("membership", chat_id=chat_id, status=status, by=by, **_some(user_id=user_id)))

    def update(self, kind: str, body: Json) -> Json:
        """Any update."""
        return dict(self.ask("update", kind=kind, body=body))

    def updates(self) -> list[Json]:
        """All updates: id, kind, attempts, delivered_at, confirmed_at, expired, errors."""
        return list(self.ask("updates"))

    def redeliver(self, update_id: int) -> Json:
        """An update once more under its own number."""
        return dict(self.ask("redeliver", update_id=update_id))

    def file(self, file_id: str) -> bytes:
        """The bytes of an uploaded file."""
        return bytes(self.ask("file", id=file_id))

    def chat(self, chat_id: int, **changes: Any) -> Json:
        """Make or change a chat: type, title, is_forum, topics, bot_status, members, migrated_to."""
        return dict(self.ask("chat", id=chat_id, **changes))

    def user(self, user_id: int, **changes: Any) -> Json:
        """Make or change a person: first_name, username, is_bot."""
        return dict(self.ask("user", id=user_id, **changes))

    def bot(self, **changes: Any) -> Json:
        """Change the bot: username, can_read_all_group_messages; ``token`` revokes the old one."""
        return dict(self.ask("bot", **changes))

    def commands(self) -> Json:
        """Registered commands by scope: the key is a JSON list of type, ids and language."""
        return dict(self.ask("commands"))

    def webhook(self) -> Json:
        """Where updates go."""
        return dict(self.ask("webhook"))
