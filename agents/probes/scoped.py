"""A reader of a store of our own, as a probe that answers only for what an incident's scope admits."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from agents.incident.catalogue import Scope, Service
from agents.incident.evidence import Answer, Question, Window
from agents.ports import Asked, Reader
from agents.probes.reach import part


class Scoped:
    """*reader*, which is shown no question of another environment or project."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = reader.name

    def answers(self, question: Question, service: Service) -> bool:
        """As the reader says."""
        return self._reader.answers(question, service)

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """The reader's answers to what it may be asked, and "could not look" for the rest."""
        kept, refused = part(asked, self.name, lambda service: service.closed_to(scope))
        yield from refused
        if kept:
            yield from self._reader.look(kept, window, budget)
