"""Telegram's updates, told for the chat's own door; nothing is opened for them.

https://core.telegram.org/bots/api#update
"""

from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Reading, System, stated, unused

_KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
)


def _who(update: Node, message: Node) -> Mapping[str, object]:
    user = update.at("from") if update.holds("from") else update.at("user")
    chat = update.at("chat") if update.holds("chat") else message.at("chat")
    return stated(
        user_id=user.whole("id"),
        username=user.text("username"),
        chat_id=chat.whole("id"),
        chat_type=chat.text("type"),
        message_id=message.whole("message_id"),
        message_thread_id=message.whole("message_thread_id"),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """Who did what where."""
    number = whole.whole("update_id")
    if number is None:
        raise BadInput(f"{whole.where}: update_id: missing")
    kind = next((name for name in _KINDS if whole.holds(name)), None)
    if kind is None:
        return unused(
            "Telegram", next((name for name in whole.value if name != "update_id"), None), update_id=number
        )
    update = whole.at(kind)
    pressed = kind == "callback_query"
    message = update.at("message") if pressed else update
    about = stated(
        update_id=number,
        update_type=kind,
        text=None if pressed else update.text("text"),
        callback_query_id=update.text("id") if pressed else None,
        callback_data=update.text("data") if pressed else None,
    )
    category = Category.CHAT_INTERACTION if pressed else Category.CHAT_EVENT
    return Reading(category=category, about={**about, **_who(update, message)}, delivery_key=str(number))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its secret's header, or by the number of an update beside its kind."""
    if "x-telegram-bot-api-secret-token" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    numbered = isinstance(fields.get(whole, "update_id"), int)
    return 2 if numbered and any(isinstance(whole.get(kind), Mapping) for kind in _KINDS) else 0


SYSTEM = System(
    name="telegram", title="Telegram", read=reader("a Telegram", _read, exact=True), recognise=_recognise
)
