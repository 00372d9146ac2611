"""The short window of spans: kept in Redis, trimmed by time, lost without harm."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import redis

from agents.incident.errors import QueueUnreachable
from agents.spans import Span, pack, unpack

KEY = "{otlp}:spans"
MAX_BATCHES = 20_000


class SpanStore:
    """Batches of spans by the time they came in."""

    def __init__(self, connection: redis.Redis, keep: timedelta) -> None:
        self._redis = connection
        self._keep_ms = round(keep.total_seconds() * 1000)

    def add(self, spans: Iterable[Span]) -> None:
        """Keep one batch. Raises QueueUnreachable."""
        try:
            seconds, micros = self._redis.time()
            oldest = seconds * 1000 + micros // 1000 - self._keep_ms
            self._redis.xadd(KEY, {"s": pack(spans)}, minid=oldest, approximate=True)
        except redis.RedisError as error:
            raise QueueUnreachable(f"Redis did not keep the spans: {type(error).__name__}") from error

    def between(self, start_ms: float, end_ms: float) -> tuple[list[Span], bool]:
        """Spans that ended in [start, end), and whether older ones were left out. Raises QueueUnreachable."""
        try:
            # A batch comes after the spans in it ended; ids are the server's own milliseconds.
            batches: Any = self._redis.xrevrange(KEY, max="+", min=str(round(start_ms)), count=MAX_BATCHES)
        except redis.RedisError as error:
            raise QueueUnreachable(f"Redis did not give the spans back: {type(error).__name__}") from error
        found = [s for _, fields in batches for s in unpack(fields[b"s"]) if start_ms <= s.end_ms < end_ms]
        return found, len(batches) == MAX_BATCHES
