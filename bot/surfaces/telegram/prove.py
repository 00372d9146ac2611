"""Whether the bot is set up: token, chats, commands, transport. Each complaint names the setting it is about."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from telegram import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
    ChatFullInfo,
    ChatMember,
    ChatMemberRestricted,
)
from telegram.constants import ChatType

from agents.incident.errors import BadInput, Refused, ResponderError
from bot.desk.commands import VERBS
from bot.surfaces.telegram.calls import CHAT, MODE, TOKEN, WEBHOOK_SECRET, WEBHOOK_URL, Calls, Lacks
from bot.surfaces.telegram.listen import ALLOWED, PATH
from bot.surfaces.telegram.read import Me

APART = timedelta(minutes=5)
LATELY = timedelta(minutes=10)
WAITING = 50
"""Updates that wait in Telegram before it is said."""

_CHAT = re.compile(r"(-?\d+)(?:/(\d+))?")


def place(chat: str) -> tuple[str, int | None]:
    """The number of a chat and, after a slash, of a topic of a forum. BadInput when it is neither."""
    found = _CHAT.fullmatch(chat.strip())
    if found is None:
        raise BadInput(
            f"{CHAT} is {chat[:60]!r}, not the number of a chat (-100…, or -100…/TOPIC): "
            "config/telegram/README.md says how to find it"
        )
    return found[1], int(found[2]) if found[2] else None


def address(webhook_url: str) -> str:
    """Where Telegram is to call: the path is ours when only a host is given."""
    parts = urlsplit(webhook_url)
    return webhook_url.rstrip("/") + PATH if parts.path in {"", "/"} else webhook_url


async def me(calls: Calls) -> Me:
    """Who the bot is."""
    user = await calls("getMe", lambda bot: bot.get_me())
    return Me(id=user.id, username=user.username or "")


async def chat(calls: Calls, bot: Me, number: str) -> None:
    """BadInput when the bot cannot post in this chat. A server that cannot say so is taken at the first post."""
    try:
        found = await calls("getChat", lambda b: b.get_chat(int(number)), chat=number)
        if found.type == ChatType.PRIVATE:
            return
        member = await calls("getChatMember", lambda b: b.get_chat_member(int(number), bot.id), chat=number)
    except Lacks:
        return
    except Refused as error:
        raise BadInput(f"chat {number} of {CHAT} cannot be reached ({error}): add the bot to it") from error
    why = _mute(found, member)
    if why:
        raise BadInput(f"chat {number} of {CHAT}: {why}")


def _mute(chat: ChatFullInfo, member: ChatMember) -> str:
    if chat.type == ChatType.CHANNEL:
        return "it is a channel, where nobody who presses can be known; use a group"
    if member.status in {ChatMember.LEFT, ChatMember.BANNED}:
        return "the bot is not in it; add it (Add members, then its @name)"
    if isinstance(member, ChatMemberRestricted) and not (member.is_member and member.can_send_messages):
        return "the bot is restricted there and may not write; lift it, or make it an admin"
    rights = chat.permissions
    if member.status == ChatMember.MEMBER and rights is not None and not rights.can_send_messages:
        return "members may not write there; make the bot an admin, or allow them to"
    return ""


async def commands(calls: Calls, log: Any) -> None:
    """Register what can be typed, so that clients offer it; a bot without it works all the same."""
    groups = [BotCommand(name, verb.says[:256]) for name, verb in VERBS.items() if name not in {"link", "login"}]
    privately = [BotCommand(name, verb.says[:256]) for name, verb in VERBS.items() if verb.private]
    fr = BotCommand("fr", "any of these by its name: /fr why")
    try:
        await calls(
            "setMyCommands", lambda b: b.set_my_commands([*groups, fr], scope=BotCommandScopeDefault()), chat="all"
        )
        await calls(
            "setMyCommands",
            lambda b: b.set_my_commands([*privately, fr], scope=BotCommandScopeAllPrivateChats()),
            chat="private",
        )
    except ResponderError as error:
        log.warning("telegram.commands_not_registered", error=str(error))


async def webhook(calls: Calls, url: str, secret: str) -> None:
    """Have Telegram call us. BadInput when it will not."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
        raise BadInput(f"{WEBHOOK_SECRET} must be 1 to 256 letters, digits, underscores or hyphens")
    try:
        await calls(
            "setWebhook",
            lambda b: b.set_webhook(
                address(url), secret_token=secret, allowed_updates=ALLOWED, drop_pending_updates=False
            ),
        )
    except Refused as error:
        raise BadInput(f"Telegram does not take {WEBHOOK_URL} ({error}): it must be https and public") from error


async def complaints(
    calls: Calls,
    bot: Me,
    chats: Iterable[str],
    *,
    mode: str,
    webhook_url: str,
    conflict_ago: timedelta | None,
) -> Sequence[str]:
    """What is wrong now; empty when all is well."""
    wrong: list[str] = []
    try:
        await me(calls)
    except ResponderError as error:
        return [str(error)]
    for number in chats:
        try:
            await chat(calls, bot, number)
        except ResponderError as error:
            wrong.append(str(error))
    try:
        wrong += await _transport(calls, mode, webhook_url)
    except ResponderError as error:
        wrong.append(str(error))
    if conflict_ago is not None and conflict_ago < LATELY:
        wrong.append(
            f"another poller has this token: seen {conflict_ago.total_seconds():.0f} s ago; stop it, or give this "
            f"one a bot of its own ({TOKEN})"
        )
    if calls.offset is not None and abs(calls.offset) > APART:
        wrong.append(
            f"this machine's clock is {abs(calls.offset).total_seconds():.0f} s off Telegram's; set it (NTP)"
        )
    return wrong


async def _transport(calls: Calls, mode: str, webhook_url: str) -> Iterable[str]:
    info = await calls("getWebhookInfo", lambda b: b.get_webhook_info())
    wrong: list[str] = []
    if mode == "polling" and info.url:
        wrong.append(f"a webhook is set at {urlsplit(info.url).hostname}: polling hears nothing; see {MODE}")
    if mode == "webhook" and info.url != address(webhook_url):
        wrong.append(
            f"Telegram calls {urlsplit(info.url).hostname or 'nobody'}, not this bot; see {MODE}, {WEBHOOK_URL}"
        )
    if info.pending_update_count > WAITING:
        wrong.append(
            f"{info.pending_update_count} updates wait in Telegram: the journal or {WEBHOOK_URL} is behind"
        )
    if mode == "webhook" and info.last_error_date is not None:
        ago = datetime.now(UTC) - info.last_error_date
        if ago < LATELY:
            wrong.append(
                f"Telegram could not deliver {ago.total_seconds():.0f} s ago ({info.last_error_message}); see "
                f"{WEBHOOK_URL} and {WEBHOOK_SECRET}"
            )
    return wrong
