"""SQLite's checkpoints, off the way of its commits: else some of these wait for them, and all behind it.

A passive checkpoint runs beside writers and readers and waits for none of them. sqlite.org/wal.html#ckpt
"""

import asyncio
import sqlite3
from typing import Any

from sqlalchemy import Engine, event, exc

PAUSE_S = 0.5
BACKSTOP_PAGES = 20_000
"""Only when the log is this long (80 MB) does a commit of this process make a checkpoint by itself."""


class Checkpoints:
    """Copies the write-ahead log into the journal's file now and then, between ``start`` and ``stop``.

    Made before the engine's first connection; on another database it does nothing.
    """

    def __init__(self, engine: Engine, *, log: Any) -> None:
        self._engine = engine
        self._log = log
        self._here = engine.dialect.name == "sqlite"
        self._task: asyncio.Task[None] | None = None
        if self._here:
            event.listen(engine, "connect", _rarely)

    def start(self) -> None:
        """Begin."""
        if self._here:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; whoever opens the file next finds all of it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await asyncio.to_thread(self._checkpoint)
            except (sqlite3.Error, exc.SQLAlchemyError) as error:
                # Nothing is lost without it; the next one, or a commit at its backstop, makes it.
                self._log.debug("journal.checkpoint", error=str(error))

    def _checkpoint(self) -> None:
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()


def _rarely(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute(f"PRAGMA wal_autocheckpoint={BACKSTOP_PAGES}")
