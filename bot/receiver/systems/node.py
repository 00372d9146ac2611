"""A place in a sender's body: fields are read by path, and what is wrong with one says where it stands."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.reading import Category, Reading

_GO_ZERO = "0001-01-01"
"""Go writes a time that was never set so."""


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object and where it stands; missing, null and blank are one thing, a wrong type is BadInput."""

    value: Mapping[str, object]
    where: str

    def at(self, *path: str) -> "Node":
        """The object at *path*; an empty one when it is missing."""
        node = self
        for step in path:
            found = node.value.get(step)
            here = node._under(step)
            node = Node({} if found is None else fields.mapping(found, here), here)
        return node

    def text(self, *path: str) -> str | None:
        """Text, or a number as text."""
        value, where = self._leaf(path)
        return fields.text(value, where)

    def need(self, *path: str) -> str:
        """Text that has to be there."""
        value, where = self._leaf(path)
        found = fields.text(value, where)
        if found is None:
            raise BadInput(f"{where}: missing")
        return found

    def first(self, *names: str) -> str | None:
        """The first of several fields that is there."""
        return next((found for name in names if (found := self.text(name)) is not None), None)

    def word(self, *path: str) -> str:
        """Text in lower case, to be looked up in a table; empty when missing."""
        return (self.text(*path) or "").strip().lower()

    def line(self, *path: str) -> str | None:
        """The first line of a text, as of a commit's message."""
        found = self.text(*path)
        return found.strip().splitlines()[0] if found else None

    def time(self, *path: str) -> str | None:
        """A time as ``reading.Item`` holds it."""
        value, where = self._leaf(path)
        found = None if value == 0 and not isinstance(value, bool) else fields.time(value, where)
        return None if found is None or found.startswith(_GO_ZERO) else found

    def whole(self, *path: str) -> int | None:
        """A whole number."""
        value, where = self._leaf(path)
        return fields.whole(value, where)

    def true(self, *path: str) -> bool | None:
        """A truth value; None when missing."""
        value, where = self._leaf(path)
        if value is None or isinstance(value, bool):
            return value
        raise BadInput(f"{where}: true or false is needed")

    def list(self, *path: str) -> tuple[object, ...]:
        """A list as it stands; empty when missing."""
        value, where = self._leaf(path)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise BadInput(f"{where}: a list is needed")
        return tuple(value)

    def nodes(self, *path: str) -> Iterator["Node"]:
        """The objects of a list."""
        _, where = self._leaf(path)
        for place, value in enumerate(self.list(*path)):
            here = f"{where}[{place}]"
            yield Node(fields.mapping(value, here), here)

    def has(self, name: str) -> bool:
        """Whether an object stands under *name*."""
        return isinstance(self.value.get(name), Mapping)

    def _leaf(self, path: tuple[str, ...]) -> tuple[object, str]:
        node = self.at(*path[:-1])
        return node.value.get(path[-1]), node._under(path[-1])

    def _under(self, step: str) -> str:
        return f"{self.where}: {step}" if ": " not in self.where else f"{self.where}.{step}"


def read_object(body: bytes, what: str) -> Node:
    """The JSON object *body* is, also inside a form's field ``payload``. *what*: ``GitHub``."""
    return as_object(fields.decode(unform(body, what), no_notification(what)), what)


def as_object(value: object, what: str) -> Node:
    """*value* as the whole of a body."""
    return Node(fields.mapping(value, f"{no_notification(what)}: body"), no_notification(what))


def no_notification(what: str) -> str:
    """How the message of BadInput begins."""
    return f"not {'an' if what[:1] in 'AEIO' or what == 'SNS' else 'a'} {what} notification"


def form(body: bytes, what: str) -> Mapping[str, str]:
    """The fields of a form-encoded body, the last of each name."""
    try:
        pairs = parse_qs(body.decode("ascii").strip(), keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError as error:
        raise BadInput(f"{no_notification(what)}: body: not a form ({error})") from error
    return {name: values[-1] for name, values in pairs.items()}


def unform(body: bytes, what: str) -> bytes:
    """The JSON of a form's field ``payload``; any other body as it stands."""
    if not body.lstrip().startswith(b"payload="):
        return body
    return form(body, what)["payload"].encode()


@lru_cache(maxsize=4)
def peek(body: bytes) -> Mapping[str, object]:
    """The body's object, to recognise it; empty when it is none. Read only: every system looks at the same one."""
    try:
        value = json.loads(unform(body, ""))
    except (ValueError, RecursionError, BadInput):
        return {}
    return value if isinstance(value, dict) else {}


def stated(**extras: object) -> Mapping[str, object]:
    """The extras that the sender states."""
    return {name: value for name, value in extras.items() if value is not None}


def unused(what: str, kind: str | None, **about: object) -> Reading:
    """A kind that is understood to be nothing for us, or not understood."""
    said = (
        f"{what} kind {kind[:100]!r} is not read"
        if kind
        else f"this {what} notification names no kind that is read"
    )
    return Reading(category=Category.OTHER, about=stated(**about), error=said)
