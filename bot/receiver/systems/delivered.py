"""One delivery read by names: opened whatever its content type, its fields taken tolerantly, its gaps noted."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from functools import lru_cache
from urllib.parse import parse_qsl

from agents.incident.errors import BadInput
from bot.receiver.systems import fields
from bot.receiver.systems.placeholders import unrendered
from bot.receiver.systems.reading import Category, Item, Reading

EARLIEST_EPOCH = 100_000_000
"""A smaller number is a placeholder for "no time": 0, -1; no alert is from before 1973."""

LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("critical", "page", "fatal", "emergency", "disaster", "sev1", "p1", "high"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "average", "error", "sev2", "p2"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "none", "low", "p5"), "info"),
}
"""What most senders' words stand for; a system adds its own."""

_DOTTED_DATE = re.compile(r"^(\d{4})\.(\d{2})\.(\d{2})(?=\D)")
_BARE = re.compile(r":\s*(\$?\{\{[^{}]*\}\}|\{[A-Za-z][\w.]*\}|\$[A-Z][A-Z0-9_]+)\s*(?=[,}\n])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An object of a sender, with the place where it stands. ``what`` begins every complaint about it.

    ``loose`` takes ``monitorURL``, ``monitor_url`` and ``MonitorUrl`` for one name, for bodies that people write.
    ``gaps`` gathers, by name, the placeholders that stand where ``templated`` bodies should have values.
    """

    what: str
    data: Mapping[str, object]
    at: str = ""
    loose: bool = False
    templated: bool = False
    void: Collection[str] = ()
    """Words of the sender for "no value"."""
    gaps: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> object:
        """What stands under *name*."""
        return self.data.get(_plain(name) if self.loose else name)

    def has(self, *names: str) -> bool:
        """Whether every one of *names* is there, whatever it says."""
        return all((_plain(n) if self.loose else n) in self.data for n in names)

    def text(self, *names: str) -> str | None:
        """The first of *names* that says something."""
        for name in names:
            value = fields.text(self.get(name), self.place(name))
            if value is None or value.strip() in self.void:
                continue
            if self.templated and (hole := unrendered(value)):
                self.gaps.setdefault(name, hole)
                continue
            return _sound(value)
        return None

    def time(self, *names: str) -> str | None:
        """The first of *names* that holds a time. Text that is no time counts as missing: alerts outlive typos."""
        for name in names:
            value = self.get(name)
            if isinstance(value, str):
                value = self.text(name)
            found = _time(value, self.place(name))
            if found is not None:
                return found
        return None

    def child(self, name: str) -> "Said":
        """The object under *name*; an empty one where there is none."""
        value = self.get(name)
        return self._inner({} if value is None or value == "" else value, self.place(name))

    def children(self, name: str) -> tuple["Said", ...]:
        """The objects of the list under *name*."""
        return tuple(self._inner(v, self.place(f"{name}.{i}")) for i, v in enumerate(self.several(name)))

    def several(self, name: str) -> list[object]:
        """The list under *name*; an empty one where there is none."""
        value = self.get(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise self.bad(name, "a list is needed")
        return value

    def words(self, *names: str) -> tuple[str, ...]:
        """Texts of the first of *names* that has some: a list of texts, or one text."""
        for name in names:
            value = self.get(name)
            if isinstance(value, list):
                texts = [fields.text(v, self.place(f"{name}.{i}")) for i, v in enumerate(value)]
            else:
                texts = [self.text(name)]
            found = tuple(_sound(t) for t in texts if t and not (self.templated and unrendered(t)))
            if found:
                return found
        return ()

    def labels(self, name: str) -> dict[str, str]:
        """Names and values of a flat object; without those that say nothing."""
        value = self.get(name)
        if value is None or value == "":
            return {}
        flat = fields.mapping(value, self.place(name))
        texts = ((k, fields.text(v, self.place(f"{name}.{k!r:.40}"))) for k, v in flat.items())
        return {_sound(k): _sound(v) for k, v in texts if v is not None}

    def place(self, name: str) -> str:
        """The beginning of a complaint about *name*."""
        return f"{self.what}: {self.at}{name}"

    def bad(self, name: str, why: str) -> BadInput:
        """A complaint about *name*, to be raised."""
        return BadInput(f"{self.place(name)}: {why}")

    def _inner(self, value: object, place: str) -> "Said":
        inner = fields.mapping(value, place)
        at = place.removeprefix(f"{self.what}: ") + "."
        return replace(self, data={_plain(k): v for k, v in inner.items()} if self.loose else inner, at=at)


def reader(
    sender: str,
    read: Callable[[Mapping[str, str], Said], Reading],
    *,
    loose: bool = False,
    templated: bool = False,
    void: Collection[str] = (),
) -> Callable[[Mapping[str, str], bytes], Reading]:
    """*read* over an opened delivery. *sender* is named in complaints: ``a Datadog``."""
    what = f"not {sender} notification"

    def opened(headers: Mapping[str, str], body: bytes) -> Reading:
        try:
            value = unwrap(what, headers.get("content-type", ""), body)
        except BadInput:
            hole = _BARE.search(body.decode("utf-8", "replace")) if templated else None
            if hole is None:
                raise
            return Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": hole.group(1)})
        data = fields.mapping(value, f"{what}: body")
        if loose:
            data = {_plain(k): v for k, v in data.items()}
        return read(headers, Said(what=what, data=data, loose=loose, templated=templated, void=void))

    return opened


def alert(
    said: Said,
    item: Item,
    *,
    core: Collection[str] = (),
    about: Mapping[str, object] | None = None,
    category: Category = Category.ALERT,
    delivery_key: str | None = None,
) -> Reading:
    """One item as a reading; refused where one of *core*, identity, status and title, was left unrendered."""
    for name in core:
        if name in said.gaps:
            return Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": said.gaps[name]})
    if item.title is None and item.dedup_key is None:
        raise BadInput(f"{said.what}: body: neither a title nor an identity is there")
    whole = dict(about or {})
    if said.gaps:
        whole["unrendered"] = dict(said.gaps)
    return Reading(category=category, items=(item,), about=whole, delivery_key=delivery_key)


def stated(**extras: object) -> dict[str, object]:
    """*extras* without what is missing."""
    return {k: v for k, v in extras.items() if v is not None and v not in ("", [], {}, ())}


def look(word: str | None, table: Mapping[str, str]) -> str:
    """The status that a sender's *word* stands for; "unknown" for any other."""
    return table.get((word or "").strip().lower(), "unknown")


def peek(headers: Mapping[str, str], body: bytes) -> Mapping[str, object]:
    """The object that *body* is, for recognising it; an empty one where it is none."""
    return _peeked(headers.get("content-type", ""), body)


def has(data: Mapping[str, object], *names: str) -> bool:
    """Whether all of *names* stand in *data*."""
    return all(n in data for n in names)


@lru_cache(maxsize=4)
def _peeked(content_type: str, body: bytes) -> Mapping[str, object]:
    try:
        value = unwrap("", content_type, body)
    except BadInput:
        return {}
    return value if isinstance(value, Mapping) else {}


def unwrap(what: str, content_type: str, body: bytes) -> object:
    """The value of a JSON body, or of the form that carries one in ``payload`` or ``data``, or the form itself."""
    kind = content_type.partition(";")[0].strip().lower()
    start = body.lstrip()[:1]
    if kind == "multipart/form-data":
        form = dict(_parts(content_type, body))
    elif start in (b"{", b"[") or (kind != "application/x-www-form-urlencoded" and b"=" not in body[:200]):
        return fields.decode(body, what)
    else:
        try:
            form = dict(parse_qsl(body.decode("utf-8"), strict_parsing=True, max_num_fields=200))
        except ValueError as error:
            raise BadInput(f"{what}: body: neither JSON nor a form") from error
    for name in ("payload", "data"):
        if form.get(name, "").lstrip()[:1] in ("{", "["):
            return fields.decode(form[name].encode("utf-8", "surrogatepass"), what)
    return form


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser().parsebytes(head + body)
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


def _time(value: object, place: str) -> str | None:
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


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
