"""``python -m bot.run NAME``: one long-running process, without the command line's weight.

``firstresponder serve``, ``work …`` and ``clock`` call the same functions.
"""

import sys
from collections.abc import Callable, Mapping

from agents.incident.errors import BadInput, ResponderError


def receiver() -> None:
    """Listen for webhooks, change records and spans."""
    from bot.journal.journal import check
    from bot.settings import ReceiverSettings, read
    from bot.wiring import serve

    settings = read(ReceiverSettings)
    check(settings.journal)
    serve.serve(settings)


def triage() -> None:
    """Gather evidence, diagnose, verify."""
    from bot.journal.journal import check
    from bot.queue import TRIAGE, connect, work
    from bot.settings import TriageSettings, read
    from bot.wiring import triage as wiring

    settings = read(TriageSettings)
    check(settings.journal)
    wiring.prepare(settings)
    import bot.jobs.triage  # noqa: F401  # loaded before the worker forks

    work(TRIAGE, connect(settings.redis))


def actions() -> None:
    """Carry out approved actions."""
    from bot.journal.journal import check
    from bot.queue import ACTIONS, connect, work
    from bot.settings import ActionSettings, read
    from bot.wiring import actions as wiring

    settings = read(ActionSettings)
    check(settings.journal)
    wiring.prepare(settings)
    import bot.jobs.actions  # noqa: F401  # loaded before the worker forks

    work(ACTIONS, connect(settings.redis))


def clock() -> None:
    """Drive deadlines, verification windows and the reconciler."""
    from bot.journal.journal import check
    from bot.settings import ClockSettings, read
    from bot.wiring import clock as wiring

    settings = read(ClockSettings)
    check(settings.journal)
    wiring.tick_forever(settings)


def migrate() -> None:
    """Bring the journal to this version's tables."""
    from bot.journal.migrate import upgrade
    from bot.settings import Settings, read

    print(f"the journal is at revision {upgrade(read(Settings).journal)}", file=sys.stderr)


NAMES: Mapping[str, Callable[[], None]] = {f.__name__: f for f in (receiver, triage, actions, clock, migrate)}


def main() -> None:
    """Run the named process; an error of ours is one line."""
    try:
        if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
            raise BadInput(f"name one of {', '.join(NAMES)}")
        NAMES[sys.argv[1]]()
    except ResponderError as error:
        print(f"firstresponder: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
