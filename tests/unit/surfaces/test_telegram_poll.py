"""A poll's updates are stored together, and confirmed as far as they are stored."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from agents.incident.errors import JournalUnavailable, Transient
from bot.surfaces.telegram.listen import Poller
from bot.surfaces.telegram.read import is_press


class Calls:
    """A platform with these updates waiting."""

    def __init__(self, *numbers: int) -> None:
        self.updates = SimpleNamespace(came=[{"update_id": n, "message": {}} for n in numbers])

    async def __call__(self, *_: Any, **__: Any) -> None:
        return None


def a_poller(calls: Any, take: Any, heard: Any = lambda _: None) -> Poller:
    return Poller(calls=calls, take=take, heard=heard, log=CapturingLogger(), conflicted=lambda: None)


def test_a_batch_is_handed_over_together_and_waits_for_one_commit():
    waiting: list[str | None] = []
    committed = asyncio.Event()

    async def take(key: str | None, _: bytes) -> None:
        waiting.append(key)
        if len(waiting) == 100:
            committed.set()  # one after the other, this would never come
        await committed.wait()

    async def work() -> Poller:
        poller = a_poller(Calls(*range(7, 107)), take)
        await asyncio.wait_for(poller._once(), 5)
        return poller

    assert asyncio.run(work()).offset == 107
    assert waiting == [str(n) for n in range(7, 107)]  # in their order


def test_what_could_not_be_stored_and_all_after_it_is_asked_for_again():
    heard: list[int] = []

    async def take(key: str | None, _: bytes) -> None:
        if key == "9":
            raise JournalUnavailable("the disk is full")

    async def work() -> Poller:
        poller = a_poller(Calls(7, 8, 9, 10), take, lambda body: heard.append(json.loads(body)["update_id"]))
        with pytest.raises(Transient):
            await poller._once()
        return poller

    assert asyncio.run(work()).offset == 9
    assert heard == [7, 8]


@pytest.mark.parametrize(
    ("update", "ordinary"),
    [
        ({"callback_query": {"data": "a:AP_1:12345678"}}, True),
        ({"callback_query": {"data": "c:s:AP_1:12345678"}}, False),
        ({"callback_query": {"data": "n:s:AP_1:12345678"}}, False),
        ({"callback_query": {"data": 5}}, False),
        ({"my_chat_member": {}}, False),
        ([], False),
    ],
)
def test_an_ordinary_press_is_told_from_one_that_asks_of_the_keyboard(update, ordinary):
    assert is_press(json.dumps(update).encode()) is ordinary


def test_bytes_that_are_no_update_are_no_press():
    assert not is_press(b"\xff{")
