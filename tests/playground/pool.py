"""A bounded connection pool with a queue and a timeout, and what an outsider may count of it."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class PoolTimeoutError(Exception):
    """No connection came free in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """Connections in all, connections out, callers waiting for one."""

    size: int
    in_use: int
    waiting: int


class Pool:
    """Lends `size` connections, first come, first served."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        size: int,
        timeout_s: float,
        on_saturation: Callable[[bool, PoolState], None] = lambda _saturated, _state: None,
    ) -> None:
        """Open all connections; `on_saturation` hears True when one came late and False when all is well."""
        self.size = size
        self.timeout_s = timeout_s
        # The pool owns its connections whoever holds them, so a lost one stays open and stays lost.
        self._all = [connect() for _ in range(size)]
        self._idle = deque(self._all)
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._granted: dict[threading.Event, sqlite3.Connection] = {}
        self._saturated = False
        self._on_saturation = on_saturation

    def state(self) -> PoolState:
        """The pool as it is now."""
        with self._lock:
            return self._state()

    def acquire(self) -> sqlite3.Connection:
        """Borrow a connection; PoolTimeoutError after `timeout_s` in the queue."""
        started = time.monotonic()
        with self._lock:
            if self._idle and not self._queue:
                return self._idle.popleft()
            turn = threading.Event()
            self._queue.append(turn)
        turn.wait(self.timeout_s)
        with self._lock:
            connection = self._granted.pop(turn, None)
            if connection is None:
                # Counted while still in the queue: the caller that gives up was one of those waiting.
                state = self._state()
                self._queue.remove(turn)
            news = self._notice(late=connection is None or time.monotonic() - started > self.timeout_s / 4)
        self._tell(news)
        if connection is None:
            raise PoolTimeoutError(
                f"pool timeout: no connection within {self.timeout_s:.1f} s"
                f" (size {state.size}, in use {state.in_use}, waiting {state.waiting})"
            )
        return connection

    def release(self, connection: sqlite3.Connection) -> None:
        """Give a connection back; the longest waiting caller gets it."""
        with self._lock:
            if self._queue:
                turn = self._queue.popleft()
                self._granted[turn] = connection
                turn.set()
                return
            self._idle.append(connection)
            news = self._notice(late=False)
        self._tell(news)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection for a block and give it back however the block ends."""
        connection = self.acquire()
        try:
            yield connection
        finally:
            self.release(connection)

    def close(self) -> None:
        """Close every connection the pool owns, lent out or not."""
        for connection in self._all:
            connection.close()

    def _state(self) -> PoolState:
        return PoolState(size=self.size, in_use=self.size - len(self._idle), waiting=len(self._queue))

    def _notice(self, *, late: bool) -> tuple[bool, PoolState] | None:
        calm = not self._queue and len(self._idle) > 0
        if late and not self._saturated:
            self._saturated = True
        elif self._saturated and not late and calm:
            self._saturated = False
        else:
            return None
        return self._saturated, self._state()

    def _tell(self, news: tuple[bool, PoolState] | None) -> None:
        if news is not None:
            self._on_saturation(*news)
