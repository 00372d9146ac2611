"""What the Slack stub remembers: places, people, messages, views, files, and what was delivered to the app."""

import itertools
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.stubs.common import Json, Log, Rates
from tests.stubs.slack.blocks import mentions, texts
from tests.stubs.slack.limits import Limits

TEAM, ENTERPRISE, APP, BOT, BOT_USER = "T0STUB", "E0STUB", "A0STUB", "B0STUB", "U0STUBBOT"
SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "users:read",
)


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel, or a direct conversation with one user."""

    id: str
    name: str
    is_member: bool = True
    is_private: bool = False
    is_archived: bool = False
    is_im: bool = False
    is_ext_shared: bool = False
    user: str | None = None

    def public(self) -> Json:
        """As ``conversations.info`` shows it."""
        if self.is_im:
            return {"id": self.id, "is_im": True, "user": self.user, "is_archived": False, "created": 1}
        return {
            "id": self.id,
            "name": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_member": self.is_member,
            "is_ext_shared": self.is_ext_shared,
            "is_shared": self.is_ext_shared,
            "context_team_id": TEAM,
            "created": 1,
        }


@dataclass(slots=True, kw_only=True)
class User:
    """A person, a bot, or somebody of another company."""

    id: str
    name: str = ""
    team_id: str = TEAM
    is_bot: bool = False
    deleted: bool = False

    def public(self) -> Json:
        """As ``users.info`` shows it. https://api.slack.com/methods/users.info"""
        shown = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.name,
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "profile": {"real_name": self.name, "display_name": self.name},
        }
        return shown if self.team_id == TEAM else {**shown, "is_stranger": True}


@dataclass(slots=True, kw_only=True)
class Message:
    """One message, with what it said before."""

    channel: str
    ts: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    user: str = BOT_USER
    bot_id: str | None = BOT
    metadata: Json | None = None
    files: list[Json] = field(default_factory=list)
    ephemeral_to: str | None = None
    deleted: bool = False
    unfurl_links: Any = None
    unfurl_media: Any = None
    reply_broadcast: bool = False
    edits: list[Json] = field(default_factory=list)
    at: float = field(default_factory=time.time)

    def public(self, *, metadata: bool = False) -> Json:
        """As Slack's own answers show it."""
        shown: Json = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": TEAM}
        if self.bot_id:
            shown |= {"bot_id": self.bot_id, "app_id": APP}
        shown |= {k: v for k, v in (("thread_ts", self.thread_ts), ("blocks", self.blocks)) if v}
        if self.files:
            shown["files"] = self.files
        if self.edits:
            shown["edited"] = {"user": self.user, "ts": self.edits[-1]["ts"]}
        if metadata and self.metadata:
            shown["metadata"] = self.metadata
        return shown

    def record(self) -> Json:
        """Everything, for whoever tests."""
        return {**asdict(self), "mentions": [m for t in (self.text, *texts(self.blocks)) for m in mentions(t)]}


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Something that happened in Slack and is told to the app, with every attempt."""

    id: str
    kind: str
    payload: Json
    via: str
    url: str | None = None
    attempts: list[Json] = field(default_factory=list)
    acked: bool = False
    latency: float | None = None
    """Seconds from sending to the acknowledgement, of the attempt that was acknowledged first."""
    within_3s: bool = False
    response: Any = None
    """What came with the acknowledgement: a message, a response action of a view, or the HTTP body."""
    status: int | None = None


class State:
    """One workspace with one app."""

    def __init__(self, bot_token: str, app_token: str, signing_secret: str) -> None:
        """A workspace with a few places and people; control adds others."""
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.base = ""
        self.log = Log()
        self.clear()

    def clear(self) -> None:
        """As at the start; sockets stay."""
        self.limits = Limits()
        self.log.clear()
        self.rates = Rates()
        self.scopes: tuple[str, ...] = SCOPES
        self.auth_error: str | None = None
        self.org_install = False
        self.transport: dict[str, str] = {}
        self.channels: dict[str, Channel] = {
            c.id: c
            for c in (
                Channel(id="C0INCIDENTS", name="incidents"),
                Channel(id="C0OPS", name="ops"),
                Channel(id="C0OTHER", name="other", is_member=False),
                Channel(id="C0SECRET", name="secret", is_member=False, is_private=True),
            )
        }
        self.users: dict[str, User] = {
            u.id: u
            for u in (
                User(id="U0ANA", name="ana"),
                User(id="U0BEN", name="ben"),
                User(id="U0CAT", name="cat"),
                User(id=BOT_USER, name="firstresponder", is_bot=True),
                User(id="W0FOREIGN", name="foreign", team_id="T0FOREIGN"),
            )
        }
        self.messages: list[Message] = []
        self.views: dict[str, Json] = {}
        self.files: dict[str, Json] = {}
        self.contents: dict[str, bytes] = {}
        self.triggers: dict[str, Json] = {}
        self.response_urls: dict[str, Json] = {}
        self.deliveries: dict[str, Delivery] = {}
        self._ids = itertools.count(1)
        self._last_ts = 0

    def new_id(self, prefix: str) -> str:
        """A new identifier."""
        return f"{prefix}{next(self._ids):08d}"

    def new_ts(self) -> str:
        """A timestamp that no message has yet."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1_000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def message(self, channel: str, ts: str) -> Message | None:
        """The message everybody sees at this place; not an ephemeral one."""
        for message in reversed(self.messages):
            if message.channel == channel and message.ts == ts:
                return None if message.deleted or message.ephemeral_to else message
        return None

    def direct(self, user: str) -> Channel:
        """The conversation with one user, opened when there is none."""
        for channel in self.channels.values():
            if channel.is_im and channel.user == user:
                return channel
        channel = Channel(id=self.new_id("D"), name="", is_im=True, user=user)
        self.channels[channel.id] = channel
        return channel

    def person(self, user: str, team: str | None = None, *, is_bot: bool = False) -> User:
        """A user, made when unknown. A foreign team or being a bot stays with them."""
        known = self.users.setdefault(user, User(id=user, name=user.lower()))
        if team is not None:
            known.team_id = team
        if is_bot:
            known.is_bot = True
        return known
