"""Group commit and its one bell, without a server: what is grouped, what fails alone, what a dead Redis costs."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from agents.incident.errors import BadInput, JournalUnavailable, QueueUnreachable
from bot.journal import tables as t
from bot.journal.intake import Stored
from bot.journal.journal import Journal, open_engine
from bot.receiver.bell import Bell
from bot.receiver.commits import Commits, Errand
from tests.door.test_inbox import delivery


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda what, **fields: self.said.append((what, fields))

    def names(self) -> list[str]:
        return [what for what, _ in self.said]


class Slow(Journal):
    """A journal whose commits wait until they may, and are counted."""

    def __init__(self, url: str) -> None:
        super().__init__(open_engine(url))
        self.may = threading.Event()
        self.begun = threading.Event()
        self.labels: list[str] = []
        self.fail = 0

    @contextmanager
    def write(self, label: str) -> Any:
        self.begun.set()
        assert self.may.wait(10)
        if self.fail:
            self.fail -= 1
            raise JournalUnavailable("the disk is full")
        self.labels.append(label)
        with super().write(label) as tx:
            yield tx


def with_commits(journal: Journal, do: Callable[[Commits], Awaitable[None]], log: Log | None = None) -> None:
    async def run() -> None:
        commits = Commits(journal, log=log or Log())
        commits.start()
        try:
            await do(commits)
        finally:
            await commits.stop()

    asyncio.run(run())


@pytest.fixture(name="slow")
def _slow(sqlite_url: str) -> Any:
    journal = Slow(sqlite_url)
    yield journal
    journal.close()


async def begun(slow: Slow) -> None:
    assert await asyncio.to_thread(slow.begun.wait, 10)


def count(journal: Journal) -> int:
    with journal.read() as tx:
        return int(tx.run(select(func.count()).select_from(t.inbox)).scalar_one())


def test_what_arrives_while_a_commit_runs_goes_into_the_next_one(slow):
    async def do(commits: Commits) -> None:
        first = asyncio.create_task(commits.store(delivery("a")))
        await begun(slow)
        rest = [asyncio.create_task(commits.store(delivery(str(n)))) for n in range(20)]
        await asyncio.sleep(0)
        assert not first.done()  # nobody is answered before the commit
        slow.may.set()
        await asyncio.gather(first, *rest)

    with_commits(slow, do)
    assert len(slow.labels) == 2
    assert count(slow) == 21


def test_each_of_a_batch_learns_its_own_place(journal):
    async def do(commits: Commits) -> None:
        found = await asyncio.gather(*(commits.store(delivery(key)) for key in ("a", "b", "a", None)))
        assert [one.duplicate for one in found] == [False, False, True, False]
        assert found[0].id == found[2].id

    with_commits(journal, do)
    assert count(journal) == 3


@pytest.mark.parametrize("journal_url", ["postgresql"], indirect=True)
def test_one_that_the_database_does_not_take_costs_the_others_nothing(journal_url):
    slow = Slow(journal_url)

    async def do(commits: Commits) -> None:
        warm = asyncio.create_task(commits.store(delivery("warm")))
        await begun(slow)
        rest = [asyncio.create_task(commits.store(delivery(key))) for key in ("a", "no\x00text", "b")]
        await asyncio.sleep(0)
        slow.may.set()
        found = await asyncio.gather(warm, *rest, return_exceptions=True)
        assert [type(one) for one in found] == [Stored, Stored, BadInput, Stored]

    with_commits(slow, do)
    assert count(slow) == 3
    slow.close()


def test_a_commit_that_fails_promises_nothing_and_the_next_one_is_tried(slow):
    slow.may.set()
    slow.fail = 1

    async def do(commits: Commits) -> None:
        with pytest.raises(JournalUnavailable, match="disk is full"):
            await commits.store(delivery("a"))
        assert not (await commits.store(delivery("a"))).duplicate

    with_commits(slow, do)
    assert count(slow) == 1


def test_what_nobody_waits_for_outlives_a_commit_that_fails(slow):
    slow.may.set()
    slow.fail = 1
    done: list[str] = []

    async def do(commits: Commits) -> None:
        commits.also(lambda _: done.append("errand"))
        with pytest.raises(JournalUnavailable):
            await commits.store(delivery("a"))
        assert done == []
        await commits.store(delivery("b"))

    with_commits(slow, do)
    assert done == ["errand"]


def test_what_is_left_is_written_before_the_end_and_nothing_is_taken_after(slow):
    slow.may.set()
    done: list[str] = []

    async def run() -> None:
        commits = Commits(slow, log=Log())
        commits.start()
        waiting = asyncio.create_task(commits.store(delivery("a")))
        await asyncio.sleep(0)
        commits.also(lambda _: done.append("errand"))
        await commits.stop()
        assert (await waiting).id
        with pytest.raises(JournalUnavailable, match="stops"):
            await commits.store(delivery("b"))

    asyncio.run(run())
    assert done == ["errand"]
    assert count(slow) == 1


def test_a_commit_under_way_says_how_long_it_takes(slow):
    async def do(commits: Commits) -> None:
        assert commits.slow_for()[0] == 0.0
        task = asyncio.create_task(commits.store(delivery("a")))
        await begun(slow)
        took, ago = commits.slow_for()
        assert took > 0
        assert ago == 0.0
        slow.may.set()
        await task
        assert commits.slow_for()[1] > 0

    with_commits(slow, do)


def test_two_receivers_that_store_the_same_key_at_once_store_it_once(journal, journal_url):
    other = Journal(open_engine(journal_url))

    async def run() -> list[Stored]:
        both = Commits(journal, log=Log()), Commits(other, log=Log())
        for commits in both:
            commits.start()
        keys = [str(n) for n in range(40)]
        found = await asyncio.gather(*(c.store(delivery(key)) for key in keys for c in both))
        for commits in both:
            await commits.stop()
        return list(found)

    try:
        found = asyncio.run(run())
    finally:
        other.close()
    assert count(journal) == 40
    assert sum(not one.duplicate for one in found) == 40
    assert len({one.id for one in found}) == 40


class Queue:
    """A queue that takes a ring, or does not."""

    def __init__(self, down: int = 0) -> None:
        self.down = down
        self.rung: list[tuple[str, str]] = []
        self.tried = 0

    def ring(self, job: str, subject: str) -> None:
        self.tried += 1
        if self.tried <= self.down:
            raise QueueUnreachable("Redis did not take it")
        self.rung.append((job, subject))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


def test_commits_that_come_fast_share_a_bell_and_it_is_marked_as_rung():
    async def run() -> None:
        queue = Queue()
        errands: list[Errand] = []
        bell = Bell(queue.ring, also=errands.append, log=Log(), pause_s=0.05)
        bell.start()
        bell.wanted([7])
        await until(lambda: len(errands) == 1)
        for _ in range(50):
            bell.wanted([])
        await until(lambda: len(queue.rung) == 2)
        await bell.stop()
        assert queue.rung == [("intake", "inbox")] * 2
        assert len(errands) == 1  # what wrote no row marks none

    asyncio.run(run())


def test_a_bell_that_is_wanted_while_another_is_rung_is_rung_after_it():
    async def run() -> None:
        started, may = threading.Event(), threading.Event()
        rung: list[str] = []

        def ring(job: str, subject: str) -> None:
            started.set()
            assert may.wait(10)
            rung.append(subject)

        bell = Bell(ring, also=lambda _: None, log=Log(), pause_s=0)
        bell.start()
        bell.wanted([1])
        assert await asyncio.to_thread(started.wait, 10)
        bell.wanted([])
        may.set()
        await until(lambda: len(rung) == 2)
        await bell.stop()

    asyncio.run(run())


def test_a_queue_that_is_down_is_tried_again_and_said_once():
    async def run() -> None:
        queue, log = Queue(down=3), Log()
        errands: list[Errand] = []
        bell = Bell(queue.ring, also=errands.append, log=log, pause_s=0, again_s=0.01)
        bell.start()
        bell.wanted([7])
        await until(lambda: len(errands) == 1)
        await bell.stop()
        assert log.names() == ["queue.unreachable"]
        assert queue.tried == 4

    asyncio.run(run())
