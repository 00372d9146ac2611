"""What is lost besides one process: Redis, the journal for a while, the receiver, everything at once."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.stack import TOKENS, Stack, left_behind
from tests.crash.walks import (
    CALM_S,
    PATIENCE_S,
    Alert,
    Waiting,
    alert,
    at_end,
    break_it,
    fire,
    follow,
    judge,
    pause,
    resolve,
    to_the_end,
    to_the_fix,
    until,
    whole,
)

LOCKED_S = 3.0
ONE_OVER_S = 1.5
"""How long an incident is watched that must not end."""


pytestmark = pytest.mark.live


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("outages")
    stack = Stack(folder / "stack")
    try:
        follow(stack, until("the receiver", stack.ready, PATIENCE_S))
        yield stack
    finally:
        stack.close()
    assert not left_behind(folder)


def _in_state(stack: Stack, about: Alert, state: str) -> bool:
    found = stack.incidents(about.identity)
    return bool(found) and state in [r["state"] for r in stack.runs(found[0]["id"])]


def _disturbed(stack: Stack, fault: str, state: str, disturb: Callable[[], None]) -> Waiting:
    """One incident; as soon as its run is in a state, something happens to the installation."""
    yield from break_it(stack, fault)
    about = alert()
    yield from fire(stack, about)
    yield from until(state, lambda: _in_state(stack, about, state), PATIENCE_S)
    disturb()
    yield from to_the_fix(stack, about, fault)
    yield from to_the_end(stack, about)
    judge(stack, about, fault)


@pytest.mark.parametrize("state", ["EXECUTING", "VERIFYING"])
def test_redis_is_killed_and_comes_back_with_its_log(stack: Stack, state: str) -> None:
    before = stack.generation()
    follow(stack, _disturbed(stack, "F11", state, lambda: stack.kill("redis")))
    assert stack.generation() == before + 1


@pytest.mark.parametrize("state", ["EXECUTING", "VERIFYING"])
def test_redis_comes_back_with_nothing(stack: Stack, state: str) -> None:
    before = stack.generation()
    follow(stack, _disturbed(stack, "F11", state, stack.forget_redis))
    assert stack.generation() == before + 1


@pytest.mark.parametrize("state", ["EXECUTING", "VERIFYING"])
def test_everything_is_killed_at_once_and_started_again(stack: Stack, state: str) -> None:
    names = [child.name for child in stack.children if child.name != "target"]
    assert len(names) == 6
    follow(stack, _disturbed(stack, "F11", state, lambda: stack.kill(*names)))


def test_the_receiver_is_killed_between_two_alerts(stack: Stack) -> None:
    """They are about one service, so they are one incident: it is mended once and stands until both are over."""
    one, two = alert(), alert()

    def scene() -> Waiting:
        yield from break_it(stack, "F34")
        yield from fire(stack, one)
        stack.kill("receiver")
        yield from fire(stack, two)
        yield from to_the_fix(stack, one, "F34")
        yield from until("both alerts are in it", lambda: len(stack.episodes(one.identity)) == 2, CALM_S)
        yield from resolve(stack, one)
        yield from until("every delivery parsed", lambda: not stack.unparsed(), CALM_S)
        yield from pause(ONE_OVER_S)
        assert at_end(stack, one, "MITIGATED")
        yield from resolve(stack, two)
        yield from to_the_end(stack, one)

    follow(stack, scene())
    assert not stack.incidents(two.identity)
    judge(stack, one, "F34")


def test_nothing_is_lost_while_the_journal_is_locked(stack: Stack) -> None:
    """Another connection holds the journal: a delivery is answered late or with 503, never taken and lost."""
    about = alert()
    answers: list[tuple[int, float]] = []

    def deliver() -> None:
        while True:
            began = time.monotonic()
            status = stack.send(
                "/v1/webhooks/alertmanager", about.body(firing=True), TOKENS["alertmanager"], timeout_s=20
            )
            answers.append((status, time.monotonic() - began))
            if status == 202:
                return
            time.sleep(0.3)

    def scene() -> Waiting:
        yield from break_it(stack, "F11")
        other = sqlite3.connect(stack.journal_file, isolation_level=None, timeout=PATIENCE_S)
        sender = threading.Thread(target=deliver)
        try:
            other.execute("BEGIN IMMEDIATE")
            held = time.monotonic()
            sender.start()
            yield from until("three seconds", lambda: time.monotonic() - held > LOCKED_S, PATIENCE_S)
            other.execute("ROLLBACK")
        finally:
            other.close()
            sender.join(PATIENCE_S)
        yield from to_the_fix(stack, about, "F11")
        yield from to_the_end(stack, about)

    follow(stack, scene())
    assert {status for status, _ in answers} <= {202, 503}
    assert sum(took for _, took in answers) >= LOCKED_S - 1
    judge(stack, about, "F11")


def test_an_undisturbed_incident_after_all_that(stack: Stack) -> None:
    about = alert()

    def scene() -> Waiting:
        yield from break_it(stack, "F34")
        yield from whole(stack, about, "F34")

    follow(stack, scene())
    judge(stack, about, "F34")


def test_where_the_folder_is_left_nobody_remains(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    assert left_behind(tmp_path)
    stack.close()
    assert not left_behind(tmp_path)
