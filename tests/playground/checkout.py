"""Checkout, version 1: books an order on a pooled connection, then asks inventory for the stock."""

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from tests.playground import database
from tests.playground.httpd import Handler, Reply, Request, json_reply
from tests.playground.options import Options
from tests.playground.osproc import now, rfc3339
from tests.playground.pool import Pool, PoolState, PoolTimeoutError
from tests.playground.service import Business, Service
from tests.playground.tracing import Span

POOL_SIZE = 4
POOL_TIMEOUT_S = 2.0
INVENTORY_TIMEOUT_S = 0.8
PRICING_S = 0.15
ROUTE = "/orders"
SELECT_BEFORE = ("sku", "quantity")
SELECT_AFTER = ("sku", "quantity", "updated_at")


def config_path(directory: Path) -> Path:
    """The configuration all checkout replicas read, at start and when told to."""
    return directory / "config" / "checkout.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order; the discount is in percent."""

    sku: str
    quantity: int
    coupon: str | None
    discount: int = 0


class Checkout(Service):
    """One checkout replica."""

    def __init__(self, options: Options) -> None:
        """Open the pool and read the catalogue and the configuration."""
        super().__init__(options)
        self.pool = Pool(
            lambda: database.connect(options.database),
            size=POOL_SIZE,
            timeout_s=POOL_TIMEOUT_S,
            on_saturation=self._pool_news,
        )
        self._catalogue_lock = threading.Lock()
        self._catalogue = {sku: 500 + 100 * number for number, sku in enumerate(database.SKUS)}
        self._select = self._configured_select()
        (self._inventory,) = options.upstreams
        self.metrics.expect(route=ROUTE, codes=(201, 500, 503))
        self.metrics.expect_upstream(upstream="inventory", instances=[self._inventory])
        for name, text, read in (
            ("db_pool_size", "Connections the pool owns.", lambda: self.pool.state().size),
            ("db_pool_in_use", "Connections lent out.", lambda: self.pool.state().in_use),
            ("db_pool_waiters", "Callers waiting for a connection.", lambda: self.pool.state().waiting),
        ):
            self.metrics.gauge(name, text, read, pool="orders")

    def business(self) -> Mapping[tuple[str, str], Business]:
        """Orders only."""
        return {("POST", ROUTE): self._order}

    def control(self) -> Mapping[tuple[str, str], Handler]:
        """Faults and the configuration switch."""
        return {
            ("POST", "/chaos/hang"): self._hang,
            ("POST", "/chaos/kill"): self._kill,
            ("POST", "/config/reload"): self._reload_config,
        }

    def health(self) -> Reply:
        """Healthy when the catalogue can be read, which every order has to do."""
        with self._catalogue_lock:
            return super().health()

    def book(self, order: Order, price_cents: int) -> None:
        """Write the order and price it on one pooled connection."""
        with self.pool.connection() as connection:
            row = connection.execute(
                "INSERT INTO orders (sku, quantity, coupon, placed_at) VALUES (?, ?, ?, ?) RETURNING id",
                (order.sku, order.quantity, order.coupon, rfc3339(now())),
            ).fetchone()
            self._price(connection, int(row[0]), price_cents * order.quantity * (100 - order.discount) // 100)

    def discounted(self, order: Order, connection: sqlite3.Connection) -> Order:
        """The order with the discount its coupon gives, none for an unknown coupon."""
        row = connection.execute("SELECT percent FROM coupons WHERE code = ?", (order.coupon,)).fetchone()
        return replace(order, discount=int(row[0]) if row else 0)

    def place(self, order: Order, price_cents: int) -> None:
        """Book an order, with its discount when it has a coupon."""
        if order.coupon:
            with self.pool.connection() as connection:
                order = self.discounted(order, connection)
        self.book(order, price_cents)

    def _price(self, connection: sqlite3.Connection, order_id: int, cents: int) -> None:
        # The sleep stands for a slow disk: the connection is busy, the processor is not.
        time.sleep(PRICING_S * random.uniform(0.9, 1.1))
        connection.execute("UPDATE orders SET price_cents = ? WHERE id = ?", (cents, order_id))

    def _order(self, request: Request, span: Span) -> Reply:
        body = request.json()
        order = Order(sku=str(body["sku"]), quantity=int(body["quantity"]), coupon=body.get("coupon") or None)
        with self._catalogue_lock:
            price_cents = self._catalogue[order.sku]
        try:
            self.place(order, price_cents)
        except PoolTimeoutError as error:
            self.journal.error(str(error), span=span, pool="orders")
            return json_reply(503, {"error": str(error)})
        return self._with_stock(order, span)

    def _with_stock(self, order: Order, span: Span) -> Reply:
        answer = self.call_upstream(
            span,
            "GET",
            f"/stock?sku={quote(order.sku)}&select={','.join(self._select)}",
            upstream="inventory",
            instance=self._inventory,
            timeout_s=INVENTORY_TIMEOUT_S,
        )
        if answer.outcome == "ok":
            return json_reply(201, {"sku": order.sku, "stock": answer.json()})
        if answer.status:
            message = answer.json().get("message") or answer.json().get("error") or ""
            text = f"inventory answered {answer.status}: {message}"
        else:
            text = f"inventory call failed: {answer.error_type}"
        self.journal.error(text, span=span, upstream_instance=self._inventory)
        return json_reply(500, {"error": text})

    def _pool_news(self, saturated: bool, state: PoolState) -> None:
        counts = f"size {state.size}, in use {state.in_use}, waiting {state.waiting}"
        if saturated:
            self.journal.warning(f"pool saturated: callers wait for a connection ({counts})", pool="orders")
        else:
            self.journal.info(f"pool has connections to spare again ({counts})", pool="orders")

    def _configured_select(self) -> tuple[str, ...]:
        try:
            value = json.loads(config_path(self.options.directory).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return SELECT_BEFORE
        return tuple(value["stock_select"])

    def _reload_config(self, _request: Request) -> Reply:
        select = self._configured_select()
        if select != self._select:
            self._select = select
            self.journal.info(f"configuration changed: stock is read with select={','.join(select)}")
        return json_reply(200, {"stock_select": select})

    def _hang(self, _request: Request) -> Reply:
        held = threading.Event()

        def refresh() -> None:
            with self._catalogue_lock:
                held.set()
                # A reply that never comes, waited for without a timeout and with the lock held.
                threading.Event().wait()

        threading.Thread(target=refresh, name="catalogue-refresh", daemon=True).start()
        return json_reply(200, {"hung": held.wait(1.0)})

    def _kill(self, _request: Request) -> Reply:
        os.kill(os.getpid(), signal.SIGKILL)
        return json_reply(500, {"error": "still alive"})
