"""What was asked, what was read, by whom it was measured, and under which id it is kept.

Three readings are kept apart: saw this, saw nothing, could not look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agents.incident.ids import EvidenceId, IncidentId


class QuestionKind(StrEnum):
    """What kind of answer is wanted."""

    QUANTITY = "quantity"
    LOG = "log"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing asked about one service, in the terms of no vendor.

    ``name`` is a quantity (``pool_waiters``), a regular expression for log messages, or empty for changes.
    """

    kind: QuestionKind
    service: str
    environment: str
    name: str = ""

    @property
    def entity(self) -> str:
        """``environment/service``."""
        return f"{self.environment}/{self.service}"


class Status(StrEnum):
    """How whole an answer is."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    PARTIAL = "partial"
    EMPTY = "empty"
    ERROR = "error"


class Reading(StrEnum):
    """What a status lets us say."""

    SAW = "saw this"
    SAW_SOME = "saw some of this"
    SAW_NOTHING = "saw nothing"
    COULD_NOT_LOOK = "could not look"


READINGS: Mapping[Status, Reading] = {
    Status.COMPLETE: Reading.SAW,
    Status.TRUNCATED: Reading.SAW_SOME,
    Status.PARTIAL: Reading.SAW_SOME,
    Status.EMPTY: Reading.SAW_NOTHING,
    Status.ERROR: Reading.COULD_NOT_LOOK,
}


class Trust(StrEnum):
    """Who could have written the content."""

    PLATFORM = "platform"
    APP = "app"
    USER_PAYLOAD = "user_payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Who measured this, and through what it came: independence is read from here."""

    producers: tuple[str, ...]
    pipeline: str
    quantity: str
    place: str
    trust: Trust = Trust.APP
    derived_from: tuple[str, ...] = ()
    construction: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """[start, end) of what was looked at; ``recent`` is its last part, judged as "now"."""

    start: datetime
    end: datetime
    recent: timedelta

    @property
    def recent_start(self) -> datetime:
        """Where "now" begins."""
        return self.end - self.recent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a probe brings back, before it is redacted, hashed and kept. ``body`` is JSON.

    ``window`` is what was really looked at, where that differs from what was asked for.
    """

    question: Question
    status: Status
    query: str
    lineage: Lineage
    body: Mapping[str, object] = field(default_factory=dict)
    unit: str = ""
    entities: tuple[str, ...] = ()
    reason: str = ""
    alive: bool | None = None
    step: timedelta = timedelta(0)
    window: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One stored answer. The id is derived from the bytes: other bytes, other evidence."""

    id: EvidenceId
    incident_id: IncidentId
    probe: str
    question: Question
    query: str
    window: Window
    status: Status
    reason: str
    unit: str
    blob_sha256: str
    size_bytes: int
    lineage: Lineage
    entities: tuple[str, ...]
    alive: bool | None
    step: timedelta
    fetched_at: datetime
    latency: timedelta
    redactions: Mapping[str, int] = field(default_factory=dict)

    @property
    def reading(self) -> Reading:
        """Saw this, saw nothing, or could not look."""
        return READINGS[self.status]
