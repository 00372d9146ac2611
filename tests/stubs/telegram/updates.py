"""How the bot learns what happened: long polling or a webhook, never both."""

import asyncio
import re
import time
from typing import Any

import aiohttp

from tests.stubs.common import Json, truthy
from tests.stubs.telegram.markup import TelegramError
from tests.stubs.telegram.state import State, Update, Webhook


async def get_updates(state: State, given: Json) -> list[Json]:
    """https://core.telegram.org/bots/api#getupdates"""
    if state.webhook.url:
        raise TelegramError(
            "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            409,
        )
    if state.poller is not None:  # the older of two pollers is told to go
        state.poller.set()
    mine = state.poller = asyncio.Event()
    limit = min(max(int(given.get("limit") or 100), 1), 100)
    until = time.monotonic() + min(float(given.get("timeout") or 0), state.limits.poll_s)
    offset = int(given.get("offset") or 0)
    if given.get("allowed_updates") is not None:
        state.allowed = list(given["allowed_updates"])
    waiting = state.pending()
    if offset < 0:  # "all previous updates will be forgotten"
        offset = waiting[offset].id if len(waiting) >= -offset else (waiting[0].id if waiting else 0)
    for update in waiting:
        if update.id < offset:
            update.confirmed_at = time.time()
    try:
        while True:
            if state.log.down:
                raise ConnectionResetError  # a waiting poll goes with everything else
            if mine.is_set():
                reason = "setWebhook" if state.webhook.url else "other getUpdates"
                more = "" if state.webhook.url else "; make sure that only one bot instance is running"
                raise TelegramError(f"terminated by {reason} request{more}", 409)
            found = state.pending()[:limit]
            if found or time.monotonic() >= until:
                for update in found:
                    update.attempts += 1
                    update.delivered_at = update.delivered_at or time.time()
                return [u.public() for u in found]
            await _change(state, mine, until)
    finally:
        if state.poller is mine:
            state.poller = None


async def _change(state: State, mine: asyncio.Event, until: float) -> None:
    """Wait for an update, for another poller, or for the end."""

    async def arrived() -> None:
        async with state.arrived:
            await state.arrived.wait()

    waits = [asyncio.create_task(arrived()), asyncio.create_task(mine.wait())]
    try:
        left = max(0.0, min(until - time.monotonic(), 0.25))
        await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class Pusher:
    """Delivers to the webhook; updates of one chat stay in order."""

    def __init__(self, state: State) -> None:
        """Runs once an application runs it."""
        self.state = state
        self._busy: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self.state.webhook.url and not self.state.log.down:
                self._start()
            try:
                async with self.state.arrived:
                    await asyncio.wait_for(self.state.arrived.wait(), 0.05 if self.state.webhook.url else 0.5)
            except TimeoutError:
                continue

    def _start(self) -> None:
        seen: set[Any] = set()
        for update in self.state.pending():
            message = update.body.get("message", update.body)
            chat = (message.get("chat") or {}).get("id")
            if chat in seen:
                continue
            seen.add(chat)
            if update.id not in self._busy and len(self._busy) < self.state.webhook.max_connections:
                self._busy.add(update.id)
                task = asyncio.create_task(self._push(update, self.state.webhook))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _push(self, update: Update, webhook: Webhook) -> None:
        """One update until it is taken, with growing pauses. https://core.telegram.org/bots/api#setwebhook"""
        pause = self.state.limits.webhook_first_pause_s
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
        timeout = aiohttp.ClientTimeout(total=self.state.limits.webhook_timeout_s)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                while self.state.webhook is webhook and update in self.state.pending() and not self.state.log.down:
                    update.attempts += 1
                    update.delivered_at = update.delivered_at or time.time()
                    error = await self._once(session, webhook.url, headers, update)
                    if error is None:
                        update.confirmed_at = time.time()
                        return
                    update.errors.append(error)
                    webhook.last_error_date, webhook.last_error_message = int(time.time()), error
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, self.state.limits.webhook_longest_pause_s)
        finally:
            self._busy.discard(update.id)
            async with self.state.arrived:
                self.state.arrived.notify_all()

    @staticmethod
    async def _once(
        session: aiohttp.ClientSession, url: str, headers: dict[str, str], update: Update
    ) -> str | None:
        try:
            async with session.post(url, json=update.public(), headers=headers, allow_redirects=False) as response:
                await response.read()
                return (
                    None
                    if response.ok
                    else f"Wrong response from the webhook: {response.status} {response.reason}"
                )
        except TimeoutError:
            return "Read timeout expired"
        except aiohttp.ClientConnectorError:
            return "Connection refused"
        except aiohttp.ClientError as error:
            return f"Connection failed: {error}"


async def set_webhook(state: State, given: Json) -> bool:
    """https://core.telegram.org/bots/api#setwebhook"""
    url, secret = str(given.get("url") or ""), str(given.get("secret_token") or "")
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]+", secret):
        raise TelegramError("secret token contains unallowed characters")
    if len(secret) > state.limits.secret_token:
        raise TelegramError("secret token is too long")
    # Telegram wants HTTPS; the loopback is let through in clear text
    if url and not re.match(r"https://|http://(?:127\.0\.0\.1|localhost)[:/]", url):
        raise TelegramError("bad webhook: An HTTPS URL must be provided for webhook")
    if given.get("allowed_updates") is not None:
        state.allowed = list(given["allowed_updates"])
    if truthy(given.get("drop_pending_updates")):
        drop(state)
    count = min(max(int(given.get("max_connections") or 40), 1), 100)
    state.webhook = Webhook(url=url, secret=secret, max_connections=count)
    if url and state.poller is not None:
        state.poller.set()
    async with state.arrived:
        state.arrived.notify_all()
    return True


def drop(state: State) -> None:
    """Forget what waits."""
    for update in state.pending():
        update.expired = True


async def delete_webhook(state: State, given: Json) -> bool:
    """https://core.telegram.org/bots/api#deletewebhook"""
    state.webhook = Webhook()
    if truthy(given.get("drop_pending_updates")):
        drop(state)
    return True


async def webhook_info(state: State, _: Json) -> Json:
    """https://core.telegram.org/bots/api#getwebhookinfo"""
    hook = state.webhook
    info: Json = {
        "url": hook.url,
        "has_custom_certificate": False,
        "pending_update_count": len(state.pending()),
    }
    if hook.url:
        info |= {"max_connections": hook.max_connections, "ip_address": "127.0.0.1"}
    if hook.last_error_date:
        info |= {"last_error_date": hook.last_error_date, "last_error_message": hook.last_error_message}
    return info | ({"allowed_updates": state.allowed} if state.allowed else {})
