"""Group commit: one writer, and everything that arrived while the last commit ran goes into the next one."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import exc

from agents.incident.errors import BadInput, JournalUnavailable, ResponderError
from bot.journal import intake
from bot.journal.intake import Delivery, Stored
from bot.journal.journal import Journal, Tx

MOST = 256
"""Deliveries of one commit."""

AGAIN_S = 1.0
"""After a commit that failed: what nobody waits for is tried again so much later."""

RACES = 3
"""How often another process may have stored the same key first, before it is an error."""

Errand = Callable[[Tx], object]
"""A small write that nobody waits for; tried again with a later commit when its own fails."""


class Commits:
    """The door's way into the journal, between ``start`` and ``stop``. ``store`` returns once it is committed."""

    def __init__(self, journal: Journal, *, log: Any) -> None:
        self.rung: Callable[[Sequence[int]], None] = _nobody
        """Told after each commit that stored something which bells it wrote, by their outbox rows."""
        self._journal = journal
        self._log = log
        self._coming: list[tuple[Delivery, asyncio.Future[Stored]]] = []
        self._errands: list[Errand] = []
        self._work = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "inbox-write")
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._began: float | None = None
        self._last = (0.0, 0.0)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is left, then end."""
        self._stopping = True
        self._work.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=False)

    async def store(self, delivery: Delivery) -> Stored:
        """Where *delivery* stands, committed. JournalUnavailable when it could not be: nothing was promised."""
        if self._stopping:
            raise JournalUnavailable("the receiver stops; send it again")
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._coming.append((delivery, future))
        self._work.set()
        return await future

    def also(self, errand: Errand) -> None:
        """Do *errand* with one of the next commits. Called on the loop."""
        self._errands.append(errand)
        self._work.set()

    def slow_for(self) -> tuple[float, float]:
        """(seconds that the commit under way, else the last one, took; seconds since it ended, 0 if under way)."""
        now = time.monotonic()
        took, ended = self._last
        if self._began is not None and now - self._began > took:
            return now - self._began, 0.0
        return took, now - ended

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            if self._coming or self._errands:
                await self._once()
            if self._coming:
                self._work.set()
            elif self._stopping:
                return

    async def _once(self) -> None:
        batch, self._coming = self._coming[:MOST], self._coming[MOST:]
        errands, self._errands = self._errands, []
        loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        try:
            stored, rung = await loop.run_in_executor(self._thread, self._commit, [d for d, _ in batch], errands)
        except Exception as error:  # noqa: BLE001  # the top of one commit: its senders are told
            self._failed(batch, errands, error)
        else:
            for (_, future), one in zip(batch, stored, strict=True):
                _settle(future, one)
            if any(isinstance(one, Stored) and not one.duplicate for one in stored):
                self.rung(rung)
        finally:
            ended = time.monotonic()
            self._last, self._began = (ended - self._began, ended), None

    def _failed(
        self,
        batch: Sequence[tuple[Delivery, asyncio.Future[Stored]]],
        errands: Sequence[Errand],
        error: Exception,
    ) -> None:
        if not isinstance(error, ResponderError):
            self._log.error("receive.failed", error=type(error).__name__, deliveries=len(batch), exc_info=error)
            error = JournalUnavailable("the delivery could not be stored; the receiver's log says why")
        for _, future in batch:
            _settle(future, error)
        if errands and not self._stopping:
            self._log.warning("receive.waiting", errands=len(errands), error=str(error))
            self._errands = [*errands, *self._errands]
            asyncio.get_running_loop().call_later(AGAIN_S, self._work.set)

    def _commit(
        self, batch: Sequence[Delivery], errands: Sequence[Errand]
    ) -> tuple[Sequence[Stored | ResponderError], Sequence[int]]:
        try:
            return self._together(batch, errands)
        except BadInput:
            if len(batch) <= 1 and not errands:
                raise
        # One of them is what the database does not take: each for itself, so that it costs the others nothing.
        out: list[Stored | ResponderError] = []
        rung: list[int] = []
        for one in batch:
            try:
                stored, bells = self._together([one], ())
            except ResponderError as error:
                out.append(error)
            else:
                out += stored
                rung += bells
        for errand in errands:
            with contextlib.suppress(BadInput):
                self._together((), [errand])
        return out, rung

    def _together(self, batch: Sequence[Delivery], errands: Sequence[Errand]) -> tuple[list[Stored], list[int]]:
        for left in reversed(range(RACES)):
            try:
                with self._journal.write("inbox.stored" if batch else "inbox.errands") as tx:
                    for errand in errands:
                        errand(tx)
                    stored = intake.store_all(tx, batch) if batch else []
                    bells = [row for row, _, _ in tx.rung]
            except exc.IntegrityError as error:
                if not left:
                    raise JournalUnavailable("other receivers store the same deliveries; send it again") from error
            else:
                return stored, bells
        raise AssertionError("unreachable")


def _nobody(rows: Sequence[int]) -> None:
    del rows


def _settle(future: "asyncio.Future[Stored]", found: Stored | Exception) -> None:
    if future.done():
        return  # whoever waited has gone
    if isinstance(found, Stored):
        future.set_result(found)
    else:
        future.set_exception(found)
