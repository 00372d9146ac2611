"""Keys of a terminal as presses of the card's buttons: the same ids, the same rules, the same answers."""

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator

from actions.approval import Decision, Press, Rejection, Verdict
from agents.incident.ids import ApprovalId
from bot import walk
from bot.journal import approvals
from bot.surfaces.console.surface import NAME
from bot.wiring.parts import DecideParts

LETTERS = {"a": Verdict.APPROVE, "r": Verdict.REJECT}


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


def press(data: str, account: str, parts: DecideParts) -> str:
    """One press of a button that carries *data*; the answer for whoever pressed. Never silent."""
    letter, _, rest = data.partition(":")
    approval_id, _, hash8 = rest.partition(":")
    verdict = LETTERS.get(letter)
    if verdict is None or not approval_id:
        return "That button does nothing."
    answer = walk.decide(
        Press(
            surface=NAME,
            account=account,
            verdict=verdict,
            approval_id=ApprovalId(approval_id),
            hash8=hash8,
        ),
        parts,
    )
    match answer:
        case Rejection(reason=reason):
            return reason
        case Decision(state=state, votes=votes):
            if state.value == "AWAITING":
                return f"Your approval counts: {votes} so far. More votes are needed."
            return f"{state.value.capitalize()} by you. The card says what happens next."


def give_reason(approval_id: str, reason: str, parts: DecideParts) -> None:
    """Why it was rejected; the rejection itself counted at the press."""
    with parts.journal.write("decision.reason") as tx:
        approvals.add_reason(tx, ApprovalId(approval_id), reason[:500])
