"""A place in a sender's body: fields are read by name, and what is wrong with one says where it stands."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.placeholders import unrendered

EARLIEST_EPOCH = 100_000_000
"""A smaller number is a placeholder for "no time": 0, -1; no alert is from before 1973."""

_GO_ZERO = "0001-01-01"
"""Go writes a time that was never set so."""

_DOTTED_DATE = re.compile(r"^(\d{4})\.(\d{2})\.(\d{2})(?=\D)")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object and where it stands; missing, null and blank are one thing, a wrong type is BadInput.

    ``exact`` is for bodies in a format of the sender's own: text is kept as sent, and a time, an object or a list
    that is none is BadInput. Else it is missing where it is blank, and a time also where it is no time.
    ``loose`` takes ``monitorURL``, ``monitor_url`` and ``MonitorUrl`` for one name, for bodies that people write.
    ``gaps`` gathers, by name, the placeholders that stand where ``templated`` bodies should have values.
    """

    value: Mapping[str, object]
    where: str
    _: KW_ONLY
    exact: bool = False
    loose: bool = False
    templated: bool = False
    void: Collection[str] = ()
    """Words of the sender for "no value"."""
    gaps: dict[str, str] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What begins every complaint about this body."""
        return self.where.partition(": ")[0]

    def get(self, name: str) -> object:
        """What stands under *name*."""
        return self.value.get(_plain(name) if self.loose else name)

    def has(self, *names: str) -> bool:
        """Whether every one of *names* is there, whatever it says."""
        return all((_plain(n) if self.loose else n) in self.value for n in names)

    def holds(self, name: str) -> bool:
        """Whether an object stands under *name*."""
        return isinstance(self.get(name), Mapping)

    def at(self, *path: str) -> "Node":
        """The object at *path*; an empty one when it is missing."""
        node = self
        for step in path:
            found = node.get(step)
            node = node._inner({} if node._missing(found) else found, node.place(step))
        return node

    def text(self, *names: str) -> str | None:
        """Text, or a number as text: the first of *names* that says something."""
        for name in names:
            value = fields.text(self.get(name), self.place(name))
            if value is None or value.strip() in self.void:
                continue
            if self.templated and (hole := unrendered(value)):
                self.gaps.setdefault(name, hole)
                continue
            return value if self.exact else _sound(value)
        return None

    def need(self, name: str) -> str:
        """Text that has to be there."""
        found = self.text(name)
        if found is None:
            raise self.bad(name, "missing")
        return found

    def word(self, name: str) -> str:
        """Text in lower case, to be compared; empty when missing."""
        return (self.text(name) or "").strip().lower()

    def line(self, name: str) -> str | None:
        """The first line of a text, as of a commit's message."""
        found = self.text(name)
        return found.strip().splitlines()[0] if found else None

    def words(self, *names: str) -> tuple[str, ...]:
        """Texts of the first of *names* that has some: a list of texts, or one text."""
        for name in names:
            value = self.get(name)
            if isinstance(value, list):
                texts = [fields.text(v, self._member(name, i)) for i, v in enumerate(value)]
            else:
                texts = [self.text(name)]
            found = tuple(_sound(t) for t in texts if t and not (self.templated and unrendered(t)))
            if found:
                return found
        return ()

    def labels(self, name: str) -> dict[str, str]:
        """Names and values of a flat object; without those that say nothing."""
        value = self.get(name)
        if self._missing(value):
            return {}
        flat = fields.mapping(value, self.place(name))
        texts = ((k, fields.text(v, self.place(f"{name}.{k!r:.40}"))) for k, v in flat.items())
        return {_sound(k): _sound(v) for k, v in texts if v is not None}

    def time(self, *names: str) -> str | None:
        """A time as ``reading.Item`` holds it: the first of *names* that has one."""
        for name in names:
            value = self.get(name)
            if self.exact:
                found = _time(value, self.place(name))
            else:
                found = _likely_time(self.text(name) if isinstance(value, str) else value, self.place(name))
            if found is not None:
                return found
        return None

    def whole(self, name: str) -> int | None:
        """A whole number."""
        return fields.whole(self.get(name), self.place(name))

    def true(self, name: str) -> bool | None:
        """A truth value; None when missing."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.bad(name, "true or false is needed")

    def list(self, name: str) -> tuple[object, ...]:
        """A list as it stands; empty when missing."""
        value = self.get(name)
        if self._missing(value):
            return ()
        if not isinstance(value, list):
            raise self.bad(name, "a list is needed")
        return tuple(value)

    def nodes(self, name: str) -> Iterator["Node"]:
        """The objects of a list."""
        for number, value in enumerate(self.list(name)):
            yield self._inner(value, self._member(name, number))

    def place(self, name: str) -> str:
        """The beginning of a complaint about *name*."""
        return f"{self.where}: {name}" if ": " not in self.where else f"{self.where}.{name}"

    def bad(self, name: str, why: str) -> BadInput:
        """A complaint about *name*, to be raised."""
        return BadInput(f"{self.place(name)}: {why}")

    def _missing(self, value: object) -> bool:
        return value is None or (value == "" and not self.exact)

    def _member(self, name: str, number: int) -> str:
        return self.place(f"{name}[{number}]" if self.exact else f"{name}.{number}")

    def _inner(self, value: object, where: str) -> "Node":
        return replace(self, value=_named(fields.mapping(value, where), loose=self.loose), where=where)


def root(
    value: object,
    what: str,
    *,
    exact: bool = False,
    loose: bool = False,
    templated: bool = False,
    void: Collection[str] = (),
) -> Node:
    """*value* as the whole of a body. *what* begins every complaint about it: ``not a GitHub notification``."""
    whole = _named(fields.mapping(value, f"{what}: body"), loose=loose)
    return Node(whole, what, exact=exact, loose=loose, templated=templated, void=void)


def _time(value: object, place: str) -> str | None:
    found = None if value == 0 and not isinstance(value, bool) else fields.time(value, place)
    return None if found is None or found.startswith(_GO_ZERO) else found


def _likely_time(value: object, place: str) -> str | None:
    """A time; text that is none counts as missing, for alerts outlive typos."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not value >= EARLIEST_EPOCH:
        return None
    if isinstance(value, str):
        value = _DOTTED_DATE.sub(r"\1-\2-\3", value.strip())
        # A date alone is not a time; a short number is a duration or a day.
        if ":" not in value and not re.fullmatch(r"\d{9,19}(\.\d+)?|\d{8}T\d{4,}.*", value, re.ASCII):
            return None
    try:
        found = fields.time(value, place)
    except BadInput:
        if isinstance(value, str):
            return None
        raise
    return None if found is None or found.startswith("0001-") else found


def _sound(value: str) -> str:
    """*value* without halves of characters, which JSON can spell and nothing can store."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _named(value: Mapping[str, object], *, loose: bool) -> Mapping[str, object]:
    return {_plain(k): v for k, v in value.items()} if loose else value


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
