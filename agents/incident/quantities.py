"""The quantities signatures speak of, in no vendor's terms. Each metrics probe has its own table to queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Across(StrEnum):
    """How several series of one quantity become one number."""

    SUM = "sum"
    MAX = "max"
    POOL = "pool"  # a ratio: numerators and denominators are added up apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """``floor`` is the smallest change worth the word, in the quantity's own unit.

    ``made_of`` names the raw instruments it is computed from: two quantities that share one are one signal.
    """

    title: str
    unit: str
    across: Across
    floor: float
    made_of: tuple[str, ...] = ()


QUANTITIES: Mapping[str, Quantity] = {
    "request_rate": Quantity(
        title="requests completed", unit="/s", across=Across.SUM, floor=0.5, made_of=("requests",)
    ),
    "server_error_ratio": Quantity(
        title="server error ratio", unit="ratio", across=Across.POOL, floor=0.005, made_of=("requests",)
    ),
    "slow_request_ratio": Quantity(
        title="requests slower than 1 s",
        unit="ratio",
        across=Across.POOL,
        floor=0.01,
        made_of=("requests", "request durations"),
    ),
    "upstream_failure_ratio": Quantity(
        title="failed calls to its upstream",
        unit="ratio",
        across=Across.POOL,
        floor=0.005,
        made_of=("upstream calls",),
    ),
    "calls_per_request": Quantity(
        title="upstream calls per request",
        unit="ratio",
        across=Across.POOL,
        floor=0.1,
        made_of=("upstream calls", "requests"),
    ),
    "in_flight": Quantity(title="requests in flight", unit="", across=Across.SUM, floor=1, made_of=("in flight",)),
    "pool_waiters": Quantity(title="pool waiters", unit="", across=Across.SUM, floor=1, made_of=("pool",)),
    "pool_used_ratio": Quantity(
        title="pool in use", unit="ratio", across=Across.MAX, floor=0.01, made_of=("pool",)
    ),
    "database_connections_used_ratio": Quantity(
        title="database connections in use",
        unit="ratio",
        across=Across.MAX,
        floor=0.01,
        made_of=("database connections",),
    ),
    "database_lock_waits": Quantity(
        title="database sessions that wait for a lock",
        unit="",
        across=Across.SUM,
        floor=1,
        made_of=("database sessions",),
    ),
    "query_time": Quantity(
        title="mean time of a query", unit="s", across=Across.POOL, floor=0.005, made_of=("statement times",)
    ),
    "schema_cache_behind": Quantity(
        title="migrations the schema cache is behind",
        unit="",
        across=Across.MAX,
        floor=1,
        made_of=("schema version",),
    ),
    "health_failing": Quantity(
        title="failing health checks", unit="", across=Across.SUM, floor=1, made_of=("health checks",)
    ),
    "health_ok": Quantity(
        title="passing health checks", unit="", across=Across.SUM, floor=1, made_of=("health checks",)
    ),
}
"""Ratios are written 0 to 1 and shown in percent where they are shares."""

SHARES = frozenset(
    {
        "server_error_ratio",
        "slow_request_ratio",
        "upstream_failure_ratio",
        "pool_used_ratio",
        "database_connections_used_ratio",
    }
)

CONSTRUCTION: Mapping[str, tuple[str, ...]] = {
    "health_failing": ("one check has one outcome",),
    "health_ok": ("one check has one outcome",),
}
"""Quantities that make one another by construction: what one mechanism ties together is one signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit as people write it: its dimension, and how many of the dimension's own it is."""

    dimension: str
    factor: float


UNITS: Mapping[str, Unit] = {
    "": Unit(dimension="count", factor=1),
    "s": Unit(dimension="time", factor=1),
    "ms": Unit(dimension="time", factor=1e-3),
    "us": Unit(dimension="time", factor=1e-6),
    "min": Unit(dimension="time", factor=60),
    "B": Unit(dimension="bytes", factor=1),
    "KiB": Unit(dimension="bytes", factor=1024),
    "MiB": Unit(dimension="bytes", factor=1024**2),
    "GiB": Unit(dimension="bytes", factor=1024**3),
    "kB": Unit(dimension="bytes", factor=1e3),
    "MB": Unit(dimension="bytes", factor=1e6),
    "ratio": Unit(dimension="ratio", factor=1),
    "%": Unit(dimension="ratio", factor=1e-2),
    "/s": Unit(dimension="rate", factor=1),
    "/min": Unit(dimension="rate", factor=1 / 60),
}
"""By which a number given from outside may be compared; a unit that is not here is none."""


def converted(value: float, unit: str, into: str) -> float | None:
    """*value* in the unit *into*; ``None`` where the two do not measure the same thing."""
    given, wanted = UNITS.get(unit), UNITS.get(into)
    if given is None or wanted is None or given.dimension != wanted.dimension:
        return None
    return value * given.factor / wanted.factor
