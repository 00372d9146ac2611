"""One delivery while it is translated: its times, its place in the catalogue, and what its owner should know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from agents.incident.catalogue import Catalogue, Service
from bot.configuration import Source
from bot.receiver import safe
from bot.receiver.systems.fields import NO_ZONE
from bot.receiver.systems.reading import Item, Reading

GROUPED = frozenset({"alertmanager", "grafana_unified"})
"""The systems that send Alertmanager's groups of labelled alerts."""

AHEAD = timedelta(minutes=5)
"""A time that is further ahead of its delivery orders nothing: every later event would count as late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time of a sender. ``orders`` is false where it names no zone, or lies where no clock can be."""

    at: datetime | None = None
    orders: bool = False

    @property
    def ordering(self) -> datetime | None:
        """The time, where it may be used to tell earlier from later."""
        return self.at if self.orders else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a source, while it is translated. ``notes`` grow meanwhile."""

    source: str
    configured: Source
    reading: Reading
    catalogue: Catalogue
    received_at: datetime
    notes: list[str] = field(default_factory=list)

    @property
    def system(self) -> str:
        """Which system's deliveries the source sends."""
        return self.configured.system

    def note(self, text: str) -> None:
        """Add what the source's owner should know."""
        self.notes.append(safe.plain(text, 300))

    def moment(self, said: str | None, name: str) -> Moment:
        """A time as ``reading.Item`` holds it; *name* is the field's, for the note on what is odd about it."""
        if said is None:
            return Moment()
        zoned = not said.endswith(NO_ZONE)
        try:
            at = datetime.fromisoformat(said.removesuffix(NO_ZONE))
        except ValueError:
            self.note(f"{name} is not a time that can be kept: {said[:60]!r}")
            return Moment()
        if not zoned:
            self.note(f"{name} names no zone; it is taken for UTC and orders nothing")
            return Moment(at=at.replace(tzinfo=UTC))
        at = at.astimezone(UTC)
        if at > self.received_at + AHEAD:
            self.note(f"{name} is ahead of the time of its delivery ({said}); it orders nothing")
            return Moment(at=at)
        return Moment(at=at, orders=True)


def said(value: str | None) -> str | None:
    """*value* without blanks around it; None where nothing is left."""
    return value.strip() or None if value else None


def text(item: Item, *names: str) -> str | None:
    """The first of the item's extras that says something."""
    values = (item.extras.get(name) for name in names)
    return next((v.strip() for v in values if isinstance(v, str) and v.strip()), None)


def number(item: Item, name: str) -> int | None:
    """A whole number among the item's extras."""
    value = item.extras.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def place(delivery: Delivery, item: Item, labels: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Service and environment, in the catalogue's names where it knows them and as stated where not."""
    configured, catalogue = delivery.configured, delivery.catalogue
    environment = (
        said(labels.get(configured.environment_label))
        or said(item.environment)
        or text(item, "environment_")
        or said(labels.get("environment"))
        or said(labels.get("env"))
        or configured.environment
    )
    stated = said(labels.get(configured.service_label)) or said(item.service)
    found = _known(catalogue, stated, environment)
    if stated is None and delivery.system in GROUPED:
        # A scrape job's name counts where the catalogue knows it for a service; it is no service by itself.
        found = _known(catalogue, said(labels.get("job")), environment)
    if stated is None and found is None:
        stated = configured.service
        found = _known(catalogue, stated, environment)
    if found is not None:
        return found.name, found.environment
    known = catalogue.environment_named(environment) or environment
    return safe.plain(stated) if stated else None, safe.plain(known) if known else None


def _known(catalogue: Catalogue, name: str | None, environment: str | None) -> Service | None:
    if name is None:
        return None
    return catalogue.place(name, environment) or catalogue.by_repository(name, environment)
