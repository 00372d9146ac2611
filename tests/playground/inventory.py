"""Inventory: an API over the table `stock` that trusts its schema cache."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence

from tests.playground import database, options
from tests.playground.httpd import Handler, Reply, Request, json_reply
from tests.playground.options import Options
from tests.playground.osproc import rfc3339
from tests.playground.schema_cache import SchemaCache, UnknownColumnError
from tests.playground.service import Business, Service
from tests.playground.tracing import Span

ROUTE = "/stock"


class Inventory(Service):
    """One inventory instance."""

    def __init__(self, given: Options) -> None:
        """Open the database and load the schema cache."""
        super().__init__(given)
        self._cache = SchemaCache(database.connect(given.database))
        self._connection = database.connect(given.database)
        self._lock = threading.Lock()
        self.metrics.expect(route=ROUTE, codes=(200, 400, 500))
        self.metrics.gauge(
            "schema_cache_versions_behind",
            "Migrations the database has and the schema cache does not know.",
            self._cache.behind,
        )

    def business(self) -> Mapping[tuple[str, str], Business]:
        """Stock levels only."""
        return {("GET", ROUTE): self._stock}

    def control(self) -> Mapping[tuple[str, str], Handler]:
        """The reload of the schema cache."""
        return {("POST", "/admin/reload-schema"): self._reload}

    def health(self) -> Reply:
        """Degraded, yet serving, while the cache is behind the database."""
        behind = self._cache.behind()
        return json_reply(
            200,
            {
                "status": "degraded" if behind else "ok",
                "version": self.options.version,
                "revision": self.options.revision,
                "schema_cache": {"behind": behind, "loaded_at": rfc3339(self._cache.loaded.loaded_at)},
            },
        )

    def _stock(self, request: Request, span: Span) -> Reply:
        columns = request.query.get("select", "sku,quantity").split(",")
        try:
            self._cache.check(columns)
        except UnknownColumnError as error:
            self.journal.error(str(error), span=span, code="PGRST204")
            return json_reply(400, {"code": "PGRST204", "message": str(error)})
        row = self._read(columns, request.query["sku"])
        if row is None:
            return json_reply(404, {"code": "PGRST116", "message": "no such sku"})
        return json_reply(200, dict(zip(columns, row, strict=True)))

    def _read(self, columns: Sequence[str], sku: str) -> Sequence[object] | None:
        names = ", ".join(f'"{column}"' for column in columns)
        query = f"SELECT {names} FROM stock WHERE sku = ?"  # noqa: S608 - the cache has vouched for each name
        with self._lock:
            try:
                row: Sequence[object] | None = self._connection.execute(query, (sku,)).fetchone()
            except sqlite3.OperationalError as error:
                raise RuntimeError(f"database: {error}") from error
        return row

    def _reload(self, _request: Request) -> Reply:
        before, loaded = self._cache.loaded, self._cache.reload()
        if (before.columns, before.migrations) != (loaded.columns, loaded.migrations):
            self.journal.info(
                "schema cache reloaded", columns=sorted(loaded.columns), migrations=loaded.migrations
            )
        return json_reply(200, {"migrations": loaded.migrations, "loaded_at": rfc3339(loaded.loaded_at)})


if __name__ == "__main__":
    Inventory(options.parse()).run()
