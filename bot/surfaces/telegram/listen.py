"""How updates come in: long polling, or a webhook of ours. Both store first and confirm afterwards.

The library's own updater and webhook confirm what only lies in memory; a crash there loses a press.
"""

import asyncio
import contextlib
import hmac
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.incident.errors import ResponderError, Transient
from bot.surfaces.ports import Take
from bot.surfaces.telegram.calls import MODE, BadToken, Calls, Lacks, OtherPoller

ALLOWED = ("message", "callback_query", "my_chat_member")
"""Updates that are asked for. https://core.telegram.org/bots/api#getupdates"""

PATH = "/v1/chat/telegram"
POLL_S = 25
MOST_BYTES = 1024 * 1024
BODY_PATIENCE_S = 10.0
LONGEST_PAUSE_S = 30.0
CONFLICT_PAUSE_S = 5.0
UNSTORED_PAUSE_S = 3.0
"""Somebody waits for their press to be answered; Telegram keeps it for 150 s."""

Heard = Callable[[bytes], None]


def _pause(tries: int, least: float = 0.5) -> float:
    """Growing pauses, each a little different, so that many do not come back at once."""
    return float(min(LONGEST_PAUSE_S, least * 2 ** min(tries, 10)) * random.uniform(0.75, 1.25))  # noqa: S311  # jitter


@dataclass(slots=True, kw_only=True)
class Poller:
    """One long poll after the other. ``conflicted`` is called when another poller shows."""

    calls: Calls
    take: Take
    heard: Heard
    log: Any
    conflicted: Callable[[], None]
    seconds: int = POLL_S
    offset: int | None = None

    async def run(self) -> None:
        """Until cancelled."""
        tries = 0
        free = False
        while True:
            try:
                free = free or await self._free()
                await self._once()
                tries = 0
            except OtherPoller as error:
                self.conflicted()
                self.log.error("telegram.another_poller", error=str(error))  # noqa: TRY400  # its words are enough
                await asyncio.sleep(_pause(0, CONFLICT_PAUSE_S))
            except BadToken as error:
                self.log.error("telegram.token_refused", error=str(error))  # noqa: TRY400  # its words are enough
                await asyncio.sleep(LONGEST_PAUSE_S)
            except ResponderError as error:
                self.log.warning("telegram.polling_failed", error=str(error), tries=tries + 1)
                longest = UNSTORED_PAUSE_S if isinstance(error, _Unstored) else LONGEST_PAUSE_S
                await asyncio.sleep(min(_pause(tries), longest))
                tries += 1

    async def _free(self) -> bool:
        """Polling and a webhook exclude each other; a webhook that is set is taken away, and that is said."""
        try:
            info = await self.calls("getWebhookInfo", lambda bot: bot.get_webhook_info())
        except Lacks:
            return True
        if info.url:
            self.log.warning(
                "telegram.webhook_removed",
                host=urlsplit(info.url).hostname,
                why=f"{MODE} is polling; Telegram does not do both",
            )
            await self.calls("deleteWebhook", lambda bot: bot.delete_webhook(drop_pending_updates=False))
        return True

    async def _once(self) -> None:
        """One long poll. What is stored is confirmed by the offset of the next one."""
        await self.calls(
            "getUpdates",
            lambda bot: bot.get_updates(
                offset=self.offset, timeout=self.seconds, allowed_updates=ALLOWED, read_timeout=10
            ),
            seconds=self.seconds + 15,
        )
        came, self.calls.updates.came = self.calls.updates.came, []
        numbered: list[tuple[int, bytes]] = []
        for update in came:
            number = update.get("update_id") if isinstance(update, dict) else None
            if isinstance(number, int):
                numbered.append((number, json.dumps(update).encode()))
            else:
                self.log.error("telegram.update_without_number")
        # Handed over together, so that a hundred presses wait for one commit and not for a hundred.
        stored = await asyncio.gather(
            *(_stored(self.take, str(number), body, self.log) for number, body in numbered),
            return_exceptions=True,
        )
        for (number, body), failed in zip(numbered, stored, strict=True):
            if failed is not None:
                raise failed  # from this one on all are asked for again; what is stored is known by its number
            self.offset = number + 1
            self.heard(body)


class _Unstored(Transient):
    """What came could not be stored; it is asked for again."""


async def _stored(take: Take, key: str | None, body: bytes, log: Any) -> None:
    try:
        await take(key, body)
    except Transient as error:
        raise _Unstored(f"an update could not be stored: {error}") from error
    except Exception as error:  # the top of the listener: whatever it was, nothing is confirmed
        log.exception("telegram.take_failed")
        raise _Unstored("an update could not be stored; the log has the reason") from error


def routes(take: Take, heard: Heard, log: Any, secret: str) -> Sequence[Route]:
    """Our endpoint for Telegram's webhook: proof, size, store, then 200."""

    async def webhook(request: Request) -> Response:
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
            log.warning("telegram.webhook_refused", why="the secret is missing or wrong")
            return _no(401, "the secret token is missing or wrong")
        body = await _body(request)
        if isinstance(body, Response):
            return body
        try:
            await _stored(take, _number(body), body, log)
        except Transient as error:
            log.warning("telegram.unavailable", error=str(error))
            return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "5"})
        heard(body)
        return JSONResponse({})

    return (Route(PATH, webhook, methods=["POST"]),)


def _no(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers={"Connection": "close"})


async def _body(request: Request) -> bytes | Response:
    """The body, read no further than it may be long."""
    told = request.headers.get("content-length", "")
    chunks: list[bytes] = []
    size = int(told) if told.isdecimal() and int(told) > MOST_BYTES else 0
    try:
        with anyio.fail_after(BODY_PATIENCE_S), contextlib.suppress(StopAsyncIteration):
            stream = request.stream()
            while size <= MOST_BYTES:
                chunk = await anext(stream)
                size += len(chunk)
                chunks.append(chunk)
    except TimeoutError:
        return _no(408, f"the body did not come within {BODY_PATIENCE_S:g} s")
    except ClientDisconnect:
        return _no(400, "the connection closed before the body was whole")
    return b"".join(chunks) if size <= MOST_BYTES else _no(413, f"the body is larger than {MOST_BYTES} bytes")


def _number(body: bytes) -> str | None:
    """The number of the update, by which it is known when it comes again."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    number = data.get("update_id") if isinstance(data, dict) else None
    return str(number) if isinstance(number, int) else None
