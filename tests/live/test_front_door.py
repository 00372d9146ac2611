"""A real Prometheus and a real Alertmanager at the front door: one alert, whatever is restarted while it fires."""

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

from agents.incident.lifecycle import IncidentState
from bot import processes, up
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.processes import PREFIX
from tests.door.process import free_port
from tests.playground import alerts, monitoring

pytestmark = pytest.mark.live

TOKEN = "a-long-token-of-alertmanager"
HOLD_S = 3
"""Seconds until a resolved alert is believed; longer than Alertmanager takes between two notifications."""


class Service:
    """A gateway that does nothing but count requests: twenty a second, half of them failed while it is broken."""

    def __init__(self) -> None:
        self._broken_since: float | None = None
        self._broken_for, self._began = 0.0, time.monotonic()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = service.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def metrics(self) -> str:
        now = time.monotonic()
        broken = self._broken_for + (now - self._broken_since if self._broken_since is not None else 0)
        rows = {"200": (now - self._began) * 10, "500": broken * 10}
        return "# TYPE http_server_requests_total counter\n" + "".join(
            f'http_server_requests_total{{service="gateway",code="{code}"}} {value:.3f}\n'
            for code, value in rows.items()
        )

    def break_it(self) -> None:
        self._broken_since = time.monotonic()

    def mend(self) -> None:
        assert self._broken_since is not None
        self._broken_for += time.monotonic() - self._broken_since
        self._broken_since = None

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass(slots=True, kw_only=True)
class Monitoring:
    """Both programs, restarted at will with the same data at the same addresses."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]]

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait(10)

    def end(self, name: str) -> None:
        self.running[name].terminate()
        self.running[name].wait(20)

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.txt").open("ab") as output:
            command = self.running[name].args
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def firing_since(self) -> str | None:
        """Since when Prometheus itself says that the alert fires; None while it does not, or does not answer."""
        url = json.loads((self.folder / "monitoring.json").read_text())["prometheus"]
        try:
            with urllib.request.urlopen(f"{url}/api/v1/alerts", timeout=2) as answer:
                active = json.load(answer)["data"]["alerts"]
        except OSError:
            return None
        return next((str(a["activeAt"]) for a in active if a["state"] == "firing"), None)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait(10)

    def said(self) -> str:
        return "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in self.folder.glob("*.txt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything, and the journal to look into."""

    service: Service
    monitoring: Monitoring
    journal: Journal
    logs: Path

    def incidents(self) -> list[Mapping[str, Any]]:
        with self.journal.read() as tx:
            return tx.all(select(t.incidents))

    def episodes(self) -> list[Mapping[str, Any]]:
        with self.journal.read() as tx:
            return tx.all(select(t.episodes))

    def told(self) -> list[dict[str, Any]]:
        """The alert as each delivery that was read had it, oldest first."""
        with self.journal.read() as tx:
            rows = tx.all(
                select(t.inbox.c.body).where(t.inbox.c.state == "parsed").order_by(t.inbox.c.received_at)
            )
        return [json.loads(bytes(row["body"]))["alerts"][0] for row in rows]

    def until(self, holds: Callable[[], Any], what: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                logs = "\n".join(f"{f.name}: {f.read_text()[-2000:]}" for f in self.logs.glob("*.log"))
                raise AssertionError(f"not within {seconds:g} s: {what}\n{self.monitoring.said()}\n{logs}")
            time.sleep(0.1)

    def hears_again(self, what: str) -> None:
        """Wait for two more deliveries to be read: the first may have been under way before."""
        before = len(self.told())
        self.until(lambda: len(self.told()) >= before + 2, what)

    def is_one_open_thing(self) -> None:
        assert len(self.incidents()) == 1
        assert [e["state"] for e in self.episodes()] == ["open"]


def _ready(receiver: str, log: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{receiver}/readyz", timeout=2):
                return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)


def _config(folder: Path) -> Path:
    config = folder / "config"
    shutil.copytree(processes.root() / "config", config)
    grouping = config / "grouping.yaml"
    files: Mapping[str, Any] = {
        "services.yaml": {"schema": 1, "services": {"gateway": {"environment": alerts.LABELS["environment"]}}},
        "sources.yaml": {"schema": 1, "sources": {"alertmanager": {"system": "alertmanager"}}},
        "grouping.yaml": yaml.safe_load(grouping.read_text()) | {"hold_s": HOLD_S},
    }
    for name, content in files.items():
        (config / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return config


@pytest.fixture(name="scene")
def _scene(tmp_path: Path) -> Iterator[Scene]:
    if not monitoring.available():
        pytest.fail("prometheus and alertmanager must both be on the PATH: apt-get install them")
    port, logs = free_port(), tmp_path / "logs"
    logs.mkdir()
    given = {
        "CONFIG": str(_config(tmp_path)),
        "PORT": str(port),
        "WEBHOOK_TOKENS": json.dumps({"alertmanager": [TOKEN]}),
        "TICK_S": "0.1",
        "RECONCILE_S": "0.5",
        "LOG_JSON": "true",
    }
    env = {k: v for k, v in os.environ.items() if k in processes.PASSED}
    children = up.start(tmp_path / "state", env | {PREFIX + k: v for k, v in given.items()}, logs=logs)
    service = Service()
    journal = Journal(open_engine(up.addresses(children)["JOURNAL_URL"]))
    playground = tmp_path / "playground.json"
    gateway = {"replicas": {"gateway-1": {"address": service.address}}}
    playground.write_text(json.dumps({"services": {"gateway": gateway}}))
    watched = Monitoring(folder=tmp_path / "monitoring", running={})
    receiver = f"http://127.0.0.1:{port}"
    try:
        _ready(receiver, logs / "receiver.log")
        watched.running |= monitoring.start(watched.folder, playground, receiver, TOKEN)
        yield Scene(service=service, monitoring=watched, journal=journal, logs=logs)
    finally:
        watched.stop()
        service.stop()
        processes.stop(children)
        journal.close()


def test_one_alert_is_one_incident_while_its_senders_are_restarted_and_ends_with_it(scene: Scene):
    monitoring = scene.monitoring
    scene.service.break_it()
    scene.until(scene.incidents, "an incident of the alert")
    scene.is_one_open_thing()
    first = monitoring.firing_since()

    monitoring.end("prometheus")
    monitoring.start("prometheus")
    scene.until(lambda: monitoring.firing_since() not in {None, first}, "Prometheus to fire anew")
    scene.hears_again("Alertmanager to repeat itself after Prometheus was restarted")
    scene.is_one_open_thing()

    # An Alertmanager that lost its memory, and a Prometheus that began anew: the alert has another start now.
    monitoring.kill("alertmanager")
    monitoring.end("prometheus")
    monitoring.start("alertmanager")
    monitoring.start("prometheus")
    began = scene.told()[0]["startsAt"]
    scene.until(lambda: scene.told()[-1]["startsAt"] != began, "the alert with another start")
    scene.hears_again("Alertmanager to repeat itself after it was restarted")
    scene.is_one_open_thing()
    assert {a["status"] for a in scene.told()} == {"firing"}

    scene.service.mend()
    scene.until(lambda: scene.told()[-1]["status"] == "resolved", "the alert to resolve")
    scene.until(lambda: [e["state"] for e in scene.episodes()] == ["ended"], "the resolved alert to be believed")
    scene.until(
        lambda: [IncidentState(i["state"]) for i in scene.incidents()] == [IncidentState.RESOLVED],
        "the incident to be resolved",
    )


def test_an_alert_that_fires_again_while_its_end_is_not_believed_yet_stays_one(scene: Scene):
    scene.service.break_it()
    scene.until(scene.incidents, "an incident of the alert")
    scene.service.mend()
    scene.until(lambda: [e["state"] for e in scene.episodes()] == ["holding"], "the resolved alert to be held")
    scene.service.break_it()
    scene.until(lambda: [e["state"] for e in scene.episodes()] == ["open"], "the alert to be open again")
    assert len(scene.incidents()) == 1
