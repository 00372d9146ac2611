"""What the supervisor does to the services: the executor's effects, the CD system's, the test bench's."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from tests.playground import database
from tests.playground.changes import Feed, record
from tests.playground.client import send_json
from tests.playground.fleet import Deployment, Fleet, Revision, RolloutError
from tests.playground.ledger import Ledger
from tests.playground.osproc import now

VERSIONS = {"gateway": ("1",), "checkout": ("1", "2"), "inventory": ("1",)}


class ConflictError(Exception):
    """The caller knew another state than the present one; `found` says what there is."""

    def __init__(self, what: str, found: str | int) -> None:
        """`what` is the name of the thing that differs."""
        super().__init__(f"the present {what} is {found}")
        self.what = what
        self.found = found


class UnknownError(Exception):
    """There is no such service, replica or revision."""


class Supervisor:
    """Carries out one change at a time per service, each in a thread of its own."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, feed: Feed, *, database_path: Path, control_token: str
    ) -> None:
        """Everything it works with is made by the caller."""
        self.fleet = fleet
        self.ledger = ledger
        self._feed = feed
        self._database = database_path
        self._control_token = control_token

    def deployment(self, service: str) -> Deployment:
        """The deployment of a service; UnknownError when there is none."""
        try:
            return self.fleet.deployments[service]
        except KeyError:
            raise UnknownError(f"service {service}") from None

    def restart(self, service: str, name: str, *, uid: str, fence: int, key: str) -> None:
        """Replace the process of one replica, if it is still the one the caller means."""
        deployment = self.deployment(service)
        replica = deployment.replica(name)
        if replica is None:
            raise UnknownError(f"replica {name}")

        def check() -> None:
            if replica.uid != uid:
                raise ConflictError("uid", replica.uid)

        def work() -> None:
            self.ledger.effect("restart")
            self.fleet.put(deployment, replica)

        self._accept(deployment, "restart", fence=fence, key=key, check=check, work=work)

    def rollback(self, service: str, *, from_revision: int, to_revision: int, fence: int, key: str) -> None:
        """Make another known revision current, if the caller knows which one is current now."""
        deployment = self.deployment(service)
        if to_revision not in deployment.revisions:
            raise UnknownError(f"revision {to_revision}")

        def check() -> None:
            if deployment.current != from_revision:
                raise ConflictError("revision", deployment.current)

        def work() -> None:
            self.ledger.effect("rollback")
            deployment.current = to_revision
            self.fleet.roll(deployment)

        self._accept(deployment, "rollback", fence=fence, key=key, check=check, work=work)

    def reload_schema(self, service: str, *, fence: int, key: str) -> None:
        """Have every replica read its schema afresh."""
        deployment = self.deployment(service)
        if service != "inventory":
            raise UnknownError(f"schema cache of {service}")

        def work() -> None:
            self._reload_caches(deployment)
            self.ledger.effect("reload-schema")

        self._accept(deployment, "reload-schema", fence=fence, key=key, check=lambda: None, work=work)

    def deploy(self, service: str, version: str) -> tuple[Revision, int]:
        """Deploy a version as a new revision and announce it; returns it and the revision it follows."""
        deployment = self.deployment(service)
        if version not in VERSIONS[service]:
            raise UnknownError(f"version {version} of {service}")
        previous = deployment.current
        made = deployment.add(version=version, schema_version=database.schema_version(self._database))

        def work() -> None:
            with deployment.lock:
                deployment.current = made.revision
                # The CD system announces what it has put there, healthy or not.
                with contextlib.suppress(RolloutError):
                    self.fleet.roll(deployment)
            custom = {
                "revision": made.revision,
                "previous_revision": previous,
                "schema_version": made.schema_version,
            }
            self._feed.post(record(service=service, artifact=made.artifact, at=made.deployed_at, custom=custom))

        threading.Thread(target=work, name=f"deploy-{service}", daemon=True).start()
        return made, previous

    def announce_migration(self, service: str, *, migration: str) -> None:
        """Announce a migration of the database as the CD system would."""
        deployment = self.deployment(service)
        custom = {
            "kind": "migration",
            "migration": migration,
            "schema_version": database.schema_version(self._database),
        }
        artifact = deployment.revisions[deployment.current].artifact
        self._feed.post(record(service=service, artifact=artifact, at=now(), custom=custom))

    def restore(self, service: str) -> None:
        """Bring a service back to version 1 and health, as the test bench wants it between two runs.

        Waits for what is under way, counts as no effect and tells nobody.
        """
        deployment = self.deployment(service)
        with deployment.lock:
            deployment.current = max(
                each.revision for each in deployment.revisions.values() if each.version == "1" and each.ran_healthy
            )
            for replica in deployment.replicas:
                if replica.revision != deployment.current or not replica.healthy():
                    self.fleet.put(deployment, replica)
            if service == "inventory":
                self._reload_caches(deployment)

    def _reload_caches(self, deployment: Deployment) -> None:
        for replica in deployment.replicas:
            url = f"http://{replica.place.control}/admin/reload-schema"
            answer = send_json("POST", url, {}, token=self._control_token)
            if not answer.accepted:
                raise RolloutError(f"{replica.place.name}: {answer.error_type or answer.status}")

    def _accept(
        self,
        deployment: Deployment,
        kind: str,
        *,
        fence: int,
        key: str,
        check: Callable[[], None],
        work: Callable[[], None],
    ) -> None:
        operation = self.ledger.accept(service=deployment.name, fence=fence, key=key, kind=kind, check=check)
        if operation is None:
            return

        def run() -> None:
            error = None
            try:
                with deployment.lock:
                    # Another operation may have come first between acceptance and this moment.
                    check()
                    work()
            except (ConflictError, RolloutError, OSError) as raised:
                error = str(raised)
            self.ledger.finish(key, error)

        threading.Thread(target=run, name=f"{kind}-{key}", daemon=True).start()
