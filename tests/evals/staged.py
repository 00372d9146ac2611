"""A playground with ears of its own: what the probes of triage answer about it, and no other process of ours.

Alerts, changes and spans are taken by the project's own parsers and kept in memory.
"""

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from agents import calibration
from agents.gather import gather
from agents.incident.catalogue import Catalogue
from agents.incident.clock import now
from agents.incident.evidence import Question, QuestionKind, Window
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert, AlertStatus, Change
from agents.incident.quantities import QUANTITIES
from agents.ports import Probe
from agents.probes.canned import EVERY_LINE
from agents.signatures import load as signature_files
from agents.signatures.model import predicates
from agents.spans import Span
from agents.triage import Knowledge
from bot import configuration, demo, processes
from bot.receiver import otlp, sources
from bot.receiver.sources import Sender
from bot.receiver.translate import arrived
from bot.record import kept
from bot.recordings.recording import Look
from bot.walk import HISTORY, RECENT
from bot.wiring.probes import Surroundings, probes_of
from tests.playground import alerts, checkout, faults, monitoring
from tests.playground.client import send_json

PATIENCE_S = 30.0
WARM_UP_S = 14.0
BUDGET = timedelta(seconds=8)
MAX_BODY = 8 * 1024 * 1024
ALERTS = "/v1/webhooks/alertmanager"


class Ears:
    """What the playground told, in memory; behind one loopback address."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.changes: list[Change] = []
        self.catalogue = Catalogue(services=())
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        rows = configuration.sources(processes.root() / "config")
        self._senders = sources.ready(rows, {}, {}, fetching=False)
        self.sources = rows
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ears.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self.send_response(202)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Hear no more."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """One delivery."""
        if path == "/v1/traces":
            spans = otlp.decode(body, headers["content-type"], "", MAX_BODY)
            with self._lock:
                self._spans += spans
            return
        sender: Sender = self._senders["alertmanager" if path == ALERTS else "changes"]
        brought = arrived(sender.name, sender.row, sender.read(headers, body), self.catalogue, now())
        with self._lock:
            self.alerts += brought.alerts
            self.changes += brought.changes

    def between(self, start_ms: float, end_ms: float) -> tuple[Sequence[Span], bool]:
        """Spans that ended in [start, end)."""
        with self._lock:
            return [s for s in self._spans if start_ms <= s.end_ms < end_ms], False

    def changes_since(self, services: Iterable[tuple[str, str]], since: datetime) -> Sequence[Change]:
        """Changes of these (environment, service), as the journal would give them."""
        wanted = set(services)
        with self._lock:
            return [c for c in self.changes if (c.environment, c.service) in wanted and c.at >= since]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running playground, ears and probes."""

    shop: Path
    ears: Ears
    knowledge: Knowledge
    probes: Sequence[Probe]
    prometheus: subprocess.Popen[bytes] | None

    @property
    def file(self) -> dict[str, Any]:
        """What the playground says of itself."""
        said: dict[str, Any] = json.loads((self.shop / "playground.json").read_text())
        return said

    def firing(self, since: datetime) -> Alert:
        """The first alert that fires after *since*."""
        return self._await(since, AlertStatus.FIRING)

    def resolved(self, since: datetime) -> Alert:
        """The first end of an alert after *since*."""
        return self._await(since, AlertStatus.RESOLVED)

    def _await(self, since: datetime, status: AlertStatus) -> Alert:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for alert in list(self.ears.alerts):
                at = alert.started_at if status is AlertStatus.FIRING else alert.ended_at
                if alert.status is status and at is not None and at >= since:
                    return alert
            time.sleep(0.1)
        raise TimeoutError(f"no alert was {status.value} within {PATIENCE_S:g} s")

    def false_alarm(self) -> Alert:
        """An alert that fires although nothing is the matter, sent through the same door, and ended at once."""
        began = now()
        for alert in (alerts.Alert(started_at=began), alerts.Alert(started_at=began, ended_at=now())):
            body = alerts.message(alert, generator_url="http://gateway", external_url="http://watcher")
            send_json("POST", self.ears.url + ALERTS, body, token="", timeout_s=2)
        return self.firing(began - timedelta(seconds=1))

    def look(self, incident_id: IncidentId) -> Look:
        """Everything the probes answer now: every quantity and every line of every service, and all changes."""
        end, interval = now(), self.knowledge.catalogue.telemetry_interval
        window = Window(start=end - HISTORY * interval, end=end, recent=RECENT * interval)
        gathered = gather(
            self._everything(),
            incident_id=incident_id,
            catalogue=self.knowledge.catalogue,
            probes=self.probes,
            window=window,
            budget=BUDGET,
            scope=self.knowledge.catalogue.services[0].scope,
        )
        return Look(
            at=now(),
            window=window,
            kept=tuple(kept(e, gathered.blobs[e.blob_sha256]) for e in gathered.evidence),
        )

    def _everything(self) -> Iterator[Question]:
        conditions = [g.condition for s in self.knowledge.signatures for g in s.groups]
        conditions += [r.condition for s in self.knowledge.signatures for r in s.refuters]
        patterns = {p.log for c in conditions for p in predicates(c) if p.log} | {EVERY_LINE}
        for service in self.knowledge.catalogue.services:
            about = {"service": service.name, "environment": service.environment}
            yield Question(kind=QuestionKind.CHANGES, **about)
            for name in QUANTITIES:
                yield Question(kind=QuestionKind.QUANTITY, name=name, **about)
            for pattern in patterns:
                yield Question(kind=QuestionKind.LOG, name=pattern, **about)

    def load(self, multiplier: float) -> None:
        """So many times the ordinary orders."""
        self._control("load", "/load", {"multiplier": multiplier})

    def deploy(self, service: str, version: str) -> None:
        """Have a version deployed and announced."""
        self._post(f"/v1/services/{service}/deploy", {"version": version}, "deploy")

    def hang(self, instance: str) -> None:
        """Have a checkout replica hold its catalogue lock for good."""
        self._control(instance, "/chaos/hang", {})

    def ask_for_a_missing_column(self) -> None:
        """Have checkout read a column that the database has not, under a cache that is current."""
        bench = faults.Bench(self.shop)
        bench._select(checkout.SELECT_AFTER)

    @contextlib.contextmanager
    def stopped(self, *instances: str) -> Iterator[None]:
        """These processes stand still."""
        pids = [self._pid(i) for i in instances]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def database_locked(self) -> Iterator[None]:
        """Somebody else holds the database's one write lock."""
        with closing(sqlite3.connect(self.file["db"], isolation_level=None, check_same_thread=False)) as db:
            db.execute("PRAGMA busy_timeout=20000")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                db.execute("ROLLBACK")

    @contextlib.contextmanager
    def table_gone(self, name: str) -> Iterator[None]:
        """A table is called something else."""
        with closing(sqlite3.connect(self.file["db"], timeout=20, isolation_level=None)) as db:
            db.execute(f"ALTER TABLE {name} RENAME TO {name}_old")
            try:
                yield
            finally:
                db.execute(f"ALTER TABLE {name}_old RENAME TO {name}")

    def unready(self) -> str:
        """The one checkout replica that its platform says is not ready: a truth no probe reads."""
        url = self.file["supervisor"] + "/v1/services/checkout"
        answer = send_json("GET", url, None, token=self.file["tokens"]["read"], timeout_s=5)
        (name,) = [r["name"] for r in answer.json()["replicas"] if not r["ready"]]
        return str(name)

    def calm(self) -> None:
        """Put everything right and let it run until no alert fires and nothing of the fault is "now"."""
        faults.reset("pool-leak", self.shop)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            told = list(self.ears.alerts)
            if not told or told[-1].status is AlertStatus.RESOLVED:
                break
            time.sleep(0.2)
        time.sleep(10)

    def _pid(self, instance: str) -> int:
        lines = (self.shop / "logs" / f"{instance}.jsonl").read_text().splitlines()
        started = [json.loads(line) for line in lines if '"pid"' in line]
        return int(started[-1]["pid"])

    def _control(self, name: str, path: str, body: object) -> None:
        send_json("POST", self.file["control"][name] + path, body, token=self.file["tokens"]["chaos"], timeout_s=5)

    def _post(self, path: str, body: object, role: str) -> None:
        send_json("POST", self.file["supervisor"] + path, body, token=self.file["tokens"][role], timeout_s=30)


@contextlib.contextmanager
def stage(folder: Path, *, seed: int, rate: float, prometheus: bool) -> Iterator[Stage]:
    """Start a playground and warm it up; end everything whatever happens."""
    ears = Ears()
    shop = folder / "shop"
    others: dict[str, subprocess.Popen[bytes]] = {}
    command = [sys.executable, "-m", "tests.playground", "--dir", str(shop), "--receiver", ears.url]
    command += ["--seed", str(seed), "--rate", str(rate)] + (["--no-watcher"] if prometheus else [])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "playground.log").open("wb") as log:
        playground = subprocess.Popen(command, cwd=processes.root(), stdout=log, stderr=log)
    try:
        file = shop / "playground.json"
        _until(file.exists)
        said = json.loads(file.read_text())
        address = ""
        if prometheus:
            others = monitoring.start(folder / "monitoring", file, ears.url, secrets.token_urlsafe(8))
            address = json.loads((folder / "monitoring" / "monitoring.json").read_text())["prometheus"]
        config = folder / "config"
        demo._write_config(config, said, address)
        catalogue = configuration.services(config)
        ears.catalogue = catalogue
        around = Surroundings(
            catalogue=catalogue,
            sources=ears.sources,
            tokens={},
            spans_kept=timedelta(seconds=180),
            tls=httpx.create_ssl_context(),
        )
        time.sleep(WARM_UP_S)
        yield Stage(
            shop=shop,
            ears=ears,
            knowledge=Knowledge(
                catalogue=catalogue,
                signatures=signature_files.load(config / "signatures"),
                calibration=calibration.load(config / "calibration.yaml"),
            ),
            probes=probes_of(configuration.probes(config), around, spans=ears.between, changes=ears.changes_since),
            prometheus=others.get("prometheus"),
        )
    finally:
        for process in (*others.values(), playground):
            process.terminate()
        for process in (*others.values(), playground):
            process.wait(15)
        ears.close()


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S * 2
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the playground did not come up")
        time.sleep(0.1)
