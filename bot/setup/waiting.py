"""Waiting for what a person or another process does, and telling what is waited for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
LOOK_S = 0.5
POSTED_WITHIN_S = 15.0
TAKEN_UP_WITHIN_S = 40.0
"""A delivery that was left behind is taken up by a sweep after 15 to 20 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long, and how the time is passed and told. ``progress`` gets the seconds left."""

    timeout_s: float = 120.0
    posted_within_s: float = POSTED_WITHIN_S
    taken_up_within_s: float = TAKEN_UP_WITHIN_S
    progress: Callable[[str, float], None] = lambda _text, _left: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def until(waiting: Waiting, seconds: float, text: str, look: Callable[[], T | None]) -> T | None:
    """What *look* finds, or ``None`` when it finds nothing in time."""
    end = waiting.clock() + seconds
    while True:
        found = look()
        left = end - waiting.clock()
        if found is not None or left <= 0:
            return found
        waiting.progress(text, left)
        waiting.sleep(min(LOOK_S, left))
