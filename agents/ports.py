"""What the thinking half needs from outside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from agents.deliberation.view import View
from agents.incident.catalogue import Scope, Service
from agents.incident.evidence import Answer, Question, Window

Asked = tuple[Question, Service]
"""A question and the service, as the catalogue has it, that it is about."""


class Reader(Protocol):
    """Reads a store of our own, read-only. What it cannot see it says."""

    @property
    def name(self) -> str:
        """Short, as shown beside a reading."""

    def answers(self, question: Question, service: Service) -> bool:
        """Whether *question* could be answered here; nothing is read."""

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta) -> Iterable[Answer]:
        """One answer for each question, in any order, within *budget*."""


class Probe(Protocol):
    """Reads one system, read-only. What it cannot see it says; it raises nothing for a system that is down."""

    @property
    def name(self) -> str:
        """Short, as shown beside a reading."""

    def answers(self, question: Question, service: Service) -> bool:
        """Whether this probe could answer *question* here; no network."""

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """One answer for each question, in any order, within *budget*.

        Args:
            scope: The incident's own. Nothing is sent or read for a question that it does not admit; the answer
                says so.
        """


class Task(StrEnum):
    """What a reasoner is asked to do; its prompt is the text file of this name."""

    PLAN = "plan"
    PROPOSE = "propose"
    ORDER = "order"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned:
    """What a model wrote, unread, and what it took. Tokens are ``None`` where the provider does not say."""

    body: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class Reasoner(Protocol):
    """A language model, untrusted: it is shown a view and writes JSON of one shape. It reaches nothing else.

    ``reason`` raises Transient (busy, unreachable), TimeoutError (late), Refused (it will not) or BadInput.
    """

    @property
    def name(self) -> str:
        """Provider and model, as configured."""

    def prompt(self, task: Task, view: View) -> str:
        """Everything that would be sent for *task*, so that it can be scanned and counted before."""

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """The answer to *task*, in the shape that ``agents/deliberation/answers.py`` has for it, unread."""
