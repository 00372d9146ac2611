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
    SPANS = "spans"
    EVENTS = "events"


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


CUT = frozenset({Status.TRUNCATED, Status.PARTIAL})
"""An answer that holds less than was asked for."""


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


class FetchedBy(StrEnum):
    """Whose wish a question was. All of them go through the same broker."""

    ENGINE = "engine"
    MODEL_PLAN = "model_plan"
    HUMAN = "human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Who measured this, and through what it came: independence is read from here.

    ``producers`` are the processes that took the measurement. ``samples`` are the raw series an answer holds,
    ``derived_from`` every ancestor of a series that was computed from others, ``request_ids`` the traces that its
    lines and spans belong to, ``construction`` the mechanisms that make one reading out of another. ``exporter``
    and ``node`` are empty where they are not known.
    """

    producers: tuple[str, ...]
    pipeline: str
    quantity: str
    place: str
    trust: Trust = Trust.APP
    derived_from: tuple[str, ...] = ()
    construction: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    exporter: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How much of an answer came: what ``status`` says, in figures. ``rows`` are points, lines or records."""

    rows: int = 0
    limit_hit: bool = False
    warnings: tuple[str, ...] = ()


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

    ``window`` is what was really looked at, where that differs from what was asked for. ``backend`` tells two
    systems of one kind apart (``agents.canonical.fingerprint``). ``step`` is the time between two samples,
    ``rate_window`` the span that one value is taken over, ``ingest_lag`` how late a sample may come: an onset is
    uncertain by all three. ``canonical_query`` is the query as the system itself normalises it, where it does.
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
    backend: str = ""
    canonical_query: str = ""
    limit: int | None = None
    limit_hit: bool = False
    warnings: tuple[str, ...] = ()
    rate_window: timedelta = timedelta(0)
    ingest_lag: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One stored answer. The id is derived from the bytes: other bytes, other evidence.

    ``supersedes`` is the id of an earlier answer to the same question: that one may no longer be cited.
    """

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
    backend_fp: str = ""
    query_canonical: str = ""
    limit: int | None = None
    completeness: Completeness = field(default_factory=Completeness)
    rate_window: timedelta = timedelta(0)
    ingest_lag: timedelta = timedelta(0)
    fetched_by: FetchedBy = FetchedBy.ENGINE
    supersedes: EvidenceId | None = None

    @property
    def reading(self) -> Reading:
        """Saw this, saw nothing, or could not look."""
        return READINGS[self.status]
