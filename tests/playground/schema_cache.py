"""The schema cache of the inventory API, in the manner of PostgREST: loaded once, right until told otherwise."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.playground.osproc import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the cache knows, since when, and how many migrations the database had then."""

    columns: frozenset[str]
    migrations: int
    loaded_at: datetime


class UnknownColumnError(Exception):
    """A column was asked for that the cache does not know; the text names it as PostgREST would."""


class SchemaCache:
    """Knows the columns of `stock` as they were when it was loaded."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Load at once; the connection stays this object's own."""
        self._connection = connection
        self._lock = threading.Lock()
        self._loaded = self._read()

    @property
    def loaded(self) -> Loaded:
        """The present content."""
        return self._loaded

    def reload(self) -> Loaded:
        """Read the schema afresh."""
        self._loaded = self._read()
        return self._loaded

    def behind(self) -> int:
        """How many migrations the database has that it had not when the cache was loaded."""
        with self._lock:
            return max(0, self._count() - self._loaded.migrations)

    def check(self, columns: Sequence[str]) -> None:
        """UnknownColumnError for the first column the cache does not know."""
        for column in columns:
            if column not in self._loaded.columns:
                raise UnknownColumnError(f"Could not find the '{column}' column of 'stock' in the schema cache")

    def _read(self) -> Loaded:
        with self._lock:
            rows = self._connection.execute("PRAGMA table_info(stock)").fetchall()
            return Loaded(
                columns=frozenset(str(row[1]) for row in rows),
                migrations=self._count(),
                loaded_at=now(),
            )

    def _count(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM schema_migrations").fetchone()
        return int(row[0])
