"""News as it happens: at once, once, for no longer than the session, and at the cost of one look a second."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import anyio
import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from agents.incident.errors import JournalUnavailable
from agents.incident.ids import IncidentId, PersonId
from bot.journal import access
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.page import live
from bot.page.app import routes
from bot.page.live import EVERYTHING, Watch
from bot.page.parts import PageParts
from tests.page import scenes

pytestmark = pytest.mark.anyio


@pytest.fixture(name="anyio_backend")
def _anyio_backend() -> str:
    return "asyncio"


def note(journal: Journal, incident_id: IncidentId) -> None:
    with journal.write("test.note") as tx:
        tx.event(incident_id, "test", "note")


def session(journal: Journal) -> str:
    with journal.write("test.session") as tx:
        return access.open_session(tx, PersonId("dora"), timedelta(minutes=5))


async def test_a_page_that_is_behind_is_told_at_once_and_then_of_each_change(parts: PageParts, book: Journal):
    incident = scenes.opened(book).id
    stream = Watch(parts).stream(incident, 1, "")
    with anyio.fail_after(5):
        assert await anext(stream) == "retry: 3000\n\n"
        first = await anext(stream)
        note(book, incident)
        second = await anext(stream)
    assert [x.partition("\n")[0] for x in (first, second)] == ["event: changed"] * 2
    assert int(second.split("data: ")[1]) == int(first.split("data: ")[1]) + 1
    await stream.aclose()


async def test_nothing_is_said_while_nothing_changes_but_that_it_is_there(
    parts: PageParts, book: Journal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    incident = scenes.opened(book).id
    with book.read() as tx:
        version = tx.run(select(t.incidents.c.card_version)).scalar_one()
    stream = Watch(parts).stream(incident, version, "")
    with anyio.fail_after(5):
        assert [await anext(stream) for _ in range(3)][1:] == [": still here\n\n"] * 2
    await stream.aclose()


async def test_a_stream_ends_with_its_session(parts: PageParts, book: Journal):
    token = session(book)
    stream = Watch(parts).stream(EVERYTHING, 0, access.digest(token))
    with anyio.fail_after(5):
        await anext(stream)
        with book.write("test") as tx:
            access.end_session(tx, token)
        assert [x async for x in stream][-1] == "event: over\ndata: session\n\n"


async def test_a_stream_ends_with_the_server(parts: PageParts):
    stopped = threading.Event()
    stream = Watch(replace(parts, stopping=stopped.is_set)).stream(EVERYTHING, 0, "")
    with anyio.fail_after(5):
        await anext(stream)
        stopped.set()
        assert [x async for x in stream] == []


async def test_many_watchers_are_one_look_at_the_journal(parts: PageParts, book: Journal):
    incident = scenes.opened(book).id
    looks = []

    class Counted(Watch):
        def _read(self, topics, sessions):
            looks.append(time.monotonic())
            return super()._read(topics, sessions)

    watch = Counted(replace(parts, poll_s=0.1))
    told = []

    async def follow() -> None:
        async for line in watch.stream(incident, -1, ""):
            if line.startswith("event: changed"):
                told.append(line)
                return

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(follow)
    assert len(told) == 30
    assert len(looks) <= 3
    assert not watch.full


async def test_only_so_many_may_watch(parts: PageParts, book: Journal):
    token = session(book)
    app = Starlette(routes=routes(replace(parts, most_watchers=0)))
    transport = httpx.ASGITransport(app=app)
    cookies = {"firstresponder": token}
    async with httpx.AsyncClient(transport=transport, base_url="http://page", cookies=cookies) as client:
        got = await client.get("/events")
    assert got.status_code == 503
    assert got.headers["retry-after"] == "30"


async def test_a_journal_that_does_not_answer_is_waited_for(parts: PageParts, book: Journal):
    incident = scenes.opened(book).id
    fails = [True]

    class Blind(Watch):
        def _read(self, topics, sessions):
            if fails.pop() if fails else False:
                raise JournalUnavailable("gone")
            return super()._read(topics, sessions)

    stream = Blind(parts).stream(incident, 0, "")
    with anyio.fail_after(5):
        await anext(stream)
        assert (await anext(stream)).startswith("event: changed")
    await stream.aclose()
