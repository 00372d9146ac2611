"""Deliveries as they are translated: of the corpora, and made up with only what matters named."""

from datetime import UTC, datetime

from agents.incident.catalogue import Catalogue, Service
from bot.configuration import Source
from bot.receiver import systems
from bot.receiver.systems.reading import Category, Item, Reading
from bot.receiver.translate import Arrived, arrived

RECEIVED = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NOWHERE = Catalogue(services=())
SHOP = Catalogue(
    services=(
        Service(
            name="checkout",
            environment="production",
            aliases=("Checkout-API",),
            repositories=("acme/checkout",),
        ),
        Service(name="checkout", environment="staging", repositories=("acme/checkout",)),
        Service(name="orders", environment="production"),
    ),
    environments={"production": ("prod",)},
)


def of_item(item, *, system="generic", category=Category.ALERT, catalogue=NOWHERE, about=None, **row) -> Arrived:
    """One item, as the source ``mine`` delivers it."""
    reading = Reading(category=category, items=(item,), about=about or {})
    return of_reading(system, reading, catalogue=catalogue, **row)


def of_reading(system, reading, *, catalogue=NOWHERE, **row) -> Arrived:
    """A reading, as the source ``mine`` delivers it."""
    return arrived("mine", Source(system=system, **row), reading, catalogue, RECEIVED)


def alert(catalogue=NOWHERE, **named):
    """The one alert of an item."""
    where = {k: named.pop(k) for k in ("system", "category", "about", "row") if k in named}
    row = where.pop("row", {})
    usual = {"status": "firing", "title": "Queue is long", "dedup_key": "queue"}
    (found,) = of_item(Item(**(usual | named)), catalogue=catalogue, **where, **row).alerts
    return found


def change(catalogue=NOWHERE, **named):
    """The one change of an item."""
    where = {k: named.pop(k) for k in ("system", "category", "about", "row") if k in named}
    row = where.pop("row", {})
    usual = {"status": "success", "title": "Deploy", "dedup_key": "7"}
    where.setdefault("category", Category.DEPLOY)
    (found,) = of_item(Item(**(usual | named)), catalogue=catalogue, **where, **row).changes
    return found


def of_body(system, body, headers=None, *, source="mine", catalogue=NOWHERE, **row) -> Arrived:
    """A body, as *system*'s reader understands it."""
    reading = systems.read(system, headers or {"content-type": "application/json"}, body)
    return arrived(source, Source(system=system, **row), reading, catalogue, RECEIVED)
