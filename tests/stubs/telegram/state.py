"""What the Telegram stub remembers: chats, people, messages, updates not yet confirmed, files."""

import asyncio
import itertools
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.stubs.common import Json, Log, Rates
from tests.stubs.telegram import BOT_ID, BOT_USERNAME
from tests.stubs.telegram.limits import Limits

ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True, kw_only=True)
class Chat:
    """A private chat, a group, a supergroup or a channel."""

    id: int
    type: str = "private"
    title: str | None = None
    username: str | None = None
    first_name: str | None = None
    is_forum: bool = False
    topics: list[int] = field(default_factory=list)
    bot_status: str = "member"
    """creator, administrator, member, restricted, left, kicked, blocked (by the user), stranger (never started)"""
    members: dict[int, str] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    migrated_to: int | None = None

    @property
    def is_group(self) -> bool:
        """Groups and channels have the limit of 20 a minute."""
        return self.type != "private"

    def public(self) -> Json:
        """https://core.telegram.org/bots/api#chat"""
        shown: Json = {"id": self.id, "type": self.type}
        shown |= {k: getattr(self, k) for k in ("title", "username", "first_name") if getattr(self, k)}
        return shown | ({"is_forum": True} if self.is_forum else {})


@dataclass(slots=True, kw_only=True)
class Message:
    """One message, with what it said before."""

    chat_id: int
    message_id: int
    sender: Json
    text: str | None = None
    entities: list[Json] = field(default_factory=list)
    caption: str | None = None
    caption_entities: list[Json] = field(default_factory=list)
    reply_markup: Json | None = None
    thread: int | None = None
    reply_to: int | None = None
    media: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    source: str = ""
    """What was sent, before it was parsed."""
    silent: bool = False
    deleted: bool = False
    edits: list[Json] = field(default_factory=list)
    at: float = field(default_factory=time.time)

    def content(self) -> tuple[Any, ...]:
        """What an edit has to change. https://core.telegram.org/bots/api#editmessagetext"""
        return (self.text, self.entities, self.caption, self.caption_entities, self.reply_markup)

    def record(self) -> Json:
        """Everything, for whoever tests."""
        return asdict(self)


@dataclass(slots=True, kw_only=True)
class Update:
    """Something that happened, until the bot confirmed it."""

    id: int
    kind: str
    body: Json
    at: float = field(default_factory=time.time)
    attempts: int = 0
    delivered_at: float | None = None
    confirmed_at: float | None = None
    expired: bool = False
    errors: list[str] = field(default_factory=list)

    def public(self) -> Json:
        """https://core.telegram.org/bots/api#update"""
        return {"update_id": self.id, self.kind: self.body}


@dataclass(slots=True, kw_only=True)
class Press:
    """A pressed button, and how it was answered."""

    id: str
    update_id: int
    at: float = field(default_factory=time.time)
    monotonic: float = field(default_factory=time.monotonic)
    answers: list[Json] = field(default_factory=list)
    late: int = 0

    @property
    def latency(self) -> float | None:
        """Seconds until the first answer that counted."""
        return self.answers[0]["after"] if self.answers else None


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Where updates go. https://core.telegram.org/bots/api#webhookinfo"""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error_date: int | None = None
    last_error_message: str | None = None


class State:
    """One bot and the chats it is in."""

    def __init__(self, token: str) -> None:
        """A private chat, a group, a forum; control adds others."""
        self.token = token
        self.base = ""
        self.log = Log()
        self.arrived = asyncio.Condition()
        self.poller: asyncio.Event | None = None
        self.clear()

    def clear(self) -> None:
        """As at the start."""
        self.limits = Limits()
        self.log.clear()
        self.rates = Rates()
        self.bot: Json = {
            "id": BOT_ID,
            "is_bot": True,
            "first_name": "firstresponder",
            "username": BOT_USERNAME,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }
        self.users: dict[int, Json] = {
            1001: {"id": 1001, "is_bot": False, "first_name": "Ana", "username": "ana"},
            1002: {"id": 1002, "is_bot": False, "first_name": "Ben", "username": "ben"},
            1003: {"id": 1003, "is_bot": False, "first_name": "Cat"},
        }
        people = dict.fromkeys((1001, 1002, 1003), "member")
        self.chats: dict[int, Chat] = {
            c.id: c
            for c in (
                Chat(id=1001, first_name="Ana", username="ana", members={1001: "member"}),
                Chat(id=1003, first_name="Cat", bot_status="stranger", members={1003: "member"}),
                Chat(
                    id=-100200,
                    type="supergroup",
                    title="Incidents",
                    members={**people},
                    bot_status="administrator",
                ),
                Chat(
                    id=-100300,
                    type="supergroup",
                    title="Forum",
                    is_forum=True,
                    topics=[10, 20],
                    members={**people},
                    bot_status="administrator",
                ),
                Chat(id=-400, type="group", title="Plain group", members={**people}),
            )
        }
        self.messages: list[Message] = []
        self.updates: list[Update] = []
        self.presses: dict[str, Press] = {}
        self.commands: dict[str, list[Json]] = {}
        self.contents: dict[str, tuple[str, bytes]] = {}
        self.webhook = Webhook()
        self.allowed: list[str] | None = None
        self._update_ids = itertools.count(700_000_001)
        self._message_ids = itertools.count(101)
        self._ids = itertools.count(1)

    def new_id(self, prefix: str = "") -> str:
        """A new identifier."""
        return f"{prefix}{next(self._ids):010d}"

    def new_message_id(self) -> int:
        """A new number of a message."""
        return next(self._message_ids)

    def user(self, number: int, **more: Any) -> Json:
        """A person, made when unknown."""
        known: Json = self.users.setdefault(
            number, {"id": number, "is_bot": False, "first_name": f"User {number}", "username": f"user{number}"}
        )
        known.update({k: v for k, v in more.items() if v is not None})
        return known

    def message(self, chat: int, number: int) -> Message | None:
        """A message that is still there."""
        for message in reversed(self.messages):
            if message.chat_id == chat and message.message_id == number:
                return None if message.deleted else message
        return None

    def public(self, message: Message, *, deep: bool = True) -> Json:
        """https://core.telegram.org/bots/api#message"""
        shown: Json = {
            "message_id": message.message_id,
            "from": message.sender,
            "chat": self.chats[message.chat_id].public(),
            "date": int(message.at),
            **message.media,
            **message.more,
        }
        if message.thread is not None:
            shown["message_thread_id"] = message.thread
            if self.chats[message.chat_id].is_forum:
                shown["is_topic_message"] = True
        if message.edits:
            shown["edit_date"] = int(message.edits[-1]["at"])
        pairs = (("text", "entities"), ("caption", "caption_entities"))
        for name, marks in pairs:
            if getattr(message, name) is not None:
                shown[name] = getattr(message, name)
                if getattr(message, marks):
                    shown[marks] = getattr(message, marks)
        if message.reply_markup and "inline_keyboard" in message.reply_markup:
            shown["reply_markup"] = message.reply_markup
        if deep and message.reply_to is not None:
            replied = self.message(message.chat_id, message.reply_to)
            if replied is not None:
                shown["reply_to_message"] = self.public(replied, deep=False)
        return shown

    async def happened(self, kind: str, body: Json) -> Update | None:
        """An update for the bot, unless it did not ask for this kind. https://core.telegram.org/bots/api#getupdates"""
        wanted = kind not in NOT_BY_DEFAULT if not self.allowed else kind in self.allowed
        if not wanted:
            return None
        update = Update(id=next(self._update_ids), kind=kind, body=body)
        self.updates.append(update)
        async with self.arrived:
            self.arrived.notify_all()
        return update

    def pending(self) -> list[Update]:
        """Not confirmed and not too old."""
        now, waiting = time.time(), []
        for update in self.updates:
            if update.confirmed_at is not None or update.expired:
                continue
            kept = self.limits.presses_kept_s if update.kind == "callback_query" else self.limits.updates_kept_s
            if now - update.at > kept:
                update.expired = True
            else:
                waiting.append(update)
        return waiting
