"""A receiver process with a chat, over a journal of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import select

from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from tests.chats.platforms import PREFIX, Platform, Slack, Telegram
from tests.stubs.client import SlackStub, TelegramStub

PATIENCE_S = 60.0
"""How long something may take on a machine that has other work; what is right comes much sooner."""

CONFIG = Path(__file__).parents[2] / "config"


class Receiver:
    """One receiver process, started and killed at will."""

    def __init__(self, folder: Path, journal_url: str, settings: dict[str, str]) -> None:
        self.folder, self.journal_url = folder, journal_url
        self.journal = Journal(open_engine(journal_url))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "PATH": os.environ["PATH"],
            PREFIX + "JOURNAL_URL": journal_url,
            PREFIX + "REDIS_URL": "unix:///nowhere/redis.sock",
            PREFIX + "CONFIG": str(folder / "config"),
            PREFIX + "PORT": str(self.port),
            PREFIX + "LOG_JSON": "true",
        } | settings
        self.log = folder / "receiver.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot.run", "receiver"], env=self.env | more, stdout=out, stderr=out
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(self.url + "/healthz", timeout=1)
                return
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(5)
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.journal.close()

    def logged(self) -> str:
        return self.log.read_text()

    def a_minute_passes(self) -> None:
        """What is in the inbox came a minute earlier, and whoever speaks said so a minute earlier.

        Longer than a delivery is left to who stored it, and than a dead process keeps its place on a surface.
        """
        minute = timedelta(minutes=1)
        with self.journal.write("test.older") as tx:
            for row in tx.all(select(t.inbox.c.id, t.inbox.c.received_at)):
                earlier = row["received_at"] - minute
                tx.run(t.inbox.update().where(t.inbox.c.id == row["id"]).values(received_at=earlier))
            for row in tx.all(select(t.speakers.c.surface, t.speakers.c.until)):
                earlier = row["until"] - minute
                tx.run(t.speakers.update().where(t.speakers.c.surface == row["surface"]).values(until=earlier))


def until(holds: Callable[[], Any], what: str = "", seconds: float = PATIENCE_S) -> Any:
    """Wait until it holds; what it returned then."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, what or "it never came"
        time.sleep(0.1)


@pytest.fixture(params=["slack", "telegram"])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    made: Platform = Slack(SlackStub()) if request.param == "slack" else Telegram(TelegramStub())
    yield made
    made.stop()


@pytest.fixture
def receiver(platform: Platform, sqlite_url: str, tmp_path: Path) -> Iterator[Receiver]:
    made = a_receiver(tmp_path, sqlite_url, platform)
    made.start()
    yield made
    made.stop()


def a_receiver(folder: Path, journal_url: str, *platforms: Platform) -> Receiver:
    """A receiver of these platforms; Ana and Ben may approve, Lea leads, Vic looks on."""
    config = folder / "config"
    config.mkdir()
    people = {
        person: {
            "name": person.capitalize(),
            "roles": roles,
            "accounts": {p.name: [account(p, person)] for p in platforms},
        }
        for person, roles in {"ana": ["approver"], "ben": ["approver", "lead"], "cat": ["viewer"]}.items()
    }
    (config / "people.yaml").write_text(json.dumps({"schema": 1, "people": people}))
    services = {"checkout": {"environment": "demo", "edge": True}, "billing": {"environment": "demo"}}
    (config / "services.yaml").write_text(yaml.safe_dump({"schema": 1, "services": services}))
    (config / "sources.yaml").write_text("schema: 1\nsources: {}\n")
    settings: dict[str, str] = {}
    for p in platforms:
        settings |= p.settings()
    return Receiver(folder, journal_url, settings)


SLACK = {"ana": "U0ANA", "ben": "U0BEN", "cat": "U0CAT"}
TELEGRAM = {"ana": "1001", "ben": "1002", "cat": "1003"}


def account(platform: Platform, person: str) -> str:
    """The account of a person on a platform."""
    return (SLACK if platform.name == "slack" else TELEGRAM)[person]
