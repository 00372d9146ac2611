"""What tests stand on: a journal on either database, and a Redis. All of it real, private and local."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from bot.journal import migrate
from bot.journal.journal import Journal, open_engine
from tests.contract import postgres
from tests.contract.postgres import Postgres
from tests.contract.redis_server import RedisServer

Rung = list[tuple[int, str, str]]
DATABASES = ("sqlite", "postgresql")
LONGEST = "crash"
"""The folder that takes longest: begun first, while there is other work to be done beside it."""

# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is alone with it at the end."""
    items.sort(key=lambda item: item.path.parent.name != LONGEST)


@pytest.fixture(scope="session", name="postgres_server")
def _postgres_server() -> Iterator[Postgres]:
    """Started by the first test that asks for it."""
    with postgres.serve() as server:
        yield server


@pytest.fixture(scope="session", name="migrated_file")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at this version's tables, to be copied."""
    path = tmp_path_factory.mktemp("journal") / "migrated.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(name="sqlite_url")
def _sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A migrated SQLite journal of this test alone."""
    path = tmp_path / "journal.db"
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(name="journal_url", params=DATABASES)
def _journal_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated journal of this test alone, on each database in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    with server.database() as url:
        yield url


@pytest.fixture(name="empty_url", params=DATABASES)
def _empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, on each database in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'journal.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    with server.database(template="template1") as url:
        yield url


@pytest.fixture(name="rung")
def _rung() -> Rung:
    """What the journal rang, in order, instead of a queue."""
    return []


@pytest.fixture(name="journal")
def _journal(journal_url: str, rung: Rung) -> Iterator[Journal]:
    """A journal on each database in turn."""
    journal = Journal(open_engine(journal_url), lambda *row: rung.append(row))
    yield journal
    journal.close()


@pytest.fixture(scope="session", name="shared_redis")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Started by the first test that asks for it."""
    server = RedisServer.serve(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(name="redis_server")
def _redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    shared_redis.connection.flushall()
    return shared_redis


@pytest.fixture(name="own_redis")
def _own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test alone, to be killed."""
    server = RedisServer.serve(tmp_path / "redis")
    yield server
    server.stop()
