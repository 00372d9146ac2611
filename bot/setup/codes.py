"""One-time codes for somebody in people.yaml: to link a chat account, or to open the page; and ending sessions."""

from datetime import timedelta

from agents.incident.errors import BadInput
from agents.incident.ids import PersonId
from bot import configuration
from bot.journal import access
from bot.journal.journal import Journal, check, open_engine
from bot.settings import Settings

GOOD_FOR = timedelta(minutes=10)


def make(settings: Settings, person: str, purpose: str) -> str:
    """A fresh code; BadInput when nobody is called so."""
    people = configuration.people(settings.config)
    if people.by_id(person) is None:
        known = ", ".join(p.id for p in people.people) or "nobody"
        raise BadInput(f"{settings.config / 'people.yaml'} has no {person[:60]!r}; it has {known}")
    check(settings.journal)
    journal = Journal(open_engine(settings.journal))
    try:
        with journal.write(f"{purpose}.code") as tx:
            return access.make_code(tx, PersonId(person), purpose, GOOD_FOR)
    finally:
        journal.close()


def end_all(settings: Settings, person: str) -> int:
    """End the sessions of somebody, also of one who is in people.yaml no longer; how many there were."""
    check(settings.journal)
    journal = Journal(open_engine(settings.journal))
    try:
        with journal.write("sessions.ended") as tx:
            return access.end_sessions(tx, PersonId(person))
    finally:
        journal.close()
