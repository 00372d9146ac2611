"""The shapes of what probes answer, so that a body that cannot be read is refused where it stands."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agents.incident.evidence import QuestionKind
from agents.incident.incident import ChangeKind, ChangeOutcome
from bot.recordings.limits import Milliseconds, Written

Point = Annotated[list[float], Field(min_length=2, max_length=3)]
"""Milliseconds and a value, or a numerator and a denominator. What is no number stands as ``"NaN"``."""


class _Open(BaseModel):
    """Probes may add what they like: it is kept and nothing reads it."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Series(_Open):
    labels: dict[str, str]
    points: list[Point]


class _Numbers(_Open):
    series: list[_Series] = []
    baseline: list[_Series] = []


class _LogLine(_Open):
    at: Written
    instance: str
    text: str


class _Lines(_Open):
    lines: list[_LogLine] = []


class _Record(_Open):
    id: str
    kind: ChangeKind
    service: str
    environment: str
    at_ms: Milliseconds
    started_ms: Milliseconds | None = None
    finished_ms: Milliseconds | None = None
    outcome: ChangeOutcome = ChangeOutcome.UNKNOWN


class _Changes(_Open):
    changes: list[_Record] = []


class _Span(_Open):
    trace_id: str
    span_id: str
    at_ms: Milliseconds
    attributes: dict[str, Any]


class _Spans(_Open):
    spans: list[_Span] = []


class _Event(_Open):
    uid: str
    reason: str
    at_ms: Milliseconds


class _Events(_Open):
    events: list[_Event] = []


SHAPES: Mapping[QuestionKind, type[BaseModel]] = {
    QuestionKind.QUANTITY: _Numbers,
    QuestionKind.LOG: _Lines,
    QuestionKind.CHANGES: _Changes,
    QuestionKind.SPANS: _Spans,
    QuestionKind.EVENTS: _Events,
}


def check(kind: QuestionKind, body: Mapping[str, object]) -> None:
    """Nothing, or pydantic's ValidationError that says where *body* is not of the shape that *kind* has."""
    SHAPES.get(kind, _Open).model_validate(body)
