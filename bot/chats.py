"""The chats of one receiver: stored, then acknowledged, then worked on and answered; and the journal told on them.

Any number of receivers may listen; on each surface one of them speaks at a time (``speakers`` in the journal).
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.routing import Route

from agents.incident.errors import BadInput, JournalUnavailable, Refused, ResponderError, Transient
from agents.incident.ids import IncidentId, new_id
from bot.desk import commands, desk
from bot.journal import codec, escalations, incidents, intake, notices, selftests
from bot.journal.escalations import Owed
from bot.journal.intake import Held, Said
from bot.journal.journal import Journal
from bot.journal.notices import Notice
from bot.pagers.ports import Call, Pager
from bot.surfaces import speaker
from bot.surfaces.notices import message as notice_message
from bot.surfaces.ports import Chat, Incoming, Kind, Lane, Reply, Take, Typed
from bot.surfaces.speaker import Speech
from bot.wiring.parts import DeskParts

LOOK_S = 0.2
"""How often a surface is held against the journal."""

SPEAKS = timedelta(seconds=10)
"""How long a speaker that is gone keeps its place."""

LEFT_BEHIND = timedelta(seconds=15)
"""What was stored and not worked on for so long was left by a process that died."""

ANSWERED_WITHIN = timedelta(seconds=60)
"""How long an answer is tried; what it answers is in the journal all the same."""

STALE = timedelta(minutes=10)
"""A command that was left lying for longer is not done any more, unless it stops something."""

LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatParts:
    """What the chats of a receiver need; no credential to read or change a system."""

    journal: Journal
    desk: DeskParts
    speech: Speech
    chats: Sequence[Chat]
    pagers: Sequence[Pager]
    log: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worked:
    """What a delivery asked and the answer to it; ``new`` when the answer was worked out now."""

    incoming: Incoming
    reply: Reply
    new: bool


class Chats:
    """Every chat and pager of this process, between ``start`` and ``stop``."""

    def __init__(self, parts: ChatParts) -> None:
        self._parts = parts
        self._holder = new_id("SP")
        self._tasks: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._coming: list[tuple[Said, asyncio.Future[str | None]]] = []
        self._worked: dict[str, Mapping[str, Any]] = {}
        self._done: dict[str, str] = {}
        self._writing = asyncio.Event()
        # One thread writes, all that waits in one commit: a hundred clicks wait for the disk once.
        self._write = ThreadPoolExecutor(1, "chat-write")
        self._work = ThreadPoolExecutor(2, "chat-work")

    async def start(self) -> None:
        """Begin to listen and speak. A platform that cannot be reached yet is tried again; the rest goes on."""
        self._tasks.append(asyncio.create_task(self._keep("chat.write", self._write_down, None)))
        for chat in self._parts.chats:
            self._tasks.append(asyncio.create_task(self._keep(f"{chat.name}.listen", self._listen, chat)))
            self._tasks.append(asyncio.create_task(self._keep(f"{chat.name}.speak", self._speak, chat)))
            self._tasks.append(asyncio.create_task(self._keep(f"{chat.name}.sweep", self._sweep, chat)))
        for pager in self._parts.pagers:
            self._tasks.append(asyncio.create_task(self._keep(f"{pager.name}.page", self._page, pager)))

    async def stop(self) -> None:
        """Stop listening, let what was begun be answered, give everything back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._working:
            await asyncio.wait(self._working.values(), timeout=3)
        with contextlib.suppress(JournalUnavailable):
            await asyncio.get_running_loop().run_in_executor(
                self._write, speaker.yield_place, self._parts.journal, self._holder
            )
        closing: list[Chat | Pager] = [*self._parts.chats, *self._parts.pagers]
        for one in closing:
            with contextlib.suppress(Exception):
                await one.close()
        if self._worked or self._done:
            with contextlib.suppress(JournalUnavailable):
                await asyncio.get_running_loop().run_in_executor(
                    self._write, intake.keep_said, self._parts.journal, dict(self._worked), dict(self._done)
                )
        self._write.shutdown(wait=False)
        self._work.shutdown(wait=False)

    def routes(self) -> list[Route]:
        """The platforms' own ways in."""
        return [route for chat in self._parts.chats for route in chat.routes(self.take(chat))]

    def take(self, chat: Chat) -> Take:
        """How a listener hands over what came."""

        async def store(key: str | None, body: bytes) -> None:
            stored: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            self._coming.append((Said(system=chat.name, key=key, body=body), stored))
            self._writing.set()
            row = await stored
            if row is not None:
                self._soon(chat, row)

        return store

    async def _write_down(self, _nothing: None) -> None:
        """Commit what came and what was worked on, all that waits at once."""
        journal, loop = self._parts.journal, asyncio.get_running_loop()
        while True:
            await self._writing.wait()
            self._writing.clear()
            coming, self._coming = self._coming, []
            if coming:
                try:
                    rows = await loop.run_in_executor(
                        self._write, intake.store_said, journal, [said for said, _ in coming]
                    )
                except BaseException as error:
                    # Nothing was promised to any of them.
                    failed = error if isinstance(error, Exception) else JournalUnavailable("the receiver stops")
                    for _, stored in coming:
                        if not stored.done():
                            stored.set_exception(failed)
                    if not isinstance(error, Exception):
                        raise
                    continue
                for (_, stored), row in zip(coming, rows, strict=True):
                    if not stored.done():
                        stored.set_result(row)
            worked, self._worked, done, self._done = self._worked, {}, self._done, {}
            if worked or done:
                try:
                    await loop.run_in_executor(self._write, intake.keep_said, journal, worked, done)
                except (JournalUnavailable, asyncio.CancelledError) as error:
                    self._worked, self._done = worked | self._worked, done | self._done
                    if isinstance(error, asyncio.CancelledError):
                        raise  # whoever stops writes it
                    self._parts.log.warning("chat.waiting", error=str(error))
                    loop.call_later(1.0, self._writing.set)

    def _soon(self, chat: Chat, row: str) -> None:
        if row not in self._working and row not in self._done:
            task = self._working[row] = asyncio.create_task(self._answer(chat, row))
            task.add_done_callback(lambda _: self._working.pop(row, None))

    async def _run(self, do: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._work, do)

    async def _answer(self, chat: Chat, row: str) -> None:
        """Work on one stored delivery and answer it. What fails for want of the journal is swept up later."""
        log = self._parts.log
        try:
            worked = await self._run(lambda: self._work_on(chat, row))
            if isinstance(worked, str):
                self._finish(row, worked)
                return
            if worked.new:
                # Worked out once, however often it is then answered.
                self._worked[row] = codec.dump(worked.reply)
                self._writing.set()
            self._news.set()
            await self._deliver(chat, worked.incoming, worked.reply)
            self._finish(row, "")
        except Transient as error:
            log.warning("chat.waiting", surface=chat.name, inbox_id=row, error=str(error))
        except Exception as error:  # the top of one delivery: the next one is served all the same
            log.exception("chat.failed", surface=chat.name, inbox_id=row)
            self._finish(row, f"failed: {type(error).__name__}")  # what fails now would fail at every sweep

    def _work_on(self, chat: Chat, row: str) -> _Worked | str:
        """One stored delivery worked on; where there is nothing to answer, why (empty: it was not for the bot)."""
        with self._parts.journal.read() as tx:
            held = intake.held(tx, row)
        if held is None:
            return ""
        try:
            incoming = chat.read(held.body)
        except BadInput as error:
            self._parts.log.warning("chat.unreadable", surface=chat.name, inbox_id=row, error=str(error))
            return str(error)
        if incoming is None:
            return ""
        incoming = replace(incoming, delivery=row)
        return _Worked(incoming=incoming, reply=self._replied(incoming, held), new=held.reply is None)

    def _replied(self, incoming: Incoming, held: Held) -> Reply:
        if held.reply is not None:
            return codec.load(Reply, held.reply)
        if isinstance(incoming, Typed) and held.age > STALE and commands.verb_of(incoming.text)[0] != "stop":
            return Reply(text="That reached me too late to be done now; please say it again.")
        return desk.take(incoming, self._parts.desk)

    def _finish(self, row: str, error: str) -> None:
        self._done[row] = error
        self._writing.set()

    async def _deliver(self, chat: Chat, incoming: Incoming, reply: Reply) -> None:
        """The effect is in the journal; the words may take a few tries."""
        until = asyncio.get_running_loop().time() + ANSWERED_WITHIN.total_seconds()
        while True:
            try:
                await chat.answer(incoming.asker, reply)
            except Transient as error:
                pause = max(0.2, error.retry_after.total_seconds()) * random.uniform(1.0, 1.5)  # noqa: S311
                if asyncio.get_running_loop().time() + pause > until:
                    self._parts.log.warning("chat.unanswered", surface=chat.name, error=str(error))
                    return
                await asyncio.sleep(pause)
            except Refused as error:
                self._parts.log.warning("chat.unanswered", surface=chat.name, error=str(error))
                return
            else:
                return

    async def _keep(self, what: str, do: Callable[[Any], Awaitable[None]], one: Any) -> None:
        """Do it again when it ends or fails, after a pause that grows."""
        pause = 0.5
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await do(one)
            except asyncio.CancelledError:
                raise
            except ResponderError as error:
                self._parts.log.warning("chat.broken", what=what, error=str(error))
            except Exception:  # the top of the task: it must not end while the process lives
                self._parts.log.exception("chat.broken", what=what)
            if asyncio.get_running_loop().time() - started > 60:
                pause = 0.5
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _listen(self, chat: Chat) -> None:
        await chat.start()
        self._parts.log.info("chat.listening", surface=chat.name)
        await chat.listen(self.take(chat))

    async def _sweep(self, chat: Chat) -> None:
        """Take up what a process that died had stored and not answered."""
        while True:

            def left() -> list[str]:
                with self._parts.journal.write("chat.swept") as tx:
                    return intake.take_up(tx, chat.name, LEFT_BEHIND, LEFT_BEHIND + ANSWERED_WITHIN)

            for row in await self._run(left):
                self._soon(chat, row)
            await asyncio.sleep(5)

    async def _speak(self, chat: Chat) -> None:
        """Hold the surface against the journal while this process is the one that speaks on it."""
        journal, pause = self._parts.journal, LOOK_S
        while True:
            mine = await self._run(lambda: speaker.hold(journal, chat.name, self._holder, SPEAKS))
            until = asyncio.get_running_loop().time() + SPEAKS.total_seconds() / 3
            while mine and asyncio.get_running_loop().time() < until:
                try:
                    await speaker.speak(self._parts.speech, chat)
                    await self._selftests(chat)
                    await self._notices(chat)
                    pause = LOOK_S
                except Transient as error:
                    pause = min(max(pause * 2, 0.5), LONGEST_PAUSE_S / 3)
                    self._parts.log.warning("chat.silent", surface=chat.name, error=str(error), again_s=pause)
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):  # wait_for loses a cancellation that meets the news
                        await self._news.wait()
            if not mine:
                await asyncio.sleep(SPEAKS.total_seconds() / 3)

    async def _selftests(self, chat: Chat) -> None:
        def to_post() -> list[str]:
            with self._parts.journal.read() as tx:
                return selftests.to_post(tx, chat.name)

        def posted(test_id: str, ref: str) -> None:
            with self._parts.journal.write("selftest.posted") as tx:
                selftests.posted(tx, test_id, ref)

        for test_id in await self._run(to_post):
            ref = await chat.selftest(test_id)
            await self._run(partial(posted, test_id, ref))

    async def _notices(self, chat: Chat) -> None:
        """Tell the owners of sources what they have to know, when there is room for it."""

        def to_post() -> Sequence[Notice]:
            with self._parts.journal.read() as tx:
                return notices.to_post(tx, chat.name)

        def posted(notice: Notice) -> None:
            with self._parts.journal.write("notice.posted") as tx:
                notices.posted(tx, chat.name, notice)

        for notice in await self._run(to_post):
            if not chat.budget.may(Kind.POST, Lane.DETAIL):
                return
            await chat.post(notice_message(notice), None)
            await self._run(partial(posted, notice))

    async def _page(self, pager: Pager) -> None:
        while True:
            for owed, call in await self._run(lambda: self._owed(pager.name)):
                try:
                    await pager.tell(call)
                except Refused as error:
                    self._parts.log.warning("pager.refused", pager=pager.name, error=str(error))
                await self._run(partial(self._paged, owed, pager.name))
            await asyncio.sleep(1)

    def _owed(self, pager: str) -> list[tuple[Owed, Call]]:
        with self._parts.journal.read() as tx:
            return [
                (owed, _call(owed, incidents.load(tx, owed.escalation.incident_id), self._parts.speech.link))
                for owed in escalations.owed(tx, pager)
            ]

    def _paged(self, owed: Owed, pager: str) -> None:
        with self._parts.journal.write("paged") as tx:
            escalations.paged(tx, owed, pager)


def _call(owed: Owed, incident: Any, link: Callable[[IncidentId], str]) -> Call:
    escalation = owed.escalation
    where = "/".join(p for p in (incident.environment, incident.service) if p) or "no service"
    return Call(
        event=owed.event,
        key=f"firstresponder/{incident.id}/{escalation.id}",
        incident_id=incident.id,
        summary=f"A person is needed: {incident.title} ({where})",
        reason=escalation.reason,
        severity=incident.severity.value,
        service=where,
        link=link(incident.id),
        times=escalation.times,
    )
