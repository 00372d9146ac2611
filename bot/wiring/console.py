"""A terminal attached to a running installation: the journal, the directory of people, nothing else."""

import asyncio
import getpass
import sys
from collections.abc import Callable

from agents.incident.catalogue import Catalogue
from bot import configuration
from bot.desk import desk
from bot.settings import ConsoleSettings
from bot.surfaces.console.surface import LineSurface, LiveSurface
from bot.surfaces.ports import Message, Reasoned
from bot.surfaces.speaker import Speech, speak
from bot.wiring.common import open_journal, start
from bot.wiring.parts import DeskParts

POLL_S = 0.1
KEY_WAIT_S = 0.1


def open_parts(settings: ConsoleSettings) -> DeskParts:
    """What a terminal needs."""
    log = start(settings, "console")
    people = configuration.people(settings.config)
    catalogue = configuration.services(settings.config) if (settings.config / "services.yaml").exists() else None
    return DeskParts(
        journal=open_journal(settings, log),
        people=lambda: people,
        catalogue=lambda: catalogue or Catalogue(services=()),
        log=log,
    )


def account(settings: ConsoleSettings) -> str:
    """Who sits at the terminal: the account named in the settings, else the user of this machine."""
    return settings.account or getpass.getuser()


def speech(parts: DeskParts) -> Speech:
    """What a terminal shows from."""
    return Speech(journal=parts.journal, people=parts.people, log=parts.log)


def watch_lines(parts: DeskParts, until: Callable[[], bool]) -> None:
    """Plain lines, until told to stop."""
    asyncio.run(_lines(parts, until))


async def _lines(parts: DeskParts, until: Callable[[], bool]) -> None:
    surface = LineSurface(sys.stderr)
    while not until():
        await speak(speech(parts), surface)
        await asyncio.sleep(POLL_S)
    await speak(speech(parts), surface)


def watch_live(parts: DeskParts, who: str, until: Callable[[], bool]) -> bool:
    """A live card with keys, until told to stop. False when the person quit."""
    return asyncio.run(_live(parts, who, until))


async def _live(parts: DeskParts, who: str, until: Callable[[], bool]) -> bool:
    from rich.console import Console

    from bot.surfaces.console import listener

    with LiveSurface(Console()) as surface, listener.keys():
        while not until():
            await speak(speech(parts), surface)
            pressed = listener.key(KEY_WAIT_S)
            if pressed == "q":
                return False
            if pressed is not None and surface.shown is not None:
                _press(pressed, surface, surface.shown, who, parts)
        await speak(speech(parts), surface)
    return True


def _press(pressed: str, surface: LiveSurface, shown: Message, who: str, parts: DeskParts) -> None:
    from bot.surfaces.console import listener
    from bot.surfaces.console.render import incident_of

    data = next((b.data for b in shown.buttons if b.data.startswith(f"{pressed}:")), None)
    if pressed == "h" and data is None:
        data = next((f"h{b.data[1:]}" for b in shown.buttons if b.data.startswith("a:")), None)
    if pressed == "d":
        surface.say(details(parts, incident_of(shown)))
        return
    if data is None:
        if pressed in listener.LETTERS:
            surface.say("Nothing waits for an answer now.")
        return
    reply = desk.take(listener.incoming(data, who), parts)
    surface.say("\n".join([reply.text, *reply.lines]))
    if reply.wants_reason is not None:
        # The rejection counted at the press; why is asked afterwards and may never come.
        surface.pause()
        reason = listener.ask("Why? (Enter for no reason) ")
        if reason:
            told = Reasoned(asker=listener.asker(who), approval_id=reply.wants_reason, text=reason)
            desk.take(told, parts)
        surface.resume()


def details(parts: DeskParts, incident_id: str) -> str:
    """What stands behind the card: evidence, gates, the plan."""
    from agents.incident.ids import IncidentId
    from bot.show import incident_details

    with parts.journal.read() as tx:
        return incident_details(tx, IncidentId(incident_id))
