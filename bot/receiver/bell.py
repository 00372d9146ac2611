"""The one bell of the inbox: rung after commits and off their way, so a dead Redis costs no delivery anything."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from bot.journal import outbox
from bot.journal.intake import INBOX
from bot.receiver.commits import Errand

PAUSE_S = 0.25
"""Between two bells at least: a job drains all that it finds, so more of them would find nothing."""

AGAIN_S = 1.0
"""Between two tries while the queue does not take it."""


class Bell:
    """Rings once for everything committed since it last rang, between ``start`` and ``stop``.

    It rings after every commit, whatever the outbox says: a bell that a worker is just answering may have been
    written before the commit and be marked as rung after it.

    Args:
        ring: Puts one job on its queue, or raises.
        also: Takes the write that marks bells as rung.
    """

    def __init__(
        self,
        ring: Callable[[str, str], None],
        *,
        also: Callable[[Errand], None],
        log: Any,
        pause_s: float = PAUSE_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._ring = ring
        self._also = also
        self._log = log
        self._pause_s = pause_s
        self._again_s = again_s
        self._rows: list[int] = []
        self._wanted = asyncio.Event()
        self._down = False
        self._thread = ThreadPoolExecutor(1, "inbox-bell")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ring."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what was not rung is in the outbox, and the clock rings it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False)

    def wanted(self, rows: Sequence[int]) -> None:
        """Something was committed, with these rows of the outbox. Called on the loop."""
        self._rows += rows
        self._wanted.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            rows, self._rows = self._rows, []
            try:
                await loop.run_in_executor(self._thread, self._ring, "intake", INBOX)
            except Exception as error:  # noqa: BLE001  # the top of the task: it must not end while the process lives
                if not self._down:
                    self._log.warning("queue.unreachable", job="intake", error=f"{type(error).__name__}: {error}")
                self._down = True
                self._rows = rows + self._rows
                self._wanted.set()
                await asyncio.sleep(self._again_s)
                continue
            self._down = False
            if rows:
                self._also(partial(outbox.sent, rows=rows))
            await asyncio.sleep(self._pause_s)
