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
    """``floor`` is the smallest change worth the word, in the quantity's own unit."""

    title: str
    unit: str
    across: Across
    floor: float


QUANTITIES: Mapping[str, Quantity] = {
    "request_rate": Quantity(title="requests completed", unit="/s", across=Across.SUM, floor=0.5),
    "server_error_ratio": Quantity(title="server error ratio", unit="ratio", across=Across.POOL, floor=0.005),
    "slow_request_ratio": Quantity(title="requests slower than 1 s", unit="ratio", across=Across.POOL, floor=0.01),
    "upstream_failure_ratio": Quantity(
        title="failed calls to its upstream", unit="ratio", across=Across.POOL, floor=0.005
    ),
    "calls_per_request": Quantity(title="upstream calls per request", unit="ratio", across=Across.POOL, floor=0.1),
    "in_flight": Quantity(title="requests in flight", unit="", across=Across.SUM, floor=1),
    "pool_waiters": Quantity(title="pool waiters", unit="", across=Across.SUM, floor=1),
    "pool_used_ratio": Quantity(title="pool in use", unit="ratio", across=Across.MAX, floor=0.01),
    "database_connections_used_ratio": Quantity(
        title="database connections in use", unit="ratio", across=Across.MAX, floor=0.01
    ),
    "schema_cache_behind": Quantity(
        title="migrations the schema cache is behind", unit="", across=Across.MAX, floor=1
    ),
    "health_failing": Quantity(title="failing health checks", unit="", across=Across.SUM, floor=1),
    "health_ok": Quantity(title="passing health checks", unit="", across=Across.SUM, floor=1),
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
