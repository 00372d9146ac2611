"""What whoever tests may ask of the Telegram stub: what was said, and what people do."""

import asyncio
import time
from dataclasses import asdict
from typing import Any

from tests.stubs.common import Control, ControlError, Json
from tests.stubs.telegram.api import me_short, member
from tests.stubs.telegram.limits import Limits
from tests.stubs.telegram.markup import commands, labels
from tests.stubs.telegram.state import ANONYMOUS, CHANNEL_BOT, Chat, Message, Press, State


class People:
    """What people do, as updates for the bot."""

    def __init__(self, state: State) -> None:
        """Shared with the API."""
        self.state = state

    def _chat(self, number: Any) -> Chat:
        chat = self.state.chats.get(int(number))
        if chat is None:
            raise ControlError(f"no chat {number}")
        return chat

    def _who(self, given: Json, chat: Chat) -> tuple[Json, Json]:
        """Sender, and what stands beside it when the sender hides. https://core.telegram.org/bots/api#message"""
        hidden = given.get("hidden")
        if hidden == "anonymous_admin":
            return ANONYMOUS, {"sender_chat": chat.public()}
        if hidden == "channel":
            title = {"id": -100999, "type": "channel", "title": "Some channel"}
            return CHANNEL_BOT, {"sender_chat": title}
        user = self.state.user(int(given["user_id"]), is_bot=given.get("is_bot"), username=given.get("username"))
        chat.members.setdefault(user["id"], "member")
        return user, {}

    def _pressed(self, given: Json) -> tuple[Message, Json]:
        """The message and its button; refused when no such button can be pressed."""
        for message in reversed(self.state.messages):
            if message.deleted or given.get("chat_id") not in (None, message.chat_id):
                continue
            if given.get("message_id") not in (None, message.message_id):
                continue
            versions = [message.reply_markup]
            if given.get("stale"):  # a client that has not seen the edit yet
                versions += [e["reply_markup"] for e in reversed(message.edits)]
            for button in (b for markup in versions for b in labels(markup)):
                fits = given.get("data") in (None, button.get("callback_data"))
                if fits and given.get("label") in (None, button["text"]) and "callback_data" in button:
                    return message, button
        raise ControlError("no message here has such a button now")

    async def press(self, given: Json) -> Json:
        """https://core.telegram.org/bots/api#callbackquery"""
        message, button = self._pressed(given)
        chat = self._chat(message.chat_id)
        if chat.bot_status in ("kicked", "left", "blocked"):
            raise ControlError("the bot is not in this chat")
        sender, _ = self._who(given, chat)
        query: Json = {"id": self.state.new_id("q"), "from": sender, "chat_instance": str(-chat.id)}
        if given.get("inline"):
            query["inline_message_id"] = self.state.new_id("inline")
        elif given.get("forwarded_to"):
            query["message"] = self.state.public(self._forwarded(message, given))
        elif given.get("inaccessible"):  # https://core.telegram.org/bots/api#inaccessiblemessage
            query["message"] = {"chat": chat.public(), "message_id": message.message_id, "date": 0}
        else:
            query["message"] = self.state.public(message)
        query["data"] = button["callback_data"]
        return await self._query(query, given)

    def _forwarded(self, message: Message, given: Json) -> Message:
        """A copy elsewhere that kept its keyboard."""
        chat = self._chat(given["forwarded_to"])
        origin = {"type": "user", "date": int(message.at), "sender_user": message.sender}
        copy = Message(
            chat_id=chat.id,
            message_id=self.state.new_message_id(),
            sender=message.sender,
            text=message.text,
            reply_markup=message.reply_markup,
            more={"forward_origin": origin},
        )
        self.state.messages.append(copy)
        return copy

    async def _query(self, query: Json, given: Json) -> Json:
        update = await self.state.happened("callback_query", query)
        if update is None:
            raise ControlError("the bot did not ask for callback_query updates")
        press = Press(id=query["id"], update_id=update.id)
        self.state.presses[press.id] = press
        return await self.pressed({"id": press.id, "wait": given.get("wait", 5.0)})

    async def pressed(self, given: Json) -> Json:
        """One press, once it is answered or *wait* seconds are over."""
        press = self.state.presses[given["id"]]
        until = time.monotonic() + float(given.get("wait") or 0)
        while not press.answers and not press.late and time.monotonic() < until:
            await asyncio.sleep(0.005)
        update = next(u for u in self.state.updates if u.id == press.update_id)
        return {
            **asdict(press),
            "latency": press.latency,
            "answered": bool(press.answers),
            "update": asdict(update),
        }

    async def redeliver(self, given: Json) -> Json:
        """An update once more under its own number, as after a lost confirmation."""
        update = next((u for u in self.state.updates if u.id == int(given["update_id"])), None)
        if update is None:
            raise ControlError(f"no update {given['update_id']}")
        update.confirmed_at = None
        async with self.state.arrived:
            self.state.arrived.notify_all()
        return asdict(update)

    async def message(self, given: Json) -> Json:
        """What somebody writes. Privacy mode: https://core.telegram.org/bots/features#privacy-mode"""
        chat = self._chat(given["chat_id"])
        sender, beside = self._who(given, chat)
        text = str(given["text"])
        said = Message(
            chat_id=chat.id,
            message_id=self.state.new_message_id(),
            sender=sender,
            text=text,
            entities=commands(text),
            thread=given.get("message_thread_id"),
            reply_to=given.get("reply_to"),
            more={**beside, **(given.get("more") or {})},
        )
        if said.reply_to is not None and self.state.message(chat.id, said.reply_to) is None:
            raise ControlError("no such message to reply to")
        self.state.messages.append(said)
        heard = self._heard(chat, said)
        kind = "channel_post" if chat.type == "channel" else "message"
        update = await self.state.happened(kind, self.state.public(said)) if heard else None
        return {
            "message_id": said.message_id,
            "update_id": update.id if update else None,
            "heard": update is not None,
        }

    def _heard(self, chat: Chat, said: Message) -> bool:
        if chat.bot_status in ("kicked", "left", "blocked"):
            return False
        if chat.type in ("private", "channel") or chat.bot_status in ("administrator", "creator"):
            return True
        if self.state.bot["can_read_all_group_messages"]:
            return True
        name = f"@{self.state.bot['username']}"
        text = said.text or ""
        if any("@" not in word or name in word for word in text.split() if word.startswith("/")):
            return True
        replied = self.state.message(chat.id, said.reply_to) if said.reply_to is not None else None
        return name in text or (replied is not None and replied.sender["id"] == self.state.bot["id"])

    async def membership(self, given: Json) -> Json:
        """Somebody, or the bot itself, joins, leaves or is sent away. #chatmemberupdated"""
        chat = self._chat(given["chat_id"])
        by = self.state.user(int(given.get("by") or 1001))
        body: Json = {"chat": chat.public(), "from": by, "date": int(time.time())}
        status: str = given["status"]
        if given.get("user_id") is None:
            shown = {"blocked": "kicked", "stranger": "left"}
            me, was = me_short(self.state), shown.get(chat.bot_status, chat.bot_status)
            body |= {"old_chat_member": member(me, was), "new_chat_member": member(me, shown.get(status, status))}
            chat.bot_status = status
            update = await self.state.happened("my_chat_member", body)
        else:
            user = self.state.user(int(given["user_id"]))
            old = chat.members.get(user["id"], "left")
            chat.members[user["id"]] = status
            body |= {"old_chat_member": member(user, old), "new_chat_member": member(user, status)}
            update = await self.state.happened("chat_member", body)
        return {"update_id": update.id if update else None}

    async def update(self, given: Json) -> Json:
        """Any update."""
        update = await self.state.happened(given["kind"], given["body"])
        return {"update_id": update.id if update else None}


def table(state: State) -> dict[str, Control]:
    """Control by name."""
    people = People(state)

    async def messages(given: Json) -> Any:
        return [m.record() for m in state.messages if given.get("chat_id") in (None, m.chat_id)]

    async def updates(_: Json) -> Any:
        state.pending()
        return [asdict(u) for u in state.updates]

    async def file(given: Json) -> bytes:
        if given["id"] not in state.contents:
            raise ControlError(f"no file {given['id']}")
        return state.contents[given["id"]][1]

    async def presses(_: Json) -> Any:
        return [{**asdict(p), "latency": p.latency} for p in state.presses.values()]

    async def limits(given: Json) -> Any:
        state.limits = Limits.model_validate(state.limits.model_dump() | given)
        return state.limits.model_dump()

    async def chat(given: Json) -> Any:
        known = state.chats.setdefault(int(given["id"]), Chat(id=int(given["id"])))
        for name, value in given.items():
            setattr(known, name, {int(k): v for k, v in value.items()} if name == "members" else value)
        return asdict(known)

    async def user(given: Json) -> Any:
        return state.user(**{"number": int(given.pop("id")), **given})

    async def bot(given: Json) -> Any:
        if "token" in given:
            state.token = given.pop("token")
        state.bot.update(given)
        return state.bot

    async def commands_set(_: Json) -> Any:
        return state.commands

    async def webhook(_: Json) -> Any:
        return asdict(state.webhook)

    async def reset(_: Json) -> bool:
        state.clear()
        return True

    return {
        "messages": messages,
        "updates": updates,
        "file": file,
        "presses": presses,
        "pressed": people.pressed,
        "press": people.press,
        "redeliver": people.redeliver,
        "message": people.message,
        "membership": people.membership,
        "update": people.update,
        "limits": limits,
        "chat": chat,
        "user": user,
        "bot": bot,
        "commands": commands_set,
        "webhook": webhook,
        "reset": reset,
    }
