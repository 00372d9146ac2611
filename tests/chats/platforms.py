"""What a person sees and does on a platform, said once for both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.stubs.client import SlackStub, TelegramStub

PREFIX = "FIRSTRESPONDER_"
SLACK_CHANNEL = "C0INCIDENTS"
TELEGRAM_CHAT = "-100200"


class Platform(Protocol):
    """A stub with a person in front of it."""

    name: str

    def settings(self) -> dict[str, str]:
        """What the receiver needs to reach it."""

    def account(self) -> str:
        """The person's, as people.yaml has it."""

    def texts(self) -> list[str]:
        """Everything that stands in the channel now, newest last."""

    def press(self, label: str, *, account: str = "", wait: float = 5) -> str:
        """Press the newest button of this label; the private answer."""

    def say(self, text: str, *, account: str = "") -> None:
        """A command in the channel."""

    def has(self, label: str) -> bool:
        """Whether a button of this label can be pressed."""

    def stranger(self) -> str:
        """The account of somebody on the platform whom people.yaml does not know."""

    def violations(self) -> list[object]:
        """Rules of the vendor's documentation that were broken."""

    def stop(self) -> None:
        """End the stub."""


def _slack_text(message: Mapping[str, Any]) -> str:
    out = [str(message.get("text", ""))]

    def walk(node: Any) -> None:
        if isinstance(node, Mapping):
            if isinstance(node.get("text"), str):
                out.append(node["text"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(message.get("blocks", []))
    return "\n".join(out)


def buttons(message: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(node: Any) -> None:
        if isinstance(node, Mapping):
            if node.get("type") == "button" and node.get("value"):
                found[str(node["text"]["text"])] = str(node["value"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(message.get("blocks", []))
    return found


@dataclass(slots=True)
class Slack:
    """The Slack stub, Socket Mode."""

    stub: SlackStub
    name: str = "slack"

    def settings(self) -> dict[str, str]:
        return {
            PREFIX + "SLACK__BOT_TOKEN": "xoxb-stub",
            PREFIX + "SLACK__APP_TOKEN": "xapp-stub",
            PREFIX + "SLACK__CHANNEL": SLACK_CHANNEL,
            PREFIX + "SLACK__API_URL": self.stub.api_url,
        }

    def account(self) -> str:
        return "U0ANA"

    def messages(self) -> list[Mapping[str, Any]]:
        return [m for m in self.stub.messages() if m.get("channel") == SLACK_CHANNEL]

    def texts(self) -> list[str]:
        return [_slack_text(m) for m in self.messages()]

    def has(self, label: str) -> bool:
        return any(label in buttons(m) for m in self.messages())

    def press(self, label: str, *, account: str = "", wait: float = 5) -> str:
        who = account or self.account()
        before = len(self.stub.ephemerals(who))
        value = [b[label] for m in self.messages() if label in (b := buttons(m))][-1]
        delivery = self.stub.press(user=who, value=value, wait=wait)
        assert delivery["within_3s"], delivery
        self.stub.wait_for(lambda _: len(self.stub.ephemerals(who)) > before, timeout=wait)
        return _slack_text(self.stub.ephemerals(who)[-1])

    def say(self, text: str, *, account: str = "") -> None:
        self.stub.wait_for_sockets(1)
        assert self.stub.command(account or self.account(), "/fr", text, channel=SLACK_CHANNEL)["within_3s"]

    def stranger(self) -> str:
        self.stub.user("U0DAN")
        return "U0DAN"

    def violations(self) -> list[object]:
        return list(self.stub.violations())

    def stop(self) -> None:
        self.stub.stop()


@dataclass(slots=True)
class Telegram:
    """The Telegram stub, polling."""

    stub: TelegramStub
    name: str = "telegram"

    def settings(self) -> dict[str, str]:
        from tests.stubs.telegram import TOKEN

        return {
            PREFIX + "TELEGRAM__TOKEN": TOKEN,
            PREFIX + "TELEGRAM__CHAT": TELEGRAM_CHAT,
            PREFIX + "TELEGRAM__API_URL": self.stub.url,
        }

    def account(self) -> str:
        return "1001"

    def messages(self) -> list[Mapping[str, Any]]:
        return [m for m in self.stub.messages() if str(m["chat_id"]) == TELEGRAM_CHAT and not m["deleted"]]

    def texts(self) -> list[str]:
        return [str(m["text"] or m["caption"] or "") for m in self.messages()]

    def buttons(self, message: Mapping[str, Any]) -> dict[str, str]:
        rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
        return {b["text"]: b["callback_data"] for row in rows for b in row if "callback_data" in b}

    def has(self, label: str) -> bool:
        return any(label in self.buttons(m) for m in self.messages())

    def press(self, label: str, *, account: str = "", wait: float = 5) -> str:
        message = [m for m in self.messages() if label in self.buttons(m)][-1]
        pressed = self.stub.press(
            int(account or self.account()),
            label=label,
            chat_id=int(TELEGRAM_CHAT),
            message_id=message["message_id"],
            wait=wait,
        )
        assert pressed["answered"], pressed
        return str(pressed["answers"][-1].get("text", ""))

    def say(self, text: str, *, account: str = "") -> None:
        self.stub.say(f"/fr {text}", int(account or self.account()), chat_id=int(TELEGRAM_CHAT))

    def stranger(self) -> str:
        self.stub.user(1004)
        return "1004"

    def violations(self) -> list[object]:
        return list(self.stub.violations())

    def stop(self) -> None:
        self.stub.stop()
