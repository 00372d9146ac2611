"""Slack: events, interactions and slash commands, told for the chat's own door; nothing is opened for them.

https://docs.slack.dev/apis/events-api and /interactivity
"""

from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.delivery import form, peek, reader
from bot.receiver.systems.node import Node, root
from bot.receiver.systems.reading import Category, Reading, System, stated, unused

_WHAT = "not a Slack notification"
_INTERACTIONS = frozenset(
    {
        "block_actions",
        "block_suggestion",
        "interactive_message",
        "dialog_submission",
        "dialog_cancellation",
        "dialog_suggestion",
        "message_action",
        "shortcut",
        "view_submission",
        "view_closed",
        "workflow_step_edit",
        "function_executed",
    }
)


def _is_form(body: bytes) -> bool:
    return not body.lstrip().startswith((b"{", b"[")) and b"=" in body


def _id(node: Node, name: str) -> str | None:
    """An id, or the id of the object in its place: some events carry the whole channel or user."""
    return node.at(name).text("id") if node.holds(name) else node.text(name)


def _interaction(body: Node, kind: str) -> Reading:
    view, container = body.at("view"), body.at("container")
    actions = [
        {name: action.text(name) for name in ("action_id", "block_id", "type", "value")}
        for action in body.nodes("actions")
    ]
    about = {
        "interaction": kind,
        "user_id": body.at("user").text("id"),
        "team_id": body.at("team").text("id") or body.at("user").text("team_id"),
        "enterprise_install": body.true("is_enterprise_install"),
        "channel_id": body.at("channel").text("id") or container.text("channel_id"),
        "message_ts": container.text("message_ts") or body.text("message_ts") or body.at("message").text("ts"),
        "callback_id": body.text("callback_id") or view.text("callback_id"),
        "actions": actions or None,
        "has_response_url": body.text("response_url") is not None or bool(body.list("response_urls")),
        "private_metadata": view.text("private_metadata"),
    }
    return Reading(category=Category.CHAT_INTERACTION, about=about, delivery_key=body.text("trigger_id"))


def _event(body: Node) -> Reading:
    event = body.at("event")
    delivery = body.text("event_id")
    about = {
        "event_type": event.need("type"),
        "subtype": event.text("subtype"),
        "delivery_id": delivery,
        "user": _id(event, "user"),
        "channel": _id(event, "channel"),
        "text": event.text("text"),
        "ts": event.text("ts"),
        "thread_ts": event.text("thread_ts"),
        "is_bot": event.text("bot_id") is not None,
    }
    return Reading(category=Category.CHAT_EVENT, about=about, delivery_key=delivery)


def _command(sent: Mapping[str, str]) -> Reading:
    names = ("command", "text", "user_id", "team_id", "channel_id")
    about = stated(**{name: sent.get(name) or None for name in names})
    return Reading(
        category=Category.CHAT_COMMAND,
        about={**about, "has_response_url": bool(sent.get("response_url"))},
        delivery_key=sent.get("trigger_id") or None,
    )


def _json(body: Node) -> Reading:
    kind = body.need("type")
    if kind == "url_verification":
        about = {"must": "answer the challenge value", "challenge": body.need("challenge")}
        return Reading(category=Category.HANDSHAKE, about=about)
    if kind == "event_callback":
        return _event(body)
    if kind == "app_rate_limited":
        return Reading(category=Category.CHAT_EVENT, about=stated(event_type=kind, team_id=body.text("team_id")))
    return _interaction(body, kind) if kind in _INTERACTIONS else unused("Slack", kind)


_read_json = reader("a Slack", lambda _, body: _json(body), exact=True)


def _read(headers: Mapping[str, str], body: bytes) -> Reading:
    """Who did what where; a handshake says what it has to be answered."""
    if not _is_form(body):
        return _read_json(headers, body)
    sent = form(body, _WHAT)
    if "payload" in sent:
        return _json(root(fields.decode(sent["payload"].encode(), f"{_WHAT}: payload"), _WHAT, exact=True))
    if sent.get("command"):
        return _command(sent)
    if sent.get("ssl_check"):
        return Reading(category=Category.HANDSHAKE, about={"must": "answer 200"})
    raise BadInput(f"{_WHAT}: body: a form with neither payload nor command")


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by its type beside what Slack always sends."""
    if "x-slack-signature" in headers:
        return 3
    if _is_form(body) and not body.lstrip().startswith(b"payload="):
        sent = form(body, _WHAT)
        return 2 if sent.get("command", "").startswith("/") and {"team_id", "trigger_id"} <= sent.keys() else 0
    whole = peek(headers, body, exact=True)
    kind = whole.get("type")
    if kind == "url_verification":
        return 2 if "challenge" in whole else 0
    if kind == "event_callback":
        return 2 if "api_app_id" in whole or "event_id" in whole else 0
    return 2 if isinstance(kind, str) and kind in _INTERACTIONS and ("token" in whole or "user" in whole) else 0


SYSTEM = System(name="slack", title="Slack", read=_read, recognise=_recognise)
