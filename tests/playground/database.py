"""The shop's SQLite file: its first schema, the migration that arrives later, and the way back."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.playground.osproc import now, rfc3339

SKUS = tuple(f"sku-{number:03}" for number in range(1, 21))
COUPONS = {"WELCOME10": 10, "SPRING5": 5}
FIRST_MIGRATION = "0001_initial"
SECOND_MIGRATION = "0002_add_updated_at"

_SCHEMA = """
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL, coupon TEXT,
  price_cents INTEGER, placed_at TEXT NOT NULL
);
CREATE TABLE stock (sku TEXT PRIMARY KEY, quantity INTEGER NOT NULL);
CREATE TABLE coupons (code TEXT PRIMARY KEY, percent INTEGER NOT NULL);
CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time; it waits up to 1 s for a writer."""
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # The whole file is small; a large page cache per connection would only cost memory.
    connection.execute("PRAGMA cache_size=-256")
    return connection


def create(path: Path) -> None:
    """Make a new database with the first schema; what was there before is removed."""
    for old in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        old.unlink(missing_ok=True)
    with closing(connect(path)) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO stock VALUES (?, 100000)", [(sku,) for sku in SKUS])
        connection.executemany("INSERT INTO coupons VALUES (?, ?)", COUPONS.items())
        _record(connection, FIRST_MIGRATION)


def migrate(path: Path) -> None:
    """Add the column `updated_at` to `stock`, once."""
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if SECOND_MIGRATION not in _migrations(connection):
            connection.execute("ALTER TABLE stock ADD COLUMN updated_at TEXT")
            _record(connection, SECOND_MIGRATION)
        connection.execute("COMMIT")


def unmigrate(path: Path) -> None:
    """Take the column away again, if it is there."""
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if SECOND_MIGRATION in _migrations(connection):
            connection.execute("ALTER TABLE stock DROP COLUMN updated_at")
            connection.execute("DELETE FROM schema_migrations WHERE name = ?", (SECOND_MIGRATION,))
        connection.execute("COMMIT")


def schema_version(path: Path) -> int:
    """How many migrations the database has."""
    with closing(connect(path)) as connection:
        return len(_migrations(connection))


def _migrations(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM schema_migrations ORDER BY name")]


def _record(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO schema_migrations VALUES (?, ?)", (name, rfc3339(now())))
