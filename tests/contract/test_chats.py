"""The chats of a receiver, in one process: stored, worked out once, answered; and what never stops the rest."""

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from structlog.testing import capture_logs

from agents.incident.errors import BadInput, JournalUnavailable, Transient
from bot.chats import ChatParts, Chats
from bot.journal import intake, notices
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.journal.notices import Notice, Trouble
from bot.surfaces.limits import Budget
from bot.surfaces.ports import Asker, Reply, Typed
from bot.surfaces.speaker import Speech
from tests.builders import PEOPLE, desk_parts


class Talk:
    """A platform: what it hands over are JSON texts of one account; what it is told is kept."""

    name, patient = "slack", False

    def __init__(self) -> None:
        self.budget = Budget({}, lambda: 0.0)
        self.answers: list[str] = []
        self.starts = 0
        self.breaks: list[Exception] = []
        self.refuses: list[Exception] = []
        self.take: Any = None
        self.listening = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        if self.breaks:
            raise self.breaks.pop()

    async def listen(self, take) -> None:
        self.take = take
        self.listening.set()
        await asyncio.Event().wait()

    def routes(self, take):
        return []

    def read(self, body: bytes):
        text = json.loads(body)
        if text == "unreadable":
            raise BadInput("not for reading")
        if text == "a bug":
            raise TypeError("a bug of ours")
        return Typed(asker=Asker(surface="slack", account="U-ANA", place="C1", private=False), text=text)

    def layout(self, card):
        return ()

    async def answer(self, asker, reply) -> None:
        if self.refuses:
            raise self.refuses.pop()
        self.answers.append(reply.text)

    async def find(self, key, root):
        return None

    async def post(self, message, root):
        return "x"

    async def edit(self, ref, message):
        pass

    async def detail(self, root, lines, link=""):
        pass

    async def selftest(self, test_id):
        return "x"

    async def check(self):
        return []

    async def close(self) -> None:
        pass


def parts(journal: Journal, chat: Talk) -> ChatParts:
    log = structlog.get_logger()
    return ChatParts(
        journal=journal,
        desk=desk_parts(journal),
        speech=Speech(journal=journal, people=lambda: PEOPLE, log=log),
        chats=[chat],
        pagers=[],
        log=log,
    )


async def until(holds, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def run(journal: Journal, work, chat: Talk | None = None) -> Talk:
    async def whole() -> Talk:
        talk = chat or Talk()
        running = Chats(parts(journal, talk))
        await running.start()
        try:
            await asyncio.wait_for(talk.listening.wait(), 10)
            await work(talk)
        finally:
            await running.stop()
        return talk

    return asyncio.run(whole())


def states(journal: Journal) -> list[str]:
    with journal.read() as tx:
        return [r["state"] for r in tx.all(select(t.inbox.c.state).order_by(t.inbox.c.id))]


def stored(journal: Journal, text: str, *, ago: timedelta, reply: str | None = None) -> None:
    """Left behind by a process that died: not worked on, or worked out and not answered."""
    (row,) = intake.store_said(journal, [intake.Said(system="slack", key=None, body=json.dumps(text).encode())])
    assert row is not None
    if reply is not None:
        intake.keep_said(journal, {row: {"text": reply}}, {})
    with journal.write("test.older") as tx:
        values: dict[str, Any] = {"received_at": tx.now - ago}
        if reply is not None:
            values["taken_at"] = tx.now - ago
        tx.run(t.inbox.update().where(t.inbox.c.id == row).values(**values))


def test_what_came_is_durable_before_it_is_acknowledged_and_then_answered(journal: Journal):
    async def work(talk: Talk) -> None:
        await talk.take("k1", b'"status"')
        assert len(states(journal)) == 1  # when take returns, the platform may be told
        await until(lambda: talk.answers)
        await talk.take("k1", b'"status"')  # delivered again
        await talk.take("k2", b'"status"')
        await until(lambda: len(talk.answers) == 2)

    talk = run(journal, work)
    assert talk.answers == ["Running."] * 2
    assert states(journal) == ["parsed"] * 2


def test_what_was_answered_just_before_a_stop_is_written_down_and_not_answered_again(journal: Journal):
    class Busy(Talk):
        async def answer(self, asker, reply) -> None:
            await super().answer(asker, reply)
            running._write.submit(time.sleep, 0.5)  # what follows waits its turn, and the stop comes before that

    async def whole() -> None:
        await running.start()
        await asyncio.wait_for(talk.listening.wait(), 10)
        await talk.take("k1", b'"status"')
        await until(lambda: talk.answers)
        await asyncio.sleep(0.1)
        await running.stop()

    talk = Busy()
    running = Chats(parts(journal, talk))
    asyncio.run(whole())
    assert talk.answers == ["Running."]
    assert states(journal) == ["parsed"]


def test_what_cannot_be_stored_is_not_acknowledged(journal: Journal, monkeypatch):
    def broken(*_):
        raise JournalUnavailable("the disk is full")

    async def work(talk: Talk) -> None:
        monkeypatch.setattr(intake, "store_said", broken)
        with pytest.raises(JournalUnavailable):
            await talk.take("k1", b'"status"')
        monkeypatch.undo()
        await talk.take("k1", b'"status"')  # asked for again by the platform, or pressed again
        await until(lambda: talk.answers)

    assert run(journal, work).answers == ["Running."]


def test_one_delivery_that_fails_keeps_the_next_from_nothing_and_is_not_tried_for_ever(journal: Journal):
    async def work(talk: Talk) -> None:
        for text in ("unreadable", "a bug", "status"):
            await talk.take(text, json.dumps(text).encode())
        await until(lambda: talk.answers)
        await until(lambda: "stored" not in states(journal))

    with capture_logs() as logs:
        talk = run(journal, work)
    assert talk.answers == ["Running."]
    assert states(journal) == ["unreadable", "unreadable", "parsed"]
    assert {e["event"] for e in logs} >= {"chat.unreadable", "chat.failed"}


def test_a_platform_that_breaks_is_tried_again_and_says_so(journal: Journal):
    chat = Talk()
    chat.breaks = [ValueError("a bug of ours"), Transient("not reachable")]

    async def work(talk: Talk) -> None:
        await talk.take("k", b'"status"')
        await until(lambda: talk.answers)

    with capture_logs() as logs:
        run(journal, work, chat)
    assert chat.starts == 3
    assert [e["event"] for e in logs].count("chat.broken") == 2


def test_an_answer_that_does_not_arrive_is_tried_again_and_worked_out_once(journal: Journal):
    chat = Talk()
    chat.refuses = [Transient("slow down", retry_after=timedelta(0))] * 2

    async def work(talk: Talk) -> None:
        await talk.take("k", b'"diagnose billing"')
        await until(lambda: talk.answers)

    assert "Looking at billing" in run(journal, work, chat).answers[0]
    with journal.read() as tx:
        assert len(tx.all(select(t.incidents.c.id))) == 1


def test_what_was_left_behind_is_taken_up_and_an_old_command_is_not_done_any_more(journal: Journal):
    stored(journal, "diagnose billing", ago=timedelta(minutes=11))
    stored(journal, "stop", ago=timedelta(hours=3))
    stored(journal, "status", ago=timedelta(minutes=1))

    async def work(talk: Talk) -> None:
        await until(lambda: len(talk.answers) == 3)

    talk = run(journal, work)
    assert sum("too late" in a for a in talk.answers) == 1
    assert sum("nothing more is run" in a for a in talk.answers) == 1
    with journal.read() as tx:
        assert tx.all(select(t.incidents.c.id)) == []
        assert len(tx.all(select(t.stops.c.id))) == 1


def test_what_was_worked_out_before_a_crash_is_answered_and_not_done_again(journal: Journal):
    stored(journal, "diagnose billing", ago=timedelta(minutes=2), reply="Looking at billing, as I said.")

    async def work(talk: Talk) -> None:
        await until(lambda: talk.answers)

    assert run(journal, work).answers == ["Looking at billing, as I said."]
    with journal.read() as tx:
        assert tx.all(select(t.incidents.c.id)) == []


def test_of_two_who_sweep_one_takes_it_up(journal: Journal):
    stored(journal, "status", ago=timedelta(minutes=1))
    takes = []
    for _ in range(2):
        with journal.write("test.swept") as tx:
            takes.append(intake.take_up(tx, "slack", timedelta(seconds=15), timedelta(seconds=75)))
    assert [len(taken) for taken in takes] == [1, 0]


def test_what_is_being_worked_on_is_left_to_whoever_has_it(journal: Journal):
    stored(journal, "status", ago=timedelta(seconds=5))
    stored(journal, "status", ago=timedelta(seconds=30), reply="soon")
    with journal.write("test.swept") as tx:
        assert intake.take_up(tx, "slack", timedelta(seconds=15), timedelta(seconds=75)) == []


def test_what_is_worked_on_carries_the_row_it_came_as_so_that_twice_can_be_told_from_once(
    journal: Journal, monkeypatch
):
    seen: list[str] = []

    def take(incoming, _):
        seen.append(incoming.delivery)
        return Reply(text="ok")

    async def work(talk: Talk) -> None:
        await talk.take("k1", b'"status"')
        await until(lambda: talk.answers)

    monkeypatch.setattr("bot.chats.desk.take", take)
    run(journal, work)
    with journal.read() as tx:
        assert seen == [r["id"] for r in tx.all(select(t.inbox.c.id))]


def test_the_owner_of_a_source_is_told_once_and_each_chat_tells_it(journal: Journal):
    told: list[str] = []

    class Telling(Talk):
        async def post(self, message, root):
            told.append(message.text())
            return "x"

    notice = Notice(source="prod-datadog", trouble=Trouble.UNRENDERED, detail="$EVENT_TITLE <!here>")

    def once() -> None:
        with journal.write("test.notice") as tx:
            notices.once(tx, notice)

    async def work(_: Talk) -> None:
        once()
        await until(lambda: told)
        once()
        await asyncio.sleep(0.5)

    run(journal, work, Telling())
    assert len(told) == 1
    assert "`prod-datadog`" in told[0]
    assert "“$EVENT_TITLE <!here>”" in told[0]
    with journal.read() as tx:
        assert notices.to_post(tx, "slack") == []
        assert notices.to_post(tx, "telegram") == [notice]
