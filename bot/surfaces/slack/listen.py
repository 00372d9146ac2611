"""How Slack reaches us: over a socket that we open, or by signed requests. Both are stored, then acknowledged."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agents.incident.errors import ResponderError, Transient
from bot.surfaces.ports import Busy, Take
from bot.surfaces.slack.calls import PREFIX, Calls, bare
from bot.surfaces.slack.read import Me, key, reduced

PATH = "/v1/chat/slack"
MOST_BYTES = 1024 * 1024
LOOK_S = 0.25
"""How often a socket is looked at: one that is gone is replaced within this time."""

CONNECT_S = 10.0
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Told(logging.Handler):
    """What the libraries complain of, in our log, without the addresses and tokens they put into it."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One complaint."""
        self._log.warning("slack.library", said=bare(record.getMessage()))


def quiet(log: Any) -> logging.Logger:
    """A logger for the libraries that reaches no file by itself: at DEBUG they write whole payloads."""
    logger = logging.Logger("slack", logging.WARNING)
    logger.addHandler(Told(log))
    return logger


class Listener:
    """Takes deliveries in. ``me`` tells who the bot is, once that is known."""

    def __init__(
        self,
        *,
        calls: Calls,
        app_token: str,
        signing_secret: str,
        me: Callable[[], Me],
        log: Any,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._app_token = app_token
        self._verifier = SignatureVerifier(signing_secret) if signing_secret.strip() else None
        self._me = me
        self._log = log
        self._clock = clock
        self._socket: AsyncSocketModeHandler | None = None
        self.heard: float | None = None

    async def connected(self) -> bool:
        """Whether a socket is open now."""
        return self._socket is not None and await self._socket.client.is_connected()

    def _app(self, take: Take) -> AsyncApp:
        """Bolt parses, answers challenges and leaves out what the bot said itself; then it is stored.

        It is stored in a middleware, not in a listener: a listener's acknowledgement is looked for every 10 ms.
        """

        async def authorize() -> AuthorizeResult:
            # Known since the start: Bolt's own way asks Slack while somebody waits.
            me = self._me()
            return AuthorizeResult(
                enterprise_id=me.enterprise_id or None,
                team_id=me.team_id or None,
                bot_user_id=me.user_id or None,
                bot_id=me.bot_id or None,
                bot_token=self._calls.client.token,
            )

        async def store(body: dict[str, Any], request: AsyncBoltRequest) -> BoltResponse:
            return await self._store(take, body)

        app = AsyncApp(
            name="firstresponder",
            client=AsyncWebClient(
                base_url=self._calls.client.base_url, retry_handlers=[], logger=quiet(self._log)
            ),
            authorize=authorize,
            signing_secret="",
            request_verification_enabled=False,  # proven on the raw bytes before anything is parsed; see _heard
            attaching_function_token_enabled=False,
            logger=quiet(self._log),
        )
        app.use(store)
        return app

    async def _store(self, take: Take, payload: dict[str, Any]) -> BoltResponse:
        """200 when it is durable; what could not be stored is not acknowledged, and comes again."""
        if not self._me().team_id:
            return BoltResponse(status=503, body="not ready")
        kept = reduced(payload)
        body = json.dumps(kept, ensure_ascii=True, separators=(",", ":")).encode()
        self.heard = self._clock()
        try:
            await take(key(kept, body), body)
        except ResponderError as error:
            self._log.warning("slack.not_stored", kind=kept.get("type") or "command", error=str(error))
            return BoltResponse(status=503, body="not stored")
        return BoltResponse(status=200, body="")

    # --- Socket Mode -------------------------------------------------------------------------------------------

    async def sockets(self, take: Take) -> None:
        """Keep a socket open until cancelled. Slack ends each every few hours; it is replaced by then."""
        app = self._app(take)
        pause = PAUSE_S
        while True:
            began = self._clock()
            try:
                await self._socketed(app)
            except ResponderError as error:
                self._log.warning("slack.no_socket", error=str(error))
                if isinstance(error, Busy):
                    pause = max(pause, error.retry_after.total_seconds())
            if self._clock() - began > LONGEST_PAUSE_S:
                pause = PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _socketed(self, app: AsyncApp) -> None:
        """One life of a connection: until it is gone."""
        opened = await self._calls.call("apps.connections.open", token=self._app_token)
        handler = AsyncSocketModeHandler(
            app, self._app_token, logger=app.logger, web_client=self._calls.client, ping_interval=5
        )
        client = handler.client
        # The library would try an address again that has been used up; a fresh client asks for a fresh one.
        client.auto_reconnect_enabled = client.default_auto_reconnect_enabled = False
        client.wss_uri = str(opened["url"])
        try:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await handler.connect_async()  # type: ignore[no-untyped-call]  # the library's has no types
            except TimeoutError:
                raise Transient("Slack's socket could not be opened") from None
            self._socket = handler
            self._log.info("slack.socket_opened")
            gone = 0.0
            # Told to go, the library opens the next socket itself, and holds this lock until it has.
            while gone < (CONNECT_S if client.connect_operation_lock.locked() else LOOK_S):
                await asyncio.sleep(LOOK_S)
                gone = 0.0 if await client.is_connected() else gone + LOOK_S
            self._log.info("slack.socket_closed")
        finally:
            self._socket = None
            with contextlib.suppress(Exception):
                await asyncio.shield(handler.close_async())  # type: ignore[no-untyped-call]

    # --- HTTP --------------------------------------------------------------------------------------------------

    def routes(self, take: Take) -> list[Route]:
        """The one address that Slack is told for events, interactivity and commands."""
        handler = AsyncSlackRequestHandler(self._app(take))

        async def heard(request: Request) -> Response:
            body = await self._body(request)
            if body is None:
                return PlainTextResponse("too long", 413)
            if not self._proven(body, request):
                return PlainTextResponse("not signed by Slack", 401)
            try:
                return await handler.handle(request)
            except ValueError:
                return PlainTextResponse("not a payload of Slack", 400)

        return [Route(PATH, heard, methods=["POST"])]

    @staticmethod
    async def _body(request: Request) -> bytes | None:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                return None
            parts.append(part)
        request._body = b"".join(parts)  # where Starlette keeps it for whoever asks again
        return request._body

    def _proven(self, body: bytes, request: Request) -> bool:
        """Whether Slack signed this body within the last five minutes."""
        if self._verifier is None:
            self._log.warning("slack.no_secret", setting=f"{PREFIX}SIGNING_SECRET")
            return False
        try:
            return self._verifier.is_valid(
                body,
                request.headers.get("x-slack-request-timestamp"),
                request.headers.get("x-slack-signature"),
            )
        except (ValueError, TypeError):  # a time that is none, a body or a signature that is no text
            return False
