"""How much the receiver takes at once, and how long SQLite's log may become before a commit has to shorten it."""

import socket
import time

import httpx
import structlog

from bot.journal.journal import open_engine
from bot.receiver.checkpoints import BACKSTOP_PAGES, Checkpoints
from bot.receiver.load import MOST_AT_ONCE
from tests.door.process import ReceiverProcess, write_config

SECRET = "door-secret"


def test_more_deliveries_at_once_than_there_is_room_for_are_asked_to_come_again(tmp_path, sqlite_url):
    config = write_config(
        tmp_path, {"datadog": {"system": "datadog", "proof": "header", "header": "X-Door-Token"}}
    )
    receiver = ReceiverProcess(
        folder=tmp_path, journal_url=sqlite_url, config=config, tokens={"datadog": [SECRET]}
    )
    receiver.start()
    headers = {"X-Door-Token": SECRET}
    held: list[socket.socket] = []

    def post() -> httpx.Response:
        url = f"http://127.0.0.1:{receiver.port}/v1/webhooks/datadog"
        return httpx.post(url, content=b"{}", headers=headers, timeout=10)

    def hold(count: int) -> None:
        lines = ("POST /v1/webhooks/datadog HTTP/1.1", "Host: x", f"X-Door-Token: {SECRET}", "Content-Length: 10")
        head = "\r\n".join((*lines, "", "{"))
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", receiver.port), timeout=5))
            held[-1].sendall(head.encode())

    def until(status: int) -> httpx.Response:
        deadline = time.monotonic() + 10
        while (answer := post()).status_code != status:
            assert time.monotonic() < deadline
        return answer

    try:
        hold(MOST_AT_ONCE - 1)
        assert [post().status_code for _ in range(5)] == [202] * 5
        hold(1)
        busy = until(503)
        assert str(MOST_AT_ONCE) in busy.text
        assert busy.headers["retry-after"]
        held.pop().close()
        until(202)
    finally:
        for one in held:
            one.close()
        receiver.stop()


def test_a_commit_makes_no_checkpoint_before_the_log_is_long(sqlite_url):
    engine = open_engine(sqlite_url)
    Checkpoints(engine, log=structlog.get_logger())
    try:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == BACKSTOP_PAGES
    finally:
        engine.dispose()
