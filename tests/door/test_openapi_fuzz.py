"""The door against its own description, and against whoever sends anything at all: never a fault of ours."""

import contextlib
import http.client
import json
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.receiver import systems
from bot.receiver.app import OPENAPI
from bot.receiver.sources import CHATS
from tests.contract.redis_server import RedisServer
from tests.door.process import ReceiverProcess, write_config
from tests.unit.systems.corpora import Payload, all_payloads

TOKEN = "a-long-token-of-the-fuzzed"
PROOF = {"Authorization": f"Bearer {TOKEN}"}
SYSTEMS = sorted(systems.systems().keys() - set(CHATS))
ROUTED = "routed"
"""The source of PagerDuty-shaped events, whose routing key is the token."""

SOURCES: Mapping[str, Mapping[str, Any]] = {
    **{name.replace("_", "-"): {"system": name, "proof": "bearer"} for name in SYSTEMS},
    "changes": {"system": "cdevents"},
    "traces": {"system": "otlp"},
    ROUTED: {"system": "pagerduty_events_v2", "proof": "routing_key"},
}

MANY = 12
FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
"""A request to a process is slow, and the same bytes are tried in every run."""


@pytest.fixture(scope="module", name="door")
def _door(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, shared_redis: RedisServer
) -> Iterator[ReceiverProcess]:
    folder = tmp_path_factory.mktemp("fuzzed")
    journal = folder / "journal.db"
    journal.write_bytes(migrated_file.read_bytes())
    door = ReceiverProcess(
        folder=folder,
        journal_url=f"sqlite:///{journal}",
        redis_url=shared_redis.url,
        config=write_config(folder, SOURCES),
        tokens={name: [TOKEN] for name in SOURCES},
        more={"SOURCE_LIMIT": "0", "OVERLOAD_S": "86400"},
    )
    door.start()
    yield door
    door.stop()


def row(door: ReceiverProcess, key: str) -> bytes | None:
    """The body that the inbox holds under an id."""
    with contextlib.closing(sqlite3.connect(door.folder / "journal.db")) as journal:
        found = journal.execute("SELECT body FROM inbox WHERE id = ?", (key,)).fetchone()
    return bytes(found[0]) if found is not None else None


CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations() -> Iterator[Any]:
    """Every operation of the document with requests that fit it; what takes something, with others too."""
    for path, methods in yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))["paths"].items():
        for method in sorted(methods.keys() - {"parameters"}):
            name = f"{method.upper()} {path}"
            yield pytest.param(name, GenerationMode.POSITIVE, id=f"{name} as described")
            if "parameters" in methods or methods[method].keys() & {"parameters", "requestBody"}:
                yield pytest.param(name, GenerationMode.NEGATIVE, id=f"{name} otherwise")


@pytest.mark.parametrize(("name", "mode"), tuple(operations()))
def test_every_answer_is_a_described_one_and_none_says_that_we_failed(name, mode, door):
    document = httpx.get(f"{door.url}/openapi.json", timeout=5).json()
    served = schemathesis.openapi.from_dict(document).get_all_operations()
    operation = next(o for found in served if isinstance(found, Ok) and (o := found.ok()).label == name)

    @settings(FEW, max_examples=MANY)
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case) -> None:
        case.validate_response(case.call(door.url, timeout=10), checks=CHECKS)
        # The same once more as somebody who is known here.
        if "source" in case.path_parameters:
            names = sorted(SOURCES)
            case.path_parameters["source"] = names[len(repr(case.body)) % len(names)]
        if isinstance(case.body, dict) and "routing_key" in case.body:
            case.body["routing_key"] = TOKEN
        case.validate_response(case.call(door.url, headers=PROOF, timeout=10), checks=CHECKS)

    asked()


UNTOUCHED = {"authorization", "connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
"""What HTTP itself or the proof stands on; the next test is for these."""

VISIBLE = "".join(chr(n) for n in (*range(0x21, 0x7F), *range(0xA0, 0x100)))
NAMES = (
    *(
        "content-type",
        "content-encoding",
        "user-agent",
        "x-github-event",
        "x-gitlab-event",
        "sentry-hook-resource",
    ),
    *("x-amz-sns-message-type", "x-github-delivery", "webhook-id", "x-webhook-id", "idempotency-key", "ce-type"),
    *("x-netlify-event", "x-rundeck-notification-trigger", "circleci-event-type", "gotk-component"),
)
header_names = st.sampled_from(NAMES) | st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
header_values = st.text(VISIBLE + " \t", max_size=80).map(str.strip) | st.text(
    VISIBLE, min_size=4000, max_size=4100
)
ANSWERED = {202, 422}
"""To a proven delivery within the size that may be sent; a template that is not rendered is the second."""


def samples(system: str) -> list[Payload]:
    return [p for p in all_payloads() if p.system == system]


@st.composite
def bodies(draw: st.DrawFn, system: str) -> tuple[dict[str, str], bytes]:
    """Headers and bytes: anything at all, or a real delivery with a stretch of it replaced."""
    known = samples(system)
    if not known or draw(st.booleans()):
        return {}, draw(st.binary(max_size=300))
    payload = draw(st.sampled_from(known))
    begin = draw(st.integers(0, len(payload.body)))
    end = draw(st.integers(begin, min(len(payload.body), begin + 40)))
    body = payload.body[:begin] + draw(st.binary(max_size=40)) + payload.body[end:]
    return dict(payload.headers), body


def post(door: ReceiverProcess, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """One request with just these headers, their values as latin-1."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
    try:
        connection.putrequest("POST", path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("system", SYSTEMS)
@FEW
@given(data=st.data())
def test_whatever_a_proven_sender_posts_is_stored_as_it_came_before_it_is_answered(system, data, door):
    given_headers, body = data.draw(bodies(system))
    more = data.draw(st.dictionaries(header_names, header_values, max_size=4))
    headers = {k: v for k, v in {**given_headers, **more}.items() if k.lower() not in UNTOUCHED}
    status, answer = post(door, f"/v1/webhooks/{system.replace('_', '-')}", {**headers, **PROOF}, body)
    assert status in ANSWERED, answer
    said = json.loads(answer)
    stored = row(door, said["id"])
    assert stored == body or (said["duplicate"] and stored is not None)
    assert TOKEN.encode() not in answer


@pytest.mark.parametrize("system", SYSTEMS)
def test_real_deliveries_are_stored_whatever_becomes_of_them(system, door):
    for payload in samples(system):
        headers = {**payload.headers, **PROOF}
        status, answer = post(door, f"/v1/webhooks/{system.replace('_', '-')}", headers, payload.body)
        assert status in ANSWERED, (payload.line["file"], answer)
        assert row(door, json.loads(answer)["id"]) is not None


@FEW
@given(
    name=st.sampled_from(sorted(SOURCES)),
    proof=st.none() | st.text(VISIBLE + " ", max_size=60).map(str.strip) | st.just(f"Bearer {TOKEN}x"),
    body=st.binary(max_size=200),
)
def test_whoever_proves_nothing_gets_no_further(name, proof, body, door):
    with contextlib.closing(sqlite3.connect(door.folder / "journal.db")) as journal:
        before = journal.execute("SELECT count(*) FROM inbox").fetchone()
        headers = {} if proof is None else {"Authorization": proof}
        status, answer = post(door, f"/v1/webhooks/{name}", headers, body)
        assert status == (404 if name == "traces" else 401), answer
        assert journal.execute("SELECT count(*) FROM inbox").fetchone() == before
    assert TOKEN.encode() not in answer


REQUEST = f"POST /v1/webhooks/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
LINES = (
    b"Content-Length: -1",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5, 5",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Expect: 100-continue\r\nContent-Length: 2",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2",
    b"X-A: " + b"a" * 70_000,
    b"X-A: \x00\x01",
    b" folded: value",
    b"no colon at all",
    b": no name",
    b"X-\xff: y",
)
STATUS = re.compile(rb"\AHTTP/1\.[01] (\d\d\d) ")


def pushed(door: ReceiverProcess, sent: bytes) -> bytes:
    """What comes back when these very bytes are all that is sent."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        return answer


def is_no_fault_of_ours(answer: bytes) -> None:
    status = STATUS.match(answer)
    assert not answer or status is not None, answer[:200]
    assert status is None or int(status[1]) < 500, answer[:500]


@pytest.mark.parametrize("line", LINES)
def test_a_request_that_is_no_http_is_refused_and_no_fault(line, door):
    is_no_fault_of_ours(pushed(door, REQUEST + line + b"\r\n\r\n{}"))


@settings(FEW, max_examples=60)
@given(
    sent=st.binary(max_size=300),
    after=st.sampled_from((b"", b"POST ", REQUEST, REQUEST + b"Content-Length: 4\r\n\r\n")),
)
def test_bytes_that_are_no_request_at_all_are_no_fault(sent, after, door):
    is_no_fault_of_ours(pushed(door, after + sent))


def test_the_door_is_as_it_was_after_all_that(door):
    assert httpx.get(f"{door.url}/readyz", timeout=5).status_code == 200
    alert = samples("alertmanager")[0]
    status, answer = post(door, "/v1/webhooks/alertmanager", {**alert.headers, **PROOF}, alert.body)
    assert status == 202, answer
    log = door.log.read_text()
    assert "Traceback" not in log
    assert TOKEN not in log
