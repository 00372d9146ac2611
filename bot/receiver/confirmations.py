"""Subscriptions that AWS SNS asks to have confirmed: stored like any delivery, confirmed after, never an alert."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from agents.incident.errors import BadInput, JournalUnavailable, Refused, Transient
from bot.journal import intake
from bot.journal.journal import Journal
from bot.receiver.commits import Errand
from bot.receiver.proofs.proof import SNS, SNS_SUBSCRIPTION
from bot.receiver.sources import Sender

Fetch = Callable[[str], bytes]
Confirm = Callable[[Sender, bytes], str]
"""Confirms what one stored body asks for; what was confirmed. Raises what ``sns.confirm`` does."""

MOST = 20
AGAIN_S = 5.0
LONGEST_PAUSE_S = 300.0


class Confirmations:
    """Works through what the inbox says is still to be confirmed, between ``start`` and ``stop``.

    What a process that died left there is found at the next start. Confirming twice changes nothing.
    """

    def __init__(
        self,
        senders: Mapping[str, Sender],
        *,
        journal: Journal,
        confirm: Confirm,
        also: Callable[[Errand], None],
        log: Any,
    ) -> None:
        self._senders = senders
        self._journal = journal
        self._confirm = confirm
        self._also = also
        self._log = log
        self._here = any(s.scheme.name == SNS for s in senders.values())
        self._wake = asyncio.Event()
        self._asked = True
        self._done: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to confirm, where any source may ask for it."""
        if self._here:
            self._wake.set()
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def asks(self, sender: Sender, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a proven delivery asks to have a subscription confirmed."""
        if sender.scheme.name != SNS or headers.get("x-amz-sns-message-type") != SNS_SUBSCRIPTION:
            return False
        self._asked = True
        return bool(json.loads(body).get("Type") == SNS_SUBSCRIPTION)

    def look(self) -> None:
        """Something was committed; if it asked, it is looked for."""
        if self._asked:
            self._asked = False
            self._wake.set()

    async def _run(self) -> None:
        pause = AGAIN_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                again, errands = await asyncio.to_thread(self._round)
            except Exception:  # noqa: BLE001  # the top of the task: it must not end while the process lives
                self._log.exception("subscription.failed")
                again, errands = True, []
            for errand in errands:
                self._also(errand)
            if again:
                asyncio.get_running_loop().call_later(pause, self._wake.set)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                pause = AGAIN_S

    def _round(self) -> tuple[bool, list[Errand]]:
        """Try each once: whether any is to be tried again, and what is to be noted."""
        try:
            with self._journal.read() as tx:
                rows = intake.asked(tx, MOST)
        except JournalUnavailable:
            return True, []
        noted = [errand for row in rows if (errand := self._one(row)) is not None]
        return len(noted) < len(rows) or len(rows) == MOST, noted

    def _one(self, row: Mapping[str, Any]) -> Errand | None:
        """Confirm one: what is to be noted of it; ``None`` when it is to be tried again."""
        about = {"source": row["source"], "inbox_id": row["id"]}
        sender = self._senders.get(row["source"])
        if sender is None or sender.scheme.name != SNS:
            error = "its source is no longer configured to confirm subscriptions"
            return partial(intake.answer, inbox_id=row["id"], error=error, held=row)
        try:
            what = self._confirm(sender, bytes(row["body"]))
        except Transient as waits:
            self._log.warning("subscription.waiting", **about, error=str(waits))
            return None
        except (Refused, BadInput) as refused:
            self._log.warning("subscription.refused", **about, error=str(refused))
            return partial(intake.answer, inbox_id=row["id"], error=str(refused), held=row)
        self._log.info("subscription.confirmed", **about, subscription=what)
        return partial(intake.answer, inbox_id=row["id"], held=row)


def by_sns(certificates: Fetch, get: Fetch, now: Callable[[], datetime]) -> Confirm:
    """How a receiver confirms: with SNS's own certificates, and one GET of SNS's own address."""

    def confirm(sender: Sender, body: bytes) -> str:
        from bot.receiver.proofs import sns

        return sns.confirm(body, sender.row.topics, get, fetch=certificates, now=now()).subscription

    return confirm
