"""Words that no parser could place: a model is asked to, and the desk goes on from what it made of them.

The command is acknowledged at once. When a triage worker has read the words the same command comes back under
another delivery, is judged anew like any other, and finds here what was read. A model only ever picks: it is shown
no service that whoever asks may not ask about, and what it picked is checked again.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta

from actions.policy import Person
from agents.incident.catalogue import Service
from agents.incident.errors import BadInput
from agents.incident.quantities import QUANTITIES
from bot.desk import steer
from bot.desk.spans import LONGEST, SHORTEST
from bot.desk.words import MOST, MOST_OF_ONE, Meant
from bot.journal import wordings
from bot.journal.wordings import Reading, Wording
from bot.surfaces.ports import Reply
from bot.wiring.parts import DeskParts

READS_AN_HOUR = 6
"""Starting value: how many commands of one person a model reads within an hour."""

CUT = f"Only the first {MOST} characters of your words were read, and no word longer than {MOST_OF_ONE}"
ACKNOWLEDGED = Reply(text="Reading your words… I answer here when I have.")


class ReadingParts(DeskParts):
    """A desk beside triage workers that have a model."""


def with_reading(parts: DeskParts) -> ReadingParts:
    """*parts*, where workers have a model."""
    return ReadingParts(**{f.name: getattr(parts, f.name) for f in fields(parts)})


class Unplaced(BadInput):
    """No service is named in the words, as far as a parser can tell."""


def within(person: Person, parts: DeskParts) -> tuple[Service, ...]:
    """The services that *person* may have looked at."""
    return tuple(s for s in parts.catalogue().services if steer.may_respond(person, s.id))


def place(
    unplaced: Unplaced, words: Sequence[str], meant: Meant, delivery: str, person: Person, parts: DeskParts
) -> Reply:
    """What comes of *words*: first that they are being read; then an incident, or the parser's answer and why.

    Args:
        meant: What the parser did find in them: a window, a symptom. It goes before what a model says.
        delivery: The stored delivery they came as. Without one there is nothing to come back to.

    Raises:
        Unplaced: No model is asked.
    """
    if meant.cut:
        unplaced = Unplaced(f"{unplaced}. {CUT}")
    if not isinstance(parts, ReadingParts) or not delivery:
        raise unplaced
    with parts.journal.read() as tx:
        reading = wordings.of(tx, delivery)
    if reading is not None:
        return _placed(unplaced, reading, meant, person, parts)
    services = within(person, parts)
    if not services:
        raise unplaced
    with parts.journal.write("words.asked") as tx:
        known = wordings.asked(tx, delivery)
        if not known and wordings.lately(tx, person.id, timedelta(hours=1)) >= READS_AN_HOUR:
            raise Unplaced(f"{unplaced}. The model has read {READS_AN_HOUR} of your commands within the hour")
        wording = Wording(words=" ".join(words), person_id=person.id, services=tuple(s.id for s in services))
        if not wordings.ask(tx, delivery, wording):
            raise unplaced
    return ACKNOWLEDGED


def _placed(unplaced: Unplaced, reading: Reading, meant: Meant, person: Person, parts: DeskParts) -> Reply:
    if reading.why:
        raise Unplaced(f"{unplaced}. The model could not read your words: {reading.why}")
    service = next((s for s in within(person, parts) if s.id == reading.service), None)
    if service is None:
        raise Unplaced(f"{unplaced}. The model could not tell either which one you mean")
    said = meant.window or reading.window
    window = min(max(said, SHORTEST), LONGEST) if said is not None else None
    symptom = meant.symptom or reading.symptom
    answer = _looked(service, window, symptom, person, parts)
    return replace(answer, text=f"Read as {_named(service, window, symptom)}. {answer.text}")


def look(service: Service, meant: Meant, person: Person, parts: DeskParts) -> Reply:
    """Look into a service that the words name; whatever else was taken from them is said."""
    answer = _looked(service, meant.window, meant.symptom, person, parts)
    if answer.incident_id is None:
        return answer
    took = meant.window is not None or meant.symptom
    read_as = f"Read as {_named(service, meant.window, meant.symptom)}. " if took else ""
    return replace(answer, text=f"{f'{CUT}. ' if meant.cut else ''}{read_as}{answer.text}")


def _looked(service: Service, window: timedelta | None, symptom: str, person: Person, parts: DeskParts) -> Reply:
    return steer.diagnose(service.name, service.environment, window, steer.title(symptom), person, parts)


def _named(service: Service, window: timedelta | None, symptom: str) -> str:
    back = f", the last {window.total_seconds() / 60:g} min" if window is not None else ""
    return service.id + back + (f", {QUANTITIES[symptom].title}" if symptom else "")
