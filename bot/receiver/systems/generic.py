"""Everything else: a JSON or form body and a mapping of the operator's, ``config/mappings.yaml``.

A mapping names, for each field, where in the body it stands (JSONPath, RFC 9535). Nothing is guessed: a field
whose path meets nothing stays missing, a status word in neither list is ``unknown``, and an identity that does not
resolve falls back to source, title and entity, and says so in ``about["warnings"]``.

A body with the marker ``"firstresponder": 1`` needs no mapping: its keys are the fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

import jsonpath
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agents import documents
from agents.incident.errors import BadInput
from agents.incident.incident import ChangeKind
from bot.receiver.systems import fields
from bot.receiver.systems.placeholders import unrendered
from bot.receiver.systems.reading import Category, Item, Reading, System, level, stated

MARKER = "firstresponder"
"""The key that a published template carries; its value is the template's version."""

SEVERITIES = {
    "critical": "critical",
    "fatal": "critical",
    "emergency": "critical",
    "high": "high",
    "warning": "warning",
    "warn": "warning",
    "info": "info",
    "informational": "info",
}
"""Words that mean one thing everywhere. A mapping's own table stands before it."""

TAKEN = (
    Category.ALERT,
    Category.INCIDENT,
    Category.DEPLOY,
    Category.CI,
    Category.CHANGE,
    Category.JOB,
    Category.PROVIDER_EVENT,
    Category.SECURITY_FINDING,
    Category.SERVICE_CHANGE,
    Category.MESSAGE,
)
MOST_ITEMS = 1000

_TEXTS = ("severity", "service", "entity", "environment", "link", "summary")
_CHANGED = ("version", "previous_version", "actor")
"""Of a change: what it brought, what was there before, who did it."""

_TIMES = ("started_at", "ended_at", "event_at")
_CORE = ("identity", "status", "title")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _path(value: str) -> str:
    _compiled(value)
    return value


@cache
def _compiled(path: str) -> jsonpath.JSONPath:
    if not path.startswith("$"):
        raise ValueError(f"a path begins with $, as in $.alert.id; this is {path!r}")
    try:
        compiled = jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        raise ValueError(f"{path!r} is not a JSONPath: {str(error).splitlines()[0]}") from error
    if not isinstance(compiled, jsonpath.JSONPath):
        raise ValueError(f"{path!r} is several JSONPaths; give a list")  # noqa: TRY004  # pydantic takes ValueError
    return compiled


class _Fixed(_Strict):
    """The same for every delivery."""

    value: str = Field(min_length=1)


class _Joined(_Strict):
    """All of them, joined; one that is missing leaves the field missing."""

    all: list[str] = Field(min_length=1)
    joined: str = "/"

    _paths = field_validator("all")(lambda paths: [_path(p) for p in paths])

    def join(self, parts: Sequence[str], *, exact: bool) -> str:
        """*parts* as one text; *exact*: never the same for other parts, so what joins them is escaped in them."""
        if exact and self.joined:
            parts = [p.replace("\\", "\\\\").replace(self.joined, f"\\{self.joined}") for p in parts]
        return self.joined.join(parts)


Rule = _Fixed | _Joined | Annotated[list[str], Field(min_length=1)] | str
"""A path; a list of which the first that meets something counts; a join; or a fixed word."""


def _checked(rule: object) -> object:
    for path in [rule] if isinstance(rule, str) else rule if isinstance(rule, list) else []:
        if isinstance(path, str):
            _path(path)
    return rule


class Rules(_Strict):
    """One mapping."""

    category: Literal[tuple(c.value for c in TAKEN)] = "alert"  # type: ignore[valid-type]
    items: str = "$"
    identity: Rule
    status: Rule
    title: Rule
    severity: Rule | None = None
    service: Rule | None = None
    entity: Rule | None = None
    environment: Rule | None = None
    started_at: Rule | None = None
    ended_at: Rule | None = None
    event_at: Rule | None = None
    link: Rule | None = None
    summary: Rule | None = None
    version: Rule | None = None
    previous_version: Rule | None = None
    actor: Rule | None = None
    kind: ChangeKind | None = None
    firing_when: list[str | int | bool] = []
    resolved_when: list[str | int | bool] = []
    severities: dict[str, Literal["critical", "high", "warning", "info"]] = {}

    _rules = field_validator(*_CORE, *_TEXTS, *_TIMES, *_CHANGED)(_checked)
    _items = field_validator("items")(_path)

    @model_validator(mode="after")
    def _one_meaning(self) -> "Rules":
        both = {_word(w) for w in self.firing_when} & {_word(w) for w in self.resolved_when}
        if both:
            raise ValueError(f"in firing_when and in resolved_when: {', '.join(sorted(both))}")
        if self.category == "alert" and not (self.firing_when or self.resolved_when) and not self._fixed_firing():
            raise ValueError(
                "firing_when says which values of status mean firing; without a status: {value: firing}"
            )
        return self

    def _fixed_firing(self) -> bool:
        return isinstance(self.status, _Fixed) and self.status.value == "firing"

    def level(self, severity_raw: str | None) -> str:
        """critical, high, warning, info or unset."""
        return level(severity_raw, {**SEVERITIES, **{k.lower(): v for k, v in self.severities.items()}})


class _File(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    mappings: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)], Rules] = {}


def load(file: Path) -> Mapping[str, Rules]:
    """The mappings of config/mappings.yaml, each path compiled once; BadInput by name and place."""
    try:
        return _File.model_validate(documents.read(file)).mappings
    except FileNotFoundError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadInput(f"{file}: {where or 'the whole file'}: {first['msg']}") from error


@dataclass(slots=True)
class _Looker:
    """Looks up the fields of one item and remembers what was odd."""

    rules: Rules
    item: object
    warnings: list[str]

    def text(self, name: str) -> str | None:
        rule: Rule | None = getattr(self.rules, name)
        match rule:
            case None:
                return None
            case _Fixed():
                return rule.value
            case _Joined():
                parts = [self._first(name, path) for path in rule.all]
                known = [p for p in parts if p is not None]
                return None if None in parts else rule.join(known, exact=name == "identity")
            case str():
                return self._first(name, rule)
            case _:
                return next((found for p in rule if (found := self._first(name, p)) is not None), None)

    def plain(self, name: str) -> str | None:
        """A field that is not of the core: a placeholder counts as missing."""
        found = self.text(name)
        placeholder = unrendered(found) if found else None
        if placeholder:
            self.warnings.append(f"{name} is not rendered: {placeholder}")
            return None
        return found

    def time(self, name: str) -> str | None:
        found = self.plain(name)
        if found and found.startswith("0001-01-01"):  # how Go writes that there is none
            return None
        try:
            return fields.time(found, name)
        except BadInput:
            self.warnings.append(f"{name} is not a time: {(found or '')[:60]!r}")
            return None

    def _first(self, name: str, path: str) -> str | None:
        try:
            # The first match that says something counts: a list of tags may begin with an empty one.
            for match in _compiled(path).finditer(self.item):  # type: ignore[arg-type]
                value = match.value
                if isinstance(value, bool):
                    return "true" if value else "false"
                if isinstance(value, dict | list):
                    self.warnings.append(
                        f"{name}: {path} is {'an object' if isinstance(value, dict) else 'a list'}"
                    )
                    continue
                found = fields.text(value, path)
                if found is not None:
                    return found
        except (jsonpath.JSONPathError, RecursionError) as error:
            self.warnings.append(f"{name}: {path} could not be followed: {type(error).__name__}")
        return None


def _word(value: object) -> str:
    return str(value).strip().lower()


def _status(rules: Rules, word: str | None, warnings: list[str]) -> str:
    if isinstance(rules.status, _Fixed):
        return rules.status.value
    if word is not None:
        if _word(word) in {_word(w) for w in rules.firing_when}:
            return "firing"
        if _word(word) in {_word(w) for w in rules.resolved_when}:
            return "resolved"
        if rules.category != "alert":
            return word
        warnings.append(f"status {word[:60]!r} is in neither firing_when nor resolved_when")
    else:
        warnings.append("status did not resolve")
    return "unknown"


def read_with(name: str, rules: Rules, headers: Mapping[str, str], body: bytes) -> Reading:
    """What *body* says by the mapping *name*. BadInput when it is not such a body at all."""
    what = f"not a delivery for mapping {name}"
    whole = _document(headers, body, what)
    try:
        found = [m.value for m in _compiled(rules.items).finditer(whole)]  # type: ignore[arg-type]
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise BadInput(f"{what}: items: {rules.items} could not be followed") from error
    # A path to a list means its members, with or without [*]; the whole body may itself be a list.
    members = found[0] if len(found) == 1 and isinstance(found[0], list) else found
    if not members:
        raise BadInput(f"{what}: items: {rules.items} meets nothing")
    if len(members) > MOST_ITEMS:
        raise BadInput(f"{what}: items: {len(members)} are more than {MOST_ITEMS}")
    warnings: list[str] = []
    items = []
    for number, member in enumerate(members):
        looker = _Looker(rules=rules, item=member, warnings=warnings)
        core = {field: looker.text(field) for field in _CORE}
        for field in _CORE:
            placeholder = unrendered(core[field] or "")
            if placeholder:
                return Reading(
                    category=Category.UNRENDERED_TEMPLATE, about={"placeholder": placeholder, "field": field}
                )
        items.append(_item(name, f"{what}: item {number + 1}", looker, core))
    about = {"warnings": list(dict.fromkeys(warnings))} if warnings else {}
    return Reading(category=Category(rules.category), items=tuple(items), about=about)


def _item(name: str, what: str, looker: _Looker, core: Mapping[str, str | None]) -> Item:
    plain = {field: looker.plain(field) for field in _TEXTS}
    identity, how = core["identity"], "mapping"
    if identity is None:
        rest = [core["title"], plain["entity"]]
        if not any(rest):
            raise BadInput(f"{what}: identity, title and entity all meet nothing")
        identity, how = "/".join([name, *(part or "-" for part in rest)]), "source+title+entity"
        looker.warnings.append("identity did not resolve; source, title and entity stand for it")
    return Item(
        status=_status(looker.rules, core["status"], looker.warnings),
        title=core["title"],
        severity_raw=plain["severity"],
        service=plain["service"],
        entity=plain["entity"],
        environment=plain["environment"],
        link=plain["link"],
        summary=plain["summary"],
        started_at=looker.time("started_at"),
        ended_at=looker.time("ended_at"),
        event_at=looker.time("event_at"),
        dedup_key=identity,
        dedup_from=how,
        level=looker.rules.level(plain["severity"]) if looker.rules.severities else None,
        kind=looker.rules.kind.value if looker.rules.kind else None,
        extras=stated(**{name: looker.plain(name) for name in _CHANGED}),
    )


def _document(headers: Mapping[str, str], body: bytes, what: str) -> object:
    """The body as JSON; a form is the object of its fields, and its field ``payload`` may hold JSON."""
    kind = {k.lower(): v for k, v in headers.items()}.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        found = fields.decode(body, what)
    else:
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=1000))
        except ValueError as error:
            raise BadInput(f"{what}: body: not a form") from error
        found = fields.decode(form["payload"].encode(), what) if set(form) == {"payload"} else form
    if not isinstance(found, dict | list):
        raise BadInput(f"{what}: body: an object or a list is needed")
    return found


def _marked() -> Rules:
    same: Mapping[str, str] = {field: f"$.{field}" for field in (*_CORE, *_TEXTS, *_TIMES, *_CHANGED)}
    return Rules.model_validate({**same, "firing_when": ["firing"], "resolved_when": ["resolved"]})


_MARKED = _marked()


def _version(headers: Mapping[str, str], body: bytes) -> object:
    if MARKER.encode() not in body:
        return None
    return fields.get(_document(headers, body, "not a delivery"), MARKER)


def read(headers: Mapping[str, str], body: bytes) -> Reading:
    """A body that carries the marker; any other needs a mapping, see ``read_with``."""
    version = _version(headers, body)
    if version is None:
        raise BadInput(
            f'not a delivery of generic: no "{MARKER}": 1 in it; others need a mapping, config/mappings.yaml'
        )
    if _word(version) != "1":
        raise BadInput(
            f"not a delivery of generic: {MARKER}: version {str(version)[:20]!r} is not known here, only 1"
        )
    return read_with("generic", _MARKED, headers, body)


def recognise(headers: Mapping[str, str], body: bytes) -> int:
    """The marker alone, and behind a system that knows the body's own shape."""
    try:
        return 1 if _word(_version(headers, body)) == "1" else 0
    except BadInput:
        return 0


SYSTEM = System(
    name="generic",
    title="Anything by a mapping",
    read=read,
    recognise=recognise,
    severities=SEVERITIES,
    refusable=True,
)

__all__: Sequence[str] = ["SYSTEM", "Rules", "load", "read", "read_with", "recognise"]
