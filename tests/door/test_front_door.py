"""Every bad thing a sender or a bad night can do to the door, each with its clear answer and nothing lost."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from bot.embedded import redis_child, wait_ready
from bot.journal.migrate import upgrade
from bot.receiver.answers import UNPROVEN

SAMPLES = Path(__file__).parents[1] / "samples"
ALERT = (SAMPLES / "alertmanager_v4.json").read_bytes()
DEPLOY = (SAMPLES / "cdevents_service_deployed.json").read_bytes()
TOKEN = {"Authorization": "Bearer door-token-one"}


class Door:
    """One receiver process."""

    def __init__(self, folder: Path, redis_url: str, journal_url: str | None = None) -> None:
        self.journal = folder / "journal.db"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        env = {
            "PATH": os.environ["PATH"],
            "FIRSTRESPONDER_JOURNAL_URL": journal_url or f"sqlite:///{self.journal}",
            "FIRSTRESPONDER_REDIS_URL": redis_url,
            "FIRSTRESPONDER_PORT": str(self.port),
            "FIRSTRESPONDER_WEBHOOK_TOKENS": json.dumps(
                {"alertmanager": ["door-token-two", "door-token-one"], "changes": ["c"], "traces": ["t"]}
            ),
        }
        self.log = folder / "door.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"], env=env, stdout=out, stderr=out
            )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(self.url + "/healthz", timeout=1)
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def post(self, path, body, headers=None, timeout=5):
        return httpx.post(self.url + path, content=body, headers=headers or {}, timeout=timeout)

    def inbox(self):
        with sqlite3.connect(self.journal) as journal:
            return journal.execute("SELECT source, state FROM inbox").fetchall()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    upgrade(f"sqlite:///{folder / 'journal.db'}")
    opened = Door(folder, "unix:///nowhere/redis.sock")
    yield opened
    opened.stop()


@pytest.fixture
def door(process):
    yield process
    with sqlite3.connect(process.journal) as journal:
        journal.execute("DELETE FROM inbox")
        journal.execute("DELETE FROM outbox")


def test_a_proven_alert_is_stored_before_it_is_answered_even_with_redis_down(door):
    answer = door.post("/v1/webhooks/alertmanager", ALERT, TOKEN)
    assert answer.status_code == 202
    assert door.inbox() == [("alertmanager", "stored")]
    with sqlite3.connect(door.journal) as journal:
        rung = journal.execute("SELECT job, sent_at FROM outbox").fetchall()
    assert rung == [("intake", None)]  # kept for the clock


def test_either_of_two_live_tokens_opens(door):
    second = {"Authorization": "Bearer door-token-two"}
    assert door.post("/v1/webhooks/alertmanager", ALERT, second).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic door-token-one"},
        {"Authorization": "door-token-one"},
        {"Authorization": "Bearer door-token-on"},
        {"Authorization": "Bearer dör"},
    ],
)
def test_whoever_does_not_prove_itself_is_refused_and_nothing_is_stored(door, headers):
    encoded = {k: v.encode("latin-1") for k, v in headers.items()}
    answer = door.post("/v1/webhooks/alertmanager", ALERT, encoded)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {"error": UNPROVEN}
    assert "door-token" not in answer.text + door.log.read_text()
    assert door.inbox() == []


def test_an_unknown_source_is_named_with_where_to_configure_it(door):
    answer = door.post("/v1/webhooks/nobody", ALERT, TOKEN)
    assert answer.status_code == 404
    assert "config/sources.yaml" in answer.json()["error"]


def test_spans_have_a_door_of_their_own(door):
    answer = door.post("/v1/webhooks/traces", b"{}", {"Authorization": "Bearer t"})
    assert answer.status_code == 404
    assert door.inbox() == []


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_what_cannot_be_read_is_kept_and_said(door, body):
    answer = door.post("/v1/webhooks/alertmanager", body, TOKEN)
    assert answer.status_code == 202
    assert "stored as it came" in answer.json()["warning"]
    assert door.inbox() == [("alertmanager", "stored")]


def test_ten_megabytes_are_refused_without_being_read(door):
    started = time.monotonic()
    try:
        answer = door.post("/v1/webhooks/alertmanager", b"x" * 10_000_000, TOKEN)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        pass  # the door may close while we still push
    else:
        assert answer.status_code == 413
    assert time.monotonic() - started < 3
    assert door.inbox() == []
    assert door.post("/v1/webhooks/alertmanager", ALERT, TOKEN).status_code == 202


def test_a_body_of_unsaid_length_is_cut_off_too(door):
    def chunks():
        for _ in range(40):
            yield b"x" * 100_000

    try:
        answer = httpx.post(door.url + "/v1/webhooks/alertmanager", content=chunks(), headers=TOKEN, timeout=5)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        pass
    else:
        assert answer.status_code == 413
    assert door.inbox() == []


def test_a_change_delivered_twice_is_stored_once(door):
    headers = {"Authorization": "Bearer c"}
    first = door.post("/v1/changes", DEPLOY, headers).json()
    again = door.post("/v1/changes", DEPLOY, headers).json()
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["id"] == again["id"]
    assert len(door.inbox()) == 1


def test_other_methods_and_paths_are_refused(door):
    assert httpx.get(door.url + "/v1/webhooks/alertmanager").status_code == 405
    assert httpx.post(door.url + "/v2/anything").status_code == 404


def test_health_tells_the_process_from_what_it_depends_on(door):
    assert httpx.get(door.url + "/healthz").status_code == 200
    ready = httpx.get(door.url + "/readyz")
    assert ready.status_code == 503
    checks = ready.json()["checks"]
    assert checks["journal"] == "ok"
    assert "does not answer" in checks["redis"]


def test_a_journal_that_cannot_be_written_is_503_with_retry_after_and_never_2xx(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    read_only = f"sqlite:///file:{tmp_path / 'journal.db'}?mode=ro&uri=true"
    door = Door(tmp_path, "unix:///nowhere/redis.sock", read_only)
    try:
        answer = door.post("/v1/webhooks/alertmanager", ALERT, TOKEN)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "journal" in answer.json()["error"]
        assert httpx.get(door.url + "/healthz").status_code == 200
        assert httpx.get(door.url + "/readyz").json()["checks"]["journal"] == "cannot be written"
    finally:
        door.stop()
    assert door.inbox() == []


def test_a_journal_without_tables_refuses_to_start_and_says_what_to_run(tmp_path):
    env = {"PATH": os.environ["PATH"], "FIRSTRESPONDER_JOURNAL_URL": f"sqlite:///{tmp_path / 'new.db'}"}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "serve"], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "firstresponder migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_spans_of_the_real_sdk_come_through_as_protobuf(tmp_path):
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    redis, url = redis_child(tmp_path / "redis")
    redis.start()
    wait_ready(url)
    door = Door(tmp_path, url)
    try:
        provider = TracerProvider(
            resource=Resource({"service.name": "gateway", "service.instance.id": "gateway-1"})
        )
        exporter = OTLPSpanExporter(
            endpoint=door.url + "/v1/traces",
            headers={"Authorization": "Bearer t"},
            compression=Compression.Gzip,
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        attributes = {"server.address": "checkout", "server.instance": "checkout-1", "error.type": "timeout"}
        with provider.get_tracer("x").start_as_current_span("call", kind=SpanKind.CLIENT) as span:
            span.set_attributes(attributes)
            span.set_status(Status(StatusCode.ERROR))
        provider.shutdown()
        time.sleep(0.1)
        assert _kept(url) == [("gateway", "gateway-1", True, True, "checkout", "checkout-1")]
        assert door.post("/v1/traces", b"{}", {"Authorization": "Bearer wrong"}).status_code == 401
        json_type = {"Authorization": "Bearer t", "Content-Type": "application/json"}
        assert door.post("/v1/traces", b'{"resourceSpans": 3}', json_type).status_code == 400
        proto = {"Authorization": "Bearer t", "Content-Type": "application/x-protobuf"}
        assert door.post("/v1/traces", b"\x00garbage", proto).status_code == 400
        deep = b'{"resourceSpans": ' + b"[" * 50_000
        assert door.post("/v1/traces", deep, json_type).status_code == 400
        bomb = proto | {"Content-Encoding": "gzip"}
        assert door.post("/v1/traces", b"not gzip", bomb).status_code == 400
        assert httpx.get(door.url + "/readyz").status_code == 200
    finally:
        door.stop()
        redis.stop()


def _kept(url):
    from datetime import timedelta

    from bot.queue import connect_briefly
    from bot.spans import SpanStore

    spans, _ = SpanStore(connect_briefly(url), timedelta(minutes=5)).between(0, 1e15)
    return [(s.service, s.instance, s.client, s.failed, s.upstream, s.upstream_instance) for s in spans]
