"""A real receiver with a source for every way of proving oneself: what opens it, what it stores and answers."""

import base64
import gzip
import hashlib
import hmac
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.journal.migrate import upgrade
from bot.receiver.answers import UNPROVEN
from tests.door.process import ReceiverProcess, write_config

SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"
SECRET, OLD = "door-secret-new", "door-secret-old"
BASIC = "door:door-password"
PUSH = (SAMPLES / "github.json").read_bytes()
UNRENDERED = b'{"id": "1", "title": "$EVENT_TITLE", "alert_transition": "$ALERT_TRANSITION"}'
SOURCES: dict[str, dict[str, Any]] = {
    "github": {"system": "github"},
    "sentry": {"system": "sentry"},
    "gitlab": {"system": "gitlab"},
    "datadog": {"system": "datadog", "proof": "header", "header": "X-Door-Token"},
    "zabbix": {"system": "zabbix", "proof": "basic"},
    "splunk": {"system": "splunk", "proof": "url"},
    "grafana": {"system": "grafana_unified", "proof": "grafana", "timestamp_header": "X-Door-Time"},
    "netdata": {"system": "netdata"},
    "open": {"system": "alertmanager", "allow_unsigned": True},
    "shut": {"system": "alertmanager"},
    "pager": {"system": "pagerduty_events_v2"},
    "other-pager": {"system": "pagerduty_events_v2"},
    "changes": {"system": "cdevents"},
}
SECRETS: dict[str, Any] = {
    **{name: {"new": SECRET, "old": OLD} for name in SOURCES if name not in {"open", "shut", "zabbix"}},
    "zabbix": {"only": BASIC},
    "other-pager": {"only": "other-key"},
}


@pytest.fixture(scope="module", name="process")
def _process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceiverProcess]:
    folder = tmp_path_factory.mktemp("proven")
    upgrade(f"sqlite:///{folder / 'journal.db'}")
    receiver = ReceiverProcess(
        folder=folder,
        journal_url=f"sqlite:///{folder / 'journal.db'}",
        config=write_config(folder, SOURCES),
        tokens=SECRETS,
        more={"SOURCE_LIMIT": "40"},
    )
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture(name="door")
def _door(process: ReceiverProcess) -> Iterator[ReceiverProcess]:
    yield process
    with sqlite3.connect(process.folder / "journal.db", timeout=10) as journal:
        journal.execute("DELETE FROM inbox")


def inbox(door: ReceiverProcess, columns: str = "source") -> list[tuple[Any, ...]]:
    with sqlite3.connect(door.folder / "journal.db", timeout=10) as journal:
        journal.row_factory = sqlite3.Row
        rows = journal.execute("SELECT * FROM inbox ORDER BY id").fetchall()
    return [tuple(row[name.strip()] for name in columns.split(",")) for row in rows]


def post(door: ReceiverProcess, path: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(door.url + path, content=body, headers=named, timeout=5)


def mac(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def github(door: ReceiverProcess, body: bytes = PUSH, secret: str = SECRET, **headers: str) -> httpx.Response:
    given = {
        "X_GitHub_Event": "deployment_status",
        "X_Hub_Signature_256": f"sha256={mac(body, secret)}",
        **headers,
    }
    return post(door, "/v1/webhooks/github", body, **given)


def proofs(name: str, body: bytes, at: int) -> dict[str, str]:
    return {
        "github": {"X_Hub_Signature_256": f"sha256={mac(body)}"},
        "sentry": {"Sentry_Hook_Signature": mac(body)},
        "gitlab": {"X_Gitlab_Token": SECRET},
        "datadog": {"X_Door_Token": SECRET},
        "zabbix": {"Authorization": "Basic " + base64.b64encode(BASIC.encode()).decode()},
        "grafana": {"X_Door_Time": str(at), "X_Grafana_Alerting_Signature": mac(f"{at}:".encode() + body)},
        "netdata": {"Authorization": f"Bearer {SECRET}"},
    }[name]


PROVEN = ("github", "sentry", "gitlab", "datadog", "zabbix", "grafana", "netdata")


@pytest.mark.parametrize("name", PROVEN)
def test_each_proof_opens_its_own_source(door, name):
    answer = post(door, f"/v1/webhooks/{name}", b"{}", **proofs(name, b"{}", int(time.time())))
    assert answer.status_code == 202, answer.text
    assert inbox(door) == [(name,)]


@pytest.mark.parametrize("name", PROVEN)
def test_each_proof_is_needed_and_no_refusal_says_what_was_wrong(door, name):
    given = proofs(name, b"{}", int(time.time()))
    last = list(given)[-1]
    for wrong in ({}, {**given, last: given[last][:-1] + ("0" if given[last][-1] != "0" else "1")}):
        answer = post(door, f"/v1/webhooks/{name}", b"{}", **wrong)
        assert answer.status_code == 401
        assert answer.json() == {"error": UNPROVEN}
    assert inbox(door) == []


@pytest.mark.parametrize("name", ["github", "sentry", "grafana"])
def test_a_signed_body_is_taken_as_signed_or_not_at_all(door, name):
    answer = post(door, f"/v1/webhooks/{name}", b"{ }", **proofs(name, b"{}", int(time.time())))
    assert answer.status_code == 401
    assert inbox(door) == []


def test_what_was_signed_long_ago_is_refused(door):
    assert post(door, "/v1/webhooks/grafana", b"{}", **proofs("grafana", b"{}", 1_700_000_000)).status_code == 401


def test_a_token_of_the_url_opens_and_is_written_nowhere(door):
    assert post(door, f"/v1/webhooks/splunk?token={SECRET}", b"{}").status_code == 202
    assert post(door, "/v1/webhooks/splunk?token=wrong-token", b"{}").status_code == 401
    assert post(door, "/v1/webhooks/splunk", b"{}").status_code == 401
    said = door.log.read_text()
    assert SECRET not in said
    assert "wrong-token" not in said
    assert SECRET not in str(inbox(door, "headers"))


def test_only_those_two_schemes_that_browsers_know_are_named_in_a_refusal(door):
    asked = {
        name: post(door, f"/v1/webhooks/{name}", b"{}").headers.get("www-authenticate")
        for name in ("netdata", "zabbix", "github")
    }
    assert asked == {"netdata": "Bearer", "zabbix": 'Basic realm="webhooks"', "github": None}


def test_a_source_without_a_secret_is_shut_unless_its_row_says_otherwise(door):
    assert post(door, "/v1/webhooks/shut", b"{}", Authorization="Bearer x").status_code == 401
    assert post(door, "/v1/webhooks/shut", b"{}", Authorization=f"Bearer {SECRET}").status_code == 401
    assert post(door, "/v1/webhooks/open", b"{}").status_code == 202
    assert inbox(door) == [("open",)]


def test_either_live_secret_opens_and_the_log_says_which_by_its_name(door):
    assert github(door, secret=OLD).status_code == 202
    row = str(inbox(door, "id")[0][0])
    deadline = time.monotonic() + 5
    while not any(row in line for line in door.log.read_text().splitlines()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (line,) = [
        json.loads(line) for line in door.log.read_text().splitlines() if row in line and "proven_by" in line
    ]
    assert (line["event"], line["source"], line["proven_by"]) == ("receive.stored", "github", "old")
    assert OLD not in door.log.read_text()


def test_what_proves_a_sender_is_not_kept_and_what_says_the_kind_is(door):
    assert github(door, X_GitHub_Delivery="d-1", Cookie="a=b").status_code == 202
    ((headers, key),) = inbox(door, "headers, delivery_key")
    assert key == "d-1"
    kept = json.loads(str(headers))
    assert kept["x-github-event"] == "deployment_status"
    assert not {"x-hub-signature-256", "cookie", "authorization"} & kept.keys()


def test_a_delivery_under_a_known_id_is_a_duplicate_and_one_without_an_id_never_is(door):
    first = github(door, X_GitHub_Delivery="d-2").json()
    assert github(door, X_GitHub_Delivery="d-2").json() == {"id": first["id"], "duplicate": True}
    assert not github(door, X_GitHub_Delivery="d-3").json()["duplicate"]
    assert [github(door).json()["duplicate"] for _ in range(2)] == [False, False]
    assert len(inbox(door)) == 4


def test_what_gitlab_sends_in_consequence_of_one_event_is_no_repeat_of_it(door):
    same = {"X_Gitlab_Token": SECRET, "X_Gitlab_Event": "Push Hook", "X_Gitlab_Event_UUID": "one"}
    push = (SAMPLES / "gitlab.json").read_bytes()
    sent = [post(door, "/v1/webhooks/gitlab", push, **same, Idempotency_Key=key) for key in ("a", "b", "a")]
    assert [answer.json()["duplicate"] for answer in sent] == [False, False, True]


def test_an_id_longer_than_a_key_still_tells_two_deliveries_apart(door):
    ids = ["x" * 500 + end for end in ("a", "b", "a")]
    assert [github(door, X_GitHub_Delivery=one).json()["duplicate"] for one in ids] == [False, False, True]


def test_a_kind_that_is_not_used_is_stored_and_said(door):
    answer = github(door, X_GitHub_Event="star")
    assert answer.status_code == 202
    assert "star" in answer.json()["warning"]
    assert inbox(door) == [("github",)]


def test_a_template_left_unrendered_is_stored_and_refused_by_name(door):
    answer = post(door, "/v1/webhooks/datadog", UNRENDERED, X_Door_Token=SECRET)
    assert answer.status_code == 422
    assert "$EVENT_TITLE" in answer.json()["error"]
    assert inbox(door) == [("datadog",)]


def test_netdatas_challenge_is_answered_by_its_source_alone(door):
    answer = httpx.get(f"{door.url}/v1/webhooks/netdata?token=abc")
    proof = base64.b64encode(hmac.new(SECRET.encode(), b"abc", hashlib.sha256).digest()).decode()
    assert answer.json() == {"response_token": f"sha256={proof}"}
    assert httpx.get(f"{door.url}/v1/webhooks/netdata").status_code == 400
    assert httpx.get(f"{door.url}/v1/webhooks/github?token=abc").status_code == 405
    assert httpx.get(f"{door.url}/v1/webhooks/nobody?token=abc").status_code == 404


# PagerDuty's shape

EVENT: dict[str, Any] = {
    "routing_key": SECRET,
    "event_action": "trigger",
    "payload": {"summary": "db is down", "source": "db-1", "severity": "critical"},
}


def event(door: ReceiverProcess, path: str = "/v2/enqueue", **changed: object) -> httpx.Response:
    return post(door, path, json.dumps({**EVENT, **changed}).encode())


def test_an_event_finds_its_source_by_routing_key_and_is_answered_as_there(door):
    answer = event(door, routing_key="other-key", dedup_key="mine")
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "mine"}
    assert inbox(door) == [("other-pager",)]


def test_a_made_dedup_key_is_told_and_stored_for_the_resolve_to_come(door):
    key = event(door).json()["dedup_key"]
    assert key
    assert key != event(door).json()["dedup_key"]
    (first, _) = inbox(door, "body")
    assert json.loads(first[0])["dedup_key"] == key
    assert event(door, event_action="resolve", dedup_key=key).status_code == 202


def test_an_event_of_an_unknown_key_or_shape_is_refused_as_there_and_not_stored(door):
    unknown = event(door, routing_key="nobodys")
    assert unknown.status_code == 401
    assert unknown.json()["errors"] == ["Invalid routing key"]
    wrong = event(door, payload={})
    assert wrong.status_code == 400
    assert wrong.json()["status"] == "invalid event"
    assert len(wrong.json()["errors"]) == 3
    assert post(door, "/v2/enqueue", b"[").status_code == 400
    assert inbox(door) == []


def test_a_change_event_is_taken_by_its_own_door(door):
    answer = event(door, "/v2/change/enqueue", event_action=None, payload={"summary": "deployed"})
    assert answer.status_code == 202
    assert answer.json()["message"] == "Change event processed"
    assert event(door, "/v2/change/enqueue", payload={}).status_code == 400


def test_an_event_left_unrendered_is_stored_and_refused_by_name(door):
    answer = event(door, payload={**EVENT["payload"], "summary": "$EVENT_TITLE"})
    assert answer.status_code == 400
    assert "$EVENT_TITLE" in answer.json()["errors"][0]
    assert inbox(door) == [("pager",)]


def test_one_source_above_its_share_is_told_to_wait_and_no_other(door):
    answers = [post(door, "/v1/webhooks/open", b"{}") for _ in range(42)]
    assert {answer.status_code for answer in answers} == {202, 503}
    assert answers[-1].headers["retry-after"] == "30"
    assert github(door).status_code == 202


def test_refusals_are_counted_in_the_journal_without_a_strangers_words(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    door = ReceiverProcess(
        folder=tmp_path,
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        config=write_config(tmp_path, {"github": {"system": "github"}}),
        tokens={"github": [SECRET]},
        more={"MAX_BODY_BYTES": "4000"},
    )
    door.start()
    try:
        for number in range(25):
            assert github(door, secret="wrong").status_code == 401
            assert post(door, f"/v1/webhooks/stranger-{number}", b"{}").status_code == 404
        assert github(door, body=b"x" * 5000).status_code == 413
    finally:
        door.stop()
    with sqlite3.connect(tmp_path / "journal.db") as journal:
        rows = journal.execute("SELECT source, reason, sum(count) FROM refusals GROUP BY source, reason")
        counted = {(source, reason): count for source, reason, count in rows}
    assert counted == {("github", "unproven"): 25, ("", "unknown_source"): 25, ("github", "too_large"): 1}
    assert "stranger" not in door.log.read_text()
    events = [json.loads(line)["event"] for line in door.log.read_text().splitlines() if line.startswith("{")]
    assert events.count("receive.refused_many") == 2


def test_a_backlog_shuts_the_door_before_any_body_is_read_and_opens_it_again(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    door = ReceiverProcess(
        folder=tmp_path,
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        config=write_config(tmp_path, {"github": {"system": "github"}}),
        tokens={"github": [SECRET]},
        more={"OVERLOAD_S": "0.5"},
    )
    door.start()
    try:
        assert github(door).status_code == 202
        busy = _eventually(lambda: github(door), 503)
        assert busy.headers["retry-after"]
        assert post(door, "/v1/webhooks/nobody", b"{}").status_code == 503
        with sqlite3.connect(tmp_path / "journal.db", timeout=10) as journal:
            journal.execute("UPDATE inbox SET state = 'parsed'")
        _eventually(lambda: github(door), 202)
    finally:
        door.stop()


def _eventually(ask, status):
    deadline = time.monotonic() + 10
    while (answer := ask()).status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def test_a_receiver_killed_between_commit_and_answer_loses_nothing_and_stores_once(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    crash = tmp_path / "crash"
    (tmp_path / "crash.receiver").write_text("inbox.stored:after")
    door = ReceiverProcess(
        folder=tmp_path,
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        config=write_config(tmp_path, {"github": {"system": "github"}}),
        tokens={"github": [SECRET]},
        more={"CRASH_FILE": str(crash)},
    )
    door.start()
    try:
        with pytest.raises(httpx.HTTPError):
            github(door, X_GitHub_Delivery="d-9")
        assert door.process is not None
        door.process.wait(10)
        assert len(inbox(door)) == 1  # committed, and nobody was told
        door.start()
        again = github(door, X_GitHub_Delivery="d-9")
        assert again.json()["duplicate"]
        assert len(inbox(door)) == 1
    finally:
        door.stop()


def test_a_receiver_killed_before_its_commit_has_promised_and_stored_nothing(tmp_path):
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    (tmp_path / "crash.receiver").write_text("inbox.stored:before")
    door = ReceiverProcess(
        folder=tmp_path,
        journal_url=f"sqlite:///{tmp_path / 'journal.db'}",
        config=write_config(tmp_path, {"github": {"system": "github"}}),
        tokens={"github": [SECRET]},
        more={"CRASH_FILE": str(tmp_path / "crash")},
    )
    door.start()
    try:
        with pytest.raises(httpx.HTTPError):
            github(door, X_GitHub_Delivery="d-9")
        assert inbox(door) == []
        assert door.process is not None
        door.process.wait(10)
        door.start()
        assert not github(door, X_GitHub_Delivery="d-9").json()["duplicate"]
    finally:
        door.stop()


def test_a_routing_key_is_not_kept(door):
    assert event(door, routing_key="other-key", dedup_key="mine").status_code == 202
    ((body,),) = inbox(door, "body")
    assert b"other-key" not in body
    assert json.loads(body)["dedup_key"] == "mine"


def test_a_packed_body_is_proven_as_it_was_sent_and_read_unpacked(door):
    packed = gzip.compress(PUSH)
    answer = github(door, packed, Content_Encoding="gzip")
    assert answer.status_code == 202
    assert "warning" not in answer.json()
    bomb = gzip.compress(b"{" + b" " * 9_000_000)
    assert "when unpacked" in github(door, bomb, Content_Encoding="gzip").json()["warning"]
    assert "content encoding" in github(door, PUSH, Content_Encoding="br").json()["warning"]
    assert "cut short" in github(door, packed[:-20], Content_Encoding="gzip").json()["warning"]


def test_strangers_that_hold_their_bodies_back_keep_out_nobody_who_is_proven_first(door):
    held = []
    try:
        for _ in range(110):
            one = socket.create_connection(("127.0.0.1", door.port), timeout=5)
            one.sendall(b"POST /v1/webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            held.append(one)
        deadline = time.monotonic() + 5
        while github(door).status_code != 503:
            assert time.monotonic() < deadline
        assert post(door, "/v1/webhooks/datadog", b"{}", X_Door_Token=SECRET).status_code == 202
    finally:
        for one in held:
            one.close()
