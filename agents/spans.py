"""Spans as they are kept for a short while: only what the quantities need, in compact rows."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One finished server or client span. Times in ms since 1970; ``upstream`` only for client spans."""

    service: str
    instance: str
    environment: str
    client: bool
    end_ms: float
    duration_ms: float
    failed: bool
    status: int
    upstream: str
    upstream_instance: str


def pack(spans: Iterable[Span]) -> bytes:
    """Rows as JSON."""
    return json.dumps([astuple(s) for s in spans], separators=(",", ":")).encode()


def unpack(data: bytes) -> Sequence[Span]:
    """The spans that ``pack`` wrote."""
    return [Span(*row) for row in json.loads(data)]
