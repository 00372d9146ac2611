"""What the thinking half needs from outside."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from agents.incident.evidence import Answer, Question, Window
from agents.incident.incident import Service


class Probe(Protocol):
    """Reads one system, read-only. What it cannot see it says; it raises nothing for a system that is down."""

    @property
    def name(self) -> str:
        """Short, as shown beside a reading."""

    def answers(self, question: Question, service: Service) -> bool:
        """Whether this probe could answer *question* here; no network."""

    def look(
        self, asked: Sequence[tuple[Question, Service]], window: Window, budget: timedelta
    ) -> Iterable[Answer]:
        """One answer for each question, in any order, within *budget*."""
