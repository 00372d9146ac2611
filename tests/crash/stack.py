"""Every process of firstresponder, real, around a small target; started once, broken many times.

All children are started from one thread, the main one: the kernel ends them with the thread that started them.
"""

import http.client
import json
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import redis
import yaml
from sqlalchemy import select

from actions.redis_locks import Lease, RedisLocks
from agents.incident.ids import IncidentId
from bot import processes, up
from bot.embedded import wait_ready
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.processes import PREFIX, Child
from tests.crash import target

ENVIRONMENT = "test"
PERSON = "ana"
TOKENS = {"alertmanager": "alerts", "changes": "changes"}
SURFACES = ("clock", "receiver", "triage", "actions", "console")
"""The processes that are killed, as each names its crash file."""

ALERT = "EdgeErrorRatioHigh"
TIMES = {"LEASE_S": "2", "RECONCILE_S": "0.5", "TICK_S": "0.1", "TRIAGE_SILENCE_S": "4"}


class Stack:
    """One installation on one machine, with its target."""

    def __init__(
        self,
        folder: Path,
        *,
        person: Mapping[str, str] = MappingProxyType({"console": PERSON}),
        more: Mapping[str, str] = MappingProxyType({}),
        trusted: Sequence[str] = ("restart_replica",),
        approver: bool = True,
        grouping: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """*person* has these accounts; *more* settings; without *approver* nobody presses by themselves.

        *grouping* is what config/grouping.yaml says beside a short hold.
        """
        self._grouping = dict(grouping)
        self._person, self._more, self._trusted = dict(person), dict(more), list(trusted)
        self.folder = folder
        self.crash_file = folder / "crash"
        self.deaths: dict[str, int] = {}
        self._others: list[Child] = []
        self._machine: list[Child] = []
        (folder / "logs").mkdir(parents=True)
        self._target = self._start_target()
        config = self._write_config()
        self.port = _free_port()
        self.env = self._environment(config)
        self._machine = up.start(folder / "state", self.env, logs=folder / "logs")
        given = {**self.env, **{PREFIX + k: v for k, v in up.addresses(self._machine).items()}}
        self.redis_url = given[PREFIX + "REDIS_URL"]
        if approver:
            self._others.append(self._start("approver", processes.environment("console", given)))
        self.journal = Journal(open_engine(given[PREFIX + "JOURNAL_URL"]))
        self.journal_file = given[PREFIX + "JOURNAL_URL"].removeprefix("sqlite:///")

    def _start(self, program: str, env: Mapping[str, str], *arguments: str) -> Child:
        child = Child(
            name=program,
            command=[sys.executable, "-m", f"tests.crash.{program}", *arguments],
            env={**env, "PYTHONPATH": str(processes.root())},
            log=self.folder / "logs" / f"{program}.log",
        )
        child.start()
        return child

    def _start_target(self) -> str:
        self._others.append(self._start("target", _plain(), "--dir", str(self.folder)))
        file = self.folder / "target.json"
        deadline = time.monotonic() + 20
        while not file.exists():
            assert time.monotonic() < deadline, "the target did not start"
            time.sleep(0.02)
        return str(json.loads(file.read_text())["url"])

    def _write_config(self) -> Path:
        config = self.folder / "config"
        shutil.copytree(processes.root() / "config", config)
        services = {
            name: {
                "environment": ENVIRONMENT,
                "calls": [target.CALLS[name]] if name in target.CALLS else [],
                "edge": name == "gateway",
                "replicas": {
                    r: {"metrics": f"{self._target}/metrics/{r}", "health": f"{self._target}/healthz/{r}"}
                    for r in replicas
                },
            }
            for name, replicas in target.REPLICAS.items()
        }
        probes = yaml.safe_load((config / "probes.yaml").read_text())
        accounts = {surface: [account] for surface, account in self._person.items()}
        files: dict[str, Any] = {
            "services.yaml": {
                "schema": 1,
                "telemetry_interval_s": 0.2,
                "symptoms": {ALERT: "server_error_ratio"},
                "services": services,
            },
            "people.yaml": {
                "schema": 1,
                "people": {PERSON: {"name": "Ana", "roles": ["approver"], "accounts": accounts}},
            },
            "policy.yaml": {
                "schema": 1,
                "version": "crash-1",
                "trusted": self._trusted,
                "verification": {
                    "settle_s": 0.5,
                    "interval_s": 0.3,
                    "horizon_s": 0.5,
                    "good_samples": 2,
                    "give_up_s": 30,
                },
            },
            "probes.yaml": probes | {"openmetrics_window_s": 0.3, "timeout_s": 2},
            # Walk after walk on one stack would be a storm.
            "grouping.yaml": {"schema": 1, "hold_s": 0.3, "storm": {"incidents": 10_000}} | self._grouping,
            "calibration.yaml": {
                "schema": 1,
                "source": "crash tests",
                "bins": [{"low": 0.5, "high": 1.01, "right": 60, "total": 60}],
            },
        }
        for name, content in files.items():
            (config / name).write_text(yaml.safe_dump(content, sort_keys=False))
        return config

    def _environment(self, config: Path) -> dict[str, str]:
        values = {
            "CONFIG": str(config),
            "PORT": str(self.port),
            "WEBHOOK_TOKENS": json.dumps({k: [v] for k, v in TOKENS.items()}),
            "SUPERVISOR_URL": self._target,
            "SUPERVISOR_TOKEN": target.TOKEN,
            "SUPERVISOR_ENVIRONMENT": ENVIRONMENT,
            "ACCOUNT": PERSON,
            "LOG_JSON": "true",
            "CRASH_FILE": str(self.crash_file),
            **TIMES,
        }
        return _plain() | {PREFIX + k: v for k, v in values.items()} | self._more

    # -- keeping it running ------------------------------------------------------------------------------------

    @property
    def children(self) -> list[Child]:
        """Everything that runs, the target last."""
        return [*self._machine, *reversed(self._others)]

    def child(self, name: str) -> Child:
        """One of them."""
        return next(c for c in self.children if c.name == name)

    def child_of(self, process: str) -> Child:
        """The child that names its crash file so."""
        return self.child("approver" if process == "console" else process)

    def watch(self) -> None:
        """Start again what died, 0.2 s after its death however often it dies."""
        for child in self.children:
            if child.watch() is not None:
                child.deaths = 0
                self.deaths[child.name] = self.deaths.get(child.name, 0) + 1
                child.again_at = min(child.again_at, time.monotonic() + 0.2)

    def kill(self, *names: str) -> None:
        """End processes as a pulled plug would; ``watch`` starts them again."""
        children = [self.child(name) for name in names]
        for child in children:
            if child.process is not None:
                child.process.kill()
        for child in children:
            if child.process is not None:
                child.process.wait()

    def forget_redis(self) -> None:
        """End Redis and take its data away."""
        self.kill("redis")
        shutil.rmtree(self.folder / "state" / "redis" / "appendonlydir")

    def close(self) -> None:
        """End everything."""
        processes.stop(self.children)
        self.journal.close()

    # -- crash points ------------------------------------------------------------------------------------------

    def armed(self, process: str) -> Path:
        """The file in which a point of this process is named."""
        return self.crash_file.with_name(f"{self.crash_file.name}.{process}")

    def arm(self, place: tuple[str, str]) -> None:
        """Have a process die at a point."""
        process, point = place
        file = self.armed(process)
        part = file.with_name(f".{file.name}")
        part.write_text(point)
        part.rename(file)

    def taken(self, place: tuple[str, str]) -> bool:
        """Whether the process died there: it takes the file away first."""
        return not self.armed(place[0]).exists()

    def disarm(self, place: tuple[str, str]) -> None:
        """Let it live."""
        self.armed(place[0]).unlink(missing_ok=True)

    def record(self) -> None:
        """Have every process write down the points it passes, from now on."""
        for process in SURFACES:
            self._trail(process).write_text("")

    def passed(self, process: str) -> list[str]:
        """The points a process passed since ``record``, each once, in order of first passing."""
        trail = self._trail(process)
        return list(dict.fromkeys(trail.read_text().split())) if trail.exists() else []

    def _trail(self, process: str) -> Path:
        file = self.armed(process)
        return file.with_name(f"{file.name}.trail")

    # -- the outside -------------------------------------------------------------------------------------------

    def send(self, path: str, body: Mapping[str, object], token: str, timeout_s: float = 5) -> int:
        """One delivery to the receiver: its status, 0 when there was no answer."""
        return _post(f"http://127.0.0.1:{self.port}{path}", body, token, timeout_s)

    def ready(self) -> bool:
        """Whether the receiver says so."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def break_it(self, fault: str) -> dict[str, Any]:
        """Break the target."""
        return _ask(f"{self._target}/test/break", {"fault": fault})

    def platform_says(self, status: int, text: str) -> None:
        """From now on the platform answers every call so; 0 ends that."""
        _ask(f"{self._target}/test/platform", {"status": status, "text": text})

    def done(self) -> dict[str, Any]:
        """What was done to the target since it was broken."""
        return _ask(f"{self._target}/test/state", None)

    # -- the inside --------------------------------------------------------------------------------------------

    def incidents(self, identity: str) -> list[Mapping[str, Any]]:
        """The incidents of one alert."""
        with self.journal.read() as tx:
            return tx.all(select(t.incidents).where(t.incidents.c.identity == identity))

    def episodes(self, identity: str) -> list[Mapping[str, Any]]:
        """Every alert in the incident that one alert opened."""
        ids = [found["id"] for found in self.incidents(identity)]
        with self.journal.read() as tx:
            return tx.all(select(t.episodes).where(t.episodes.c.incident_id.in_(ids)))

    def newest(self) -> Mapping[str, Any] | None:
        """The newest incident."""
        with self.journal.read() as tx:
            return tx.one(select(t.incidents).order_by(t.incidents.c.id.desc()).limit(1))

    def runs(self, incident_id: str) -> list[Mapping[str, Any]]:
        """The runs of one incident, oldest first."""
        with self.journal.read() as tx:
            return tx.all(
                select(t.action_runs)
                .where(t.action_runs.c.incident_id == IncidentId(incident_id))
                .order_by(t.action_runs.c.id)
            )

    def history(self, incident_id: str) -> list[str]:
        """Kinds of an incident's events, in order."""
        with self.journal.read() as tx:
            rows = tx.all(
                select(t.events.c.kind).where(t.events.c.incident_id == incident_id).order_by(t.events.c.number)
            )
        return [r["kind"] for r in rows]

    def unparsed(self) -> list[str]:
        """Deliveries that were stored and are not parsed."""
        with self.journal.read() as tx:
            return [r["id"] for r in tx.all(select(t.inbox.c.id).where(t.inbox.c.state != "parsed"))]

    def unsent(self, older_than_s: float) -> list[Mapping[str, Any]]:
        """Bells not rung in their time."""
        with self.journal.read() as tx:
            age = timedelta(seconds=older_than_s)
            return tx.all(select(t.outbox).where(t.outbox.c.sent_at.is_(None), t.outbox.c.made_at < tx.now - age))

    def leases(self) -> list[Lease]:
        """Leases held in Redis."""
        connection = redis.Redis.from_url(self.redis_url, socket_timeout=2)
        try:
            return list(RedisLocks(connection).look())
        finally:
            connection.close()

    def generation(self) -> int:
        """The lock service's generation as the journal has it."""
        with self.journal.read() as tx:
            row = tx.one(select(t.lock_service))
        return int(row["generation"]) if row is not None else 0

    def wait_redis(self) -> None:
        """Return when Redis answers."""
        wait_ready(self.redis_url)


def left_behind(folder: Path) -> list[str]:
    """Processes that still run with something of this folder in their environment or command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in said and process.name != str(os.getpid()):
            found.append(process.name)
    return found


def _plain() -> dict[str, str]:
    """What any child may have; bytecode may be cached, which makes every start after a kill much faster."""
    return {k: os.environ[k] for k in sorted(processes.PASSED & set(os.environ)) if k != "PYTHONDONTWRITEBYTECODE"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _post(url: str, body: Mapping[str, object], token: str, timeout_s: float) -> int:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)
    except (OSError, http.client.HTTPException):
        return 0


def _ask(url: str, body: Mapping[str, object] | None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
