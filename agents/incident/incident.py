"""What happened, as told from outside: alerts, changes, and the incident people handle as one thing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState


class Severity(StrEnum):
    """How loud the sender said it is; unknown stays unknown."""

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"


class AlertStatus(StrEnum):
    """What the sender says of the condition. ``NOTED`` is any word that is neither a beginning nor an end."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of one delivery. ``identity`` joins firing and resolved; it is never empty.

    ``at`` is when the sender says that this event happened, ``group`` what the sender itself groups by, ``entity``
    the host, node or other infrastructure it names, ``word`` the sender's own word for the status. Times that the
    sender does not state, or states without a zone, are ``None`` where they would be used to order events.
    """

    source: str
    identity: str
    status: AlertStatus
    title: str
    severity: Severity
    service: str | None
    environment: str | None
    started_at: datetime | None
    ended_at: datetime | None = None
    at: datetime | None = None
    group: str | None = None
    entity: str | None = None
    word: str = ""
    summary: str = ""
    link: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.identity:
            raise BadInput(f"alert {self.title!r} of source {self.source!r} has no identity")


class ChangeKind(StrEnum):
    """What was changed. A change raises a prior and supplies the undo target; it confirms nothing."""

    DEPLOY = "deploy"
    MIGRATION = "migration"
    CONFIG = "config"
    FLAG = "flag"
    SCALE = "scale"
    CERTIFICATE = "certificate"
    INFRASTRUCTURE = "infrastructure"
    BUILD = "build"
    """Code on its way: a push, a merge, a pipeline, a release. It runs nowhere yet."""
    JOB = "job"


class ChangeOutcome(StrEnum):
    """How far a change came. ``STARTED`` is asked for or under way; ``UNKNOWN`` a word that nobody here knows."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    UNKNOWN = "unknown"

    @property
    def over(self) -> bool:
        """Whether it came to an end."""
        return self not in {ChangeOutcome.STARTED, ChangeOutcome.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, as far as its sender has told of it; several events of one change are one record that moves.

    ``at`` is the moment it counts for: when it began, else when it ended, else when we were told. ``said_at``
    is the sender's own time of the newest event, by which later and earlier are told apart. ``word`` is the
    outcome in the sender's own word. ``version`` is what runs after it (an artifact, a commit, a tag),
    ``previous_version`` what ran before and may be gone back to; ``previous_derived`` says that the sender did
    not state that, and that it was taken from the deploy before. Without ``service`` or ``environment`` it is
    unplaced.
    """

    id: str
    kind: ChangeKind
    service: str | None
    environment: str | None
    at: datetime
    source: str = ""
    subject: str = ""
    outcome: ChangeOutcome = ChangeOutcome.UNKNOWN
    word: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    said_at: datetime | None = None
    artifact: str | None = None
    commit: str | None = None
    version: str | None = None
    previous_version: str | None = None
    revision: int | None = None
    previous_revision: int | None = None
    previous_derived: bool = False
    schema_version: int | None = None
    actor: str | None = None
    link: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise BadInput(f"change {self.subject!r} of source {self.source!r} has no identity")

    @property
    def placed(self) -> bool:
        """Whether it is known what it was made to, and where."""
        return self.service is not None and self.environment is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What people handle as one thing. ``attempt`` and ``state`` move by compare-and-set in the journal.

    ``look`` counts how often this attempt has looked: the first look may come before its evidence does.
    ``asked_by`` is the person who opened it by asking, and ``window`` how far back they asked to look. ``kind`` is
    ordinary, storm or entity; ``priority`` 1 (now) to 4; the last two are ids of other incidents.
    """

    id: IncidentId
    source: str
    identity: str
    title: str
    severity: Severity
    service: str | None
    environment: str | None
    summary: str
    state: IncidentState
    attempt: int
    look: int
    version: int
    opened_at: datetime
    alert_started_at: datetime
    alert_firing: bool
    reason: str = ""
    asked_by: str | None = None
    window: timedelta | None = None
    kind: str = "ordinary"
    priority: int = 3
    waiting_on: str | None = None
    merged_into: str | None = None

    @property
    def subject(self) -> str:
        """What roles and stops are held against: ``environment/service``."""
        return f"{self.environment or '-'}/{self.service or '-'}"
