"""Reads the change feed: what was deployed or migrated, as its sender recorded it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from agents.incident.catalogue import Service
from agents.incident.clock import to_ms
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Trust, Window
from agents.incident.incident import Change

ReadChanges = Callable[[Iterable[tuple[str, str]], datetime], Sequence[Change]]
LOOKBACK = timedelta(hours=24)


class Changes:
    """One probe over the journal."""

    name = "changes"

    def __init__(self, read: ReadChanges) -> None:
        self._read = read

    def answers(self, question: Question, service: Service) -> bool:
        """Questions for changes."""
        return question.kind is QuestionKind.CHANGES

    def look(
        self, asked: Sequence[tuple[Question, Service]], window: Window, budget: timedelta
    ) -> Iterable[Answer]:
        """All services in one read."""
        since = window.end - LOOKBACK
        found = self._read([(q.environment, q.service) for q, _ in asked], since)
        for question, _ in asked:
            mine = [c for c in found if (c.environment, c.service) == (question.environment, question.service)]
            yield Answer(
                question=question,
                status=Status.COMPLETE if mine else Status.EMPTY,
                query=f"changes of {question.entity} since {since:%Y-%m-%d %H:%M}",
                lineage=Lineage(
                    producers=("change feed",),
                    pipeline="journal",
                    quantity="changes",
                    place=question.entity,
                    trust=Trust.PLATFORM,
                ),
                body={"changes": [_record(c) for c in mine]},
                entities=(question.entity,),
                alive=True,
            )


def _record(change: Change) -> dict[str, object]:
    return {
        "id": change.id,
        "kind": change.kind.value,
        "service": change.service,
        "environment": change.environment,
        "at_ms": to_ms(change.at),
        "source": change.source,
        "subject": change.subject,
        "outcome": change.outcome.value,
        "word": change.word,
        "started_ms": to_ms(change.started_at) if change.started_at else None,
        "finished_ms": to_ms(change.finished_at) if change.finished_at else None,
        "artifact": change.artifact,
        "commit": change.commit,
        "version": change.version,
        "previous_version": change.previous_version,
        "revision": change.revision,
        "previous_revision": change.previous_revision,
        "previous_derived": change.previous_derived,
        "schema_version": change.schema_version,
        "actor": change.actor,
        "link": change.link,
        "note": change.note,
    }
