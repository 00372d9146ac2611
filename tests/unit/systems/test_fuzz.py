"""Bodies that no sender sends. Out comes a reading or one clear line: nothing else, nothing invented.

What is read is brought all the way to alerts and changes, which must be ones the journal can hold.
"""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.incident.catalogue import Catalogue
from agents.incident.errors import BadInput
from agents.incident.incident import AlertStatus
from bot.configuration import Source
from bot.receiver import parse_cli, systems
from bot.receiver.sources import CHATS
from bot.receiver.systems.reading import Category, Reading
from bot.receiver.translate import ALERTS, arrived
from tests.evals.payloads import COMPARED
from tests.unit.systems.corpora import Payload, all_payloads, each

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z| \(no tz in source\))")
WRONG: tuple[Any, ...] = (
    17,
    -1.5,
    True,
    "x",
    [],
    {},
    [1, {"a": None}],
    {"a": {"b": []}},
    10**40,
    "2026-13-45T99:00:00Z",
    "\ud800",
)
WRONG_EACH = 3
"""How many of them one place is given; the next place is given the next ones."""

MOST_PATHS = 24
MOST_DROPPED = 120
"""Places of one body that are given values, and that are dropped and nulled; few bodies have as many."""

MOST_LARGE = 3
RECEIVED = datetime(2026, 11, 27, 12, tzinfo=UTC)
NOWHERE = Catalogue(services=())
MOST_IN_IDENTITY = 200
"""Characters of the journal's column."""

LARGE = "x" * 1_000_000

Path = tuple[str | int, ...]


class Body:
    """A payload's JSON, however it is wrapped, to be changed and wrapped again."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self.form = "form-urlencoded" in payload.headers["content-type"]
        fields = dict(parse_qsl(payload.body.decode())) if self.form else {}
        self.wrapped = set(fields) == {"payload"}
        text = fields["payload"] if self.wrapped else payload.body
        self.document: Any = json.loads(text) if self.plain else fields

    @property
    def plain(self) -> bool:
        return self.wrapped or not self.form

    def written(self, document) -> bytes:
        if not self.form:
            return json.dumps(document).encode()
        if self.wrapped:
            return urlencode({"payload": json.dumps(document)}).encode()
        return urlencode(
            {k: v if isinstance(v, str) else json.dumps(v) for k, v in document.items()}, errors="surrogatepass"
        ).encode()

    def paths(self, most: int) -> list[Path]:
        found = list(_paths(self.document))
        return found[:: -(-len(found) // most)] if found else []

    def at(self, path: Path) -> Any:
        at = self.document
        for step in path:
            at = at[step]
        return at

    def changed(self, path: Path, value=None, *, drop: bool = False) -> bytes:
        return self.written(self.parsed(path, value, drop=drop))

    def parsed(self, path: Path, value=None, *, drop: bool = False) -> Any:
        document = copy.deepcopy(self.document)
        at = document
        for step in path[:-1]:
            at = at[step]
        if drop:
            del at[path[-1]]
        else:
            at[path[-1]] = copy.deepcopy(value)
        return document


def _paths(value, path: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for step, member in members:
        yield (*path, step)
        yield from _paths(member, (*path, step))


def read(system: str, headers, body: bytes) -> Reading | None:
    """The reading, checked; None where the body was refused in one line."""
    known = systems.systems()[system]
    try:
        # The module itself, not the registry: the registry's net is for what is not known yet.
        reading = known.read(headers, body)
    except BadInput as error:
        assert "\n" not in str(error)
        assert 0 < len(str(error)) < 1000
        return None
    assert isinstance(reading, Reading)
    assert isinstance(reading.category, Category)
    assert reading.category is not Category.OTHER or reading.error
    json.dumps(dict(reading.about))
    for item in reading.items:
        said = parse_cli.stated(item)
        json.dumps(said)
        assert isinstance(item.status, str)
        assert item.status.strip()
        for field in COMPARED:
            value = getattr(item, field)
            assert value is None or (isinstance(value, str) and value.strip()), (field, value)
        for field in ("started_at", "ended_at", "event_at"):
            value = getattr(item, field)
            assert value is None or TIME.fullmatch(value), (field, value)
    carried_on(system, reading)
    return reading


@cache
def source(system: str) -> Source:
    """A row of the configuration."""
    return Source(system=system)


def carried_on(system: str, reading: Reading) -> None:
    """The reading as alerts and changes: each has an identity, aware times, and no end that was not said."""
    if system in CHATS:
        return  # a chat is no source
    found = arrived("mine", source(system), reading, NOWHERE, RECEIVED)
    assert len(found.alerts) <= len(reading.items)
    for alert in found.alerts:
        assert 0 < len(alert.identity.strip()) <= MOST_IN_IDENTITY
        assert alert.title.strip()
        assert alert.ended_at is None or alert.status is AlertStatus.RESOLVED
        times = (alert.started_at, alert.ended_at, alert.at)
        assert all(t is None or t.utcoffset() is not None for t in times)
        _storable(alert.title, alert.identity, alert.summary, alert.word, *alert.labels, *alert.labels.values())
    if reading.category in ALERTS - {Category.INCIDENT}:
        over = sum(alert.status is AlertStatus.RESOLVED for alert in found.alerts)
        assert over <= resolved(reading)
        stated = sum(item.started_at is not None for item in reading.items)
        assert sum(alert.started_at is not None for alert in found.alerts) <= stated
    for change in found.changes:
        assert 0 < len(change.id) <= MOST_IN_IDENTITY
        assert change.at.utcoffset() is not None
        _storable(change.id, change.subject, change.word, change.note)
    _storable(*found.notes)


def _storable(*texts: str) -> None:
    for text in texts:
        assert "\x00" not in text  # PostgreSQL has no such character
        text.encode()  # nor half of one


def resolved(reading: Reading | None) -> int:
    """How many of its items are over."""
    return sum(item.status == "resolved" for item in reading.items) if reading is not None else 0


def check(body: Body, changed: bytes, before: Reading, *, less: bool = False) -> None:
    after = read(body.payload.system, body.payload.headers, changed)
    assert resolved(after) <= resolved(before)
    if after is None or not less:
        return
    if before.category is Category.UNRENDERED_TEMPLATE:
        return  # with the placeholder gone it may be an alert
    assert len(after.items) <= len(before.items)
    if len(after.items) != len(before.items):
        return
    for was, now in zip(before.items, after.items, strict=True):
        # Less was sent, so no more can be known.
        new = [f for f in COMPARED if getattr(was, f) is None and getattr(now, f) is not None]
        assert not new, new


def begun(payload: Payload) -> tuple[Body, Reading]:
    before = read(payload.system, payload.headers, payload.body)
    assert before is not None
    return Body(payload), before


@pytest.mark.parametrize("payload", each())
def test_each_key_dropped_nulled_or_of_another_type(payload):
    body, before = begun(payload)
    for path in body.paths(MOST_DROPPED):
        check(body, body.changed(path, drop=True), before, less=True)
        check(body, body.changed(path, None), before, less=True)
    for number, path in enumerate(body.paths(MOST_PATHS)):
        for wrong in (WRONG * 2)[number % len(WRONG) :][:WRONG_EACH]:
            check(body, body.changed(path, wrong), before)


@pytest.mark.parametrize("payload", each())
def test_each_word_replaced_by_one_that_no_sender_knows(payload):
    """An unknown word for a status is neither a beginning nor an end."""
    body, before = begun(payload)
    for path in body.paths(MOST_DROPPED):
        if isinstance(body.at(path), str):
            check(body, body.changed(path, "hello world"), before)


@pytest.mark.parametrize("payload", each())
def test_an_end_that_stands_beside_what_goes_on_is_not_believed(payload):
    _, before = begun(payload)
    carried_on(
        payload.system,
        replace(before, items=tuple(replace(i, ended_at="2026-03-04T12:00:00Z") for i in before.items)),
    )


HEADER_VALUES = ("", "hello world", "\x00ü", "a" * 10_000, "push")


@pytest.mark.parametrize("payload", each())
def test_each_header_missing_or_another(payload):
    _, before = begun(payload)
    for name in payload.headers:
        rest = {k: v for k, v in payload.headers.items() if k != name}
        for headers in (rest, *({**rest, name: value} for value in HEADER_VALUES)):
            assert resolved(read(payload.system, headers, payload.body)) <= resolved(before)


@pytest.mark.parametrize("payload", each())
def test_a_megabyte_of_text_anywhere(payload):
    body, before = begun(payload)
    for path in body.paths(MOST_LARGE):
        check(body, body.changed(path, LARGE), before)


@pytest.mark.parametrize("payload", each())
def test_unknown_keys_are_ignored(payload):
    body, before = begun(payload)
    if isinstance(body.document, dict):
        after = read(payload.system, payload.headers, body.written({**body.document, "zz_new": {"a": [1, None]}}))
        assert after is not None
        assert after.items == before.items
        assert after.category == before.category
    for path in body.paths(MOST_PATHS):
        at = body.at(path)
        if isinstance(at, dict):
            check(body, body.changed(path, {**at, "zz_new": [{"b": 1}]}), before)


@pytest.mark.parametrize("payload", each())
def test_bytes_cut_off_or_not_json_at_all(payload):
    step = max(1, len(payload.body) // 12)
    for size in range(0, len(payload.body), step):
        read(payload.system, payload.headers, payload.body[:size])
    for body in NOT_OURS:
        after = read(payload.system, payload.headers, body)
        assert after is None or not after.items


NOT_OURS = (
    b"",
    b"  \n",
    b"\xff\xfe\x00",
    b"<html>",
    b"null",
    b"17",
    b'"text"',
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b"NaN",
    b'{"a": ' * 50_000,
    b"[" * 200_000,
    b"[" * 900 + b"]" * 900,
    b"9" * 5000,
    b"payload=",
    b"payload=%7B",
    b"payload=%FF&payload=1",
    b"&=&=",
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("system", sorted(systems.systems()))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(document=JSON)
def test_random_json_is_nobodys_alert(system, document):
    headers = {"content-type": "application/json"}
    body = json.dumps(document).encode()
    read(system, headers, body)
    systems.recognise(headers, body)


@pytest.mark.parametrize("system", sorted({p.system for p in all_payloads()} & set(systems.systems())))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_random_values_in_real_places(system, data):
    payload = data.draw(st.sampled_from([p for p in all_payloads() if p.system == system]))
    body, before = begun(payload)
    path = data.draw(st.sampled_from(list(_paths(body.document))))
    check(body, body.changed(path, data.draw(JSON)), before)


@pytest.mark.parametrize("system", sorted({p.system for p in all_payloads()} & set(systems.systems())))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_several_places_at_once_dropped_nulled_or_swapped(system, data):
    payload = data.draw(st.sampled_from([p for p in all_payloads() if p.system == system]))
    body, before = begun(payload)
    changed = copy.deepcopy(body)
    less = True
    for _ in range(data.draw(st.integers(2, 5))):
        places = list(_paths(changed.document))
        if not places:
            break
        path = data.draw(st.sampled_from(places))
        match data.draw(st.sampled_from(("drop", "null", "swap"))):
            case "drop":
                changed.document = changed.parsed(path, drop=True)
            case "null":
                changed.document = changed.parsed(path, None)
            case _:
                less = False
                other = changed.at(data.draw(st.sampled_from(places)))
                changed.document = changed.parsed(path, None if _has(other, "resolved") else other)
    check(body, changed.written(changed.document), before, less=less)


def _has(value: Any, word: str) -> bool:
    """Whether a word that may mean an end stands anywhere in it: moved about, it may truly mean that."""
    return word in json.dumps(value).lower()
