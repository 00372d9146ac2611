"""The only shapes a model may answer in. Whatever does not fit whole is no answer.

No field takes prose: ids, names of a closed list, and numbers that are only compared.
"""

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.incident.errors import BadInput

MAX_ANSWER_BYTES = 64 * 1024

IncidentRef = Annotated[str, Field(pattern=r"^INC_[0-9A-Za-z_-]{1,60}$")]
EntityRef = Annotated[str, Field(pattern=r"^ent_[a-z2-7]{12}$")]
EvidenceRef = Annotated[str, Field(pattern=r"^ev_[a-z2-7]{20}$")]
TemplateRef = Annotated[str, Field(pattern=r"^(?:changes|quantity:[a-z_]{1,60}|log:F\d\d\.\d{1,2})$")]
SignatureRef = Annotated[str, Field(pattern=r"^(?:F\d\d|OTHER)$")]
RefuterRef = Annotated[str, Field(pattern=r"^F\d\d\.[a-z0-9_]{1,20}$")]
FactRef = Annotated[str, Field(pattern=r"^(?:[a-z0-9_]{1,60}\.)?[a-z_]{1,30}$")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Args(_Shape):
    """What a template is filled with."""

    service: EntityRef


class Span(_Shape):
    """How far back to look. It ends now: which moment is judged is not for a model to choose."""

    from_: Annotated[str, Field(alias="from", pattern=r"^(?:onset|now)-\d{1,4}[smh]$")]
    to: Literal["now"]


class Query(_Shape):
    """One question of the menu."""

    template: TemplateRef
    args: Args
    window: Span


class PlanAnswer(_Shape):
    """What to look at next."""

    version: Literal[1]
    incident: IncidentRef
    status: Literal["plan", "abstain"]
    queries: Annotated[tuple[Query, ...], Field(max_length=10)] = ()


class Support(_Shape):
    """One claim of the grammar that the cited evidence is said to carry.

    ``also`` is cited beside ``ev``, in order: what began later (PRECEDES), the other number (COMPARE, ASSOCIATED),
    the next calls up to the symptom (PATH). ``entity`` is who was called (EDGE_FACT), where a path begins (PATH),
    or on whom a fault is ruled out (REFUTED).
    """

    type: Literal[
        "METRIC_VALUE",
        "METRIC_CHANGE",
        "COMPARE",
        "LOG_PRESENT",
        "LOG_ABSENT",
        "SPAN_FACT",
        "EDGE_FACT",
        "EVENT_FACT",
        "CHANGE_FACT",
        "PRECEDES",
        "ASSOCIATED",
        "PATH",
        "REFUTED",
        "SIMILAR",
    ]
    ev: EvidenceRef
    also: Annotated[tuple[EvidenceRef, ...], Field(max_length=4)] = ()
    fact: FactRef | None = None
    other_fact: FactRef | None = None
    op: Literal["==", "!=", "<", "<=", ">", ">="] | None = None
    direction: Literal["up", "down"] | None = None
    entity: EntityRef | None = None
    refuter: RefuterRef | None = None
    value: Annotated[float, Field(allow_inf_nan=False, strict=False)] | None = None


class RefuterChecked(_Shape):
    """What the model makes of a look-alike; held against the engine's own reading of it."""

    id: RefuterRef
    ev: EvidenceRef | None = None
    outcome: Literal["not_refuted", "refuted", "unknown"]


class HypothesisAnswer(_Shape):
    """A known fault at a known place, or OTHER with the questions that would settle it."""

    signature: SignatureRef
    entity: EntityRef
    supports: Annotated[tuple[Support, ...], Field(max_length=8)] = ()
    refuters_checked: Annotated[tuple[RefuterChecked, ...], Field(max_length=12)] = ()
    would_settle: Annotated[tuple[TemplateRef, ...], Field(max_length=6)] = ()


class ProposalAnswer(_Shape):
    """Hypotheses, the likeliest first, or an abstention."""

    version: Literal[1]
    incident: IncidentRef
    status: Literal["propose", "abstain"]
    hypotheses: Annotated[tuple[HypothesisAnswer, ...], Field(max_length=5)] = ()
    unexplained: Annotated[tuple[EntityRef, ...], Field(max_length=20)] = ()
    abstain_reason: (
        Literal["not_enough_evidence", "no_known_fault_fits", "contradictory_evidence", "nothing_abnormal"] | None
    ) = None


class OrderAnswer(_Shape):
    """Lines in the order in which they read best; those left out keep their place behind."""

    version: Literal[1]
    incident: IncidentRef
    status: Literal["order"]
    lines: Annotated[tuple[Annotated[str, Field(pattern=r"^L\d{1,2}$")], ...], Field(max_length=40)]


class WordsAnswer(_Shape):
    """What a person's words were about."""

    version: Literal[1]
    status: Literal["understood", "abstain"]
    service: EntityRef | None = None
    minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    symptom: Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")] | None = None


A = TypeVar("A", PlanAnswer, ProposalAnswer, OrderAnswer, WordsAnswer)


def read(kind: type[A], body: str, incident_id: str | None = None) -> A:
    """*body* as an answer about this incident. BadInput says what is wrong with it, never what it said."""
    size = len(body.encode(errors="surrogatepass"))
    if size > MAX_ANSWER_BYTES:
        raise BadInput(f"an answer of {size} bytes; at most {MAX_ANSWER_BYTES} are read")
    try:
        answer = kind.model_validate_json(body)
    except ValidationError as error:
        where = sorted(
            {
                ".".join(str(p) for p in e["loc"] if isinstance(p, int) or _known(p)) or "whole"
                for e in error.errors(include_input=False, include_url=False)
            }
        )
        raise BadInput(f"an answer of the wrong shape at {', '.join(where[:4])}") from error
    if isinstance(answer, WordsAnswer):
        return answer
    if answer.incident != incident_id:
        raise BadInput("an answer about another incident")
    return answer


_FIELDS = frozenset(
    name
    for shape in (
        PlanAnswer,
        Query,
        Args,
        Span,
        ProposalAnswer,
        HypothesisAnswer,
        Support,
        RefuterChecked,
        OrderAnswer,
        WordsAnswer,
    )
    for field, info in shape.model_fields.items()
    for name in (info.alias or field,)
)


def _known(part: object) -> bool:
    """A key that a model made up is its own free text: not repeated anywhere."""
    return part in _FIELDS


def schema_of(kind: type[BaseModel]) -> dict[str, object]:
    """The JSON Schema of *kind*, as providers take it for structured output."""
    schema: dict[str, object] = json.loads(json.dumps(kind.model_json_schema(by_alias=True)))
    return schema
