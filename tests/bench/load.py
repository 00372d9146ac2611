"""A light sender: HTTP/1.1 over kept connections, as fast as answers come or at a rate that waits for none.

What gets no answer, or a 5xx, is sent again with the same delivery id until it is answered otherwise.
"""

import asyncio
import math
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.bench.deliveries import Delivery

ANSWER_S = 10.0
"""A sender's patience with one answer; also with a connection."""

AGAIN_S = 0.1
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class NoAnswer(ConnectionError):
    """The connection ended, or nothing came in time: the sender cannot know what became of it."""


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(f"the connection was lost: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._buffer[: end + 2])
        length = _LENGTH.search(head)
        if length is None:
            self._fail("an answer without Content-Length")
            return
        if len(self._buffer) < end + 4 + int(length[1]):
            return
        self._buffer.clear()
        if _CLOSES.search(head):
            self.close()
        if not self._answer.done():
            self._answer.set_result(int(head[9:12]))

    def _fail(self, why: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(why))

    async def ask(self, request: bytes) -> int:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer
        except TimeoutError as error:
            self.close()
            raise NoAnswer(f"no answer within {ANSWER_S:g} s") from error

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()


@dataclass(slots=True)
class Tally:
    """What was sent and what came back. Latencies are seconds, one an answer, from before the send to its end."""

    sent: set[str] = field(default_factory=set)
    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    asked_again: Counter[int] = field(default_factory=Counter)
    no_answer: int = 0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    began: float = 0.0
    ended: float = 0.0

    def figures(self) -> dict[str, float]:
        """Acknowledged deliveries a second, and latencies in milliseconds."""
        took = sorted(self.latencies)

        def share(part: float) -> float:
            return round(took[min(len(took) - 1, int(part * len(took)))] * 1000, 2) if took else 0.0

        seconds = max(self.ended - self.began, 1e-9)
        return {
            "webhooks_per_s": round(len(self.acknowledged) / seconds, 1),
            "p50_ms": share(0.5),
            "p99_ms": share(0.99),
            "max_ms": share(1.0),
            "seconds": round(seconds, 2),
        }


class Client:
    """So many connections to one address, opened again when they break."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._slots: Sequence[list[_Connection]] = tuple([] for _ in range(connections))

    async def as_fast_as_possible(
        self, deliveries: Iterator[Delivery], tally: Tally, *, count: int | None = None, seconds: float = math.inf
    ) -> None:
        """Each connection sends its next delivery when its last was answered, *count* in all or for *seconds*."""
        left = count if count is not None else -1
        tally.began = time.monotonic()
        end = tally.began + seconds

        async def drive(slot: list[_Connection]) -> None:
            nonlocal left
            while left and time.monotonic() < end:
                left -= 1
                await self._deliver(slot, next(deliveries), tally)

        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(drive(slot))
        tally.ended = time.monotonic()

    async def at_rate(self, deliveries: Iterator[Delivery], tally: Tally, *, rate: float, seconds: float) -> None:
        """Deliveries fall due at *rate* a second whatever the answers do; latency counts from the due time."""
        tally.began = time.monotonic()
        due: asyncio.Queue[tuple[float, Delivery] | None] = asyncio.Queue()

        async def drive(slot: list[_Connection]) -> None:
            while (job := await due.get()) is not None:
                await self._deliver(slot, job[1], tally, since=job[0])

        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(drive(slot))
            for number in range(int(rate * seconds)):
                at = tally.began + number / rate
                if (early := at - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                due.put_nowait((at, next(deliveries)))
            for _ in self._slots:
                due.put_nowait(None)
        tally.ended = time.monotonic()

    async def _deliver(
        self, slot: list[_Connection], delivery: Delivery, tally: Tally, *, since: float | None = None
    ) -> None:
        tally.sent.add(delivery.key)
        while True:
            began = time.monotonic() if since is None else since
            try:
                status = await self._ask(slot, delivery.request)
            except OSError:
                tally.no_answer += 1
                await asyncio.sleep(AGAIN_S)
                continue
            if status >= 500:
                tally.asked_again[status] += 1
                await asyncio.sleep(AGAIN_S)
                continue
            tally.latencies.append(time.monotonic() - began)
            if status == 202:
                tally.acknowledged[delivery.key] += 1
            else:
                tally.refused[status] += 1
            return

    async def _ask(self, slot: list[_Connection], request: bytes) -> int:
        if not slot or not slot[0].open:
            async with asyncio.timeout(ANSWER_S):
                _, made = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
            slot[:] = [made]
        return await slot[0].ask(request)

    def close(self) -> None:
        """Close every connection."""
        for slot in self._slots:
            for connection in slot:
                connection.close()
