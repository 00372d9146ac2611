"""Version 2 of checkout loses a connection with every coupon; version 1 does not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.playground import checkout, database
from tests.playground.checkout import Checkout, Order
from tests.playground.checkout_v2 import CheckoutV2
from tests.playground.gateway import Rotation
from tests.playground.options import Options
from tests.playground.pool import PoolTimeoutError

Make = Callable[[type[Checkout]], Checkout]


@pytest.fixture(name="make")
def _make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(checkout, "PRICING_S", 0.0)
    monkeypatch.setattr(checkout, "POOL_TIMEOUT_S", 0.05)
    database.create(tmp_path / "shop.db")
    made: list[Checkout] = []

    def make(version: type[Checkout]) -> Checkout:
        options = Options(
            service="checkout",
            instance="checkout-1",
            port=0,
            control_port=0,
            directory=tmp_path,
            otlp_url="",
            version="1",
            revision=41,
            upstreams={"inventory-1": "127.0.0.1:1"},
            otlp_token="",
            control_token="",
            parent_pid=0,
        )
        made.append(version(options))
        return made[-1]

    yield make
    for each in made:
        each.pool.close()
        each.journal.close()


def _order(coupon: str | None) -> Order:
    return Order(sku="sku-001", quantity=2, coupon=coupon)


def test_version_1_gives_every_connection_back(make: Make) -> None:
    replica = make(Checkout)
    for coupon in ("WELCOME10", None, "NOSUCH") * 4:
        replica.place(_order(coupon), 1000)
    assert replica.pool.state().in_use == 0


def test_version_2_loses_one_with_each_known_coupon(make: Make) -> None:
    replica = make(CheckoutV2)
    replica.place(_order(None), 1000)
    replica.place(_order("NOSUCH"), 1000)
    assert replica.pool.state().in_use == 0
    for lost in range(1, 4):
        replica.place(_order("WELCOME10"), 1000)
        assert replica.pool.state().in_use == lost


def test_version_2_ends_with_no_connection_for_anyone(make: Make) -> None:
    replica = make(CheckoutV2)
    for _ in range(3):
        replica.place(_order("SPRING5"), 1000)
    with pytest.raises(PoolTimeoutError):
        replica.place(_order("SPRING5"), 1000)
    with pytest.raises(PoolTimeoutError):
        replica.place(_order(None), 1000)


def test_the_discount_reaches_the_price(make: Make, tmp_path: Path) -> None:
    make(Checkout).place(_order("WELCOME10"), 1000)
    connection = database.connect(tmp_path / "shop.db")
    assert connection.execute("SELECT price_cents FROM orders").fetchone() == (1800,)
    connection.close()


def test_rotation_leaves_out_who_is_being_replaced() -> None:
    rotation = Rotation(["a", "b"])
    assert {rotation.next(), rotation.next()} == {"a", "b"}
    rotation.set("a", in_rotation=False)
    assert [rotation.next() for _ in range(3)] == ["b", "b", "b"]
    rotation.set("b", in_rotation=False)
    assert {rotation.next(), rotation.next()} == {"a", "b"}
    with pytest.raises(ValueError, match="no instance c"):
        rotation.set("c", in_rotation=True)
