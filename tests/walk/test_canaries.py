"""A secret planted at every way in comes out nowhere: not in journal, chats, pages, logs or Redis."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import func, select

from agents.incident.ids import PersonId
from bot.journal import access
from bot.journal import tables as t
from tests.walk.canaries import GROUP, Installation, until


@pytest.fixture(name="installation", scope="module")
def _installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """After everything was planted, and everybody has said what they had to say about it."""
    made = Installation(tmp_path_factory.mktemp("canaries") / "it")
    try:
        until(lambda: _ready(made), "the receiver")
        made.change()
        made.trace()
        made.alert()
        made.refused()
        incident_id = until(lambda: _one(made, select(t.findings.c.incident_id)), "a finding")
        until(made.slack.messages, "a card in Slack")
        until(lambda: [m for m in made.telegram.messages() if m["chat_id"] == GROUP], "a card in Telegram")
        made.chat(str(incident_id))
        until(lambda: (_one(made, select(func.count()).select_from(t.feedback)) or 0) >= 10, "feedback")
        waiting = select(t.inbox.c.id).where(t.inbox.c.state.in_(["stored", "worked", "asked"]))
        until(lambda: not _one(made, waiting), "the end of all deliveries")
        yield made
    finally:
        made.close()


def _ready(installation: Installation) -> bool:
    try:
        return httpx.get(f"{installation.url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _one(installation: Installation, query: Any) -> Any:
    with installation.journal.read() as tx:
        return tx.run(query).scalars().first()


def _rows(installation: Installation, table: str) -> bytes:
    with installation.journal.read() as tx:
        rows = tx.all(select(t.metadata.tables[table]))
    cells = [value for row in rows for value in row.values()]
    return b"\n".join(c if isinstance(c, bytes) else _text(c) for c in cells)


def _text(value: object) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)).encode()


def test_the_walk_reached_what_is_looked_at(installation: Installation):
    with installation.journal.read() as tx:
        for table in (t.blobs, t.evidence, t.findings, t.events, t.changes, t.feedback, t.messages):
            assert tx.one(select(table).limit(1)) is not None, table.name
    assert b"<SECRET:" in _rows(installation, "blobs")
    assert b"<SECRET:" in _rows(installation, "incidents")
    assert len(installation.canaries.planted) > 150


@pytest.mark.parametrize("table", sorted(t.metadata.tables))
def test_no_table_of_the_journal_holds_one(installation: Installation, table: str):
    assert installation.canaries.found(_rows(installation, table)) == []


@pytest.mark.parametrize("chat", ["slack", "telegram"])
def test_no_chat_was_told_one(installation: Installation, chat: str):
    stub = installation.slack if chat == "slack" else installation.telegram
    sent = json.dumps([stub.messages(), [call for call in stub.calls() if call]], default=str, ensure_ascii=False)
    # The platform keeps what its people wrote themselves; a bot's own token is how it calls.
    ours = {p for p in installation.canaries.found(sent.encode()) if "settings" not in p and "app token" not in p}
    own = {p for p in ours if p.startswith((f"{chat} command", f"{chat} message", f"{chat}, by name"))}
    assert ours - own == set()


def test_no_page_shows_one(installation: Installation):
    with installation.journal.write("test.code") as tx:
        code = access.make_code(tx, PersonId("ana"), access.LOGIN, timedelta(minutes=5))
        evidence = tx.all(select(t.evidence.c.id, t.evidence.c.incident_id))
    with httpx.Client(base_url=installation.url, timeout=20) as client:
        shown = client.get(f"/login/{code}")
        client.post(f"/login/{code}", data=dict(re.findall(r'name="(\w+)" value="([^"]*)"', shown.text)))
        incident_id = evidence[0]["incident_id"]
        pages = ["/incidents", "/approvals", f"/incidents/{incident_id}"]
        pages += [f"/evidence/{e['incident_id']}/{e['id']}" for e in evidence[:60]]
        for path in pages:
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert installation.canaries.found(answer.content) == [], path


def test_no_process_wrote_one_down(installation: Installation):
    files = [f for f in installation.logs.iterdir() if f.stat().st_size]
    assert {f.stem for f in files} >= {"receiver", "triage"}
    assert {f.name: found for f in files if (found := installation.canaries.found(f.read_bytes()))} == {}


def test_redis_holds_none(installation: Installation):
    client = redis.Redis.from_url(installation.redis_url, socket_timeout=5)
    try:
        held = b"\n".join(client.dump(key) or b"" for key in client.scan_iter())
        said = b"\n".join(_of(client, key) for key in client.scan_iter())
    finally:
        client.close()
    assert installation.canaries.found(held + said) == []


def _of(client: redis.Redis, key: bytes) -> bytes:
    kind: Any = client.type(key)
    reads = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
    }
    return repr(reads[kind]()).encode() if kind in reads else b""
