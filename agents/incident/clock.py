"""Time as the walk sees it: aware UTC datetimes, and milliseconds where series need numbers."""

from datetime import UTC, datetime

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Between these lies every time of an incident. One elsewhere is a mistake, and a sum with it could leave the
calendar."""


def now() -> datetime:
    """The host's present time, UTC. Deadlines are judged by the journal's clock instead."""
    return datetime.now(UTC)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970, UTC."""
    return round(at.timestamp() * 1000)


def from_ms(ms: float) -> datetime:
    """The instant *ms* milliseconds after 1970, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def iso(at: datetime) -> str:
    """RFC 3339 with milliseconds, as shown to people and written to JSON."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
