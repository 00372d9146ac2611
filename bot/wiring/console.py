"""A terminal attached to a running installation: the journal, the directory of people, nothing else."""

import getpass
import sys
import time
from collections.abc import Callable

from bot import configuration
from bot.journal.journal import Journal
from bot.settings import ConsoleSettings
from bot.surfaces.console.surface import LineSurface, LiveSurface
from bot.surfaces.speaker import speak
from bot.wiring.common import open_journal, start
from bot.wiring.parts import DecideParts

POLL_S = 0.1
KEY_WAIT_S = 0.1


def open_parts(settings: ConsoleSettings) -> DecideParts:
    """What a terminal needs."""
    log = start(settings, "console")
    return DecideParts(journal=open_journal(settings, log), people=configuration.people(settings.config))


def account(settings: ConsoleSettings) -> str:
    """Who sits at the terminal: the account named in the settings, else the user of this machine."""
    return settings.account or getpass.getuser()


def watch_lines(parts: DecideParts, until: Callable[[], bool]) -> None:
    """Plain lines, until told to stop."""
    surface = LineSurface(sys.stderr)
    while not until():
        speak(parts.journal, surface, parts.people)
        time.sleep(POLL_S)
    speak(parts.journal, surface, parts.people)


def watch_live(parts: DecideParts, who: str, until: Callable[[], bool]) -> bool:
    """A live card with keys, until told to stop. False when the person quit."""
    from rich.console import Console

    from bot.surfaces.console import listener

    with LiveSurface(Console()) as surface, listener.keys():
        while not until():
            speak(parts.journal, surface, parts.people)
            pressed = listener.key(KEY_WAIT_S)
            if pressed == "q":
                return False
            if pressed is not None:
                _press(pressed, surface, who, parts)
        speak(parts.journal, surface, parts.people)
    return True


def _press(pressed: str, surface: LiveSurface, who: str, parts: DecideParts) -> None:
    from bot.surfaces.console import listener

    card = surface.card
    if card is None:
        return
    if pressed == "d":
        surface.say(details(parts.journal, card.incident_id))
        return
    button = next((b for b in card.buttons if b.data.startswith(f"{pressed}:")), None)
    if button is None:
        if pressed in listener.LETTERS:
            surface.say("Nothing waits for an answer now.")
        return
    surface.say(listener.press(button.data, who, parts))
    if pressed == "r" and card.approval_id is not None:
        # The rejection counted at the press; why is asked afterwards and may never come.
        surface.pause()
        reason = listener.ask("Why? (Enter for no reason) ")
        if reason:
            listener.give_reason(card.approval_id, reason, parts)
        surface.resume()


def details(journal: Journal, incident_id: str) -> str:
    """What stands behind the card: evidence, gates, the plan."""
    from agents.incident.ids import IncidentId
    from bot.show import incident_details

    with journal.read() as tx:
        return incident_details(tx, IncidentId(incident_id))
