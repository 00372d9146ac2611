"""What goes over the wire: spans in the OTLP JSON encoding, outcomes of calls, monitoring files."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.playground import monitoring, tracing
from tests.playground.client import call
from tests.playground.httpd import Reply, Request, Server, guarded, json_reply, routed
from tests.playground.osproc import Ports
from tests.playground.tracing import Kind


def _slow(_request: Request) -> Reply:
    time.sleep(0.3)
    return json_reply(200, {})


@pytest.fixture(name="address")
def _address() -> Iterator[str]:
    routes = {
        ("GET", "/ok"): lambda _request: json_reply(200, {"fine": True}),
        ("GET", "/bad"): lambda _request: json_reply(503, {"error": "no"}),
        ("GET", "/slow"): _slow,
        ("GET", "/guarded"): guarded("secret", lambda _request: json_reply(200, {})),
    }
    port = Ports().free()
    server = Server(port, routed(routes))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


def test_outcomes_are_told_apart(address: str) -> None:
    assert call("GET", address, "/ok", timeout_s=1).json() == {"fine": True}
    bad = call("GET", address, "/bad", timeout_s=1)
    assert (bad.outcome, bad.status, bad.error_type) == ("error", 503, "503")
    assert call("GET", address, "/slow", timeout_s=0.05).outcome == "timeout"
    assert call("GET", f"127.0.0.1:{Ports().free()}", "/", timeout_s=1).outcome == "refused"
    assert call("GET", address, "/guarded", timeout_s=1).status == 401
    headers = {"Authorization": "Bearer secret"}
    assert call("GET", address, "/guarded", timeout_s=1, headers=headers).status == 200


def test_a_span_continues_the_caller_s_trace() -> None:
    root = tracing.begin("POST /orders", Kind.SERVER)
    child = tracing.begin("POST checkout", Kind.CLIENT, parent=root)
    callee = tracing.begin("POST /orders", Kind.SERVER, traceparent=child.traceparent)
    assert root.trace_id == child.trace_id == callee.trace_id
    assert (root.parent_id, child.parent_id, callee.parent_id) == ("", root.span_id, child.span_id)
    assert tracing.begin("x", Kind.SERVER, traceparent="nonsense").trace_id != root.trace_id


def test_a_span_is_encoded_as_otlp_json_wants_it() -> None:
    span = tracing.begin("GET /stock", Kind.CLIENT)
    attributes: dict[str, str | int] = {"http.response.status_code": 400, "error.type": "400"}
    encoded = tracing.encode_span(span, attributes, failed=True, ended_ns=span.started_ns + 5)
    assert encoded["kind"] == 3
    assert encoded["status"] == {"code": 2}
    assert encoded["endTimeUnixNano"] == str(span.started_ns + 5)
    assert encoded["attributes"] == [
        {"key": "http.response.status_code", "value": {"intValue": "400"}},
        {"key": "error.type", "value": {"stringValue": "400"}},
    ]
    assert "parentSpanId" not in encoded


def test_monitoring_files_name_every_replica_and_keep_the_token_apart(tmp_path: Path) -> None:
    replicas = {"checkout-1": {"address": "127.0.0.1:1"}, "checkout-2": {"address": "127.0.0.1:2"}}
    playground = {"services": {"checkout": {"replicas": replicas}}}
    files = monitoring.write(
        tmp_path, playground, alertmanager_at="127.0.0.1:9", receiver="http://127.0.0.1:8", token="secret"
    )
    (job,) = json.loads(files["prometheus"].read_text())["scrape_configs"]
    assert job["honor_labels"] is True
    assert [each["targets"] for each in job["static_configs"]] == [["127.0.0.1:1"], ["127.0.0.1:2"]]
    assert "secret" not in files["alertmanager"].read_text()
    assert (tmp_path / "alert-token").stat().st_mode & 0o777 == 0o600
