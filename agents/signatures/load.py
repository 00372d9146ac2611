"""Signature files, read once at start and refused with the file's name when they do not hold together."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agents import documents
from agents.incident.claims import FactName, Op
from agents.incident.errors import BadInput
from agents.incident.finding import Remedy
from agents.incident.incident import ChangeKind
from agents.incident.quantities import QUANTITIES
from agents.signatures.model import (
    All,
    Any,
    Check,
    Condition,
    Group,
    On,
    Predicate,
    Refuter,
    Signature,
    Strength,
    Subject,
)


class _Yaml12(documents.Loader):
    """YAML 1.2's booleans: ``on`` is a word here, as the format needs it to be."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in documents.Loader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


Words = Annotated[str, Field(pattern=r"^\D*$", description="no digits: numbers on a card come from facts")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Predicate(_Strict):
    quantity: str = ""
    log: str = ""
    on: On = On.SELF
    fact: FactName
    op: Op
    value: float
    strength: Strength | None = None


class _All(_Strict):
    all: list["_Condition"] = Field(min_length=1)


class _Any(_Strict):
    any: list["_Condition"] = Field(min_length=1)


_Condition = _All | _Any | _Predicate


class _Group(_Strict):
    id: str
    vantage: str
    strength: Strength
    mechanism: bool = False
    when: _Condition


class _Refuter(_Strict):
    id: str
    means: Words
    hard: bool = True
    required: bool = False
    then: str = ""
    when: _Condition


class _Prior(_Strict):
    base_rate: Annotated[float, Field(gt=0, lt=1)]
    source: str


class _Change(_Strict):
    kind: ChangeKind
    boost: Annotated[float, Field(ge=1, le=3)]


class _Check(_Strict):
    role: Literal["mechanism", "user_facing", "capacity", "neighbour"]
    quantity: str
    on: On
    fact: FactName = FactName.RECENT
    op: Op
    value: float
    of_baseline: bool = False


class _Remedy(_Strict):
    action: str
    only_if: ChangeKind | None = None


class _File(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^F\d\d$")]
    version: int
    title: Words
    note: Words = ""
    family: str
    convicts: Subject
    lookback_minutes: Annotated[int, Field(gt=0)]
    prior: _Prior
    change: _Change | None = None
    diagnosed_at: Annotated[float, Field(gt=0.5, lt=1)]
    groups: list[_Group] = Field(min_length=2)
    refuters: list[_Refuter] = Field(min_length=1)
    actions: list[_Remedy] = []
    verify: list[_Check] = []


_All.model_rebuild()
_Any.model_rebuild()
_File.model_rebuild()
_FILE = TypeAdapter(_File)


def _condition(raw: _Condition, where: str) -> Condition:
    if isinstance(raw, _All):
        return All(parts=tuple(_condition(p, where) for p in raw.all))
    if isinstance(raw, _Any):
        return Any(parts=tuple(_condition(p, where) for p in raw.any))
    if bool(raw.quantity) == bool(raw.log):
        raise BadInput(f"{where}: a predicate names either a quantity or a log pattern")
    if raw.quantity and raw.quantity not in QUANTITIES:
        raise BadInput(f"{where}: unknown quantity {raw.quantity!r}; known: {', '.join(QUANTITIES)}")
    if raw.log:
        try:
            re.compile(raw.log)
        except re.error as error:
            raise BadInput(f"{where}: log pattern does not compile: {error}") from error
    return Predicate(
        quantity=raw.quantity,
        log=raw.log,
        on=raw.on,
        fact=raw.fact,
        op=raw.op,
        value=raw.value,
        strength=raw.strength,
    )


def parse(text: str, where: str) -> Signature:
    """One signature from YAML; ``BadInput`` names *where* and what is wrong."""
    try:
        file = _FILE.validate_python(documents.parse(text, where, _Yaml12))
    except ValidationError as error:
        raise BadInput(f"{where}: {error}") from error
    groups = tuple(
        Group(
            id=g.id,
            vantage=g.vantage,
            strength=g.strength,
            mechanism=g.mechanism,
            condition=_condition(g.when, f"{where}: group {g.id}"),
        )
        for g in file.groups
    )
    if not any(g.mechanism for g in groups):
        raise BadInput(f"{where}: no group is specific to the mechanism")
    if len({g.vantage for g in groups}) < 2:
        raise BadInput(f"{where}: all groups look from {groups[0].vantage!r}; two vantages are needed")
    for check in file.verify:
        if check.quantity not in QUANTITIES:
            raise BadInput(f"{where}: verify names unknown quantity {check.quantity!r}")
    if file.actions and not {"mechanism", "user_facing", "capacity"} <= {c.role for c in file.verify}:
        raise BadInput(f"{where}: verify needs a mechanism, a user_facing and a capacity check")
    return Signature(
        id=file.id,
        version=file.version,
        title=file.title,
        note=file.note,
        family=file.family,
        subject=file.convicts,
        lookback=timedelta(minutes=file.lookback_minutes),
        base_rate=file.prior.base_rate,
        change=file.change.kind if file.change else None,
        change_boost=file.change.boost if file.change else 1.0,
        diagnosed_at=file.diagnosed_at,
        groups=groups,
        refuters=tuple(
            Refuter(
                id=r.id,
                means=r.means,
                hard=r.hard,
                required=r.required,
                then=r.then,
                condition=_condition(r.when, f"{where}: refuter {r.id}"),
            )
            for r in file.refuters
        ),
        remedies=tuple(
            Remedy(action=a.action, only_if=a.only_if.value if a.only_if else "") for a in file.actions
        ),
        checks=tuple(
            Check(
                role=c.role,
                quantity=c.quantity,
                on=c.on,
                fact=c.fact,
                op=c.op,
                value=c.value,
                of_baseline=c.of_baseline,
            )
            for c in file.verify
        ),
    )


def load(folder: Path) -> tuple[Signature, ...]:
    """Every ``F*.yaml`` of *folder*, by id; an id used twice is refused."""
    found = tuple(parse(documents.text(path), path.name) for path in sorted(folder.glob("F*.yaml")))
    if not found:
        raise BadInput(f"no signatures in {folder}: the responder would recognise nothing")
    ids = [s.id for s in found]
    if len(set(ids)) < len(ids):
        raise BadInput(f"{folder}: two signatures share an id: {ids}")
    return found
