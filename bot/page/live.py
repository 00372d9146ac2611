"""What is new, told as it happens: one look at the journal a second, whoever many are watching."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from sqlalchemy import func, select

from agents.incident.errors import JournalUnavailable
from bot.journal import access
from bot.journal import tables as t
from bot.page.parts import PageParts

EVERYTHING = "*"
"""The topic of the lists: moves with every event of every incident."""

HEARTBEAT_S = 15.0
LONGEST_S = 900.0
"""A stream is ended after this, and the browser asks again: a proxy then vouches anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The journal at one moment: the version of each topic watched, and the sessions that still stand."""

    versions: Mapping[str, int] = field(default_factory=dict)
    sessions: frozenset[str] = frozenset()
    looked_for: frozenset[str] = frozenset()


class Watch:
    """Everybody who watches, in this process."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._topics: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()
        self._seen = Seen()
        self._at = float("-inf")
        self._reading = False

    @property
    def full(self) -> bool:
        """Whether nobody more may watch."""
        return self._topics.total() >= self._parts.most_watchers

    async def stream(self, topic: str, version: int, session: str) -> AsyncGenerator[str, None]:
        """Server-sent events: a line whenever *topic* is no longer at *version*, until the session ends."""
        self._topics[topic] += 1
        self._sessions[session] += 1
        begun = said = time.monotonic()
        try:
            yield "retry: 3000\n\n"
            while not self._parts.stopping():
                seen = await self._look()
                if session and session in seen.looked_for and session not in seen.sessions:
                    yield "event: over\ndata: session\n\n"
                    return
                found = seen.versions.get(topic, version)
                if found != version:
                    version, said = found, time.monotonic()
                    yield f"event: changed\ndata: {version}\n\n"
                elif time.monotonic() - said >= HEARTBEAT_S:
                    said = time.monotonic()
                    yield ": still here\n\n"
                if time.monotonic() - begun >= LONGEST_S:
                    return
                await anyio.sleep(self._parts.poll_s)
        finally:
            _leave(self._topics, topic)
            _leave(self._sessions, session)

    async def _look(self) -> Seen:
        """The newest look; a new one when the last is a second old and nobody else is at it."""
        if not self._reading and time.monotonic() - self._at >= self._parts.poll_s:
            self._reading = True
            try:
                topics, sessions = frozenset(self._topics), frozenset(self._sessions) - {""}
                self._seen = await anyio.to_thread.run_sync(self._read, topics, sessions)
            except JournalUnavailable as error:
                self._parts.log.warning("page.watch_blind", error=str(error))
            finally:
                self._reading = False
                self._at = time.monotonic()
        return self._seen

    def _read(self, topics: frozenset[str], sessions: frozenset[str]) -> Seen:
        with self._parts.journal.read() as tx:
            rows = tx.all(select(t.incidents.c.id, t.incidents.c.card_version).where(t.incidents.c.id.in_(topics)))
            versions = {r["id"]: r["card_version"] for r in rows}
            if EVERYTHING in topics:
                versions[EVERYTHING] = tx.run(select(func.max(t.events.c.number))).scalar() or 0
            return Seen(versions=versions, sessions=access.still_open(tx, sessions), looked_for=sessions)


def _leave(counted: Counter[str], name: str) -> None:
    counted[name] -= 1
    if counted[name] <= 0:
        del counted[name]
