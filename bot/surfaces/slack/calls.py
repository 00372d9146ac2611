"""Calls of Slack's Web API, with its answers to trouble translated once: wait, try again, or change a setting."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.incident.errors import Refused, ResponderError, Transient
from bot.surfaces.ports import Busy, Gone

PREFIX = "FIRSTRESPONDER_SLACK__"
TIMEOUT_S = 10.0
ANSWER_S = 2.5
"""An answer to a press is worth little after the three seconds in which somebody waits for it."""

_READS = frozenset({"conversations.info", "conversations.history", "conversations.replies", "auth.teams.list"})
"""These take no JSON. https://docs.slack.dev/apis/web-api/#post_bodies"""

_NO_GET = frozenset({404, 405})
"""Slack reads by GET and by POST; a server that stands in for it may know one of them."""

_AGAIN = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_TOKEN = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)
_SECRET = re.compile(r"xox[a-z]-[\w.-]+|xapp-[\w.-]+|(?:https?|wss?)://[^\s'\")]+")


class Failed(Refused):
    """Slack said no; ``error`` is its own word for why."""

    def __init__(self, message: str, error: str) -> None:
        super().__init__(message)
        self.error = error


def bare(text: str) -> str:
    """*text* without tokens and addresses."""
    return _SECRET.sub("(left out)", text)[:400]


class Calls:
    """The Web API of one workspace. Each call ends in time, and nothing is sent twice behind our back."""

    def __init__(self, token: str, api_url: str, logger: logging.Logger) -> None:
        base = api_url if api_url.endswith("/") else f"{api_url}/"
        # Retries of the library would post twice and hide Retry-After: there are none.
        self.client = AsyncWebClient(
            token=token, base_url=base, timeout=int(TIMEOUT_S), retry_handlers=[], logger=logger
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    def _session(self) -> None:
        """One pool of connections for the loop that runs now."""
        loop = asyncio.get_running_loop()
        if self.client.session is None or self.client.session.closed or self._loop is not loop:
            self.client.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
            self._loop = loop

    async def call(
        self, method: str, *, within: float = TIMEOUT_S, token: str = "", **args: Any
    ) -> AsyncSlackResponse:
        """One call. Raises Busy, Transient, Gone or Failed; never with a token in it."""
        self._session()
        given = {k: v for k, v in args.items() if v is not None} | ({"token": token} if token else {})
        try:
            async with asyncio.timeout(within):
                if method in _READS:
                    return await self._read(method, given)
                return await self.client.api_call(method, json=given)
        except SlackApiError as error:
            raise translated(method, error, app=bool(token)) from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, AttributeError) as error:
            raise Transient(f"Slack did not answer {method}: {bare(repr(error))}") from None

    async def _read(self, method: str, given: dict[str, Any]) -> AsyncSlackResponse:
        try:
            return await self.client.api_call(method, http_verb="GET", params=given)
        except SlackApiError as error:
            if getattr(error.response, "status_code", 0) not in _NO_GET:
                raise
        return await self.client.api_call(method, data=given)

    async def upload(self, png: bytes, *, title: str, told: str, channel: str, thread: str) -> None:
        """A picture into a thread."""
        self._session()
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                # The library puts these into the address of a POST, where not every server looks.
                about = {"filename": "chart.png", "length": len(png), "alt_txt": told}
                place = await self.client.api_call("files.getUploadURLExternal", data=about)
                await self._put(str(place["upload_url"]), png)
                files = json.dumps([{"id": place["file_id"], "title": title}])
                share = {"files": files, "channel_id": channel, "thread_ts": thread}
                await self.client.api_call("files.completeUploadExternal", data=share)
        except SlackApiError as error:
            raise translated("files.upload", error) from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, KeyError) as error:
            raise Transient(f"Slack did not take a picture: {bare(repr(error))}") from None

    async def _put(self, url: str, png: bytes) -> None:
        session = self.client.session
        assert session is not None  # noqa: S101  # opened by the caller
        async with session.post(url, data=png) as answer:
            if answer.status != 200:
                raise Transient(f"Slack did not take a picture: HTTP {answer.status}")

    async def close(self) -> None:
        """Give the connections back."""
        if self.client.session is not None and self._loop is asyncio.get_running_loop():
            await self.client.session.close()
        self.client.session = None


def translated(method: str, failure: SlackApiError, *, app: bool = False) -> ResponderError:
    """What to do about it."""
    response = failure.response
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    held = getattr(response, "data", None)
    data: Mapping[str, Any] = held if isinstance(held, dict) else {}
    error = str(data.get("error") or "")
    if status == 429 or error in _LIMITED:
        return Busy(f"Slack asks to wait with {method}", retry_after=timedelta(seconds=_wait(headers)))
    if status >= 500 or error in _AGAIN or not error:
        return Transient(f"Slack could not serve {method} now: {error or f'HTTP {status}'}")
    if error in _GONE:
        return Gone(f"Slack does not have this message any more ({error})")
    return Failed(_advice(method, error, data, app=app), error)


def _wait(headers: Mapping[str, str]) -> float:
    found = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    try:
        return min(max(float(found), 1.0), 3600.0)
    except ValueError:
        return 30.0


def _advice(method: str, error: str, data: Mapping[str, Any], *, app: bool) -> str:
    if error in _TOKEN:
        setting, kind, page = (
            ("APP_TOKEN", "an app-level token (xapp-…, scope connections:write)", "Basic Information")
            if app
            else ("BOT_TOKEN", "the bot's token (xoxb-…)", "OAuth & Permissions")
        )
        return f"Slack refuses {PREFIX}{setting} ({error}); it must be {kind} from the app's page {page}"
    if error == "missing_scope":
        needed = bare(str(data.get("needed") or "a scope"))
        return (
            f"{PREFIX}BOT_TOKEN lacks {needed}, which {method} needs; add it under OAuth & Permissions,"
            " reinstall the app, and set the new token"
        )
    if error in {"channel_not_found", "not_in_channel", "is_archived", "restricted_action"}:
        return (
            f"{PREFIX}CHANNEL or CHANNELS: {method} failed with {error}; it must be the id (C…) of a channel that"
            " is not archived and that the bot was invited to (/invite)"
        )
    told = data.get("response_metadata")
    details = told.get("messages") if isinstance(told, dict) else None
    more = f": {bare('; '.join(map(str, details[:3])))}" if isinstance(details, list) and details else ""
    return f"Slack refuses {method}: {error}{more}"
