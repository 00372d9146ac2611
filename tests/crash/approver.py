"""A person at a terminal who says yes to everything: the real console surface, and a press for every question."""

import sys
import time

from actions.approval import Press, Verdict
from agents.incident.errors import ResponderError
from agents.incident.ids import RunId
from agents.incident.lifecycle import ActionState
from bot import walk
from bot.journal import approvals, runs
from bot.journal.journal import Journal
from bot.processes import stop_on_signals
from bot.settings import ConsoleSettings
from bot.surfaces.console.surface import NAME, LineSurface
from bot.surfaces.speaker import speak
from bot.wiring import console

POLL_S = 0.2


def presses(journal: Journal, account: str) -> list[Press]:
    """One press for every question that waits."""
    with journal.read() as tx:
        waiting = [RunId(r["id"]) for r in runs.in_state(tx, ActionState.AWAITING_APPROVAL)]
        asked = [a for r in waiting if (a := approvals.approval_of(tx, r)) is not None]
    return [
        Press(
            surface=NAME,
            account=account,
            verdict=Verdict.APPROVE,
            approval_id=a.id,
            hash8=a.plan_hash[:8],
        )
        for a in asked
    ]


def main() -> None:
    """Show cards and press until told to stop."""
    settings = ConsoleSettings()
    parts = console.open_parts(settings)
    surface = LineSurface(sys.stderr)
    until = stop_on_signals()
    while not until():
        try:
            speak(parts.journal, surface, parts.people)
            for press in presses(parts.journal, settings.account):
                walk.decide(press, parts)
        except ResponderError as error:
            print(error, file=sys.stderr, flush=True)
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
