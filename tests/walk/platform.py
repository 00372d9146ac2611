"""A platform that runs replicas and counts what was done to it; tests tell it what to lose, refuse or spoil."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from actions.ports import Deployment, Progress, Revision, RunningReplica
from actions.steps import RestartReplica, SetRevision, Step
from agents.incident.errors import FenceRefused, OutcomeUnknown, ProbeUnreachable, Refused


class Fault(StrEnum):
    """What becomes of one call of ``start``."""

    NONE = "none"
    LOST_BEFORE = "the request is lost on its way"
    LOST_AFTER = "it is applied, and the answer is lost"
    FAILED = "it is begun and fails half-way"
    REFUSED = "the platform says no"


@dataclass(slots=True)
class FakePlatform:
    """Workloads in memory, with a fence for each service and a memory of idempotency keys."""

    revision: int = 2
    rollout_in_progress: bool = False
    schema_versions: dict[int, int] = field(default_factory=lambda: {1: 7, 2: 7})
    replicas: tuple[str, ...] = ("checkout-1", "checkout-2")
    started: dict[str, datetime] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    known: dict[str, Progress] = field(default_factory=dict)
    effects: list[tuple[str, Step]] = field(default_factory=list)
    starts: list[tuple[str, int]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unreadable: bool = False
    unreachable: int = 0
    slow: int = 0
    asked: int = 0
    on_claim: Callable[[], None] = lambda: None
    on_start: Callable[[], None] = lambda: None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def deployment(self, service: str) -> Deployment:
        """What runs now."""
        if self.unreadable:
            raise ProbeUnreachable("the platform does not answer")
        return Deployment(
            service=service,
            revision=self.revision,
            rollout_in_progress=self.rollout_in_progress,
            revisions=tuple(
                Revision(number=n, artifact=f"v{n}", schema_version=v, ran_healthy=True)
                for n, v in self.schema_versions.items()
            ),
            replicas=tuple(
                RunningReplica(
                    name=name,
                    uid=f"{name}-{self._restarts(name)}",
                    ready=True,
                    started_at=self.started.get(name),
                )
                for name in self.replicas
            ),
        )

    def claim(self, service: str, token: int) -> None:
        """From now on nothing older."""
        self.on_claim()
        with self._lock:
            self._fenced(service, token)
            self.claims.append(token)

    def start(self, step: Step, key: str, token: int) -> None:
        """One effect, once for each key."""
        self.on_start()
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        with self._lock:
            self.starts.append((key, token))
            if fault is Fault.LOST_BEFORE:
                raise OutcomeUnknown("no answer")
            self._fenced(step.service, token)
            if fault is Fault.REFUSED:
                raise Refused("not that")
            if key not in self.known:
                self._apply(step, key, Progress.FAILED if fault is Fault.FAILED else Progress.APPLIED)
        if fault is Fault.LOST_AFTER:
            raise OutcomeUnknown("no answer")

    def progress(self, key: str) -> Progress:
        """How far it is; still running for ``slow`` questions, unreachable for the first few."""
        with self._lock:
            if self.unreachable > 0:
                self.unreachable -= 1
                raise ProbeUnreachable("the platform does not answer")
            if key in self.known and self.slow > 0:
                self.slow -= 1
                return Progress.RUNNING
            return self.known.get(key, Progress.NOT_APPLIED)

    def _fenced(self, service: str, token: int) -> None:
        if token < self.fences.get(service, 0):
            raise FenceRefused(f"{service} has seen {self.fences[service]}")
        self.fences[service] = token

    def _apply(self, step: Step, key: str, how: Progress) -> None:
        if isinstance(step, SetRevision):
            if self.revision != step.from_revision:
                how = Progress.FAILED
            elif how is Progress.APPLIED:
                self.revision = step.to_revision
        self.effects.append((key, step))
        self.known[key] = how

    def _restarts(self, name: str) -> int:
        return sum(isinstance(s, RestartReplica) and s.replica == name for _, s in self.effects)
