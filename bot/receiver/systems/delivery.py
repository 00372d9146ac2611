"""One delivery: its body opened whatever the content type, to be recognised and to be read."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from email.parser import BytesParser
from functools import lru_cache
from urllib.parse import parse_qs, parse_qsl

from agents.incident.errors import BadInput
from bot.receiver import safe
from bot.receiver.systems import fields
from bot.receiver.systems.node import Node, root
from bot.receiver.systems.reading import Category, Item, Reading

_BARE = re.compile(r":\s*(\$?\{\{[^{}]*\}\}|\{[A-Za-z][\w.]*\}|\$[A-Z][A-Z0-9_]+)\s*(?=[,}\n])")


def reader(
    sender: str,
    read: Callable[[Mapping[str, str], Node], Reading],
    *,
    exact: bool = False,
    loose: bool = False,
    templated: bool = False,
    void: Collection[str] = (),
) -> Callable[[Mapping[str, str], bytes], Reading]:
    """*read* over an opened delivery. *sender* is named in complaints: ``a Datadog``. The rest is ``Node``'s."""
    what = f"not {sender} notification"

    def opened(headers: Mapping[str, str], body: bytes) -> Reading:
        try:
            value = unwrap(what, headers.get("content-type", ""), body, exact=exact)
        except BadInput:
            bare = _BARE.search(body.decode("utf-8", "replace")) if templated else None
            if bare is None:
                raise
            hole = safe.storable(bare.group(1))
            return Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": hole})
        return read(headers, root(value, what, exact=exact, loose=loose, templated=templated, void=void))

    return opened


def alert(
    said: Node,
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


def peek(headers: Mapping[str, str], body: bytes, *, exact: bool = False) -> Mapping[str, object]:
    """The object that *body* is, for recognising it; an empty one where it is none. Read only."""
    return _peeked("" if exact else headers.get("content-type", ""), body, exact)


def has(data: Mapping[str, object], *names: str) -> bool:
    """Whether all of *names* stand in *data*."""
    return all(n in data for n in names)


@lru_cache(maxsize=4)
def _peeked(content_type: str, body: bytes, exact: bool) -> Mapping[str, object]:
    try:
        value = unwrap("", content_type, body, exact=exact)
    except BadInput:
        return {}
    return value if isinstance(value, Mapping) else {}


def form(body: bytes, what: str) -> Mapping[str, str]:
    """The fields of a form-encoded body, the last of each name."""
    try:
        pairs = parse_qs(body.decode("ascii").strip(), keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError as error:
        raise BadInput(f"{what}: body: not a form ({error})") from error
    return {name: values[-1] for name, values in pairs.items()}


def unwrap(what: str, content_type: str, body: bytes, *, exact: bool) -> object:
    """The value of a JSON body, or of the form that carries one in ``payload`` or ``data``, or the form itself.

    With *exact* a form is opened only for its ``payload``, whatever the content type says.
    """
    if exact:
        opened = form(body, what)["payload"].encode() if body.lstrip().startswith(b"payload=") else body
        return fields.decode(opened, what)
    kind = content_type.partition(";")[0].strip().lower()
    start = body.lstrip()[:1]
    if kind == "multipart/form-data":
        sent = dict(_parts(content_type, body))
    elif start in (b"{", b"[") or (kind != "application/x-www-form-urlencoded" and b"=" not in body[:200]):
        return fields.decode(body, what)
    else:
        try:
            sent = dict(parse_qsl(body.decode("utf-8"), strict_parsing=True, max_num_fields=200))
        except ValueError as error:
            raise BadInput(f"{what}: body: neither JSON nor a form") from error
    for name in ("payload", "data"):
        if sent.get(name, "").lstrip()[:1] in ("{", "["):
            return fields.decode(sent[name].encode("utf-8", "surrogatepass"), what)
    return sent


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser().parsebytes(head + body)
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")
