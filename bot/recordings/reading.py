"""A folder → the recording in it. tests/samples/incidents/README.md documents the format."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents import documents
from agents.documents import one_line
from agents.incident.catalogue import Catalogue
from agents.incident.errors import BadInput
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Window
from agents.incident.finding import FindingState
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert
from bot import configuration
from bot.journal import codec
from bot.recordings import bodies
from bot.recordings.limits import Claimed, Moment, Seconds
from bot.recordings.recording import (
    INCIDENT,
    KINDS,
    LATER,
    LOOK,
    SERVICES,
    TRUTH,
    Broken,
    Expected,
    Kept,
    Look,
    Recording,
    Truth,
)

Values = TypeVar("Values", Alert, Lineage)
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Window(_Strict):
    start: Moment
    end: Moment
    recent_s: Seconds

    @model_validator(mode="after")
    def _forward(self) -> "_Window":
        if self.end < self.start:
            raise ValueError("end is before start; exchange the two")
        return self

    def value(self) -> Window:
        return Window(start=self.start, end=self.end, recent=timedelta(seconds=self.recent_s))


class _Look(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    at: Moment
    window: _Window
    probes: list[str] = []


class _Incident(_Look):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
    title: str
    service: str | None = None
    environment: str | None = None
    telemetry_interval_s: Annotated[Seconds, Field(gt=0)]
    alerts: Annotated[list[dict[str, Any]], Field(min_length=1)]


class _Told(BaseModel):
    """The times of an alert; what else it says is for ``Alert`` itself to check."""

    started_at: Claimed | None = None
    ended_at: Claimed | None = None
    at: Claimed | None = None


class _Broken(_Strict):
    what: str
    signature: str = ""
    entity: str = ""


class _Expected(_Strict):
    states: Annotated[list[FindingState], Field(min_length=1)]
    signature: str | None = None
    entity: str | None = None
    suspects: list[str] = []
    fired: list[str] = []

    def value(self) -> Expected:
        return Expected(
            states=tuple(self.states),
            signature=self.signature,
            entity=self.entity,
            suspects=tuple(self.suspects),
            fired=tuple(self.fired),
        )


class _Truth(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    says: str = ""
    cause: Literal["none", "unknown"] | Annotated[list[_Broken], Field(min_length=1)]
    expected: _Expected | None = None
    miss: _Expected | None = None
    made: dict[str, Any] = {}
    licence: str = ""
    half: Literal["", "tune", "report"] = ""


class _Line(_Strict):
    kind: QuestionKind | None = None
    environment: str
    service: str
    name: str = ""
    probe: Annotated[str, Field(min_length=1)]
    status: Status
    reason: str = ""
    query: str = ""
    canonical_query: str = ""
    backend: str = ""
    unit: str = ""
    limit: int | None = None
    limit_hit: bool = False
    warnings: list[str] = []
    alive: bool | None = None
    step_s: Seconds = 0
    rate_window_s: Seconds = 0
    ingest_lag_s: Seconds = 0
    window: _Window
    lineage: dict[str, Any]
    entities: list[str] = []
    body: dict[str, Any]


def read(folder: Path) -> Recording:
    """The recording in *folder*.

    Raises:
        BadInput: One line that says which file, which line of it, and what is missing or wrong.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; name one that holds {INCIDENT}, {SERVICES} and {TRUTH}")
    told = _yaml(_Incident, folder / INCIDENT)
    catalogue = _catalogue(folder / SERVICES)
    if catalogue.telemetry_interval != timedelta(seconds=told.telemetry_interval_s):
        raise BadInput(
            f"{folder / INCIDENT}: telemetry_interval_s is {told.telemetry_interval_s:g},"
            f" and {catalogue.telemetry_interval.total_seconds():g} in {SERVICES}; make them one"
        )
    return Recording(
        id=IncidentId(told.id),
        title=told.title,
        service=told.service,
        environment=told.environment,
        alerts=tuple(_alert(alert, f"{folder / INCIDENT}: alerts[{i}]") for i, alert in enumerate(told.alerts)),
        catalogue=catalogue,
        looks=(_look(told, folder), *_later(folder / LATER)),
        truth=_truth(_yaml(_Truth, folder / TRUTH)),
    )


def _catalogue(path: Path) -> Catalogue:
    _there(path)
    try:
        return configuration.services(path.parent)
    except BadInput as error:
        raise BadInput(one_line(f"{path.parent}: {error}")) from error


def _alert(told: Mapping[str, Any], place: str) -> Alert:
    alert = _value(Alert, told, place)
    _valid(_Told, told, place)
    return alert


def _truth(told: _Truth) -> Truth:
    cause: tuple[Broken, ...] | None = None
    if told.cause != "unknown":
        found = told.cause if isinstance(told.cause, list) else []
        cause = tuple(Broken(what=b.what, signature=b.signature, entity=b.entity) for b in found)
    return Truth(
        cause=cause,
        expected=told.expected.value() if told.expected else None,
        miss=told.miss.value() if told.miss else None,
        made=told.made,
        licence=told.licence,
        half=told.half,
        says=told.says,
    )


def _later(folder: Path) -> Iterator[Look]:
    """Further looks: later/2, later/3 and so on."""
    number = 2
    while (folder / str(number)).is_dir():
        at = folder / str(number)
        yield _look(_yaml(_Look, at / LOOK), at)
        number += 1
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if name not in {str(n) for n in range(2, number)}:
            raise BadInput(f"{folder / name}: further looks are named 2, 3, 4 without a gap; rename it")


def _look(told: _Look, folder: Path) -> Look:
    kept: list[Kept] = []
    met: dict[tuple[str, Question], str] = {}
    for name, kinds in KINDS.items():
        path = _there(folder / name)
        for number, text in enumerate(documents.text(path).splitlines(), start=1):
            place = f"{path} line {number}"
            one = _kept(text, kinds, place)
            key = one.probe, one.answer.question
            if key in met:
                raise BadInput(f"{place}: {one.probe} answers this in {met[key]} already; keep one of the two")
            met[key] = place
            kept.append(one)
    asked = {name: number for number, name in enumerate(told.probes)}
    kept.sort(key=lambda one: (asked.get(one.probe, len(asked)), one.probe))
    return Look(at=told.at, window=told.window.value(), kept=tuple(kept))


def _kept(text: str, kinds: tuple[QuestionKind, ...], place: str) -> Kept:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"{place}: {_first(error)}") from error
    kind = line.kind or kinds[0]
    if kind not in kinds:
        raise BadInput(f"{place}: a line of kind {kind.value} does not belong into this file; move it")
    if kind is QuestionKind.QUANTITY and not line.name:
        raise BadInput(f"{place}: name is missing; it is the quantity that was asked for")
    try:
        bodies.check(kind, line.body)
    except ValidationError as error:
        raise BadInput(f"{place}: body.{_first(error)}") from error
    question = Question(kind=kind, service=line.service, environment=line.environment, name=line.name)
    return Kept(
        probe=line.probe,
        answer=Answer(
            question=question,
            status=line.status,
            query=line.query,
            lineage=_value(Lineage, line.lineage, f"{place}: lineage"),
            body=line.body,
            unit=line.unit,
            entities=tuple(line.entities),
            reason=line.reason,
            alive=line.alive,
            step=timedelta(seconds=line.step_s),
            window=line.window.value(),
            backend=line.backend,
            canonical_query=line.canonical_query,
            limit=line.limit,
            limit_hit=line.limit_hit,
            warnings=tuple(line.warnings),
            rate_window=timedelta(seconds=line.rate_window_s),
            ingest_lag=timedelta(seconds=line.ingest_lag_s),
        ),
    )


def _there(path: Path) -> Path:
    if not path.is_file():
        raise BadInput(f"{path} is missing; a recording has one, empty where nothing was answered")
    return path


def _yaml(kind: type[M], path: Path) -> M:
    return _valid(kind, documents.read(_there(path)), str(path))


def _valid(kind: type[M], data: object, place: str) -> M:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"{place}: {_first(error)}") from error


def _value(kind: type[Values], data: Mapping[str, Any], place: str) -> Values:
    """A value of the vocabulary, which itself ignores what it does not know: here that is refused."""
    unknown = sorted(set(data) - {f.name for f in fields(kind)})
    if unknown:
        raise BadInput(f"{place}: {unknown[0]!r} is no part of it; take it out")
    try:
        return codec.load(kind, data)
    except ValidationError as error:
        raise BadInput(f"{place}: {_first(error)}") from error
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return one_line(f"{where}: {said}" if where else said)
