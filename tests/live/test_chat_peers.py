"""Both chats against servers that others wrote. ``make live`` installs them below var/peers; see the Makefile.

What a peer does not model is named beside its test: nothing here says that Slack or Telegram would take it.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
import structlog
from slack_sdk.signature import SignatureVerifier

from actions.policy import People
from agents.incident.errors import BadInput
from agents.incident.lifecycle import ActionState
from bot.journal import runs
from bot.surfaces.ports import Button, Lane, Message
from bot.surfaces.slack.surface import SlackChat
from tests.builders import ask
from tests.chats.conftest import Receiver, until
from tests.chats.platforms import PREFIX, buttons
from tests.page import scenes

pytestmark = pytest.mark.live

PEERS = Path(__file__).parents[2] / "var" / "peers"
PYTHON = PEERS / "bin" / "python"
TELEGRAM = PEERS / "bin" / "lo-bot-api-emulator"
NODE = PEERS / "node_modules" / ".bin" / "node"
EMULATE = PEERS / "node_modules" / "emulate" / "dist" / "index.js"
BACKLOT = PEERS / "bin" / "backlot"


def needs(*files: Path, what: str) -> None:
    if not all(f.exists() for f in files):
        pytest.fail(f"{what} is not installed in {PEERS}; make live installs it")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def program(folder: Path, words: Sequence[str | Path], port: int) -> Iterator[str]:
    """A peer on loopback, ended with everything it started."""
    log = folder / f"peer-{port}.log"
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "BACKLOT_TELEMETRY": "0", "DO_NOT_TRACK": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(w) for w in words], env=env, cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(url, timeout=5).status_code > 0
            return False

        until(answers, f"{words[0]} does not answer", 60)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


class Wire:
    """Passes requests on to a peer as they are, and remembers what was asked and answered."""

    def __init__(self, peer: str) -> None:
        self.said: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        client = httpx.Client(base_url=peer, timeout=90)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                keep = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
                try:
                    answer = client.request(self.command, self.path, content=body, headers=keep)
                except (httpx.HTTPError, RuntimeError):  # the peer has ended, or this has
                    self.close_connection = True
                    return
                outer.note(self.path, self.headers.get("Content-Type", ""), body, answer.content)
                with contextlib.suppress(OSError):
                    self.send_response(answer.status_code)
                    for name in ("Content-Type", "Retry-After"):
                        if name in answer.headers:
                            self.send_header(name, answer.headers[name])
                    self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)

            do_GET = do_POST = _pass  # noqa: N815  # the names are http.server's

            def log_message(self, *_: object) -> None:
                pass

        self._client = client
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def note(self, path: str, kind: str, body: bytes, answer: bytes) -> None:
        """One call."""
        given: dict[str, Any] = {}
        if kind.startswith("application/json"):
            given = json.loads(body)
        elif kind.startswith("application/x-www-form-urlencoded"):
            given = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        try:
            told = json.loads(answer)
        except ValueError:
            told = {}
        self.said.append((path.partition("?")[0].rpartition("/")[2], given, told))

    def calls(self, method: str) -> list[dict[str, Any]]:
        """What this method was given when the peer took it, oldest first."""
        return [given for name, given, told in self.said if name == method and told.get("ok")]

    def refused(self) -> dict[str, str]:
        """What the peer did not take, by method."""
        return {n: str(t.get("description") or t.get("error") or t) for n, _, t in self.said if not t.get("ok")}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()


@contextlib.contextmanager
def receiving(
    folder: Path, journal_url: str, surface: str, account: str, settings: dict[str, str]
) -> Iterator[Receiver]:
    """The real receiver with one chat; Ana may approve."""
    config = folder / "config"
    config.mkdir()
    ana = {"name": "Ana", "roles": ["approver", "lead"], "accounts": {surface: [account]}}
    (config / "people.yaml").write_text(json.dumps({"schema": 1, "people": {"ana": ana}}))
    (config / "services.yaml").write_text('{"schema": 1, "services": {"checkout": {"environment": "demo"}}}')
    (config / "sources.yaml").write_text("schema: 1\nsources: {}\n")
    receiver = Receiver(
        folder, journal_url, {PREFIX + f"{surface.upper()}__{name}": value for name, value in settings.items()}
    )
    try:
        receiver.start(**{PREFIX + "TELEGRAM__WEBHOOK_URL": receiver.url})
        yield receiver
    finally:
        receiver.stop()


def state(receiver: Receiver, run_id: Any) -> ActionState:
    with receiver.journal.read() as tx:
        return runs.view(tx, run_id).state


# --- Telegram: lo-bot-api-emulator ---------------------------------------------------------------------------
# It has no getChat, getChatMember, usernames, topics, link_preview_options, coloured buttons or ForceReply, does
# not read HTML and keeps no messages. What it was given is read from the wire.

BOT = 7
TOKEN = f"{BOT}:AAE-a-token-that-is-none-0123456789012"
CHAT, ANA, SECRET = -100200, 1001, "a-secret-of-the-webhook"


@pytest.fixture(name="bot_api")
def _bot_api(tmp_path: Path) -> Iterator[Wire]:
    needs(PYTHON, TELEGRAM, what="lo-bot-api-emulator")
    port = free_port()
    words: list[str | Path] = [
        PYTHON,
        TELEGRAM,
        "--port",
        str(port),
        "--enable-control",
        "--allow-insecure-loopback-webhooks",
    ]
    with program(tmp_path, words, port) as url:
        wire = Wire(url)
        yield wire
        wire.close()


def keys(call: Mapping[str, Any]) -> dict[str, str]:
    """The buttons of a message that was sent."""
    rows = json.loads(call.get("reply_markup") or "{}").get("inline_keyboard", [])
    return {key["text"]: key.get("callback_data", "") for row in rows for key in row}


def sent(wire: Wire, label: str) -> tuple[int, dict[str, Any]] | None:
    """The newest message with this button, and its number."""
    for name, given, told in reversed(wire.said):
        if name == "sendMessage" and told.get("ok") and label in keys(given):
            return told["result"]["message_id"], given
    return None


def press_in_telegram(wire: Wire, label: str) -> None:
    number, given = sent(wire, label) or (0, {})
    group = {"id": CHAT, "type": "supergroup", "title": "Incidents"}
    me = {"id": BOT, "is_bot": True, "first_name": "Fixture"}
    shown = {
        "message_id": number,
        "date": int(time.time()),
        "chat": group,
        "from": me,
        "text": given["text"],
        "reply_markup": json.loads(given["reply_markup"]),
    }
    query = {
        "id": str(time.time_ns()),
        "from": {"id": ANA, "is_bot": False, "first_name": "Ana"},
        "chat_instance": "1",
        "message": shown,
        "data": keys(given)[label],
    }
    answer = httpx.post(
        wire.url + "/__fixture/updates", json={"token": TOKEN, "update": {"callback_query": query}}, timeout=10
    )
    assert answer.is_success, answer.text


@pytest.mark.parametrize("mode", ["polling", "webhook"])
@pytest.mark.parametrize(
    ("label", "answer", "ends"),
    [("Approve", "Approved by you", "READY"), ("Reject", "Rejected by you", "REJECTED")],
)
def test_telegram_a_press_is_answered_and_the_card_turns(
    bot_api: Wire, sqlite_url: str, tmp_path: Path, mode: str, label: str, answer: str, ends: str
):
    settings = {"TOKEN": TOKEN, "CHAT": str(CHAT), "API_URL": bot_api.url, "MODE": mode}
    if mode == "polling":  # a webhook of somebody else, which has to go
        old = {"url": "https://other.example/hook"}
        assert httpx.post(f"{bot_api.url}/bot{TOKEN}/setWebhook", json=old).json()["ok"]
    else:
        settings["WEBHOOK_SECRET"] = SECRET
    with receiving(tmp_path, sqlite_url, "telegram", str(ANA), settings) as receiver:
        question = ask(receiver.journal)
        number, card = until(lambda: sent(bot_api, label), receiver.logged())
        assert len(card["text"]) <= 4096
        until(lambda: bot_api.calls("deleteWebhook" if mode == "polling" else "setWebhook"), receiver.logged())
        press_in_telegram(bot_api, label)

        popped = until(lambda: bot_api.calls("answerCallbackQuery"), receiver.logged())
        assert answer in popped[-1]["text"]
        assert state(receiver, question.run_id) is ActionState[ends]

        def turned() -> bool:
            edits = [e for e in bot_api.calls("editMessageText") if int(e["message_id"]) == number]
            return bool(edits) and label not in keys(edits[-1]) and "by “<code>Ana" in edits[-1]["text"]

        until(turned, receiver.logged())
        assert TOKEN not in receiver.logged()
        if mode == "polling":
            info = httpx.post(f"{bot_api.url}/bot{TOKEN}/getWebhookInfo").json()["result"]
            assert info["url"] == ""
        else:
            assert bot_api.calls("setWebhook")[-1]["secret_token"] == SECRET
            assert not bot_api.calls("getUpdates")
            forged = httpx.post(
                receiver.url + "/v1/chat/telegram",
                json={"update_id": 1},
                headers={"X-Telegram-Bot-Api-Secret-Token": "wrong"},
            )
            assert forged.status_code == 401


def test_telegram_a_picture_is_taken_below_its_card(bot_api: Wire, sqlite_url: str, tmp_path: Path):
    settings = {"TOKEN": TOKEN, "CHAT": str(CHAT), "API_URL": bot_api.url}
    with receiving(tmp_path, sqlite_url, "telegram", str(ANA), settings) as receiver:
        scenes.asked(receiver.journal)
        photo = until(
            lambda: [t for n, _, t in bot_api.said if n == "sendPhoto" and t.get("ok")], receiver.logged()
        )
        assert photo[0]["result"]["photo"]


# --- Slack: emulate ------------------------------------------------------------------------------------------
# It has no interactions, commands or Socket Mode: presses are requests of our own, signed as Slack signs them.
# Reads go by POST only, any unknown token is its administrator, blocks are not checked, messages carry no bot_id,
# and what only one person sees cannot be read back: that is read from the wire.

SLACK_BOT, SLACK_TOKEN, SIGNING = "U000000009", "xoxb-of-the-peer", "a-signing-secret"
ANAS_TOKEN = "xoxp-of-ana"
SEED = {
    "slack": {
        "users": [{"name": "ana"}],
        "channels": [{"name": "incidents"}],
        "strict_scopes": True,
        "oauth_apps": [
            {
                "client_id": "1.2",
                "client_secret": "none",
                "app_id": "A000000001",
                "name": "firstresponder",
                "redirect_uris": [],
                "bot_id": "B000000009",
                "bot_user_id": SLACK_BOT,
            }
        ],
        "tokens": [
            {
                "token": SLACK_TOKEN,
                "type": "bot",
                "user_id": SLACK_BOT,
                "bot_id": "B000000009",
                "app_id": "A000000001",
                # What config/slack asks for, and no more.
                "scopes": [
                    "channels:history",
                    "channels:read",
                    "chat:write",
                    "files:write",
                    "im:history",
                    "im:write",
                ],
            },
            {"token": ANAS_TOKEN, "user": "ana"},
        ],
    }
}


class Workspace:
    """The emulator as Ana sees it."""

    def __init__(self, peer: str) -> None:
        self.peer, self.wire = peer, Wire(peer)
        self.ana = str(self.ask("auth.test")["user_id"])
        found = {c["name"]: str(c["id"]) for c in self.ask("conversations.list")["channels"]}
        self.channel = found["incidents"]

    def ask(self, method: str, token: str = ANAS_TOKEN, **given: str) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.peer}/api/{method}", data=given, headers={"Authorization": f"Bearer {token}"}, timeout=10
        ).json()
        assert answer["ok"], (method, answer)
        return dict(answer)

    def invite(self) -> None:
        self.ask("conversations.invite", channel=self.channel, users=SLACK_BOT)

    def messages(self) -> list[dict[str, Any]]:
        """What stands in the channel, oldest first."""
        return list(reversed(self.ask("conversations.history", channel=self.channel)["messages"]))

    def below(self, ts: str) -> list[dict[str, Any]]:
        return [
            m for m in self.ask("conversations.replies", channel=self.channel, ts=ts)["messages"] if m["ts"] != ts
        ]

    def everything(self) -> list[dict[str, Any]]:
        return [m for root in self.messages() for m in (root, *self.below(root["ts"]))]

    def with_button(self, label: str) -> dict[str, Any] | None:
        return next((m for m in reversed(self.everything()) if label in buttons(m)), None)

    def settings(self) -> dict[str, str]:
        return {
            "BOT_TOKEN": SLACK_TOKEN,
            "SIGNING_SECRET": SIGNING,
            "MODE": "http",
            "CHANNEL": self.channel,
            "API_URL": self.wire.url + "/api/",
        }

    def press(self, receiver: Receiver, label: str, secret: str = SIGNING) -> httpx.Response:
        """A press as Slack delivers it, with a trigger that this peer knows."""
        message = self.with_button(label)
        assert message is not None
        trigger = self.ask("views.generateTriggerId", token=SLACK_TOKEN, user_id=self.ana)["trigger_id"]
        element = {"type": "button", "action_id": "press", "block_id": "b", "action_ts": f"{time.time():.6f}"}
        payload = {
            "type": "block_actions",
            "user": {"id": self.ana, "team_id": "T000000001"},
            "team": {"id": "T000000001"},
            "trigger_id": trigger,
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": self.channel},
            "channel": {"id": self.channel, "name": "incidents"},
            "message": {"ts": message["ts"], "thread_ts": message.get("thread_ts") or message["ts"]},
            "actions": [element | {"value": buttons(message)[label]}],
        }
        body = urlencode({"payload": json.dumps(payload)})
        at = str(int(time.time()))
        signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
        assert signature is not None
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": signature,
        }
        return httpx.post(receiver.url + "/v1/chat/slack", content=body, headers=headers, timeout=10)


@pytest.fixture(name="workspace")
def _workspace(tmp_path: Path) -> Iterator[Workspace]:
    needs(NODE, EMULATE, what="emulate")
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    port = free_port()
    words: list[str | Path] = [
        NODE,
        EMULATE,
        "start",
        "--service",
        "slack",
        "--port",
        str(port),
        "--seed",
        tmp_path / "seed.json",
    ]
    with program(tmp_path, words, port) as url:
        workspace = Workspace(url)
        yield workspace
        workspace.wire.close()


@pytest.mark.parametrize(
    ("label", "answer", "ends"),
    [("Approve", "Approved by you", "READY"), ("Reject", "Rejected by you", "REJECTED")],
)
def test_slack_a_signed_press_is_answered_and_the_card_turns(
    workspace: Workspace, sqlite_url: str, tmp_path: Path, label: str, answer: str, ends: str
):
    workspace.invite()
    with receiving(tmp_path, sqlite_url, "slack", workspace.ana, workspace.settings()) as receiver:
        question = ask(receiver.journal)
        card = until(lambda: workspace.with_button(label), receiver.logged())
        until(lambda: "chat.listening" in receiver.logged(), receiver.logged())
        assert workspace.press(receiver, label, secret="another").status_code == 401
        assert state(receiver, question.run_id) is ActionState.AWAITING_APPROVAL
        assert workspace.press(receiver, label).status_code == 200

        told = until(lambda: workspace.wire.calls("chat.postEphemeral"), receiver.logged())[-1]
        assert told["user"] == workspace.ana
        assert answer in json.dumps(told, ensure_ascii=False)
        assert state(receiver, question.run_id) is ActionState[ends]
        until(lambda: workspace.with_button(label) is None, receiver.logged())

        def turned() -> bool:
            now = next(m for m in workspace.everything() if m["ts"] == card["ts"])
            return "edited" in now and "by “Ana”" in json.dumps(now, ensure_ascii=False).replace("`", "")

        until(turned, receiver.logged())
        if label == "Reject":
            assert workspace.wire.calls("views.open")  # why, if they like
        refused = workspace.wire.refused()
        assert set(refused) <= {"conversations.info"}, refused  # by GET; by POST it is there
        assert SLACK_TOKEN not in receiver.logged()


def test_slack_a_picture_is_uploaded_into_the_thread(workspace: Workspace, sqlite_url: str, tmp_path: Path):
    workspace.invite()
    with receiving(tmp_path, sqlite_url, "slack", workspace.ana, workspace.settings()) as receiver:
        scenes.asked(receiver.journal)

        def shared() -> list[dict[str, Any]]:
            return [m for m in workspace.everything() if m.get("files")]

        [message] = until(shared, receiver.logged())
        assert message["thread_ts"] in {m["ts"] for m in workspace.messages()}
        assert message["files"][0]["mimetype"] == "image/png"


def test_slack_what_was_posted_is_found_again(workspace: Workspace):
    workspace.invite()

    async def work() -> None:
        chat = SlackChat(
            bot_token=SLACK_TOKEN,
            api_url=workspace.wire.url + "/api/",
            signing_secret=SIGNING,
            channel=workspace.channel,
            mode="http",
            people=lambda: People(people=()),
            log=structlog.get_logger(),
        )
        try:
            await chat.start()
            root = await chat.post(Message(key="INC_1/root", lane=Lane.ROOT, headline="One", lines=("x",)), None)
            press = Button(label="Approve", data="a:1:2", style="primary")
            reply = await chat.post(
                Message(
                    key="INC_1/ask", lane=Lane.ASK, headline="Two", lines=("y",), buttons=(press,), below=True
                ),
                root,
            )
            assert await chat.find("INC_1/root", None) == root
            assert await chat.find("INC_1/ask", root) == reply
            assert await chat.find("INC_2/root", root) is None
            await chat.detail(root, ["12:00 something"])
            assert len(workspace.below(root.partition(":")[2])) == 2
        finally:
            await chat.close()

    asyncio.run(work())


def test_slack_a_channel_without_the_bot_is_named(workspace: Workspace, sqlite_url: str, tmp_path: Path):
    with receiving(tmp_path, sqlite_url, "slack", workspace.ana, workspace.settings()) as receiver:
        until(lambda: "the bot is not in the channel" in receiver.logged(), receiver.logged())
        assert "/invite @firstresponder" in receiver.logged()


# --- Slack: backlot ------------------------------------------------------------------------------------------
# It only reads, and is strict about who does. It reports to its makers unless told not to.


@pytest.fixture(scope="module", name="backlot")
def _backlot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needs(PYTHON, BACKLOT, what="backlot")
    folder = tmp_path_factory.mktemp("backlot")
    corpus = ["--data-dir", str(folder / "data")]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "BACKLOT_TELEMETRY": "0"}
    subprocess.run(
        [str(PYTHON), str(BACKLOT), "import", "--bundled", *corpus], env=env, check=True, capture_output=True
    )
    port = free_port()
    words: list[str | Path] = [PYTHON, BACKLOT, "serve", "--disable-telemetry", "--port", str(port), *corpus]
    with program(folder, words, port) as url:
        yield url


async def started(backlot: str, token: str, channel: str) -> None:
    chat = SlackChat(
        bot_token=token,
        api_url=f"{backlot}/slack/api/",
        signing_secret=SIGNING,
        channel=channel,
        mode="http",
        people=lambda: People(people=()),
        log=structlog.get_logger(),
    )
    try:
        await chat.start()
    finally:
        await chat.close()


def test_slack_tokens_and_channels_are_proven_at_the_start(backlot: str):
    who = httpx.get(f"{backlot}/_meta/users").json()["users"][0]["token"]
    rooms = httpx.get(
        f"{backlot}/slack/api/conversations.list", headers={"Authorization": f"Bearer {who}"}
    ).json()["channels"]
    inside = {bool(c["is_member"]): str(c["id"]) for c in rooms}
    asyncio.run(started(backlot, who, inside[True]))
    for token, channel, told in (
        ("xoxb-wrong", inside[True], "Slack refuses FIRSTRESPONDER_SLACK__BOT_TOKEN (invalid_auth)"),
        (who, "C0NOWHERE", "CHANNEL: no channel C0NOWHERE is there"),
        (who, "#general", "'#general' is no channel's id"),
    ):
        with pytest.raises(BadInput) as error:
            asyncio.run(started(backlot, token, channel))
        assert told in str(error.value)
        assert token not in str(error.value)


def test_slack_a_refused_token_is_said_in_the_log(backlot: str, sqlite_url: str, tmp_path: Path):
    settings = {
        "BOT_TOKEN": "xoxb-wrong",
        "SIGNING_SECRET": SIGNING,
        "MODE": "http",
        "CHANNEL": "C0NOWHERE",
        "API_URL": f"{backlot}/slack/api/",
    }
    with receiving(tmp_path, sqlite_url, "slack", "U0ANA", settings) as receiver:
        until(lambda: "(invalid_auth)" in receiver.logged(), receiver.logged())
        assert "FIRSTRESPONDER_SLACK__BOT_TOKEN" in receiver.logged()
        assert "xoxb-wrong" not in receiver.logged()
