"""What came from Slack, as something the desk understands. Pure.

``reduced`` keeps of a payload what is needed later and no secret; ``key`` names a delivery, so that the same one
again has the same name; ``read`` judges who it was. https://docs.slack.dev/interactivity and
https://docs.slack.dev/reference/events
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.incident.errors import BadInput
from agents.incident.ids import ApprovalId
from bot.surfaces.ports import Asker, Incoming, Pressed, Reasoned, Typed
from bot.surfaces.slack.render import NAME, REASON, Origin

LONGEST = 4_000
"""Characters of a command or a message that are read."""

_TOP = frozenset(
    {
        "type",
        "team_id",
        "enterprise_id",
        "is_enterprise_install",
        "event_id",
        "event_time",
        "is_ext_shared_channel",
        "trigger_id",
        "action_ts",
        "callback_id",
        "command",
        "text",
        "user_id",
        "channel_id",
        "channel_name",
    }
)
_EVENT = frozenset(
    {
        "type",
        "subtype",
        "user",
        "bot_id",
        "app_id",
        "text",
        "ts",
        "thread_ts",
        "event_ts",
        "channel",
        "channel_type",
        "team",
        "user_team",
        "source_team",
        "hidden",
    }
)
_PART: Mapping[str, tuple[str, ...]] = {
    "user": ("id", "team_id", "is_stranger", "is_bot"),
    "team": ("id",),
    "enterprise": ("id",),
    "channel": ("id", "name"),
    "container": ("type", "message_ts", "channel_id", "thread_ts", "is_ephemeral"),
    "message": ("ts", "thread_ts"),
    "view": ("id", "hash", "callback_id", "private_metadata", "state"),
}
_ACTION = ("type", "action_id", "block_id", "value", "action_ts", "selected_option")

_LINKED = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_ENTITY = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_NOT_OURS = "your account belongs to another workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who the bot is, and the workspaces whose people it knows. Empty before it asked: then it knows nobody."""

    user_id: str = ""
    bot_id: str = ""
    team_id: str = ""
    enterprise_id: str = ""
    teams: frozenset[str] = frozenset()
    name: str = ""

    def home(self, team: str) -> bool:
        """Whether an account of this workspace or organisation is one of ours."""
        return bool(team) and team in {self.team_id, self.enterprise_id, *self.teams}


def reduced(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload without tokens, answer addresses and whatever nobody reads."""
    kept: dict[str, Any] = {k: v for k, v in payload.items() if k in _TOP}
    if isinstance(payload.get("event"), Mapping):
        kept["event"] = {k: v for k, v in payload["event"].items() if k in _EVENT}
    for part, names in _PART.items():
        if isinstance(payload.get(part), Mapping):
            kept[part] = {k: payload[part][k] for k in names if k in payload[part]}
    if isinstance(payload.get("actions"), list):
        actions = [a for a in payload["actions"] if isinstance(a, Mapping)]
        kept["actions"] = [{k: a[k] for k in _ACTION if k in a} for a in actions]
    return kept


def key(kept: Mapping[str, Any], body: bytes) -> str:
    """The name of a delivery: an event keeps its id when it is sent again, an interaction its trigger."""
    actions = kept.get("actions")
    action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    view = _part(kept, "view")
    if _text(kept, "event_id"):
        name = f"event:{_text(kept, 'event_id')}"
    elif _text(kept, "trigger_id"):
        name = f"trigger:{_text(kept, 'trigger_id')}"
    elif _text(action, "action_ts"):
        name = f"action:{_text(_part(kept, 'user'), 'id')}:{_text(action, 'action_ts')}"
    elif _text(view, "id"):
        name = f"view:{_text(view, 'id')}:{_text(view, 'hash')}"
    else:
        name = f"body:{hashlib.sha256(body).hexdigest()}"
    return name if len(name) <= 150 else f"long:{hashlib.sha256(name.encode()).hexdigest()}"


def read(body: bytes, me: Me, prefix: str = "/") -> Incoming | None:
    """A stored delivery; ``None`` when it is not for the bot. BadInput when it is no payload at all."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("a delivery from Slack is not JSON") from None
    if not isinstance(payload, dict):
        raise BadInput("a delivery from Slack is not an object")
    if isinstance(payload.get("event"), dict):
        return _event(payload, payload["event"], me)
    if _text(payload, "command"):
        return _command(payload, me, prefix)
    match payload.get("type"):
        case "block_actions":
            return _pressed(payload, me)
        case "view_submission":
            return _reasoned(payload, me)
        case _:
            return None


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _judged(me: Me, account: str, team: str, *, stranger: bool = False, bot: bool = False) -> str:
    """Why this account is not to be trusted; empty when it is."""
    if not account:
        return "Slack did not say whose account this is"
    if bot or account == "USLACKBOT":
        return "bots may not press or command"
    if not me.team_id:
        return "the bot does not know its own workspace yet"
    if stranger:
        return _NOT_OURS
    if not team:
        return "Slack did not say which workspace this account belongs to"
    return "" if me.home(team) else _NOT_OURS


def _pressed(payload: Mapping[str, Any], me: Me) -> Pressed | None:
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    data = _text(action, "value") or _text(_part(action, "selected_option"), "value")
    if not data:
        return None
    container, message, user = _part(payload, "container"), _part(payload, "message"), _part(payload, "user")
    place = _text(_part(payload, "channel"), "id") or _text(container, "channel_id")
    why_not = _judged(
        me,
        _text(user, "id"),
        _text(user, "team_id"),
        stranger=user.get("is_stranger") is True,
        bot=user.get("is_bot") is True,
    )
    asker = Asker(
        surface=NAME,
        account=_text(user, "id"),
        place=place,
        private=place.startswith("D"),
        thread=_text(container, "thread_ts") or _text(message, "thread_ts"),
        message=_text(container, "message_ts") or _text(message, "ts"),
        trusted=not why_not,
        why_not=why_not,
        extra=_extra(
            trigger_id=_text(payload, "trigger_id"),
            action_id=_text(action, "action_id"),
            action_ts=_text(action, "action_ts"),
            team_id=_text(user, "team_id"),
        ),
    )
    return Pressed(asker=asker, data=data)


def _reasoned(payload: Mapping[str, Any], me: Me) -> Reasoned | None:
    view, user = _part(payload, "view"), _part(payload, "user")
    if _text(view, "callback_id") != REASON:
        return None
    try:
        origin = Origin.unpacked(_text(view, "private_metadata"))
    except ValueError:
        raise BadInput("a form came back from Slack without the approval it asked about") from None
    filled = [
        _part(_part(_part(view, "state"), "values"), block) for block in _part(_part(view, "state"), "values")
    ]
    said = " ".join(_text(_part(block, "reason"), "value") for block in filled).strip()
    why_not = _judged(me, _text(user, "id"), _text(user, "team_id"), stranger=user.get("is_stranger") is True)
    asker = Asker(
        surface=NAME,
        account=_text(user, "id"),
        place=origin.place,
        private=origin.private,
        thread=origin.thread,
        trusted=not why_not,
        why_not=why_not,
        extra=_extra(trigger_id=_text(payload, "trigger_id"), callback_id=REASON),
    )
    return Reasoned(asker=asker, approval_id=ApprovalId(origin.approval_id), text=said[:LONGEST]) if said else None


def _command(payload: Mapping[str, Any], me: Me, prefix: str) -> Typed:
    place, account = _text(payload, "channel_id"), _text(payload, "user_id")
    team = _text(payload, "team_id") or _text(payload, "enterprise_id")
    why_not = _judged(me, account, team)
    asker = Asker(
        surface=NAME,
        account=account,
        place=place,
        private=place.startswith("D"),
        thread=_text(payload, "thread_ts"),
        trusted=not why_not,
        why_not=why_not,
        extra=_extra(trigger_id=_text(payload, "trigger_id"), command=_text(payload, "command"), team_id=team),
    )
    words = f"{verb(_text(payload, 'command'), prefix)} {_text(payload, 'text')}".strip()
    return Typed(asker=asker, text=words[:LONGEST])


def verb(command: str, prefix: str) -> str:
    """The verb in a slash command's name: ``/diagnose``, ``/fr-diagnose``; none in ``/fr`` itself."""
    name = command.strip().lower().lstrip("/")
    if name in {"fr", "firstresponder"}:
        return ""
    for own in (prefix.strip().lower().lstrip("/"), "fr-", "fr_", "firstresponder-"):
        if own and name.startswith(own) and len(name) > len(own):
            return name.removeprefix(own).lstrip("-_")
    return name


def _event(payload: Mapping[str, Any], event: Mapping[str, Any], me: Me) -> Typed | None:
    """A mention in a channel, or a message to the bot alone. Edits, joins, bots and the rest are nothing."""
    account, place = _text(event, "user"), _text(event, "channel")
    direct = event.get("type") == "message" and event.get("channel_type") == "im"
    if not direct and event.get("type") != "app_mention":
        return None
    if event.get("subtype") not in (None, "", "thread_broadcast", "file_share") or event.get("hidden") is True:
        return None
    if _text(event, "bot_id") or not account or account in {me.user_id, "USLACKBOT"} or not place:
        return None
    # In a shared channel the workspace of the sender is named; the outer team is the one that listens.
    named = _text(event, "user_team") or _text(event, "source_team") or _text(event, "team")
    team = named or ("" if payload.get("is_ext_shared_channel") is True else _text(payload, "team_id"))
    why_not = _judged(me, account, team)
    asker = Asker(
        surface=NAME,
        account=account,
        place=place,
        private=direct,
        thread=_text(event, "thread_ts"),
        message=_text(event, "ts"),
        trusted=not why_not,
        why_not=why_not,
        extra=_extra(event_id=_text(payload, "event_id"), team_id=team),
    )
    return Typed(asker=asker, text=_said(_text(event, "text"), me))


def _said(text: str, me: Me) -> str:
    """A message as its author typed it: without the mention of the bot, links and names as words."""

    def word(found: re.Match[str]) -> str:
        target, label = found.group(1), found.group(2)
        if target == f"@{me.user_id}":
            return " "
        if target.startswith(("@", "#", "!")):
            return f"{target[0] if target[0] != '!' else '@'}{label or target[1:]}"
        return label or target

    plain = _LINKED.sub(word, text[: 2 * LONGEST])
    plain = re.sub("|".join(_ENTITY), lambda found: _ENTITY[found.group()], plain)
    return " ".join(plain.split())[:LONGEST]


def _extra(**named: str) -> dict[str, str]:
    return {name: value for name, value in named.items() if value}
