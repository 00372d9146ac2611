"""A person at a terminal who says yes to everything: the real console surface, and a press for every question."""

import asyncio
import sys
import time

from actions.approval import button
from agents.incident.errors import ResponderError
from agents.incident.ids import RunId
from agents.incident.lifecycle import ActionState
from bot.desk import desk
from bot.journal import approvals, runs
from bot.journal.journal import Journal
from bot.processes import stop_on_signals
from bot.settings import ConsoleSettings
from bot.surfaces.console import listener
from bot.surfaces.console.surface import LineSurface
from bot.surfaces.speaker import speak
from bot.wiring import console

POLL_S = 0.2


def questions(journal: Journal) -> list[str]:
    """The Approve button of every question that waits."""
    with journal.read() as tx:
        waiting = [RunId(r["id"]) for r in runs.in_state(tx, ActionState.AWAITING_APPROVAL)]
        asked = [a for r in waiting if (a := approvals.approval_of(tx, r)) is not None]
    return [button("a", a.id, a.plan_hash) for a in asked]


def main() -> None:
    """Show cards and press until told to stop."""
    settings = ConsoleSettings()
    parts = console.open_parts(settings)
    surface = LineSurface(sys.stderr)
    until = stop_on_signals()
    while not until():
        try:
            asyncio.run(speak(console.speech(parts), surface))
            for data in questions(parts.journal):
                desk.take(listener.incoming(data, settings.account), parts)
        except ResponderError as error:
            print(error, file=sys.stderr, flush=True)
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
