"""Opening the journal and writing to it: one transaction a step, rung after it is committed."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    Result,
    Select,
    Table,
    create_engine,
    event,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy import exc as sql_errors

from agents.incident import crash
from agents.incident.errors import BadInput, JournalUnavailable
from agents.incident.ids import IncidentId
from bot.journal import tables as t
from bot.journal.types import Instant

Ring = Callable[[int, str, str], None]
"""(outbox row, job, subject): tell the queue, best effort; the clock rings again for what was lost."""

_NOW = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}


class Tx:
    """One transaction. ``now`` is the database's clock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect.name
        self.rung: list[tuple[int, str, str]] = []
        self._alone: set[str] = set()
        self._read_at: tuple[datetime, float] | None = None

    @property
    def now(self) -> datetime:
        """The database's present time, UTC: the only clock a deadline is judged by.

        It is asked once; what has passed since then is measured here.
        """
        if self._read_at is None:
            column = literal_column(_NOW[self.dialect], Instant)
            value = self._connection.execute(select(column)).scalar_one()
            assert isinstance(value, datetime)  # noqa: S101  # Instant reads datetimes
            self._read_at = value, time.monotonic()
        start, then = self._read_at
        return start + timedelta(seconds=time.monotonic() - then)

    def run(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> Result[Any]:
        """Execute one statement."""
        return self._connection.execute(statement, values)

    def insert(self, table: Table) -> Any:
        """An INSERT that can say what to do where the row is there already, in this database's dialect."""
        if self.dialect == "postgresql":
            from sqlalchemy.dialects import postgresql

            return postgresql.insert(table)
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)

    def changed(self, statement: Executable) -> int:
        """Execute one statement that writes, and say how many rows it changed."""
        result = self._connection.execute(statement)
        assert isinstance(result, CursorResult)  # noqa: S101  # what DML returns
        return result.rowcount

    def one(self, statement: Executable) -> Mapping[str, Any] | None:
        """The first row as a mapping, or ``None``."""
        row = self._connection.execute(statement).mappings().first()
        return dict(row) if row is not None else None

    def all(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Every row as a mapping."""
        return [dict(row) for row in self._connection.execute(statement).mappings()]

    def serialise(self, what: str) -> None:
        """From here to the commit, one transaction at a time does *what*. SQLite has one writer anyway."""
        if self.dialect == "postgresql" and what not in self._alone:
            self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})
            self._alone.add(what)

    def ring(self, job: str, subject: str) -> None:
        """Have the queue told, once this transaction is committed and again until it was."""
        if self.one(_bell(job, subject).where(t.outbox.c.sent_at.is_(None))) is not None:
            return  # still to be rung: one bell is enough
        key = self._connection.execute(
            t.outbox.insert().values(job=job, subject=subject, made_at=self.now).returning(t.outbox.c.id)
        ).scalar_one()
        self.rung.append((key, job, subject))

    def ring_again(self, job: str, subject: str, *, every: timedelta) -> None:
        """``ring``, unless the same bell was rung a moment ago."""
        if self.one(_bell(job, subject).where(t.outbox.c.made_at > self.now - every)) is None:
            self.ring(job, subject)

    def event(self, incident_id: IncidentId, actor: str, kind: str, **data: Any) -> None:
        """Write one line of the incident's history; every card of it is then out of date."""
        self._connection.execute(
            t.events.insert().values(incident_id=incident_id, at=self.now, actor=actor, kind=kind, data=data)
        )
        self.turn_card(incident_id)

    def turn_card(self, incident_id: IncidentId) -> None:
        """Every card of the incident is out of date, and there is nothing to tell below it."""
        self._connection.execute(
            t.incidents.update()
            .where(t.incidents.c.id == incident_id)
            .values(card_version=t.incidents.c.card_version + 1)
        )


def _bell(job: str, subject: str) -> Select[Any]:
    return select(t.outbox.c.id).where(t.outbox.c.job == job, t.outbox.c.subject == subject).limit(1)


class Journal:
    """The journal of one process. Safe to share between threads; fork before opening."""

    def __init__(self, engine: Engine, ring: Ring | None = None) -> None:
        self.engine = engine
        self._ring = ring

    @contextlib.contextmanager
    def write(self, label: str) -> Iterator[Tx]:
        """A transaction that may write, committed when the block ends; then what it rang is told.

        ``label`` names this boundary for crash tests and errors.
        """
        try:
            with self.engine.begin() as connection:
                tx = Tx(connection)
                yield tx
                crash.point(f"{label}:before")
        except (sql_errors.DataError, UnicodeEncodeError) as error:
            why = type(getattr(error, "orig", error)).__name__
            raise BadInput(f"a value does not fit the journal ({label}): {why}") from error
        except (sql_errors.OperationalError, sql_errors.InternalError) as error:  # the latter: a demoted primary
            raise JournalUnavailable(
                f"journal could not be written ({label}): {_cause(error)}; check the disk and the database"
            ) from error
        crash.point(f"{label}:after")
        if self._ring is not None:
            for row in tx.rung:
                self._ring(*row)
        if tx.rung:
            crash.point(f"{label}:rung")

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that only reads."""
        try:
            with self.engine.connect().execution_options(reading=True) as connection:
                yield Tx(connection)
        except sql_errors.OperationalError as error:
            raise JournalUnavailable(f"journal could not be read: {_cause(error)}") from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


BUSY_MS = 15_000
BUSY = timedelta(milliseconds=BUSY_MS)
"""How long a writer waits for another one before the journal counts as unavailable."""

REVISION = "0006"
"""The newest migration; a test holds it against the files."""


def check(url: str) -> None:
    """Raise BadInput when the journal at *url* is not at this version's tables.

    Read without the migration library: the long-running processes need not carry it.
    """
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not url.startswith("sqlite:///file:") and not file.exists():
        raise BadInput(f"there is no journal at {file}: firstresponder migrate, or up, makes it")
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            found = (
                inspect(connection).has_table("alembic_version")
                and connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            )
    except sql_errors.OperationalError as error:
        raise JournalUnavailable(f"the journal could not be opened: {_cause(error)}") from error
    finally:
        engine.dispose()
    if found != REVISION:
        raise BadInput(f"the journal is at {found or 'no'} revision, {REVISION} is needed: firstresponder migrate")


def _cause(error: sql_errors.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__


def open_engine(url: str) -> Engine:
    """An engine with the settings that durability rests on.

    SQLite: WAL, full synchronous, ``BEGIN IMMEDIATE`` for whatever may write. PostgreSQL: READ COMMITTED.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": BUSY.total_seconds()})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    return create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=5,
        connect_args={"connect_timeout": 5, "options": "-c statement_timeout=15000 -c lock_timeout=10000"},
    )


def _sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own deferred BEGIN is off; ours is immediate
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101  # the dialect's own
    until = time.monotonic() + BUSY.total_seconds()
    # SQLite itself sleeps up to 0.1 s between tries: whoever writes without a pause would starve the others.
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except sql_errors.OperationalError as error:
                code = getattr(error.orig, "sqlite_errorcode", None)
                if code not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or time.monotonic() > until:
                    raise
                time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311  # so that two do not go in step
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")
