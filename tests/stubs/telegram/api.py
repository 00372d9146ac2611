"""The Bot API of the Telegram stub: one function a method."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.stubs.common import Failure, Json, fields, reset, served, truthy, unpacked
from tests.stubs.telegram import updates
from tests.stubs.telegram.markup import TelegramError, keyboard, parsed, utf16
from tests.stubs.telegram.state import Chat, Message, State

STRUCTURES = (
    "reply_markup",
    "reply_parameters",
    "entities",
    "caption_entities",
    "commands",
    "scope",
    "allowed_updates",
    "link_preview_options",
)
LOST = {
    "kicked": "bot was kicked from the {} chat",
    "left": "bot is not a member of the {} chat",
    "blocked": "bot was blocked by the user",
    "stranger": "bot can't initiate conversation with a user",
}
Files = dict[str, tuple[str, bytes]]


def chat_of(state: State, given: Json, *, speak: bool = True) -> Chat:
    """The chat of a call, when the bot may be there. 403 when it may not any more."""
    asked = given.get("chat_id")
    if asked is None or asked == "":
        raise TelegramError("chat_id is empty")
    chat = None
    if isinstance(asked, str) and asked.startswith("@"):
        chat = next((c for c in state.chats.values() if c.username == asked[1:]), None)
    elif re.fullmatch(r"-?\d+", str(asked)):
        chat = state.chats.get(int(asked))
    if chat is None:
        raise TelegramError("chat not found")
    if chat.migrated_to is not None:
        # https://core.telegram.org/bots/api#responseparameters
        raise TelegramError("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
    if chat.bot_status in LOST and (speak or chat.is_group):
        raise TelegramError(LOST[chat.bot_status].format(chat.type), 403)
    if speak and (chat.bot_status == "restricted" or (chat.type == "channel" and chat.bot_status == "member")):
        raise TelegramError("not enough rights to send text messages to the chat")
    return chat


def paced(state: State, chat: Chat, *, edit: bool = False) -> None:
    """https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this"""
    most = state.limits
    if not most.rates:
        return
    windows = [("overall", most.overall_a_second, 1.0)]
    if not edit or most.edits_count:
        windows.append((f"chat:{chat.id}", most.chat_burst, most.chat_burst * most.chat_every_s))
        if chat.is_group:
            windows.append((f"group:{chat.id}", most.group_a_minute, 60.0))
    wait = state.rates.take(windows)
    if wait:
        seconds = max(1, int(wait + 0.999))
        raise TelegramError(f"retry after {seconds}", 429, retry_after=seconds)


def said(state: State, given: Json, name: str, method: str) -> tuple[str, list[Json], str]:
    """Text or caption with its entities, checked for length after parsing."""
    source = str(given.get(name) or "")
    text, entities, notes = parsed(source, given.get("parse_mode"), state.limits)
    marks = "entities" if name == "text" else "caption_entities"
    if not given.get("parse_mode"):
        entities = list(given.get(marks) or [])
    for note in notes:
        state.log.violate("markup", note, method=method, chat=given.get("chat_id"))
    stripped = text.strip()  # https://core.telegram.org/bots/api#sendmessage: 1-4096 characters
    if name == "text" and not stripped:
        raise TelegramError("message text is empty")
    most = state.limits.text if name == "text" else state.limits.caption
    if utf16(stripped) > most:
        raise TelegramError("message is too long" if name == "text" else "message caption is too long")
    return text, entities, source


def where(state: State, chat: Chat, given: Json) -> tuple[int | None, int | None]:
    """Thread and message replied to. https://core.telegram.org/bots/api#replyparameters"""
    thread = int(given["message_thread_id"]) if given.get("message_thread_id") else None
    if thread is not None and chat.is_forum and thread not in chat.topics and thread != 1:
        raise TelegramError("message thread not found")
    if thread is not None and not chat.is_forum and state.message(chat.id, thread) is None:
        raise TelegramError("message thread not found")
    reply = given.get("reply_parameters") or {}
    number = reply.get("message_id") or given.get("reply_to_message_id")
    if number is None:
        return thread, None
    if state.message(chat.id, int(number)) is None:
        if truthy(reply.get("allow_sending_without_reply") or given.get("allow_sending_without_reply")):
            return thread, None
        raise TelegramError("message to be replied not found")
    return thread, int(number)


def put(state: State, chat: Chat, given: Json, **content: Any) -> Json:
    """A new message of the bot."""
    markup = keyboard(given.get("reply_markup"), state.limits)
    thread, reply = where(state, chat, given)
    paced(state, chat)
    message = Message(
        chat_id=chat.id,
        message_id=state.new_message_id(),
        sender=me_short(state),
        reply_markup=markup,
        thread=thread,
        reply_to=reply,
        silent=truthy(given.get("disable_notification")),
        **content,
    )
    state.messages.append(message)
    return state.public(message)


def me_short(state: State) -> Json:
    """The bot as a user. https://core.telegram.org/bots/api#user"""
    return {k: state.bot[k] for k in ("id", "is_bot", "first_name", "username")}


async def get_me(state: State, _: Json, __: Files) -> Json:
    """https://core.telegram.org/bots/api#getme"""
    return state.bot


async def send_message(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#sendmessage"""
    chat = chat_of(state, given)
    text, entities, source = said(state, given, "text", "sendMessage")
    return put(state, chat, given, text=text, entities=entities, source=source)


def uploaded(state: State, given: Json, files: Files, name: str, most: int) -> tuple[str, str, bytes]:
    """The file of a call: sent along, or sent before. https://core.telegram.org/bots/api#sending-files"""
    value = given.get(name)
    if name in files:
        filename, data = files[name]
    elif isinstance(value, str) and value.startswith("attach://") and value[9:] in files:
        filename, data = files[value[9:]]
    elif isinstance(value, str) and value in state.contents:
        return value, *state.contents[value]
    elif not value:
        raise TelegramError(f"there is no {name} in the request")
    else:
        raise TelegramError("wrong file identifier/HTTP URL specified")
    if not data:
        raise TelegramError("file must be non-empty")
    if len(data) > most:
        raise TelegramError("Request Entity Too Large")
    number = state.new_id("file")
    state.contents[number] = (filename, data)
    return number, filename, data


async def send_photo(state: State, given: Json, files: Files) -> Json:
    """https://core.telegram.org/bots/api#sendphoto"""
    chat = chat_of(state, given)
    number, _, data = uploaded(state, given, files, "photo", state.limits.photo_bytes)
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")):
        raise TelegramError("IMAGE_PROCESS_FAILED")
    size = {"file_id": number, "file_unique_id": number, "width": 90, "height": 90, "file_size": len(data)}
    return put(state, chat, given, media={"photo": [size]}, **captioned(state, given, "sendPhoto"))


async def send_document(state: State, given: Json, files: Files) -> Json:
    """https://core.telegram.org/bots/api#senddocument"""
    chat = chat_of(state, given)
    number, filename, data = uploaded(state, given, files, "document", state.limits.document_bytes)
    document = {"file_id": number, "file_unique_id": number, "file_name": filename, "file_size": len(data)}
    return put(state, chat, given, media={"document": document}, **captioned(state, given, "sendDocument"))


def captioned(state: State, given: Json, method: str) -> Json:
    """A caption, which may be missing."""
    if not given.get("caption"):
        return {}
    caption, entities, source = said(state, given, "caption", method)
    return {"caption": caption, "caption_entities": entities, "source": source}


def editable(state: State, given: Json) -> tuple[Chat, Message]:
    """The message of an edit."""
    if given.get("inline_message_id"):
        raise TelegramError("MESSAGE_ID_INVALID")
    chat = chat_of(state, given)
    message = state.message(chat.id, int(given.get("message_id") or 0))
    if message is None:
        raise TelegramError("message to edit not found")
    if message.sender["id"] != state.bot["id"] or "forward_origin" in message.more:
        raise TelegramError("message can't be edited")
    return chat, message


def edited(state: State, chat: Chat, message: Message, **changes: Any) -> Json:
    """Change a message, when something changes. https://core.telegram.org/bots/api#updating-messages"""
    before = {name: getattr(message, name) for name in (*changes, "source")}
    old = message.content()
    for name, value in changes.items():
        setattr(message, name, value)
    if message.content() == old:
        for name, value in before.items():
            setattr(message, name, value)
        raise TelegramError(
            "message is not modified: specified new message content and reply markup are exactly the same as a "
            "current content and reply markup of the message"
        )
    try:
        paced(state, chat, edit=True)
    except TelegramError:
        for name, value in before.items():
            setattr(message, name, value)
        raise
    was = dict(zip(("text", "entities", "caption", "caption_entities", "reply_markup"), old, strict=True))
    message.edits.append({"at": time.time(), **was})
    return state.public(message)


async def edit_text(state: State, given: Json, _: Files) -> Json:
    """The keyboard goes when none is given. https://core.telegram.org/bots/api#editmessagetext"""
    chat, message = editable(state, given)
    text, entities, source = said(state, given, "text", "editMessageText")
    markup = keyboard(given.get("reply_markup"), state.limits)
    if message.text is None:
        raise TelegramError("there is no text in the message to edit")
    return edited(state, chat, message, text=text, entities=entities, source=source, reply_markup=markup)


async def edit_caption(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#editmessagecaption"""
    chat, message = editable(state, given)
    changes: Json = {"caption": None, "caption_entities": [], **captioned(state, given, "editMessageCaption")}
    markup = keyboard(given.get("reply_markup"), state.limits)
    if not message.media:
        raise TelegramError("there is no caption in the message to edit")
    return edited(state, chat, message, **changes, reply_markup=markup)


async def edit_markup(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#editmessagereplymarkup"""
    chat, message = editable(state, given)
    markup = keyboard(given.get("reply_markup"), state.limits)
    if markup and "inline_keyboard" not in markup:
        raise TelegramError("object expected as reply markup")
    return edited(state, chat, message, reply_markup=markup)


async def delete_message(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#deletemessage"""
    chat = chat_of(state, given)
    message = state.message(chat.id, int(given.get("message_id") or 0))
    if message is None:
        raise TelegramError("message to delete not found")
    if message.sender["id"] != state.bot["id"] and chat.bot_status not in ("administrator", "creator"):
        raise TelegramError("message can't be deleted")
    message.deleted = True
    return True


async def pin(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#pinchatmessage"""
    chat = chat_of(state, given)
    if chat.is_group and chat.bot_status not in ("administrator", "creator"):
        raise TelegramError("not enough rights to manage pinned messages in the chat")
    message = state.message(chat.id, int(given.get("message_id") or 0))
    if message is None:
        raise TelegramError("message to pin not found")
    if message.message_id not in chat.pinned:
        chat.pinned.append(message.message_id)
    return True


async def unpin(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#unpinchatmessage"""
    chat = chat_of(state, given)
    if chat.is_group and chat.bot_status not in ("administrator", "creator"):
        raise TelegramError("not enough rights to manage pinned messages in the chat")
    number = int(given.get("message_id") or (chat.pinned[-1] if chat.pinned else 0))
    if number not in chat.pinned:
        raise TelegramError("message to unpin not found")
    chat.pinned.remove(number)
    return True


async def answer_callback(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#answercallbackquery"""
    press = state.presses.get(str(given.get("callback_query_id") or ""))
    after = time.monotonic() - press.monotonic if press else 0.0
    if press is None or after > state.limits.answer_s:
        if press is not None:
            press.late += 1
        raise TelegramError("query is too old and response timeout expired or query ID is invalid")
    text = str(given.get("text") or "")
    if len(text) > state.limits.answer_text:
        raise TelegramError("MESSAGE_TOO_LONG")
    shown = {"text": text, "show_alert": truthy(given.get("show_alert")), "url": given.get("url")}
    press.answers.append({"at": time.time(), "after": after, **shown})
    return True


def scope_of(state: State, given: Json) -> str:
    """The key of a scope. https://core.telegram.org/bots/api#botcommandscope"""
    scope = given.get("scope") or {"type": "default"}
    needs = {"chat": ("chat_id",), "chat_administrators": ("chat_id",), "chat_member": ("chat_id", "user_id")}
    plain = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators")
    kind = scope.get("type") if isinstance(scope, dict) else None
    if kind not in (*plain, *needs):
        raise TelegramError("can't parse BotCommandScope: Unsupported type specified")
    for name in needs.get(kind, ()):
        if scope.get(name) is None:
            raise TelegramError(f"can't parse BotCommandScope: Can't find field \"{name}\"")
    if "chat_id" in needs.get(kind, ()):
        chat_of(state, scope, speak=False)
    return json.dumps([kind, *(str(scope[n]) for n in needs.get(kind, ())), given.get("language_code") or ""])


async def set_commands(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#setmycommands"""
    listed = given.get("commands")
    if not isinstance(listed, list):
        raise TelegramError("can't parse commands: Expected an Array of BotCommand")
    if len(listed) > state.limits.commands:
        raise TelegramError("BOT_COMMANDS_TOO_MUCH")
    for each in listed:
        # https://core.telegram.org/bots/api#botcommand: lowercase English letters, digits and underscores
        if not re.fullmatch(r"[a-z0-9_]{1,32}", str(each.get("command") or "")):
            raise TelegramError("BOT_COMMAND_INVALID")
        if not 1 <= len(str(each.get("description") or "")) <= state.limits.command_description:
            raise TelegramError("BOT_COMMAND_DESCRIPTION_INVALID")
    state.commands[scope_of(state, given)] = listed
    return True


async def get_commands(state: State, given: Json, _: Files) -> list[Json]:
    """https://core.telegram.org/bots/api#getmycommands"""
    return state.commands.get(scope_of(state, given), [])


async def delete_commands(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#deletemycommands"""
    state.commands.pop(scope_of(state, given), None)
    return True


async def get_chat(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#getchat"""
    chat = chat_of(state, given, speak=False)
    info = {**chat.public(), "accent_color_id": 0, "max_reaction_count": 11}
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    info["accepted_gift_types"] = dict.fromkeys(gifts, False)
    if chat.pinned:
        pinned = state.message(chat.id, chat.pinned[-1])
        if pinned is not None:
            info["pinned_message"] = state.public(pinned)
    return info


RIGHTS = (
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
PERMISSIONS = (
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
)


def member(user: Json, status: str) -> Json:
    """https://core.telegram.org/bots/api#chatmember"""
    shown: Json = {"user": user, "status": status}
    if status == "administrator":
        shown |= {**dict.fromkeys(RIGHTS, True), "is_anonymous": False, "can_pin_messages": True}
    elif status == "creator":
        shown["is_anonymous"] = False
    elif status == "restricted":
        shown |= {"is_member": True, "until_date": 0, **dict.fromkeys(PERMISSIONS, False)}
    elif status == "kicked":
        shown["until_date"] = 0
    return shown


async def get_member(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#getchatmember"""
    chat = chat_of(state, given, speak=False)
    number = int(given.get("user_id") or 0)
    if number == state.bot["id"]:
        return member(me_short(state), chat.bot_status)
    if number not in state.users:
        raise TelegramError("invalid user_id specified")
    return member(state.users[number], chat.members.get(number, "left"))


async def get_file(state: State, given: Json, _: Files) -> Json:
    """https://core.telegram.org/bots/api#getfile"""
    number = str(given.get("file_id") or "")
    if number not in state.contents:
        raise TelegramError("invalid file_id")
    size = len(state.contents[number][1])
    return {"file_id": number, "file_unique_id": number, "file_size": size, "file_path": f"files/{number}"}


async def chat_action(state: State, given: Json, _: Files) -> bool:
    """https://core.telegram.org/bots/api#sendchataction"""
    chat_of(state, given)
    return True


def _plain(run: Callable[[State, Json], Awaitable[Any]]) -> Callable[[State, Json, Files], Awaitable[Any]]:
    async def with_files(state: State, given: Json, _: Files) -> Any:
        return await run(state, given)

    return with_files


METHODS: dict[str, Callable[[State, Json, Files], Awaitable[Any]]] = {
    "getMe": get_me,
    "getUpdates": _plain(updates.get_updates),
    "setWebhook": _plain(updates.set_webhook),
    "deleteWebhook": _plain(updates.delete_webhook),
    "getWebhookInfo": _plain(updates.webhook_info),
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "sendChatAction": chat_action,
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageReplyMarkup": edit_markup,
    "deleteMessage": delete_message,
    "pinChatMessage": pin,
    "unpinChatMessage": unpin,
    "answerCallbackQuery": answer_callback,
    "setMyCommands": set_commands,
    "getMyCommands": get_commands,
    "deleteMyCommands": delete_commands,
    "getChat": get_chat,
    "getChatMember": get_member,
    "getFile": get_file,
}
LOWER = {name.lower(): name for name in METHODS}
"""Method names are case-insensitive. https://core.telegram.org/bots/api#making-requests"""


def bad(error: TelegramError) -> web.Response:
    """https://core.telegram.org/bots/api#making-requests"""
    body: Json = {"ok": False, "error_code": error.code, "description": error.description}
    headers = {}
    if error.parameters:
        body["parameters"] = error.parameters
    if "retry_after" in error.parameters:
        headers["Retry-After"] = str(error.parameters["retry_after"])
    return web.json_response(body, status=error.code, headers=headers)


def refused(failure: Failure) -> web.Response:
    """The answer ordered for a call."""
    if failure.kind == "ratelimited":
        return bad(TelegramError(f"retry after {failure.retry_after}", 429, retry_after=failure.retry_after))
    if failure.kind == "error":
        return bad(TelegramError(failure.error, failure.status if 400 <= failure.status < 500 else 400))
    body = {"ok": False, "error_code": failure.status, "description": "Internal Server Error"}
    return web.json_response(body, status=failure.status)


def routes(state: State) -> list[web.RouteDef]:
    """Methods and files."""

    def proven(token: str, name: str) -> None:
        # 401 for a token of the right form, 404 for anything else
        if not re.fullmatch(r"\d+:[A-Za-z0-9_-]{30,}", token):
            raise TelegramError("", 404)
        if token != state.token:
            raise TelegramError("", 401)
        if name not in METHODS:
            raise TelegramError("", 404)

    async def call(request: web.Request) -> web.StreamResponse:
        name = LOWER.get(request.match_info["method"].lower(), request.match_info["method"])

        async def work(entry: Json) -> web.Response:
            try:
                proven(request.match_info["token"], name)
                try:
                    given, files = await fields(request)
                    given |= {k: unpacked(given[k]) for k in STRUCTURES if given.get(k)}
                    entry["args"] = given
                    result = await METHODS[name](state, given, files)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise TelegramError(f"can't parse request: {error}") from None
            except TelegramError as error:
                entry["error"] = error.description
                return bad(error)
            except ConnectionResetError:
                entry["failure"] = "reset"
                return reset(request)
            return web.json_response({"ok": True, "result": result})

        return await served(request, state.log, name, work, refused)

    async def file(request: web.Request) -> web.StreamResponse:
        number = request.match_info["id"]
        if request.match_info["token"] != state.token or number not in state.contents:
            return bad(TelegramError("", 404))
        return web.Response(body=state.contents[number][1])

    return [
        web.get("/file/bot{token}/files/{id}", file),
        web.route("*", "/bot{token}/{method}", call),
    ]
