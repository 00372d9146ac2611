"""Whether another delivery may be taken now: decided before its body is read, and never by asking the journal."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents.incident.errors import JournalUnavailable
from bot.journal import intake
from bot.journal.journal import Journal

LOOK_S = 1.0
SLOWEST_S = 2.0
"""A commit that took longer says that the journal is at its end."""

REMEMBERED_S = 5.0
"""How long a slow commit is held against it: without new deliveries there would be no faster one."""

MOST_AT_ONCE = 200
"""Deliveries between their first byte and their answer: each may hold a body."""

MOST_STRANGERS = 100
"""Of these, such as are proven only by their whole body: who sends one byte and waits keeps nobody else out."""

WINDOW_S = 300.0
SLICES = 30


@dataclass(slots=True)
class Rate:
    """How many deliveries one source has had taken in the last five minutes, to within ten seconds."""

    counts: list[int]
    slice: int = 0

    def move(self, now: float) -> None:
        """Forget what is older than the window."""
        at = math.floor(now / (WINDOW_S / SLICES))
        for passed in range(min(at - self.slice, SLICES)):
            self.counts[(at - passed) % SLICES] = 0
        self.slice = at


class Rates:
    """No source may shut out the others. ``limit`` deliveries in five minutes; 0 is no limit."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._rates: dict[str, Rate] = {}

    def full(self, source: str) -> bool:
        """Whether *source* has had its share."""
        rate = self._rates.get(source)
        if not self._limit or rate is None:
            return False
        rate.move(self._clock())
        return sum(rate.counts) >= self._limit

    def count(self, source: str) -> None:
        """One more was taken."""
        rate = self._rates.setdefault(source, Rate([0] * SLICES))
        rate.move(self._clock())
        rate.counts[rate.slice % SLICES] += 1


class Overload:
    """Looks once a second whether the inbox is read and the journal written in time, between start and stop.

    Args:
        oldest: How old the oldest unread delivery may be.
        slow: (seconds the present or last commit took, seconds since it ended).
    """

    def __init__(
        self, journal: Journal, *, oldest: timedelta, slow: Callable[[], tuple[float, float]], log: Any
    ) -> None:
        self._journal = journal
        self._oldest = oldest
        self._slow = slow
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self.reason = ""
        """Why nothing can be taken now; "" when it can."""

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            before = self.reason
            try:
                self.reason = await self.look()
            except Exception:  # noqa: BLE001  # the top of the task: it must not end while the process lives
                self._log.exception("receive.unwatched")
            if bool(before) != bool(self.reason):
                self._log.warning(
                    "receive.overloaded" if self.reason else "receive.calm", reason=self.reason or before
                )
            await asyncio.sleep(LOOK_S)

    async def look(self) -> str:
        """Why nothing can be taken now; "" when it can."""
        took, ago = self._slow()
        if took > SLOWEST_S and ago < REMEMBERED_S:
            return "the journal is written too slowly"
        try:
            age = await asyncio.to_thread(self._age)
        except JournalUnavailable:
            # Whether it can be written is found out by writing; a delivery then has its own answer.
            return ""
        if age is not None and age > self._oldest:
            return "deliveries are not read as fast as they come"
        return ""

    def _age(self) -> timedelta | None:
        with self._journal.read() as tx:
            return intake.oldest_stored(tx)
