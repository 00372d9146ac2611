"""Keys of a terminal as presses of the card's buttons: the same ids, the same rules, the same answers."""

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator

from bot.surfaces.console.surface import NAME
from bot.surfaces.ports import Asker, Pressed

LETTERS = frozenset("arh")


@contextlib.contextmanager
def keys() -> Iterator[None]:
    """Single keys without Enter, until the block ends."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def key(wait_s: float) -> str | None:
    """The next key, or ``None`` when none comes in time."""
    ready, _, _ = select.select([sys.stdin], [], [], wait_s)
    return os.read(sys.stdin.fileno(), 1).decode(errors="ignore") if ready else None


def ask(prompt: str) -> str:
    """A line typed with Enter, echo on."""
    before = termios.tcgetattr(sys.stdin)
    cooked = termios.tcgetattr(sys.stdin)
    cooked[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, cooked)
    try:
        return input(prompt).strip()
    except EOFError:
        return ""
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def incoming(data: str, account: str) -> Pressed:
    """A key as the press of a button that carries *data*."""
    return Pressed(asker=asker(account), data=data)


def asker(account: str) -> Asker:
    """Whoever sits at the terminal."""
    return Asker(surface=NAME, account=account, place="terminal", private=False)
