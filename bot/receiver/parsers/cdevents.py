"""CDEvents ``service.deployed`` (cdevents.dev): a deploy, or a migration when ``customData.kind`` says so."""

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from agents.incident.errors import BadInput
from agents.incident.incident import Change, ChangeKind
from bot.configuration import Source
from bot.receiver.parsers.values import Changes, plain, short

Whole = Annotated[int, Field(ge=0, lt=2**53, description="as far as JSON numbers are exact")]


class _Context(BaseModel):
    id: str
    source: str = ""
    type: str
    timestamp: AwareDatetime


class _Environment(BaseModel):
    id: str


class _Content(BaseModel):
    environment: _Environment | None = None
    artifactId: str | None = None  # noqa: N815  # the sender's name


class _Subject(BaseModel):
    id: str
    content: _Content = _Content()


class _Custom(BaseModel):
    kind: Literal["deploy", "migration"] = "deploy"
    revision: Whole | None = None
    previous_revision: Whole | None = None
    schema_version: Whole | None = None
    migration: str = ""


class _Event(BaseModel):
    context: _Context
    subject: _Subject
    customData: _Custom = _Custom()  # noqa: N815


def _read(body: bytes) -> _Event:
    try:
        return _Event.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "the body"
        raise BadInput(f"not a CDEvents record: {where}: {first['msg']}") from error


def parse(source: str, configured: Source, body: bytes) -> Changes:
    """One change record; a CDEvents type that is not a deployment is refused by name."""
    event = _read(body)
    if not event.context.type.startswith("dev.cdevents.service.deployed."):
        raise BadInput(f"CDEvents type {event.context.type!r}; this door takes service.deployed")
    environment = event.subject.content.environment
    named = environment.id if environment is not None else configured.environment
    if not named or not event.subject.id:
        raise BadInput("the record names no service or no environment")
    custom = event.customData
    return Changes(
        items=(
            Change(
                id=short(plain(f"{source}/{event.context.source}/{event.context.id}")),
                kind=ChangeKind(custom.kind),
                service=plain(event.subject.id.rsplit("/", 1)[-1]),
                environment=plain(named),
                at=event.context.timestamp.astimezone(UTC),
                artifact=event.subject.content.artifactId,
                revision=custom.revision,
                previous_revision=custom.previous_revision,
                schema_version=custom.schema_version,
                note=plain(custom.migration),
            ),
        )
    )


def delivery_key(body: bytes) -> str | None:
    """``context.source`` and ``context.id``, which CDEvents keeps unique together."""
    try:
        event = _read(body)
    except BadInput:
        return None
    return short(plain(f"{event.context.source}/{event.context.id}"))
