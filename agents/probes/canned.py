"""One probe of a recorded incident: what it answered then, it answers again. Nothing is sent or read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from agents.gather import could_not_look
from agents.incident.catalogue import Service
from agents.incident.evidence import Answer, Question, QuestionKind, Status, Window
from agents.ports import Asked

EVERY_LINE = ""
"""The name of a log question that every line answers: from such an answer any pattern's can be told."""


class Canned:
    """The answers of the probe *name*, one a question. A reader: wrap it in ``Scoped`` to make it a probe."""

    def __init__(self, name: str, answers: Iterable[Answer]) -> None:
        self.name = name
        self._held: Mapping[Question, Answer] = {answer.question: answer for answer in answers}

    def answers(self, question: Question, service: Service) -> bool:
        """Questions that were answered when the incident was recorded, and patterns over logs kept whole."""
        return self._find(question) is not None

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta) -> Iterator[Answer]:
        """The recorded answers, each with the window that was looked at then, whatever *window* says."""
        for question, _ in asked:
            found = self._find(question)
            yield found or could_not_look(question, self.name, "this recording has no answer to it")

    def _find(self, question: Question) -> Answer | None:
        if question in self._held or question.kind is not QuestionKind.LOG:
            return self._held.get(question)
        whole = self._held.get(replace(question, name=EVERY_LINE))
        return _matching(question, whole) if whole is not None else None


def _matching(question: Question, whole: Answer) -> Answer:
    """What the pattern of *question* finds in all the lines that were kept.

    Where some lines were left out, none found is still "saw some of this" and shows no absence.
    """
    pattern = re.compile(question.name)
    kept = whole.body.get("lines")
    lines = [line for line in kept if pattern.search(line["text"])] if isinstance(kept, list | tuple) else []
    status = whole.status
    if status in {Status.COMPLETE, Status.EMPTY}:
        status = Status.COMPLETE if lines else Status.EMPTY
    return replace(
        whole,
        question=question,
        status=status,
        query=f"kept lines that match {question.name}",
        body={**whole.body, "lines": lines, "matched": len(lines)},
    )
