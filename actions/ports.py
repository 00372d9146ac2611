"""What the acting half needs from outside: something that runs replicas, locks, and a ledger of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from actions.proposal import Proposal
from actions.steps import Step
from agents.incident.ids import IncidentId, RunId
from agents.incident.lifecycle import ActionState

UNREADY = "the platform could not be claimed or read"
"""Nothing was begun because the platform did not serve: the same may be asked again once it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One deployable version of a service."""

    number: int
    artifact: str
    schema_version: int | None
    ran_healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReplica:
    """One running process; ``uid`` changes with every start. ``started_at`` where the platform says so."""

    name: str
    uid: str
    ready: bool
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What runs of a service now, as its platform says."""

    service: str
    revision: int
    rollout_in_progress: bool
    revisions: tuple[Revision, ...]
    replicas: tuple[RunningReplica, ...]

    def find(self, number: int) -> Revision | None:
        """The revision with this number."""
        return next((r for r in self.revisions if r.number == number), None)

    def replica(self, name: str) -> RunningReplica | None:
        """The replica with this name."""
        return next((r for r in self.replicas if r.name == name), None)


class Progress(StrEnum):
    """What a target says of one effect, asked by its idempotency key."""

    NOT_APPLIED = "not_applied"
    RUNNING = "running"
    APPLIED = "applied"
    FAILED = "failed"


class Workloads(Protocol):
    """A platform that runs replicas. Writes carry a fencing token; the platform refuses an older one."""

    def deployment(self, service: str) -> Deployment:
        """What runs now. Raises Transient when the platform cannot be read."""

    def claim(self, service: str, token: int) -> None:
        """Make older tokens useless there. Raises FenceRefused when a newer one is known."""

    def start(self, step: Step, key: str, token: int) -> None:
        """Begin one effect. Raises Refused when nothing was done, OutcomeUnknown when that is not sure."""

    def progress(self, key: str) -> Progress:
        """How far the effect with this key is; read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A grant's number: generations rise with every Redis that lost its memory, counters with every grant."""

    generation: int
    counter: int

    @property
    def fence(self) -> int:
        """One rising integer for targets; never passed through Lua's cjson, which would round it."""
        return (self.generation << 40) | self.counter


class LeasePhase(StrEnum):
    """Only ``reserved`` is freed by time; what may have had an effect is quarantined instead."""

    RESERVED = "reserved"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    QUARANTINED = "quarantined"


class Mode(StrEnum):
    """Exclusive for what is changed, shared for what its verification relies on."""

    SHARED = "S"
    EXCLUSIVE = "X"


LockSet = Mapping[str, Mode]


class Locks(Protocol):
    """One all-or-nothing lease over a set of resources."""

    def acquire(self, owner: str, want: LockSet, *, generation: int, redis_id: str, ttl: timedelta) -> Token:
        """Grant all or nothing; the owner that already holds gets the same token. Raises LockHeld."""

    def phase(self, owner: str, token: Token, to: LeasePhase, ttl: timedelta) -> None:
        """Move the lease and renew it. Raises Refused when it is not live and ours."""

    def renew(self, owner: str, token: Token, ttl: timedelta) -> None:
        """Another *ttl* from now; never revives an expired lease. Raises Refused."""

    def adopt(self, owner: str, token: Token, *, generation: int, ttl: timedelta) -> Token:
        """Take over a quarantined or own set under a new token. Raises Refused."""

    def release(self, owner: str, token: Token) -> bool:
        """Give the set back; false when it was not ours any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution as the journal has it."""

    id: RunId
    incident_id: IncidentId
    state: ActionState
    version: int
    attempt: int
    proposal: Proposal
    reason: str
    token: Token | None
    approvers: tuple[str, ...]
    by_policy: bool
    alert_firing: bool
    incident_attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One effect as the journal has it."""

    kind: str
    number: int
    key: str
    state: str
    step: Step


class Ledger(Protocol):
    """The journal as the runner uses it: every move is a compare-and-set, written before the effect."""

    def run(self, run_id: RunId) -> Run:
        """The run as it is now."""

    def lock_service(self) -> tuple[int, str]:
        """(generation, Redis run id) in force."""

    def expired(self, run: Run) -> str | None:
        """Why the word under which this run waits no longer counts. ``None`` while it does."""

    def authority(self, run: Run) -> str | None:
        """Why this run may not be executed now: the approvers' roles are read again. ``None`` if it may."""

    def reserve(self, run: Run, token: Token, want: LockSet) -> Run:
        """READY → RESERVED, if the token is above every one recorded for what is taken exclusively."""

    def move(self, run: Run, to: ActionState, *, reason: str = "", **data: Any) -> Run:
        """One move by compare-and-set; the incident follows. Raises Refused when somebody else moved it."""

    def begin(self, run: Run, undo: Sequence[tuple[Step | None, Mapping[str, Any]]]) -> Run:
        """PREFLIGHT → EXECUTING with the undo and the verification's criteria, in one commit.

        Raises PreconditionFailed when the alert has resolved meanwhile.
        """

    def intend(self, run: Run, kind: str, number: int, step: Step) -> StepRow:
        """A step row, only while the run may still write under this very token."""

    def done(self, run: Run, row: StepRow, answer: str) -> None:
        """The step was carried out."""

    def steps(self, run: Run, kind: str) -> tuple[StepRow, ...]:
        """The step rows written so far."""

    def undo(self, run: Run) -> tuple[Step, ...]:
        """What puts it back, last effect first."""

    def retoken(self, run: Run, token: Token) -> Run:
        """The run goes on under a newer token."""

    def now(self) -> datetime:
        """The journal's clock."""
