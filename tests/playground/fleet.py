"""The services with their revisions and replicas: starting, watching over and rolling them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.playground.logs import Log
from tests.playground.osproc import now
from tests.playground.replica import Replica

RESTART_DELAY_S = 2.0
PROBE_EVERY_S = 1.0
WATCH_EVERY_S = 0.1
# How long all replicas of a revision must be ready without a break before it counts as proven.
SOAK_S = 600.0
FIRST_REVISION = 41


class RolloutError(Exception):
    """A replica did not become healthy in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One deployed state of a service."""

    revision: int
    version: str
    artifact: str
    deployed_at: datetime
    schema_version: int
    ran_healthy: bool


def proven(service: str, revision: int, *, days_ago: int) -> Revision:
    """A revision of version 1 from before the playground started."""
    return Revision(
        revision=revision,
        version="1",
        artifact=f"pkg:oci/{service}@1",
        deployed_at=now() - timedelta(days=days_ago),
        schema_version=1,
        ran_healthy=True,
    )


class Deployment:
    """One service. Whoever changes its revision or its processes holds `lock`."""

    def __init__(self, name: str, replicas: list[Replica], revisions: list[Revision]) -> None:
        """The newest revision is the current one."""
        self.name = name
        self.replicas = replicas
        self.revisions = {each.revision: each for each in revisions}
        self.current = revisions[-1].revision
        self.rolling = False
        self.lock = threading.Lock()
        self.ready_since_s = time.monotonic()

    def replica(self, name: str) -> Replica | None:
        """The replica with this name."""
        return next((each for each in self.replicas if each.place.name == name), None)

    def add(self, *, version: str, schema_version: int) -> Revision:
        """A new revision, numbered after the highest there ever was; it is not current yet."""
        made = Revision(
            revision=max(self.revisions) + 1,
            version=version,
            artifact=f"pkg:oci/{self.name}@{version}",
            deployed_at=now(),
            schema_version=schema_version,
            ran_healthy=False,
        )
        self.revisions = {**self.revisions, made.revision: made}
        return made

    def note_health(self) -> None:
        """Mark the current revision as proven once all replicas have long been ready."""
        revision = self.revisions[self.current]
        if self.rolling or not all(each.ready for each in self.replicas):
            self.ready_since_s = time.monotonic()
        elif not revision.ran_healthy and time.monotonic() - self.ready_since_s >= SOAK_S:
            self.revisions = {**self.revisions, self.current: replace(revision, ran_healthy=True)}


class Fleet:
    """All deployments, and the threads that probe them and restart what crashed."""

    def __init__(
        self, deployments: list[Deployment], *, rotate: Callable[[Replica, bool], None], log: Log
    ) -> None:
        """`rotate` takes a replica out of its callers' rotation (False) or puts it back (True)."""
        self.deployments = {each.name: each for each in deployments}
        self._rotate = rotate
        self._log = log
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start every process, wait until all answer, then watch over them."""
        for deployment in self.deployments.values():
            for replica in deployment.replicas:
                replica.start(deployment.revisions[deployment.current].version, deployment.current)
        for deployment in self.deployments.values():
            for replica in deployment.replicas:
                if not replica.wait_healthy():
                    raise RolloutError(f"{replica.place.name} did not become healthy at the start")
                threading.Thread(target=self._probe, args=(replica,), daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Stop every process; nothing is restarted any more."""
        self._stopping.set()
        threads = [
            threading.Thread(target=replica.stop)
            for deployment in self.deployments.values()
            for replica in deployment.replicas
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def put(self, deployment: Deployment, replica: Replica) -> None:
        """Replace a replica's process by one of the current revision; the lock is held by the caller."""
        revision = deployment.revisions[deployment.current]
        self._rotate(replica, False)
        try:
            replica.stop()
            replica.start(revision.version, revision.revision)
            if not replica.wait_healthy():
                raise RolloutError(f"{replica.place.name} did not become healthy within 5 s")
        finally:
            self._rotate(replica, True)
        self._log.info(f"replaced {replica.place.name}", version=revision.version, revision=revision.revision)

    def roll(self, deployment: Deployment) -> None:
        """Bring all replicas to the current revision, one at a time; the lock is held by the caller."""
        deployment.rolling = True
        try:
            for replica in deployment.replicas:
                self.put(deployment, replica)
        finally:
            deployment.rolling = False

    def _probe(self, replica: Replica) -> None:
        while not self._stopping.wait(PROBE_EVERY_S):
            replica.probe()

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            for deployment in self.deployments.values():
                # Whoever holds the lock is replacing processes, so a missing one is no crash.
                if deployment.lock.acquire(blocking=False):
                    try:
                        self._restart_crashed(deployment)
                        deployment.note_health()
                    finally:
                        deployment.lock.release()

    def _restart_crashed(self, deployment: Deployment) -> None:
        for replica in deployment.replicas:
            if self._stopping.is_set() or not replica.gone():
                continue
            replica.ready = False
            if replica.restart_due_s is None:
                replica.restart_due_s = time.monotonic() + RESTART_DELAY_S
                self._log.warning(f"{replica.place.name} has ended by itself", uid=replica.uid)
            elif time.monotonic() >= replica.restart_due_s:
                replica.start(deployment.revisions[deployment.current].version, deployment.current)
                self._log.info(f"restarted {replica.place.name}", uid=replica.uid)
