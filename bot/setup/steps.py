"""What must hold of a chat beyond a press that came back: no second effect, no strangers, commands, silence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from actions.policy import People
from agents.incident.catalogue import Catalogue
from agents.incident.ids import IncidentId
from bot import configuration
from bot.desk import desk
from bot.journal import directory, selftests
from bot.journal.journal import Journal
from bot.settings import ReceiverSettings
from bot.setup import rehearsal, spoken
from bot.setup.checks import Check
from bot.setup.waiting import Waiting, until
from bot.surfaces.ports import Asker
from bot.surfaces.ports import Pressed as ButtonPressed
from bot.wiring.parts import DeskParts

NOBODY = "selftest-nobody"
"""An account that no platform gives to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """The test card that was pressed, and the bot's name."""

    test_id: str
    bot: str


def after(
    settings: ReceiverSettings, journal: Journal, surface: str, pressed: Pressed, waiting: Waiting
) -> Iterator[Check]:
    """Each step, kept with a test incident that is closed at the end."""
    with journal.read() as tx:
        people = directory.known(tx, configuration.people(settings.config))
        since = tx.now
    incident_id = rehearsal.open_one(journal, surface, pressed.test_id, people)
    try:
        row = until(
            waiting, 5.0, f"{surface}: keeping the press", lambda: _press(journal, surface, pressed.test_id)
        )
        before = _state(journal, pressed.test_id)
        if row is not None:
            with journal.write("selftest.replayed") as tx:
                selftests.replay(tx, row["id"])
        for done in _steps(settings, journal, surface, pressed, waiting, people, incident_id, since):
            rehearsal.note(journal, incident_id, done)
            yield done
        done = _replayed(journal, surface, pressed.test_id, row, before, waiting)
        rehearsal.note(journal, incident_id, done)
        yield done
    finally:
        rehearsal.close(journal, incident_id)


def _steps(
    settings: ReceiverSettings,
    journal: Journal,
    surface: str,
    pressed: Pressed,
    waiting: Waiting,
    people: People,
    incident_id: IncidentId,
    since: datetime,
) -> Iterator[Check]:
    yield _stranger(settings, journal, surface, people, incident_id)
    prefix = settings.slack.prefix if surface == "slack" else "/"
    for way in spoken.ways(surface, pressed.bot, prefix):
        found = until(
            waiting,
            waiting.timeout_s,
            f"{surface}: {way.please}",
            partial(spoken.arrived, journal, surface, since, way),
        )
        yield spoken.came(surface, way, waiting.timeout_s, arrived=bool(found))
    yield _silence(journal, surface, people, incident_id, waiting)


def _press(journal: Journal, surface: str, test_id: str) -> Mapping[str, Any] | None:
    with journal.read() as tx:
        return selftests.press_of(tx, surface, test_id)


def _state(journal: Journal, test_id: str) -> Mapping[str, Any]:
    with journal.read() as tx:
        return selftests.state(tx, test_id) or {}


def _replayed(
    journal: Journal,
    surface: str,
    test_id: str,
    row: Mapping[str, Any] | None,
    before: Mapping[str, Any],
    waiting: Waiting,
) -> Check:
    """The same press once more, taken up by the receiver as if a process had died over it: nothing may change."""
    what = f"{surface} replay"
    setting = "is a receiver running with this FIRSTRESPONDER_JOURNAL_URL? See chat.waiting in its log"
    if row is None:
        return Check(what=what, ok=False, says=f"the press was not kept as answered; {setting}")
    again = until(
        waiting,
        waiting.taken_up_within_s,
        f"{surface}: the same press once more",
        lambda: _press(journal, surface, test_id),
    )
    if again is None:
        return Check(what=what, ok=False, says=f"a delivery that was left behind is not taken up; {setting}")
    if _state(journal, test_id) != before:
        return Check(
            what=what, ok=False, says="the same press counted twice: this version must not be used to approve"
        )
    return Check(what=what, ok=True, says="the same press once more changed nothing")


def _stranger(
    settings: ReceiverSettings, journal: Journal, surface: str, people: People, incident_id: IncidentId
) -> Check:
    """Somebody whom config/people.yaml does not have presses Approve, where cards stand."""
    what = f"{surface} stranger"
    file = settings.config / "people.yaml"
    place = settings.slack.channel if surface == "slack" else settings.telegram.chat.partition("/")[0]
    parts = DeskParts(
        journal=journal,
        people=lambda: people,
        catalogue=lambda: Catalogue(services=()),
        log=structlog.get_logger(),
        places={surface: frozenset({place})},
    )
    asker = Asker(surface=surface, account=NOBODY, place=place, private=False)
    reply = desk.take(ButtonPressed(asker=asker, data=rehearsal.approve_data(journal, incident_id)), parts)
    if people.by_account(surface, NOBODY) is not None or rehearsal.question(journal, incident_id).votes:
        return Check(what=what, ok=False, says=f"{NOBODY} may press: take that account out of {file}")
    if "do not know you" not in reply.text:
        return Check(what=what, ok=False, says=f"somebody unknown is not told why nothing happens; see {file}")
    return Check(what=what, ok=True, says="somebody unknown is refused, with the reason")


def _silence(journal: Journal, surface: str, people: People, incident_id: IncidentId, waiting: Waiting) -> Check:
    """The test incident's question is shown, expires, and its card turns."""
    what = f"{surface} silence"
    log = "see surface.refused and surface.withheld in the receiver's log"
    for asking, missing in ((True, "the card of a question was not posted"), (False, "the card did not turn")):
        text = f"{surface}: a question {'is posted' if asking else 'expires'}"
        look = partial(rehearsal.shown, journal, surface, incident_id, asking=asking)
        if until(waiting, waiting.posted_within_s, text, look) is None:
            return Check(what=what, ok=False, says=f"{missing} within {waiting.posted_within_s:g} s; {log}")
        if asking:
            rehearsal.expire(journal, incident_id)
    return rehearsal.says(journal, surface, incident_id, people)
