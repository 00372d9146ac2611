"""A stored update → what it means for the bot, and whether whoever sent it can be held to it. Pure.

https://core.telegram.org/bots/api#update
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from telegram import CallbackQuery, InlineKeyboardMarkup, Message, Update, User
from telegram.constants import ZERO_DATE, ChatType

from agents.incident.errors import BadInput
from bot.surfaces.ports import Asker, Incoming, Pressed, Reasoned, Typed
from bot.surfaces.telegram.confirm import TURNS
from bot.surfaces.telegram.render import NAME, asked
from bot.surfaces.telegram.text import JOINER

UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, OverflowError, OSError, RecursionError)
_COMMAND = re.compile(r"/(?P<verb>[A-Za-z0-9_]{1,32})(?:@(?P<bot>[A-Za-z0-9_]+))?(?=\s|$)")

BOT = "bots may neither ask nor decide"
HIDDEN = "whoever writes as a group or a channel cannot be told from others; switch “Remain anonymous” off"
NOT_OURS = "this button is not on a message of mine"
COPY = "this button is on a forwarded copy; press the original"
OLD = "the message of this button is gone or too old to be checked; ask for what waits with /approvals"
NOT_TYPED = "a forwarded message is not your own word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who the bot is; ``username`` is empty until Telegram told it."""

    id: int
    username: str = ""

    @classmethod
    def of(cls, token: str) -> Self:
        """As far as the token tells."""
        number = token.partition(":")[0]
        return cls(id=int(number) if number.isdecimal() else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A message by its place. As text it ends so that no reference is the beginning of another."""

    chat: str
    message: int
    topic: int | None = None

    def __str__(self) -> str:
        return f"{self.chat}:{self.message}:{self.topic or ''}"

    @classmethod
    def of(cls, text: str) -> Self:
        """From what a surface returned."""
        chat, number, topic = (*text.split(":"), "", "")[:3]
        if not number.isdecimal():
            raise BadInput(f"{text[:80]!r} is no reference of a Telegram message")
        return cls(chat=chat, message=int(number), topic=int(topic) if topic.isdecimal() else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A press that only asks once more, or takes that back: it changes the keyboard and nothing else."""

    asker: Asker
    data: str
    keyboard: InlineKeyboardMarkup | None = field(compare=False, default=None)


def read(body: bytes, me: Me, known: Collection[str]) -> Incoming | None:
    """What an update asks of the bot. *known* are the verbs that need no ``@name`` in a group."""
    update = parsed(body)
    try:
        query, message = update.callback_query, update.message or update.channel_post
        if query is not None and query.data is not None and not query.data.startswith(TURNS):
            return Pressed(asker=_presser(query, me), data=query.data)
        return _said(message, me, known) if message is not None else None
    except UNREADABLE as error:  # the library does not look into what it takes
        raise BadInput(f"an update of Telegram has a part of the wrong kind: {error}"[:300]) from error


def is_press(body: bytes) -> bool:
    """Whether an update is an ordinary press: one that asks nothing of the keyboard it stands on.

    Told without the library, whose reading of an update costs more than all else that is done for a press.
    """
    try:
        data = json.loads(body)["callback_query"]["data"]
    except UNREADABLE:
        return False
    return isinstance(data, str) and not data.startswith(TURNS)


def turn(update: Update, me: Me) -> Turn | None:
    """A press of a button that asks once more."""
    query = update.callback_query
    if query is None or not isinstance(query.data, str) or not query.data.startswith(TURNS):
        return None
    shown = query.message
    keyboard = shown.reply_markup if isinstance(shown, Message) else None
    try:
        return Turn(asker=_presser(query, me), data=query.data, keyboard=keyboard)
    except UNREADABLE as error:
        raise BadInput(f"a press has a part of the wrong kind: {error}"[:300]) from error


def parsed(body: bytes) -> Update:
    """BadInput when it is no update."""
    try:
        data: Any = json.loads(body)
        if not isinstance(data, dict) or not isinstance(data.get("update_id"), int):
            raise BadInput("a delivery of Telegram is not an update: it has no update_id")
        return Update.de_json(data, None)
    except UNREADABLE as error:
        raise BadInput(f"an update of Telegram cannot be read: {type(error).__name__}: {error}"[:300]) from error


def _presser(query: CallbackQuery, me: Me) -> Asker:
    shown = query.message
    chat = shown.chat if shown is not None else None
    return Asker(
        surface=NAME,
        account=str(query.from_user.id),
        place=str(chat.id) if chat is not None else "",
        private=chat is not None and chat.type == ChatType.PRIVATE,
        thread=_thread(shown, me) if isinstance(shown, Message) else "",
        message=str(shown.message_id) if shown is not None else "",
        query=query.id,
        trusted=not (why := _no_press(query, me)),
        why_not=why,
        extra=_topic(shown) if isinstance(shown, Message) else {},
    )


def _no_press(query: CallbackQuery, me: Me) -> str:
    """Why a press counts for nothing, if so."""
    if query.from_user.is_bot:
        return BOT
    if query.message is None:
        return NOT_OURS
    if not isinstance(query.message, Message) or query.message.date == ZERO_DATE:
        return OLD  # https://core.telegram.org/bots/api#inaccessiblemessage
    if query.message.forward_origin is not None:
        return COPY
    if query.message.from_user is None or query.message.from_user.id != me.id:
        return NOT_OURS
    return ""


def _said(message: Message, me: Me, known: Collection[str]) -> Incoming | None:
    text = (message.text or "").replace(JOINER, "").strip()
    private = message.chat.type == ChatType.PRIVATE
    if not text:
        return None
    command = _COMMAND.match(text)
    asker = _writer(message, me, private)
    if command is not None:
        named = command["bot"]
        if named is not None and named.lower() != me.username.lower():
            return None
        if named is None and not private and command["verb"].lower() not in known:
            return None  # another bot's, or nobody's
        return Typed(asker=asker, text=f"{command['verb']}{text[command.end() :]}".strip())
    approval_id = _question(message.reply_to_message, me)
    if approval_id is not None:
        return Reasoned(asker=asker, approval_id=approval_id, text=text)
    meant = _addressed(text, message, me, private)
    return Typed(asker=asker, text=meant) if meant is not None else None


def _question(replied: Message | None, me: Me) -> Any:
    """The approval after whose reason the bot itself asked in *replied*."""
    if replied is None or replied.forward_origin is not None or not _is(replied.from_user, me):
        return None
    return asked(replied.text or "")


def _is(user: User | None, me: Me) -> bool:
    return user is not None and user.id == me.id


def _addressed(text: str, message: Message, me: Me, private: bool) -> str | None:
    """The words to the bot: all of a private message, else what stands behind or before its name."""
    named = f"@{me.username.lower()}"
    words = text.split()
    if me.username and words[0].lower().rstrip(",:") == named:
        return " ".join(words[1:])
    if me.username and words[-1].lower().rstrip("?.!") == named:
        return " ".join(words[:-1])
    entity = next((e for e in message.entities if _is(e.user, me)), None)
    if entity is not None and entity.offset == 0:
        return (message.text or "")[entity.length :].strip()
    return text if private else None


def _writer(message: Message, me: Me, private: bool) -> Asker:
    user = message.from_user
    why = ""
    if message.sender_chat is not None or user is None:
        why = HIDDEN
    elif user.is_bot or message.via_bot is not None:
        why = BOT
    elif message.forward_origin is not None:
        why = NOT_TYPED
    account = user.id if user is not None else message.sender_chat.id if message.sender_chat is not None else ""
    return Asker(
        surface=NAME,
        account=str(account),
        place=str(message.chat.id),
        private=private,
        thread=_thread(message, me),
        message=str(message.message_id),
        trusted=not why,
        why_not=why,
        extra=_topic(message),
    )


def _topic(message: Message) -> dict[str, str]:
    return {"topic": str(message.message_thread_id)} if message.is_topic_message else {}


def _thread(message: Message, me: Me) -> str:
    """The start of the reference of the message under which this one stands.

    In a forum that is a message of the bot that is replied to: the topic is shared by many incidents. Elsewhere
    ``message_thread_id`` is the number of the message that began the thread.
    """
    replied = message.reply_to_message
    if message.is_topic_message:
        number = replied.message_id if replied is not None and _is(replied.from_user, me) else None
    elif message.message_thread_id is not None:
        number = message.message_thread_id
    else:
        number = replied.message_id if replied is not None else None
    if number is None and _is(message.from_user, me):
        number = message.message_id
    return f"{message.chat.id}:{number}:" if number is not None else ""
