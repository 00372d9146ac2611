"""Every call to the Bot API: bounded in time, held back when Telegram asks for it, its errors in our words.

Whatever is said of an error is free of the token, which stands in every address of the API.
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from telegram import Bot
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from agents.incident.errors import BadInput, Refused, ResponderError, Transient
from bot.processes import PREFIX
from bot.surfaces.ports import Busy, Gone

T = TypeVar("T")

os.environ.setdefault("PTB_TIMEDELTA", "true")
"""python-telegram-bot 22.8 warns of every RetryAfter otherwise; from version 23 on spans are what it gives."""

CALL_S, ANSWER_S, UPLOAD_S = 10.0, 5.0, 20.0
TOKEN, CHAT, WEBHOOK_URL, WEBHOOK_SECRET, MODE = (
    f"{PREFIX}TELEGRAM__{name}" for name in ("TOKEN", "CHAT", "WEBHOOK_URL", "WEBHOOK_SECRET", "MODE")
)
_GONE = re.compile(r"message to edit not found|message can't be edited|MESSAGE_ID_INVALID", re.I)
_PLACE = re.compile(r"chat not found|not enough rights|have no rights|CHAT_\w+|thread not found|TOPIC_\w+", re.I)
_SECRET = re.compile(r"\d{5,}:[A-Za-z0-9_-]{20,}")


class BadToken(BadInput):
    """The token is not, or no longer, one of Telegram's."""


class NoEntry(Refused):
    """The bot may not write there."""


class Unacceptable(Refused):
    """Telegram does not take what was sent; ``said`` is its reason."""

    def __init__(self, said: str) -> None:
        super().__init__(f"Telegram refused a message: {said}")
        self.said = said


class Lacks(Refused):
    """This server does not serve the method, or not as the documentation has it; Telegram's own does."""


class _NotServed(TelegramError):
    """The status says so; the library would read it as a wrong token or a failing network."""


class OtherPoller(Transient):
    """Somebody else reads the updates of this token."""


class Updates(HTTPXRequest):
    """The transport of getUpdates. Keeps updates as they came: one that cannot be read must be stored too."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.came: list[Any] = []

    def parse_json_payload(self, payload: bytes) -> dict[str, Any]:  # type: ignore[override]  # a method, to keep them
        """Hide the updates from the library."""
        whole = HTTPXRequest.parse_json_payload(payload)
        if isinstance(whole.get("result"), list):
            self.came = whole["result"]
            whole["result"] = []
        return whole


class _Quiet(logging.Filter):
    """httpx logs addresses, which hold the token; the library logs what it sends, the webhook's secret too."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes, without secrets."""
        if isinstance(record.args, tuple):
            record.args = tuple(a if isinstance(a, int | float) else self._clean(str(a)) for a in record.args)
        return True

    def _clean(self, text: str) -> str:
        text = _SECRET.sub("…", text)
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text


_QUIET = _Quiet()


class Calls:
    """One bot's calls. ``offset`` is how far Telegram's clock is ahead, as of the last answer."""

    def __init__(
        self, *, token: str, api_url: str, clock: Callable[[], float], poll_s: float, secrets: Iterable[str] = ()
    ) -> None:
        _QUIET.secrets |= {s for s in (token, *secrets) if len(s) >= 8}
        for name in ("httpx", "telegram.Bot", "telegram.ext", "telegram.request.BaseRequest"):
            logging.getLogger(name).addFilter(_QUIET)  # the same filter is not added twice
        base = api_url.rstrip("/")
        hooks = {"event_hooks": {"response": [self._answered]}}
        self.updates = Updates(read_timeout=poll_s, connect_timeout=CALL_S, connection_pool_size=2)
        self.bot = Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=HTTPXRequest(
                read_timeout=CALL_S,
                write_timeout=CALL_S,
                connect_timeout=CALL_S,
                pool_timeout=CALL_S,
                media_write_timeout=UPLOAD_S,
                connection_pool_size=16,
                httpx_kwargs=hooks,
            ),
            get_updates_request=self.updates,
        )
        self.offset: timedelta | None = None
        self._token = token
        self._clock = clock
        self._held: dict[tuple[str, str], float] = {}
        self._proven = False

    async def __call__(
        self, method: str, make: Callable[[Bot], Awaitable[T]], *, chat: str = "", seconds: float = CALL_S
    ) -> T:
        """One call. *chat* is where Telegram's limit of this method applies; a wait there holds no other."""
        left = self._held.get((method, chat), 0.0) - self._clock()
        if left > 0:
            raise Busy(f"Telegram asked to wait with {method}", retry_after=timedelta(seconds=left))
        try:
            async with asyncio.timeout(seconds):
                made = await make(self.bot)
            self._proven = self._proven or method == "getMe"
        except TimeoutError as error:
            raise Transient(f"Telegram did not answer {method} within {seconds:g} s") from error
        except RetryAfter as error:
            wait = timedelta(seconds=1) * float(_seconds(error.retry_after))
            self._held[(method, chat)] = self._clock() + wait.total_seconds()
            raise Busy(
                f"Telegram asks to wait {wait.total_seconds():g} s with {method}", retry_after=wait
            ) from error
        except InvalidToken:
            raise BadToken(
                f"Telegram does not know the token of {TOKEN}; @BotFather shows the present one (/mybots)"
            ) from None  # the library's words may hold it
        except TelegramError as error:
            raise self._ours(error, method, chat) from error
        except (TypeError, KeyError, AttributeError) as error:  # the library does not look into what it takes
            raise Lacks(f"the answer to {method} lacks what is documented: {error}") from error
        return made

    def _ours(self, error: TelegramError, method: str, chat: str) -> ResponderError:
        said = self.without_token(error.message)
        match error:
            case _NotServed():
                return Lacks(f"this server does not serve {method}")
            case ChatMigrated():
                return NoEntry(f"the group became a supergroup: set {CHAT} to {error.new_chat_id}")
            case Forbidden():
                return NoEntry(
                    f"the bot may not write in chat {chat or '?'} ({said}): add it there, or change {CHAT}"
                )
            case Conflict():
                return OtherPoller(
                    f"another poller has this token, or a webhook is set for it ({said}): stop the other one, or "
                    f"give this one a bot of its own ({TOKEN})"
                )
            case BadRequest() if _GONE.search(said):
                return Gone(f"Telegram: {said}")
            case BadRequest() if _PLACE.search(said):
                return NoEntry(
                    f"chat {chat or '?'} cannot be used ({said}): see {CHAT} and what the bot may do there"
                )
            case BadRequest():
                return Unacceptable(said)
            case NetworkError():
                return Transient(f"Telegram did not answer {method}: {said}")
        return Refused(f"Telegram refused {method}: {said}")

    def without_token(self, text: str) -> str:
        """*text* without the token or the half of it that is secret."""
        for secret in (self._token, self._token.partition(":")[2]):
            text = text.replace(secret, "…") if secret else text
        return text

    async def _answered(self, response: httpx.Response) -> None:
        """How far apart the clocks are, and whether the method is there; a token gone bad is a 401."""
        if response.status_code == 501 or (response.status_code == 404 and self._proven):
            raise _NotServed("not served")
        try:
            self.offset = parsedate_to_datetime(response.headers["date"]) - datetime.now(UTC)
        except (KeyError, ValueError, TypeError):
            return

    async def close(self) -> None:
        """Give the connections back."""
        await self.updates.shutdown()
        await self.bot.request.shutdown()


def _seconds(span: timedelta | float) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)
