"""A subscription of SNS: stored and answered like any delivery, confirmed after its commit or a restart."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import redis
import uvicorn
from sqlalchemy import select

from agents.incident.errors import BadProof, Transient
from bot.configuration import Source
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.receiver import confirmations
from bot.receiver.app import Rim, create
from bot.receiver.proofs import Scheme
from bot.receiver.sources import Sender
from bot.receiver.systems import systems
from bot.spans import SpanStore
from bot.wiring.parts import ReceiveParts
from tests.door.process import free_port
from tests.door.test_commits import Log

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
ASKS = b'{"Type": "SubscriptionConfirmation", "MessageId": "m-1", "TopicArn": "' + TOPIC.encode() + b'"}'
HEADERS = {"x-amz-sns-message-type": "SubscriptionConfirmation", "x-amz-sns-message-id": "m-1"}


def proven(headers: Any, body: bytes, secrets: Any, now: datetime) -> BadProof | None:
    """Stands for SNS's signature, which has tests of its own."""
    if headers.get("x-down"):
        raise Transient("SNS did not serve its certificate", retry_after=timedelta(seconds=60))
    return BadProof("forged") if headers.get("x-forged") else None


class Sns:
    """What confirming finds there; each thing once, then it confirms."""

    def __init__(self, *first: Exception) -> None:
        self.first = list(first)
        self.asked = threading.Event()
        self.tried = 0

    def confirm(self, sender: Sender, body: bytes) -> str:
        assert (sender.name, body) == ("alarms", ASKS)
        self.tried += 1
        self.asked.set()
        if self.first:
            raise self.first.pop(0)
        return f"{TOPIC}:1"


@pytest.fixture(name="book")
def _book(sqlite_url: str) -> Iterator[Journal]:
    journal = Journal(open_engine(sqlite_url))
    yield journal
    journal.close()


def rim(journal: Journal, confirm: Callable[[Sender, bytes], str]) -> Rim:
    """A receiver with one source, whose proof is the header's word."""
    row = Source(system="aws_sns", topics=[TOPIC])
    scheme = Scheme(name="sns", title="SNS", verify=proven, delivery_header="x-amz-sns-message-id")
    alarms = Sender(name="alarms", row=row, scheme=scheme, system=systems()["aws_sns"])
    connection = redis.Redis.from_url("unix:///nowhere/redis.sock")
    return Rim(
        parts=ReceiveParts(journal=journal, senders=MappingProxyType({"alarms": alarms})),
        spans=SpanStore(connection, timedelta(seconds=1)),
        redis=connection,
        ring=lambda job, subject: None,
        confirm=confirm,
        max_body_bytes=10_000,
        source_limit=0,
        oldest=timedelta(seconds=60),
        log=Log(),
    )


@contextmanager
def serving(journal: Journal, sns: Sns) -> Iterator[httpx.Client]:
    """A receiver on loopback, begun and ended as a process would."""
    port = free_port()
    config = uvicorn.Config(create(rim(journal, sns.confirm)), port=port, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)


def states(journal: Journal) -> list[tuple[str, str]]:
    with journal.read() as tx:
        return [(row["state"], row["error"]) for row in tx.all(select(t.inbox).order_by(t.inbox.c.id))]


def test_it_is_stored_answered_and_then_confirmed_once(book):
    sns = Sns()
    with serving(book, sns) as client:
        answer = client.post("/v1/webhooks/alarms", content=ASKS, headers=HEADERS)
        assert answer.status_code == 202
        assert sns.asked.wait(10)
        assert client.post("/v1/webhooks/alarms", content=ASKS, headers=HEADERS).json()["duplicate"]
    assert states(book) == [("answered", "")]
    assert sns.tried == 1
    with book.read() as tx:
        assert tx.all(select(t.outbox)) == []  # no worker has anything to read


def test_what_a_process_that_ended_left_unconfirmed_is_confirmed_by_the_next(book):
    down = Sns(Transient("SNS does not serve"))
    with serving(book, down) as client:
        assert client.post("/v1/webhooks/alarms", content=ASKS, headers=HEADERS).status_code == 202
        assert down.asked.wait(10)
    assert states(book) == [("asked", "")]
    well = Sns()
    with serving(book, well):
        assert well.asked.wait(10)
    assert states(book) == [("answered", "")]


def test_one_that_did_not_work_is_tried_again_by_itself(book, monkeypatch):
    monkeypatch.setattr(confirmations, "AGAIN_S", 0.01)
    sns = Sns(Transient("SNS does not serve"), RuntimeError("a fault of ours"))
    with serving(book, sns) as client:
        assert client.post("/v1/webhooks/alarms", content=ASKS, headers=HEADERS).status_code == 202
        while sns.tried < 3:
            sns.asked.clear()
            assert sns.asked.wait(10) or sns.tried >= 3
    assert states(book) == [("answered", "")]


def test_one_that_sns_refuses_is_kept_with_the_reason(book):
    sns = Sns(BadProof("TopicArn: not one of this source's topics"))
    with serving(book, sns) as client:
        client.post("/v1/webhooks/alarms", content=ASKS, headers=HEADERS)
        assert sns.asked.wait(10)
    assert states(book) == [("unreadable", "TopicArn: not one of this source's topics")]


def test_what_is_not_proven_is_neither_stored_nor_confirmed(book):
    sns = Sns()
    with serving(book, sns) as client:
        answer = client.post("/v1/webhooks/alarms", content=ASKS, headers={**HEADERS, "x-forged": "1"})
        assert answer.status_code == 401
        down = client.post("/v1/webhooks/alarms", content=ASKS, headers={**HEADERS, "x-down": "1"})
        assert down.status_code == 503
        assert down.headers["retry-after"] == "60"
    assert states(book) == []
    assert sns.tried == 0


def test_a_notification_is_for_the_workers(book):
    body = ASKS.replace(b"SubscriptionConfirmation", b"Notification")
    with serving(book, Sns()) as client:
        headers = {**HEADERS, "x-amz-sns-message-type": "Notification"}
        assert client.post("/v1/webhooks/alarms", content=body, headers=headers).status_code == 202
    assert [state for state, _ in states(book)] == ["stored"]
