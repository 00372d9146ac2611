"""Bodies that no sender sends. Out comes a reading or one clear line: nothing else, nothing invented."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.incident.errors import BadInput
from bot.receiver import parse_cli, systems
from bot.receiver.systems.reading import Category, Reading
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
MOST_LARGE = 3
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

    def changed(self, path: Path, value=None, *, drop: bool = False) -> bytes:
        document = copy.deepcopy(self.document)
        at = document
        for step in path[:-1]:
            at = at[step]
        if drop:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        return self.written(document)


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
    return reading


def statuses(reading: Reading | None) -> set[str]:
    return {item.status for item in reading.items} if reading else set()


def check(body: Body, changed: bytes, before: Reading, *, less: bool = False) -> None:
    after = read(body.payload.system, body.payload.headers, changed)
    if "resolved" not in statuses(before):
        assert "resolved" not in statuses(after)
    if after is None or not less or len(after.items) != len(before.items):
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
    for number, path in enumerate(body.paths(MOST_PATHS)):
        check(body, body.changed(path, drop=True), before, less=True)
        check(body, body.changed(path, None), before, less=True)
        for wrong in (WRONG * 2)[number % len(WRONG) :][:WRONG_EACH]:
            check(body, body.changed(path, wrong), before)


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
        at = body.document
        for step in path:
            at = at[step]
        if isinstance(at, dict):
            check(body, body.changed(path, {**at, "zz_new": [{"b": 1}]}), before)


@pytest.mark.parametrize("payload", each())
def test_bytes_cut_off_or_not_json_at_all(payload):
    step = max(1, len(payload.body) // 12)
    for size in range(0, len(payload.body), step):
        read(payload.system, payload.headers, payload.body[:size])
    for body in NOT_OURS:
        assert statuses(read(payload.system, payload.headers, body)) == set()


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
