"""The broken service and its platform in one light process: metrics and health that a fault makes ill, and a
supervisor whose effects make it well again.

It speaks the supervisor's API with the playground's rules for fences, idempotency keys and counts of effects (its
own ledger). ``POST /test/break`` breaks it anew; ``GET /test/state`` says what was done to it since.
"""

import argparse
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.playground.httpd import Reply, Request, Server, json_reply
from tests.playground.ledger import FenceError, Ledger
from tests.playground.osproc import now, rfc3339, stop_event, write_json

TOKEN = "write"  # the executor's
REPLICAS = {
    "gateway": ("gateway-1",),
    "checkout": ("checkout-1", "checkout-2"),
    "inventory": ("inventory-1",),
}
CALLS = {"gateway": "checkout", "checkout": "inventory"}
RATE = {"gateway": 40.0, "checkout": 20.0, "inventory": 40.0}
BAD_REPLICA = "checkout-2"
EFFECT_S = 0.15
"""How long an operation runs: long enough to be asked about while it does."""


@dataclass(slots=True, kw_only=True)
class Replica:
    """One running process as its own metrics tell it."""

    name: str
    service: str
    uid: str
    started: float
    counters: dict[tuple[str, str], float] = field(default_factory=dict)

    def count(self, metric: str, labels: str, by: float) -> None:
        """Let a counter grow."""
        key = (metric, labels)
        self.counters[key] = self.counters.get(key, 0.0) + by


class Target:
    """The three services, their fault and their platform."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.fault = ""
        self.revision = 1
        self.replicas = {name: _started(name, service) for service, names in REPLICAS.items() for name in names}
        self.keys: list[str] = []
        """Idempotency keys of effects carried out since it was last broken, one entry an effect."""
        self.refused = 0
        self._healthy = {1}
        self._last = 1
        self._lock = threading.Lock()
        self._counted_to = time.monotonic()
        self._work = threading.Lock()

    def break_it(self, fault: str) -> dict[str, object]:
        """Break it: F11 by a deploy that leaks connections, F34 by one replica that hangs.

        "worse" is F11 where going back to the old revision makes the service fail its health checks as well.
        """
        with self._lock:
            self._count()
            self.keys, self.refused, self.fault = [], 0, fault
            if fault in {"F11", "worse"}:
                self._last += 1
                self.revision = self._last
                return {"revision": self.revision, "previous_revision": max(self._healthy), "at": rfc3339(now())}
            return {"revision": self.revision}

    def state(self) -> dict[str, object]:
        """What was done to it since it was broken."""
        with self._lock:
            return {"fault": self.fault, "keys": list(self.keys), "refused": self.refused}

    def described(self, service: str) -> dict[str, object]:
        """As the supervisor describes a service."""
        with self._lock:
            numbers = sorted(self._healthy | {self.revision})
            return {
                "service": service,
                "revision": self.revision,
                "rollout_in_progress": False,
                "fence": self.ledger.fence(service),
                "revisions": [
                    {
                        "revision": n,
                        "version": str(n),
                        "artifact": f"{service}:{n}",
                        "deployed_at": rfc3339(now()),
                        "schema_version": 1,
                        "ran_healthy": n in self._healthy,
                    }
                    for n in numbers
                ],
                "replicas": [
                    {"name": r.name, "uid": r.uid, "address": "", "ready": not self._hangs(r), "started_at": ""}
                    for r in self.replicas.values()
                    if r.service == service
                ],
            }

    def restart(self, service: str, name: str, *, uid: str, fence: int, key: str) -> None:
        """Replace one replica's process."""

        def check() -> None:
            if self.replicas[name].uid != uid:
                raise ValueError(f"the present uid is {self.replicas[name].uid}")

        def work() -> None:
            hung = self._hangs(self.replicas[name])
            self.replicas[name] = _started(name, service)
            if hung:
                self.fault = ""

        self._accept(service, "restart", fence=fence, key=key, check=check, work=work)

    def roll_back(self, service: str, *, old: int, new: int, fence: int, key: str) -> None:
        """Make another revision current."""

        def check() -> None:
            if self.revision != old:
                raise ValueError(f"the present revision is {self.revision}")

        def work() -> None:
            self.revision = new
            if new in self._healthy:
                self.fault = {"F11": "", "worse": "harmed"}.get(self.fault, self.fault)
            elif self.fault == "harmed":
                self.fault = "worse"

        self._accept(service, "rollback", fence=fence, key=key, check=check, work=work)

    def _accept(
        self, service: str, kind: str, *, fence: int, key: str, check: Callable[[], None], work: Callable[[], None]
    ) -> None:
        if self.ledger.accept(service=service, fence=fence, key=key, kind=kind, check=check) is None:
            return

        def run() -> None:
            error = None
            with self._work:
                time.sleep(EFFECT_S)
                try:
                    with self._lock:
                        check()
                        self._count()
                        self.ledger.effect(kind)
                        self.keys.append(key)
                        work()
                except ValueError as raised:
                    error = str(raised)
            self.ledger.finish(key, error)

        threading.Thread(target=run, name=key, daemon=True).start()

    def _hangs(self, replica: Replica) -> bool:
        return self.fault == "F34" and replica.name == BAD_REPLICA

    def _leaks(self) -> bool:
        return self.fault in {"F11", "worse", "harmed"}

    def _count(self) -> None:
        """Let every counter grow up to now, at the present fault's rates."""
        at = time.monotonic()
        took, self._counted_to = at - self._counted_to, at
        failing = 0.3 if self._leaks() else 0.0
        for replica in self.replicas.values():
            served = 0.0 if self._hangs(replica) else took * RATE[replica.service]
            bad = {"gateway": 0.5 if self.fault == "F34" else failing, "checkout": failing}.get(
                replica.service, 0.0
            )
            replica.count("http_server_requests_total", 'code="200"', served * (1 - bad))
            replica.count("http_server_requests_total", 'code="500"', served * bad)
            replica.count("http_server_request_duration_seconds_count", "", served)
            replica.count("http_server_request_duration_seconds_bucket", 'le="1.0"', served)
            callees = [r for r in self.replicas.values() if r.service == CALLS.get(replica.service)]
            for callee in callees:
                lost = 1.0 if self._hangs(callee) else failing if callee.service == "checkout" else 0.0
                calls = served / len(callees)
                where = f'upstream="{callee.service}",upstream_instance="{callee.name}"'
                replica.count("upstream_requests_total", f'{where},outcome="ok"', calls * (1 - lost))
                replica.count("upstream_requests_total", f'{where},outcome="error"', calls * lost)

    def metrics(self, name: str) -> str:
        """One replica's /metrics."""
        with self._lock:
            self._count()
            replica = self.replicas[name]
            full = self._leaks() and replica.service == "checkout"
            lines = [
                f"{metric}{{{labels}}} {value!r}" if labels else f"{metric} {value!r}"
                for (metric, labels), value in replica.counters.items()
            ]
            lines.append(f"process_start_time_seconds {replica.started!r}")
            lines.append(f"http_server_active_requests {5 if self._hangs(replica) else 1}")
            if replica.service == "checkout":
                lines.append("db_pool_size 5")
                lines.append(f"db_pool_in_use {5 if full else 1}")
                lines.append(f"db_pool_waiters {3 if full else 0}")
            if replica.service == "inventory":
                lines.append("schema_cache_versions_behind 0")
        return "\n".join(lines) + "\n"

    def healthy(self, name: str) -> bool:
        """What one replica's health endpoint would say."""
        with self._lock:
            harmed = self.fault == "harmed" and self.replicas[name].service == "checkout"
            return not harmed and not self._hangs(self.replicas[name])


def _started(name: str, service: str) -> Replica:
    return Replica(name=name, service=service, uid=uuid.uuid4().hex, started=time.time())


class Api:
    """Which answer each request gets."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._says: tuple[int, str] = (0, "")

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        parts = request.path.strip("/").split("/")
        try:
            if parts[0] == "v1":
                if request.bearer() != TOKEN:
                    return json_reply(401, {"error": "unauthorized"})
                if self._says[0]:
                    return json_reply(self._says[0], {"message": self._says[1]})
                return self._platform(request, parts[1:])
            return self._other(request, parts)
        except FenceError as error:
            self._target.refused += 1
            return json_reply(409, {"error": "fence", "fence": error.highest})
        except KeyError as error:
            return json_reply(404, {"error": f"unknown: {error}"})
        except ValueError as error:
            return json_reply(409, {"error": str(error)})

    def _other(self, request: Request, parts: list[str]) -> Reply:
        match parts:
            case ["metrics", name]:
                return Reply(status=200, body=self._target.metrics(name).encode(), content_type="text/plain")
            case ["healthz", name]:
                return json_reply(200 if self._target.healthy(name) else 503, {})
            case ["test", "break"]:
                return json_reply(200, self._target.break_it(str(request.json()["fault"])))
            case ["test", "platform"]:
                said = request.json()
                self._says = (int(said["status"]), str(said["text"]))
                return json_reply(200, {})
            case ["test", "state"]:
                return json_reply(200, self._target.state())
        return json_reply(404, {"error": "not found"})

    def _platform(self, request: Request, parts: list[str]) -> Reply:
        target = self._target
        if request.method == "GET":
            match parts:
                case ["services", service] if service in REPLICAS:
                    return json_reply(200, target.described(service))
                case ["operations", key]:
                    found = target.ledger.operation(key)
                    if found is None:
                        return json_reply(404, {"error": "unknown"})
                    return json_reply(200, {"operation": key, "kind": found.kind, "state": found.state})
                case ["effects"]:
                    return json_reply(200, target.ledger.effects())
            return json_reply(404, {"error": "not found"})
        fence = request.headers.get("x-fence-token", "")
        if not re.fullmatch("[0-9]+", fence):
            return json_reply(400, {"error": "X-Fence-Token must be a whole number"})
        if parts[2:] == ["claim"] and parts[1] in REPLICAS:
            target.ledger.claim(parts[1], int(fence))
            return json_reply(200, {"fence": int(fence)})
        key, body = request.headers.get("idempotency-key", ""), request.json()
        if not 0 < len(key) <= 200 or "/" in key:
            return json_reply(400, {"error": "Idempotency-Key is missing"})
        match parts:
            case ["services", service, "replicas", name, "restart"]:
                target.restart(service, name, uid=str(body["uid"]), fence=int(fence), key=key)
            case ["services", service, "rollback"]:
                old, new = int(body["from_revision"]), int(body["to_revision"])
                target.roll_back(service, old=old, new=new, fence=int(fence), key=key)
            case _:
                return json_reply(404, {"error": "not found"})
        return json_reply(202, {"operation": key, "state": "running"})


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    folder: Path = parser.parse_args().dir
    stop = stop_event()
    server = Server(0, Api(Target(Ledger(folder / "operations.jsonl"))).answer)
    server.start()
    write_json(folder / "target.json", {"url": f"http://127.0.0.1:{server.server_port}"})
    stop.wait()


if __name__ == "__main__":
    main()
