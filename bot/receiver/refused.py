"""What was refused: counted in memory, written now and then, said once when it is much in a row."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from bot.journal import refusals
from bot.journal.refusals import Refusal
from bot.receiver.commits import Errand

WRITE_S = 5.0
MANY = 20
"""Refused in a row; starting value."""

NOBODY = ""
"""Stands for all who name no source of ours: their names are theirs to choose, so they are not kept."""


class Refused:
    """Counts of one receiver, between ``start`` and ``stop``."""

    def __init__(self, *, now: Callable[[], datetime], also: Callable[[Errand], None], log: Any) -> None:
        self._now = now
        self._also = also
        self._log = log
        self._counted: Counter[Refusal] = Counter()
        self._row: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Hand over what is counted, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.hand_over()

    def count(self, source: str, reason: str, why: str = "") -> None:
        """One more was refused. The first of a row is said, with *why*; then that they are many; then no more."""
        minute = self._now().replace(second=0, microsecond=0)
        self._counted[Refusal(source=source, reason=reason, minute=minute)] += 1
        self._row[source] += 1
        if self._row[source] == 1:
            self._log.warning("receive.refused", source=source, reason=reason, error=why)
        elif self._row[source] == MANY:
            self._log.warning("receive.refused_many", source=source, reason=reason, error=why, in_a_row=MANY)

    def taken(self, source: str) -> None:
        """One was taken: the next refusal begins a new row."""
        self._row.pop(source, None)

    def hand_over(self) -> None:
        """Have what is counted written with the next commit."""
        if self._counted:
            counted, self._counted = self._counted, Counter()
            self._also(partial(refusals.add, counted=counted))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            self.hand_over()
