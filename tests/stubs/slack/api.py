"""The Web API of the Slack stub: one function a method, one table of what each needs."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.stubs.common import Failure, Json, fields, served, truthy, unpacked
from tests.stubs.slack.blocks import Check, characters, elements, slips, texts
from tests.stubs.slack.state import APP, BOT, BOT_USER, TEAM, Channel, Message, State


class SlackError(Exception):
    """``{"ok": false, "error": ...}`` with status 200. https://docs.slack.dev/apis/web-api/#responses"""

    def __init__(self, error: str, **more: Any) -> None:
        """*more* stands beside the error in the answer."""
        super().__init__(error)
        self.body: Json = {"ok": False, "error": error, **more}


def invalid(error: str, wrong: list[str]) -> SlackError:
    """Blocks or a view that do not fit, with pointers to each place."""
    messages = [f"[ERROR] {w}" for w in wrong]
    return SlackError(error, errors=wrong, response_metadata={"messages": messages})


def structure(given: Json, name: str, error: str) -> Any:
    """A structure that comes as JSON or as JSON text in a form."""
    if given.get(name) is None or given[name] == "":
        return None
    try:
        return unpacked(given[name])
    except ValueError:
        raise SlackError(error) from None


def place(state: State, given: Json, *, write: bool) -> Channel:
    """The channel of a call, when the bot may use it there."""
    channel = state.channels.get(str(given.get("channel") or ""))
    # https://api.slack.com/methods/chat.postMessage#errors: channel_not_found, not_in_channel, is_archived
    if channel is None and write and str(given.get("channel", "")) in state.users:
        return state.direct(str(given["channel"]))
    if channel is None or (channel.is_private and not channel.is_member):
        raise SlackError("channel_not_found")
    if not channel.is_member:
        raise SlackError("not_in_channel")
    if write and channel.is_archived:
        raise SlackError("is_archived")
    return channel


def named(blocks: list[Json], state: State) -> list[Json]:
    """Blocks with the ids Slack gives to those that have none."""
    for block in blocks:
        block.setdefault("block_id", state.new_id("b"))
    for _, element in elements(blocks):
        element.setdefault("action_id", state.new_id("a"))
    return blocks


def content(state: State, given: Json, method: str) -> tuple[str, list[Json] | None, Json | None]:
    """Text, blocks and metadata of a message, checked."""
    most = state.limits
    text = str(given.get("text") or "")
    blocks = structure(given, "blocks", "invalid_blocks_format")
    metadata = structure(given, "metadata", "invalid_metadata_format")
    if len(text) > most.text:
        raise SlackError("msg_too_long")
    if blocks is not None:
        wrong = Check(most).blocks(blocks)
        if wrong:
            raise invalid("invalid_blocks", wrong)
        if characters(blocks) > most.blocks_text:
            raise SlackError("msg_blocks_too_long")
    # https://docs.slack.dev/messaging/message-metadata
    if metadata and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise SlackError("invalid_metadata_format")
    for said in (text, *texts(blocks)):
        for kind, detail in slips(said):
            state.log.violate(kind, detail, method=method, channel=given.get("channel"))
    return text, blocks, metadata


def paced_post(state: State, channel: Channel) -> None:
    """About one message a second and channel, with a burst. https://api.slack.com/apis/rate-limits#posting-messages"""
    most = state.limits
    if most.rates:
        wait = state.rates.take([(f"post:{channel.id}", most.post_burst, most.post_burst * most.post_every_s)])
        if wait:
            raise Limited(wait)


class Limited(Exception):
    """429 with ``Retry-After``. https://api.slack.com/apis/rate-limits"""

    def __init__(self, wait: float) -> None:
        """Whole seconds, at least one."""
        super().__init__("ratelimited")
        self.retry_after = max(1, int(wait + 0.999))


async def auth_test(state: State, _: Json) -> Json:
    """https://api.slack.com/methods/auth.test"""
    return {
        "url": "https://stub.slack.com/",
        "team": "stub",
        "user": "firstresponder",
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": state.org_install,
    }


async def post_message(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/chat.postMessage"""
    channel = place(state, given, write=True)
    text, blocks, metadata = content(state, given, "chat.postMessage")
    if not text.strip() and not blocks and not given.get("attachments"):
        raise SlackError("no_text")
    paced_post(state, channel)
    message = Message(
        channel=channel.id,
        ts=state.new_ts(),
        text=text,
        blocks=named(blocks or [], state),
        thread_ts=given.get("thread_ts") or None,
        metadata=metadata or None,
        unfurl_links=given.get("unfurl_links"),
        unfurl_media=given.get("unfurl_media"),
        reply_broadcast=truthy(given.get("reply_broadcast")),
    )
    state.messages.append(message)
    return {"channel": channel.id, "ts": message.ts, "message": message.public()}


async def update(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/chat.update"""
    channel = place(state, given, write=True)
    text, blocks, metadata = content(state, given, "chat.update")
    message = state.message(channel.id, str(given.get("ts") or ""))
    if message is None:  # an ephemeral message cannot be edited either
        raise SlackError("message_not_found")
    if message.bot_id != BOT:
        raise SlackError("cant_update_message")
    if not text and blocks is None and not given.get("attachments"):
        raise SlackError("no_text")
    old = {b.get("block_id") for b in message.blocks}
    for block in blocks or []:
        # https://docs.slack.dev/reference/block-kit/blocks/section-block
        # "If a message is updated, use a new block_id"
        if block.get("block_id") is not None and block["block_id"] in old:
            state.log.violate("block_id_reused", block["block_id"], method="chat.update", channel=channel.id)
    message.edits.append({"at": time.time(), "ts": state.new_ts(), "text": message.text, "blocks": message.blocks})
    message.text = text or message.text
    if blocks is not None:  # "If you don't include this field, the message's previous blocks will be retained"
        message.blocks = named(blocks, state)
    if metadata is not None:
        message.metadata = metadata or None
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": message.public()}


async def delete(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/chat.delete"""
    channel = place(state, given, write=False)
    message = state.message(channel.id, str(given.get("ts") or ""))
    if message is None:
        raise SlackError("message_not_found")
    if message.bot_id != BOT:
        raise SlackError("cant_delete_message")
    message.deleted = True
    return {"channel": channel.id, "ts": message.ts}


async def post_ephemeral(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/chat.postEphemeral"""
    channel = place(state, given, write=True)
    if str(given.get("user") or "") not in state.users:
        raise SlackError("user_not_in_channel")
    text, blocks, _ = content(state, given, "chat.postEphemeral")
    if not text.strip() and not blocks:
        raise SlackError("no_text")
    message = Message(
        channel=channel.id,
        ts=state.new_ts(),
        text=text,
        blocks=named(blocks or [], state),
        thread_ts=given.get("thread_ts") or None,
        ephemeral_to=str(given["user"]),
    )
    state.messages.append(message)
    return {"message_ts": message.ts}


async def permalink(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/chat.getPermalink"""
    channel = place(state, given, write=False)
    message = state.message(channel.id, str(given.get("message_ts") or ""))
    if message is None:
        raise SlackError("message_not_found")
    link = f"https://stub.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts and message.thread_ts != message.ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


async def conversation(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/conversations.info"""
    channel = state.channels.get(str(given.get("channel") or ""))
    if channel is None or (channel.is_private and not channel.is_member):
        raise SlackError("channel_not_found")
    return {"channel": channel.public()}


def page(found: list[Message], given: Json, most: int) -> Json:
    """A part of a list, with the cursor to the next."""
    limit = min(int(given.get("limit") or 100), most)
    start = int(given.get("cursor") or 0)
    more = len(found) > start + limit
    shown = [m.public(metadata=truthy(given.get("include_all_metadata"))) for m in found[start : start + limit]]
    body: Json = {"messages": shown, "has_more": more}
    return body | ({"response_metadata": {"next_cursor": str(start + limit)}} if more else {})


def between(given: Json, messages: list[Message]) -> list[Message]:
    """Those of the asked span of time."""
    oldest, latest = float(given.get("oldest") or 0), float(given.get("latest") or "inf")
    if truthy(given.get("inclusive")):
        return [m for m in messages if oldest <= float(m.ts) <= latest]
    return [m for m in messages if oldest < float(m.ts) < latest]


async def history(state: State, given: Json) -> Json:
    """Newest first, without replies. https://api.slack.com/methods/conversations.history"""
    channel = place(state, given, write=False)
    seen = [m for m in state.messages if m.channel == channel.id and not m.deleted and not m.ephemeral_to]
    roots = [m for m in seen if m.thread_ts in (None, m.ts) or m.reply_broadcast]
    return page(sorted(between(given, roots), key=lambda m: float(m.ts), reverse=True), given, 999)


async def replies(state: State, given: Json) -> Json:
    """The root and its replies, oldest first. https://api.slack.com/methods/conversations.replies"""
    channel = place(state, given, write=False)
    root = state.message(channel.id, str(given.get("ts") or ""))
    if root is None:
        raise SlackError("thread_not_found")
    seen = [m for m in state.messages if m.channel == channel.id and not m.deleted and not m.ephemeral_to]
    inside = [m for m in seen if m is not root and m.thread_ts == root.ts]
    return page([root, *between(given, inside)], given, 1_000)


async def open_conversation(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/conversations.open"""
    user = str(given.get("users") or "")
    if user not in state.users:
        raise SlackError("user_not_found")
    channel = state.direct(user)
    return {"channel": channel.public() if truthy(given.get("return_im")) else {"id": channel.id}}


async def user_info(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/users.info"""
    user = state.users.get(str(given.get("user") or ""))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.public()}


def view_of(state: State, given: Json, method: str) -> Json:
    """The view of a call, checked."""
    view = structure(given, "view", "invalid_arguments")
    wrong = Check(state.limits, view=True).whole_view(view)
    if wrong:
        raise invalid("invalid_arguments", wrong)
    for said in texts(view):
        for kind, detail in slips(said):
            state.log.violate(kind, detail, method=method)
    named(view["blocks"], state)
    return dict(view)


def trigger(state: State, given: Json) -> Json:
    """A trigger, used up. https://docs.slack.dev/surfaces/modals#opening_modals"""
    known = state.triggers.get(str(given.get("trigger_id") or ""))
    if known is None:
        raise SlackError("invalid_trigger_id")
    if known["used"]:
        raise SlackError("exchanged_trigger_id")
    if time.time() - known["at"] > state.limits.trigger_s:
        raise SlackError("expired_trigger_id")
    known["used"] = True
    return known


async def open_view(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/views.open"""
    view = view_of(state, given, "views.open")
    asked = trigger(state, given)
    whole = {
        "id": state.new_id("V"),
        "team_id": TEAM,
        "app_id": APP,
        "bot_id": BOT,
        "app_installed_team_id": TEAM,
        "hash": state.new_id("h"),
        "state": {"values": {}},
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "previous_view_id": None,
        **view,
    }
    whole["root_view_id"] = whole["id"]
    state.views[whole["id"]] = {"view": whole, "user": asked["user"], "open": True, "updates": 0}
    return {"view": whole}


async def update_view(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/views.update"""
    view = view_of(state, given, "views.update")
    for known in state.views.values():
        whole = known["view"]
        external = given.get("external_id")
        if whole["id"] == given.get("view_id") or (external and whole["external_id"] == external):
            break
    else:
        raise SlackError("not_found")
    if not known["open"]:
        raise SlackError("not_found")
    if given.get("hash") and given["hash"] != whole["hash"]:
        raise SlackError("hash_conflict")
    known["view"] = {**whole, **view, "hash": state.new_id("h")}
    known["updates"] += 1
    return {"view": known["view"]}


async def upload_url(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/files.getUploadURLExternal"""
    try:
        length = int(given.get("length") or 0)
    except ValueError:
        length = 0
    if not given.get("filename") or length <= 0:
        raise SlackError("invalid_arguments")
    file = {"id": state.new_id("F"), "name": str(given["filename"]), "size": length, "shared": False}
    state.files[str(file["id"])] = file
    return {"upload_url": f"{state.base}/upload/v1/{file['id']}", "file_id": file["id"]}


async def complete_upload(state: State, given: Json) -> Json:
    """https://api.slack.com/methods/files.completeUploadExternal"""
    asked = structure(given, "files", "invalid_arguments")
    if not isinstance(asked, list) or not asked:
        raise SlackError("invalid_arguments")
    done = []
    for each in asked:
        file = state.files.get(str(each.get("id")))
        if file is None or file["id"] not in state.contents:
            raise SlackError("file_not_found")
        file["title"] = each.get("title") or file["name"]
        done.append(file)
    if given.get("channel_id"):
        channel = place(state, {"channel": given["channel_id"]}, write=True)
        comment = str(given.get("initial_comment") or "")
        thread = given.get("thread_ts") or None
        message = Message(channel=channel.id, ts=state.new_ts(), text=comment, thread_ts=thread, files=done)
        for kind, detail in slips(comment):
            state.log.violate(kind, detail, method="files.completeUploadExternal", channel=channel.id)
        state.messages.append(message)
        for file in done:
            file["shared"] = True
    return {"files": [{"id": f["id"], "title": f["title"]} for f in done]}


async def open_connection(state: State, _: Json) -> Json:
    """https://api.slack.com/methods/apps.connections.open"""
    ticket = state.new_id("ticket")
    state.triggers[ticket] = {"socket": True, "used": False, "at": time.time()}
    return {"url": f"{state.base.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={APP}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method, the scope it needs and the tier of its rate; tier 0 has a rate of its own or none."""

    run: Callable[[State, Json], Awaitable[Json]]
    scope: str | None = None
    tier: int = 0
    app_token: bool = False


# The pages https://api.slack.com/methods/NAME name scope and tier.
METHODS = {
    "auth.test": Method(run=auth_test),
    "chat.postMessage": Method(run=post_message, scope="chat:write"),
    "chat.update": Method(run=update, scope="chat:write", tier=3),
    "chat.delete": Method(run=delete, scope="chat:write", tier=3),
    "chat.postEphemeral": Method(run=post_ephemeral, scope="chat:write", tier=4),
    "chat.getPermalink": Method(run=permalink),
    "conversations.info": Method(run=conversation, scope="channels:read", tier=3),
    "conversations.history": Method(run=history, scope="channels:history", tier=3),
    "conversations.replies": Method(run=replies, scope="channels:history", tier=3),
    "conversations.open": Method(run=open_conversation, scope="im:write", tier=3),
    "users.info": Method(run=user_info, scope="users:read", tier=4),
    "views.open": Method(run=open_view, tier=4),
    "views.update": Method(run=update_view, tier=4),
    "files.getUploadURLExternal": Method(run=upload_url, scope="files:write", tier=4),
    "files.completeUploadExternal": Method(run=complete_upload, scope="files:write", tier=4),
    "apps.connections.open": Method(run=open_connection, tier=1, app_token=True),
}


def proven(state: State, method: Method, token: str) -> None:
    """Refuse a call whose token is missing, unknown, of the other kind or too narrow.

    https://docs.slack.dev/apis/web-api/#errors
    """
    if not token:
        raise SlackError("not_authed")
    if state.auth_error is not None:
        raise SlackError(state.auth_error)
    right, other = state.bot_token, state.app_token
    if method.app_token:
        right, other = other, right
    if token == other:
        raise SlackError("not_allowed_token_type")
    if token != right:
        raise SlackError("invalid_auth")
    if method.scope is not None and method.scope not in state.scopes:
        raise SlackError("missing_scope", needed=method.scope, provided=",".join(state.scopes))


def routes(state: State) -> list[web.RouteDef]:
    """The API, the upload addresses and the response addresses."""

    def refused(failure: Failure) -> web.Response:
        if failure.kind == "ratelimited":
            return limited(Limited(failure.retry_after))
        if failure.kind == "error":
            return web.json_response({"ok": False, "error": failure.error})
        return web.Response(status=failure.status, text="upstream error")

    def limited(error: Limited) -> web.Response:
        headers = {"Retry-After": str(error.retry_after)}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)

    async def call(request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]

        async def work(entry: Json) -> web.Response:
            # https://docs.slack.dev/authentication/installing-with-oauth#scopes: the header x-oauth-scopes
            headers = {"x-oauth-scopes": ",".join(state.scopes)}
            try:
                body = {"ok": True, **await answered(request, name, entry)}
            except SlackError as error:
                body = error.body
                entry["error"] = body["error"]
            except Limited as error:
                entry["error"] = "ratelimited"
                return limited(error)
            return web.json_response(body, headers=headers)

        return await served(request, state.log, name, work, refused)

    async def answered(request: web.Request, name: str, entry: Json) -> Json:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        try:
            given, _ = await fields(request)
        except json.JSONDecodeError:
            raise SlackError("invalid_json") from None
        except (ValueError, TypeError):
            raise SlackError("invalid_form_data") from None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else str(given.pop("token", ""))
        given.pop("token", None)
        entry["args"] = given
        proven(state, method, token)
        if method.tier and state.limits.rates:
            wait = state.rates.take([(name, getattr(state.limits, f"tier_{method.tier}_a_minute"), 60.0)])
            if wait:
                raise Limited(wait)
        try:
            return await method.run(state, given)
        except (ValueError, KeyError, AttributeError):
            raise SlackError("invalid_arguments") from None

    async def upload(request: web.Request) -> web.StreamResponse:
        """https://docs.slack.dev/messaging/working-with-files#uploading_files"""
        name = request.match_info["file"]
        file = state.files.get(name)

        async def work(_: Json) -> web.Response:
            if request.content_type == "multipart/form-data":
                _, parts = await fields(request)
                data = next(iter(parts.values()), ("", b""))[1]
            else:
                data = await request.read()
            if file is None or len(data) != file["size"]:
                return web.Response(status=400, text="the length is not the one announced")
            state.contents[name] = data
            return web.Response(text=f"OK - {len(data)}")

        return await served(request, state.log, "upload", work, refused)

    async def respond(request: web.Request) -> web.StreamResponse:
        """https://docs.slack.dev/interactivity/handling-user-interaction#message_responses"""
        known = state.response_urls.get(request.match_info["id"])

        async def work(_: Json) -> web.Response:
            if known is None or time.time() - known["at"] > state.limits.response_url_s:
                return web.json_response({"ok": False, "error": "expired_url"}, status=404)
            if known["uses"] >= state.limits.response_url_uses:
                return web.json_response({"ok": False, "error": "used_url"}, status=404)
            known["uses"] += 1
            given, _ = await fields(request)
            try:
                answer(state, known, given)
            except SlackError as error:
                return web.json_response(error.body, status=400)
            return web.Response(text="ok")

        return await served(request, state.log, "response_url", work, refused)

    return [
        web.post("/upload/v1/{file}", upload),
        web.post("/respond/{id}", respond),
        web.route("*", "/api/{method}", call),
    ]


def answer(state: State, known: Json, given: Json) -> None:
    """A message by way of a response address, or with an acknowledgement."""
    text, blocks, _ = content(state, {**given, "channel": known["channel"]}, "response_url")
    message = state.message(known["channel"], known["ts"]) if known.get("ts") else None
    if truthy(given.get("delete_original")) and message is not None:
        message.deleted = True
    elif truthy(given.get("replace_original")) and message is not None:
        message.edits.append(
            {"at": time.time(), "ts": state.new_ts(), "text": message.text, "blocks": message.blocks}
        )
        message.text, message.blocks = text, named(blocks or [], state)
    else:
        private = given.get("response_type") != "in_channel"
        state.messages.append(
            Message(
                channel=known["channel"],
                ts=state.new_ts(),
                text=text,
                blocks=named(blocks or [], state),
                thread_ts=given.get("thread_ts") or None,
                ephemeral_to=known["user"] if private else None,
            )
        )
