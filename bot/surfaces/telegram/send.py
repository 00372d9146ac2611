"""What the surface sends: messages, edits, keyboards, pictures and pop-ups, each as one call."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from telegram import ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, ReplyParameters
from telegram.constants import ParseMode

from agents.incident.errors import Transient
from bot.surfaces.ports import Asker, Busy
from bot.surfaces.telegram.calls import ANSWER_S, CALL_S, UPLOAD_S, Calls, Unacceptable
from bot.surfaces.telegram.read import Ref
from bot.surfaces.telegram.render import Shown

ANSWER_WITHIN_S = 12.0
"""A press that is not answered becomes "too old" after about 15 s."""

T = TypeVar("T")
_OPTIONAL = re.compile(r"not supported|un(?:known|supported)[ _](?:field|parameter)|invalid reply_markup", re.I)
"""How servers that speak an older Bot API refuse what they do not know."""


class Sender:
    """One bot's way out. What Telegram refuses because it is so already counts as done."""

    def __init__(self, calls: Calls, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock
        self._bare = False

    async def _taken(self, make: Callable[[], Awaitable[T]]) -> T:
        """Send it; should the server not know what is optional, from then on without."""
        try:
            return await make()
        except Unacceptable as error:
            if self._bare or not _OPTIONAL.search(error.said):
                raise
        self._bare = True
        try:
            return await make()
        except Unacceptable:
            self._bare = False  # it was something else
            raise

    def _preview(self) -> LinkPreviewOptions | None:
        return None if self._bare else LinkPreviewOptions(is_disabled=True)

    def _keys(self, markup: InlineKeyboardMarkup | None) -> InlineKeyboardMarkup | None:
        if not self._bare or markup is None:
            return markup
        return InlineKeyboardMarkup([[_uncoloured(key) for key in row] for row in markup.inline_keyboard])

    async def send(
        self,
        chat: str,
        shown: Shown,
        *,
        topic: int | None = None,
        to: Ref | None = None,
        silent: bool = False,
        force: ForceReply | None = None,
        seconds: float = CALL_S,
    ) -> int:
        """One message; its number."""
        sent = await self._taken(
            lambda: self._calls(
                "sendMessage",
                lambda bot: bot.send_message(
                    int(chat),
                    shown.html or shown.plain,
                    parse_mode=ParseMode.HTML if shown.html else None,
                    reply_markup=(None if self._bare else force) or self._keys(shown.keyboard),
                    message_thread_id=topic,
                    reply_parameters=_under(to),
                    disable_notification=silent,
                    link_preview_options=self._preview(),
                ),
                chat=chat,
                seconds=seconds,
            )
        )
        return sent.message_id

    async def rewrite(self, at: Ref, shown: Shown) -> None:
        """Other text and other buttons."""
        try:
            await self._taken(
                lambda: self._calls(
                    "editMessageText",
                    lambda bot: bot.edit_message_text(
                        shown.html or shown.plain,
                        int(at.chat),
                        at.message,
                        parse_mode=ParseMode.HTML if shown.html else None,
                        reply_markup=self._keys(shown.keyboard),
                        link_preview_options=self._preview(),
                    ),
                    chat=at.chat,
                )
            )
        except Unacceptable as error:
            if "not modified" not in error.said:
                raise

    async def show_keys(self, at: Ref, keyboard: InlineKeyboardMarkup) -> None:
        """Other buttons below the same text."""
        try:
            await self._taken(
                lambda: self._calls(
                    "editMessageReplyMarkup",
                    lambda bot: bot.edit_message_reply_markup(
                        int(at.chat), at.message, reply_markup=self._keys(keyboard)
                    ),
                    chat=at.chat,
                )
            )
        except Unacceptable as error:
            if "not modified" not in error.said:
                raise

    async def picture(self, below: Ref, drawn: bytes, caption: str) -> None:
        """A picture as a silent reply."""
        await self._calls(
            "sendPhoto",
            lambda bot: bot.send_photo(
                int(below.chat),
                drawn,
                caption=caption,
                parse_mode=ParseMode.HTML,
                filename="chart.png",
                message_thread_id=below.topic,
                reply_parameters=_under(below),
                disable_notification=True,
            ),
            chat=below.chat,
            seconds=UPLOAD_S,
        )

    async def pop_up(self, asker: Asker, text: str, *, stays: bool) -> bool:
        """Answer a press, again and again while it can still be seen. Whether it was seen."""
        deadline = self._clock() + ANSWER_WITHIN_S
        while True:
            try:
                await self._calls(
                    "answerCallbackQuery",
                    lambda bot: bot.answer_callback_query(asker.query, text=text, show_alert=stays),
                    seconds=ANSWER_S,
                )
            except Unacceptable as error:
                if "too old" not in error.said and "QUERY_ID_INVALID" not in error.said:
                    raise
                return False
            except Transient as error:
                wait = error.retry_after.total_seconds() if isinstance(error, Busy) else random.uniform(0.2, 0.6)  # noqa: S311  # jitter
                if self._clock() + wait > deadline:
                    raise
                await asyncio.sleep(wait)
            else:
                return True


def _uncoloured(key: InlineKeyboardButton) -> InlineKeyboardButton:
    return InlineKeyboardButton(key.text, url=key.url, callback_data=key.callback_data)


def _under(ref: Ref | None) -> ReplyParameters | None:
    return ReplyParameters(message_id=ref.message, allow_sending_without_reply=True) if ref is not None else None
