"""The schema cache knows what was there when it was loaded, and only a reload changes that."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.playground import database
from tests.playground.schema_cache import SchemaCache, UnknownColumnError


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    database.create(path)
    return path


@pytest.fixture(name="connection")
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    connection = database.connect(path)
    yield connection
    connection.close()


def test_a_migration_leaves_it_behind_until_it_is_reloaded(path: Path, connection: sqlite3.Connection) -> None:
    cache = SchemaCache(connection)
    assert cache.behind() == 0
    database.migrate(path)
    assert cache.behind() == 1
    with pytest.raises(UnknownColumnError) as raised:
        cache.check(["sku", "updated_at"])
    assert str(raised.value) == "Could not find the 'updated_at' column of 'stock' in the schema cache"
    cache.reload()
    assert cache.behind() == 0
    cache.check(["sku", "updated_at"])


def test_migrating_and_back_can_be_repeated(path: Path, connection: sqlite3.Connection) -> None:
    for _ in range(2):
        database.migrate(path)
        database.migrate(path)
        assert database.schema_version(path) == 2
        database.unmigrate(path)
        database.unmigrate(path)
        assert database.schema_version(path) == 1
    assert SchemaCache(connection).loaded.columns == {"sku", "quantity"}


def test_a_cache_ahead_of_the_database_is_not_behind(path: Path, connection: sqlite3.Connection) -> None:
    database.migrate(path)
    cache = SchemaCache(connection)
    database.unmigrate(path)
    assert cache.behind() == 0
