"""What whoever tests may ask of the Slack stub: what was said, and what people do."""

import asyncio
import time
from dataclasses import asdict
from typing import Any

import aiohttp

from tests.stubs.common import Control, ControlError, Json
from tests.stubs.slack.blocks import elements
from tests.stubs.slack.deliver import TYPES, Deliverer
from tests.stubs.slack.limits import Limits
from tests.stubs.slack.state import APP, BOT_USER, ENTERPRISE, TEAM, Channel, Delivery, Message, State


def choices(blocks: list[Json]) -> list[tuple[Json, Json, Json | None]]:
    """Everything that can be pressed: block, element, and the option of a menu."""
    found: list[tuple[Json, Json, Json | None]] = []
    for block, element in elements(blocks):
        options = element.get("options")
        if element["type"] == "button":
            found.append((block, element, None))
        elif isinstance(options, list):
            found += [(block, element, option) for option in options]
    return found


def fits(given: Json, choice: tuple[Json, Json, Json | None]) -> bool:
    """Whether this is the button that is meant."""
    _, element, option = choice
    shown = element if option is None else option
    wanted = {
        "value": shown.get("value"),
        "action_id": element.get("action_id"),
        "label": (shown.get("text") or {}).get("text"),
    }
    return all(given.get(name) is None or given[name] == is_ for name, is_ in wanted.items())


class People:
    """What people do, as payloads for the app."""

    def __init__(self, state: State, deliverer: Deliverer) -> None:
        """Both are shared with the API."""
        self.state, self.deliverer = state, deliverer

    def _trigger(self, user: str) -> str:
        name = f"{self.state.new_id('')}.{TEAM}.stub"
        self.state.triggers[name] = {"user": user, "used": False, "at": time.time()}
        return name

    def _response_url(self, channel: str, user: str, ts: str | None = None) -> str:
        name = self.state.new_id("r")
        self.state.response_urls[name] = {"channel": channel, "user": user, "ts": ts, "uses": 0, "at": time.time()}
        return f"{self.state.base}/respond/{name}"

    def _common(self, given: Json) -> Json:
        """Who, and of which workspace or organisation."""
        user = self.state.person(given["user"], given.get("team"), is_bot=bool(given.get("is_bot")))
        org = bool(given.get("org_install", self.state.org_install))
        enterprise = given.get("enterprise") or (ENTERPRISE if org else None)
        shown = {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id}
        if "user_team" in given:  # the raw field, null or left out
            shown.pop("team_id")
            if given["user_team"] is not None:
                shown["team_id"] = given["user_team"]
        return {
            "user": shown,
            "api_app_id": APP,
            "token": "deprecated",
            "team": None if org else {"id": TEAM, "domain": "stub"},
            "enterprise": {"id": enterprise, "name": "Stub Org"} if enterprise else None,
            "is_enterprise_install": org,
        }

    def _channel(self, name: str) -> Channel:
        channel = self.state.channels.get(name)
        if channel is None:
            raise ControlError(f"no channel {name}")
        return channel

    async def _deliver(self, kind: str, payload: Json, given: Json) -> Json:
        url = given.get("url") or (None if given.get("via") == "socket" else self.state.transport.get(TYPES[kind]))
        delivery = Delivery(
            id=self.state.new_id("d"), kind=kind, payload=payload, via="http" if url else "socket", url=url
        )
        self.deliverer.start(delivery, given)
        return await self.delivery({"id": delivery.id, "wait": given.get("wait", self.state.limits.ack_s + 0.5)})

    async def delivery(self, given: Json) -> Json:
        """One delivery, once it is acknowledged or *wait* seconds are over."""
        delivery = self.state.deliveries[given["id"]]
        until = time.monotonic() + float(given.get("wait") or 0)
        while not delivery.acked and time.monotonic() < until:
            last = delivery.attempts[-1] if delivery.attempts else {}
            if last.get("error") and delivery.kind != "events_api":
                break
            await asyncio.sleep(0.005)
        return asdict(delivery)

    async def redeliver(self, given: Json) -> Json:
        """The same thing once more: a duplicate."""
        known = self.state.deliveries[given["id"]]
        return await self._deliver(known.kind, known.payload, {"url": known.url, **given})

    async def press(self, given: Json) -> Json:
        """A button or a menu entry. https://docs.slack.dev/reference/interaction-payloads/block_actions-payload"""
        message, (block, element, option) = self._pressed(given)
        channel = self._channel(message.channel)
        container = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": False}
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        action = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self.state.new_ts(),
        }
        if option is None:
            action |= {k: element[k] for k in ("text", "value", "style") if k in element}
        else:
            action["selected_option"] = option
        payload = {
            "type": "block_actions",
            **self._common(given),
            "container": container,
            "trigger_id": self._trigger(given["user"]),
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "message": message.public(),
            "state": {"values": {}},
            "response_url": self._response_url(channel.id, given["user"], message.ts),
            "actions": [action],
        }
        return await self._deliver("interactive", payload, given)

    def _pressed(self, given: Json) -> tuple[Message, tuple[Json, Json, Json | None]]:
        """The message and its button; refused when no such button can be pressed."""
        hidden = False
        for message in reversed(self.state.messages):
            if given.get("channel") not in (None, message.channel) or given.get("ts") not in (None, message.ts):
                continue
            versions = [message.blocks]
            if given.get("stale"):  # a client that has not seen the edit yet
                versions += [e["blocks"] for e in reversed(message.edits)]
            for blocks in versions:
                found = [c for c in choices(blocks) if fits(given, c)]
                if found and (message.ephemeral_to or message.deleted):
                    hidden = True
                elif found:
                    return message, found[0]
        if hidden:
            raise ControlError("the button is on an ephemeral or deleted message")
        raise ControlError("no message here has such a button now")

    async def command(self, given: Json) -> Json:
        """A slash command. https://docs.slack.dev/interactivity/implementing-slash-commands"""
        if given.get("thread_ts"):
            raise ControlError("app commands cannot be invoked in threads")
        command = given["command"]
        if not command.startswith("/"):
            raise ControlError("a command starts with /")
        channel, who = self._channel(given["channel"]), self._common(given)
        payload = {
            "token": "deprecated",
            "team_id": who["user"].get("team_id", TEAM),
            "team_domain": "stub",
            "channel_id": channel.id,
            "channel_name": channel.name or "directmessage",
            "user_id": who["user"]["id"],
            "user_name": who["user"]["name"],
            "command": command,
            "text": given.get("text") or "",
            "api_app_id": APP,
            "is_enterprise_install": str(who["is_enterprise_install"]).lower(),
            "response_url": self._response_url(channel.id, given["user"]),
            "trigger_id": self._trigger(given["user"]),
        }
        if who["enterprise"]:
            payload |= {"enterprise_id": who["enterprise"]["id"], "enterprise_name": "Stub Org"}
        return await self._deliver("slash_commands", payload, given)

    async def event(self, given: Json) -> Json:
        """Any event. https://docs.slack.dev/apis/events-api/#callback-field"""
        event = given["event"]
        user = self.state.users.get(str(event.get("user")))
        payload = {
            "token": "deprecated",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": self.state.new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": ENTERPRISE if self.state.org_install else None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": self.state.org_install,
                }
            ],
            "is_ext_shared_channel": bool(user and user.team_id != TEAM),
            "event_context": "stub",
        }
        return await self._deliver("events_api", payload, given)

    async def message(self, given: Json) -> Json:
        """What somebody writes: an ``app_mention``, or ``message.im`` in a direct conversation."""
        user = self.state.person(given["user"], given.get("team"), is_bot=bool(given.get("is_bot")))
        direct = not given.get("channel")
        channel = self.state.direct(user.id) if direct else self._channel(given["channel"])
        said = Message(
            channel=channel.id,
            ts=self.state.new_ts(),
            text=given["text"] if channel.is_im else given["text"].replace("@bot", f"<@{BOT_USER}>"),
            thread_ts=given.get("thread_ts"),
            user=user.id,
            bot_id="B0OTHER" if user.is_bot else None,
        )
        self.state.messages.append(said)
        event = {
            **said.public(),
            "type": "message" if channel.is_im else "app_mention",
            "channel": channel.id,
            "event_ts": said.ts,
            "client_msg_id": self.state.new_id("c"),
            "user_team": user.team_id,
            "source_team": user.team_id,
        }
        if channel.is_im:
            event["channel_type"] = "im"
        elif f"<@{BOT_USER}>" not in said.text:
            raise ControlError("the app hears a channel message only when it is mentioned: write @bot in the text")
        return await self.event({**given, "event": event})

    async def submit(self, given: Json) -> Json:
        """A modal sent off. https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload"""
        for known in reversed(self.state.views.values()):
            if given.get("view_id") in (None, known["view"]["id"]) and known["open"]:
                break
        else:
            raise ControlError("no such view is open")
        view = {**known["view"], "state": {"values": self._values(known["view"], given.get("values") or {})}}
        payload = {
            "type": "view_closed" if given.get("close") else "view_submission",
            **self._common({"user": known["user"], **given}),
            "trigger_id": self._trigger(known["user"]),
            "view": view,
            "response_urls": [],
        }
        if given.get("close"):
            known["open"] = False
            payload["is_cleared"] = False
        return await self._deliver("interactive", payload, given)

    @staticmethod
    def _values(view: Json, given: Json) -> Json:
        """What was filled in, keyed by action id."""
        values: Json = {}
        for block, element in elements(view["blocks"]):
            action = element["action_id"]
            filled: Json = {"type": element["type"]}
            if element["type"].endswith("_input"):
                filled["value"] = given.get(action)
            elif action in given:
                option = next((o for o in element.get("options", []) if o["value"] == given[action]), None)
                filled["selected_option"] = option
            else:
                filled["selected_option"] = None
            values.setdefault(block["block_id"], {})[action] = filled
        unknown = set(given) - {e["action_id"] for _, e in elements(view["blocks"])}
        if unknown:
            raise ControlError(f"the view has no inputs {sorted(unknown)}")
        return values


def table(state: State, deliverer: Deliverer) -> dict[str, Control]:
    """Control by name."""
    people = People(state, deliverer)

    async def messages(given: Json) -> Any:
        found = [m for m in state.messages if given.get("channel") in (None, m.channel)]
        return [m.record() for m in found]

    async def file(given: Json) -> bytes:
        if given["id"] not in state.contents:
            raise ControlError(f"no file {given['id']} was uploaded")
        return state.contents[given["id"]]

    async def files(_: Json) -> Any:
        return list(state.files.values())

    async def views(_: Json) -> Any:
        return list(state.views.values())

    async def deliveries(_: Json) -> Any:
        return [asdict(d) for d in state.deliveries.values()]

    async def sockets(_: Json) -> Any:
        return [{"id": s.id, "since": s.since, "leaving": s.leaving} for s in deliverer.sockets.values()]

    async def disconnect(given: Json) -> Any:
        reason, count = given.get("reason") or "refresh_requested", given.get("count")
        return await deliverer.disconnect(reason, count, abrupt=bool(given.get("abrupt")))

    async def down(given: Json) -> bool:
        state.log.down = bool(given.get("down", True))
        if state.log.down:
            await deliverer.disconnect("", None, abrupt=True)
        return state.log.down

    async def limits(given: Json) -> Any:
        state.limits = Limits.model_validate(state.limits.model_dump() | given)
        return state.limits.model_dump()

    async def user(given: Json) -> Any:
        person = state.person(given["id"])
        for name, value in given.items():
            setattr(person, name, value)
        return asdict(person)

    async def channel(given: Json) -> Any:
        known = state.channels.setdefault(given["id"], Channel(id=given["id"], name=given["id"].lower()))
        for name, value in given.items():
            setattr(known, name, value)
        return asdict(known)

    async def workspace(given: Json) -> Any:
        if "scopes" in given:
            state.scopes = tuple(given["scopes"])
        if "auth_error" in given:
            state.auth_error = given["auth_error"]
        if "org_install" in given:
            state.org_install = bool(given["org_install"])
        if "transport" in given:
            state.transport = {k: v for k, v in given["transport"].items() if v}
        return {"scopes": state.scopes, "auth_error": state.auth_error, "transport": state.transport}

    async def verify_url(given: Json) -> Any:
        """https://docs.slack.dev/reference/events/url_verification"""
        challenge = state.new_id("challenge")
        payload = {"token": "deprecated", "challenge": challenge, "type": "url_verification"}
        delivery = Delivery(id=state.new_id("d"), kind="events_api", payload=payload, via="http", url=given["url"])
        deliverer.start(delivery, given)
        done = await people.delivery({"id": delivery.id, "wait": state.limits.ack_s})
        said = done["response"]
        return {
            **done,
            "verified": said == challenge or (isinstance(said, dict) and said.get("challenge") == challenge),
        }

    async def respond(given: Json) -> Any:
        """Try a response address, as the app would."""
        async with aiohttp.ClientSession() as session, session.post(given["url"], json=given["body"]) as response:
            return {"status": response.status, "body": await response.text()}

    async def reset(_: Json) -> bool:
        state.clear()
        return True

    return {
        "messages": messages,
        "file": file,
        "files": files,
        "views": views,
        "deliveries": deliveries,
        "delivery": people.delivery,
        "redeliver": people.redeliver,
        "press": people.press,
        "command": people.command,
        "message": people.message,
        "event": people.event,
        "submit": people.submit,
        "sockets": sockets,
        "disconnect": disconnect,
        "down": down,
        "limits": limits,
        "user": user,
        "channel": channel,
        "workspace": workspace,
        "verify_url": verify_url,
        "respond": respond,
        "reset": reset,
    }
