"""What a claim stands on: facts the engine computed, and the very bytes they were computed from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agents.incident.ids import EvidenceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A named number (``pool_waiters.max``) with its unit. Only the engine makes one.

    ``n_samples`` counts the points or lines it was computed from, ``inputs`` are the ids of the evidence.
    """

    name: str
    value: float
    unit: str
    n_samples: int
    inputs: tuple[EvidenceId, ...]
    computed_by: str = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointAt:
    """One point of one series: its labels, and its time in milliseconds."""

    type: Literal["point"] = "point"
    labels: Mapping[str, str]
    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAt:
    """One log line: the labels of its stream, its time as it was written, and the hash of its text."""

    type: Literal["line"] = "line"
    labels: Mapping[str, str]
    at: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanAt:
    """One attribute of one span."""

    type: Literal["span"] = "span"
    trace_id: str
    span_id: str
    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAt:
    """One record of a feed, by its own id."""

    type: Literal["record"] = "record"
    id: str


Pointer = PointAt | LineAt | SpanAt | RecordAt


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Bytes [byte_start, byte_end) of a stored answer, as text, and what they are."""

    evidence: EvidenceId
    byte_start: int
    byte_end: int
    text: str
    pointer: Pointer
