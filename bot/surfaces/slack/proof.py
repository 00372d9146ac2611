"""Whether Slack is set up as it must be; whatever is not, with the setting or the page that changes it."""

import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.incident.errors import ResponderError
from bot.surfaces.ports import Busy
from bot.surfaces.slack.calls import PREFIX, Calls, Failed
from bot.surfaces.slack.read import Me

SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "im:history",
        "im:write",
    }
)
"""What the bot asks for; groups:read and groups:history beside them where a channel is private."""

AWRY_S = 240
"""Signatures are good for 300 s."""


async def who(calls: Calls) -> Me:
    """Who the bot is and whom it may know."""
    said = await calls.call("auth.test")
    return Me(
        user_id=str(said.get("user_id") or ""),
        bot_id=str(said.get("bot_id") or ""),
        team_id=str(said.get("team_id") or ""),
        enterprise_id=str(said.get("enterprise_id") or ""),
        teams=await _teams(calls) if said.get("is_enterprise_install") is True else frozenset(),
        name=str(said.get("user") or ""),
    )


async def _teams(calls: Calls) -> frozenset[str]:
    """The workspaces of an organisation the app is installed in; those that are not told stay strangers."""
    try:
        said = await calls.call("auth.teams.list", limit=1000)
    except ResponderError:
        return frozenset()
    return frozenset(str(t["id"]) for t in said.get("teams") or () if isinstance(t, dict) and t.get("id"))


async def app(calls: Calls, app_token: str) -> None:
    """Whether a socket could be opened."""
    try:
        await calls.call("apps.connections.open", token=app_token or "none")
    except Busy:
        return  # asked too often, so it was known
    except Failed as error:
        if str(error).startswith(PREFIX):
            raise
        raise Failed(
            f"{PREFIX}APP_TOKEN: no socket can be opened ({error.error}); switch Socket Mode on (the app's page"
            f" Socket Mode) and give the token the scope connections:write, or set {PREFIX}MODE=http",
            error.error,
        ) from error


async def places(calls: Calls, channel: str, channels: Iterable[str], name: str = "") -> list[str]:
    """What is wrong with the channels."""
    wanted = [("CHANNEL", channel), *(("CHANNELS", c) for c in sorted(set(channels) - {channel}))]
    return [wrong for setting, one in wanted if (wrong := await _place(calls, setting, one, name))]


async def _place(calls: Calls, setting: str, channel: str, name: str) -> str:
    if not channel[:1].isalpha() or not channel.isalnum() or channel != channel.upper():
        return (
            f"{PREFIX}{setting}: {channel!r} is no channel's id; it begins with C and stands at the end of the"
            " channel's About tab in Slack"
        )
    invite = f"invite it there: /invite @{name or 'firstresponder'}"
    try:
        told = await calls.call("conversations.info", channel=channel)
    except Failed as error:
        if error.error == "channel_not_found":
            return f"{PREFIX}{setting}: no channel {channel} is there, or it is private without the bot; {invite}"
        return str(error)
    found = told["channel"]
    if found.get("is_archived"):
        return f"{PREFIX}{setting}: the channel {channel} is archived; name another"
    if found.get("is_member") is False and not found.get("is_im"):
        return f"{PREFIX}{setting}: the bot is not in the channel {channel}; {invite}"
    return ""


async def check(calls: Calls, channel: str, channels: Iterable[str]) -> list[str]:
    """Everything that can be asked of Slack itself."""
    try:
        said = await calls.call("auth.test")
        found = [*_scopes(said), *_clock(said)]
        return [*found, *await places(calls, channel, channels, str(said.get("user") or ""))]
    except ResponderError as error:
        return [str(error)]


def _header(said: AsyncSlackResponse, name: str) -> str:
    return next((str(v) for k, v in said.headers.items() if k.lower() == name), "")


def _scopes(said: AsyncSlackResponse) -> Iterable[str]:
    given = {s.strip() for s in _header(said, "x-oauth-scopes").split(",") if s.strip()}
    missing = sorted(SCOPES - given)
    if given and missing:
        yield (
            f"{PREFIX}BOT_TOKEN lacks {', '.join(missing)}: add them under OAuth & Permissions, reinstall the app,"
            " and set the new token"
        )


def _clock(said: AsyncSlackResponse) -> Iterable[str]:
    try:
        theirs = parsedate_to_datetime(_header(said, "date")).timestamp()
    except (ValueError, TypeError):
        return
    off = time.time() - theirs
    if abs(off) > AWRY_S:
        yield f"this machine's clock is {off:+.0f} s from Slack's: set it, or signed requests are refused (NTP)"
