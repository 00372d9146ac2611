"""Deliveries that nobody could read: listed, and read again after a parser was mended; on both databases."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from agents.incident.errors import BadInput
from bot import inbox, taking
from bot.__main__ import app
from bot.configuration import Source
from bot.grouping import Rules
from bot.journal import hearings, intake, unread
from bot.journal import tables as t
from bot.journal.intake import Delivery
from bot.journal.journal import Journal
from bot.processes import PREFIX
from bot.receiver import sources
from tests.builders import a_change
from tests.conftest import Rung
from tests.walk.test_take_in import made, notification, states, stored

MENDED = sources.ready(
    {"am": Source(system="alertmanager"), "other": Source(system="alertmanager")}, {}, {}, fetching=False
)


def broken(journal: Journal, *bodies: bytes, source: str = "am") -> list[str]:
    """Deliveries that could not be read when it was their turn, because nothing of the source was configured."""
    stored(journal, *bodies, source=source)
    taking.take_in(made(journal, senders={}))
    with journal.read() as tx:
        return [one.id for one in unread.unreadable(tx, source)]


def episodes_of(journal: Journal) -> list[tuple[str, str]]:
    with journal.read() as tx:
        rows = tx.all(select(t.episodes.c.identity, t.episodes.c.state).order_by(t.episodes.c.id))
    return [(r["identity"], r["state"]) for r in rows]


def again(journal: Journal, *ids: str, source: str = "", every: bool = False) -> int:
    return inbox.again(journal, ids=ids, source=source, every=every)


def test_what_is_unreadable_is_listed_with_why_and_without_what_it_said(journal: Journal) -> None:
    (one,) = broken(journal, notification("Secret"))
    with journal.read() as tx:
        found = unread.unreadable(tx)
    assert one in inbox.table(found)
    (document,) = inbox.document(found)
    assert document["id"] == one
    assert (document["source"], document["system"]) == ("am", "alertmanager")
    assert "no longer configured" in document["why"]
    assert "Secret" not in inbox.table(found) + json.dumps(document)


def test_a_delivery_that_is_read_again_opens_what_it_would_have_and_once(journal: Journal, rung: Rung) -> None:
    (one,) = broken(journal, notification("a"))
    rung.clear()
    with journal.write("test.heard") as tx:
        tx.run(t.outbox.delete())
    assert again(journal, one) == 1
    assert [(job, subject) for _, job, subject in rung] == [("intake", "inbox")]
    parts = made(journal, senders=MENDED)
    taking.take_in(parts)
    assert states(journal) == [("parsed", "")]
    assert episodes_of(journal) == [("a", "open")]
    with pytest.raises(BadInput, match="no unreadable delivery"):
        again(journal, one)
    taking.take_in(parts)
    assert episodes_of(journal) == [("a", "open")]


ODD = "bGF0ZW5jeQ9xQ2kVb7LmZs3RtYw8Hn5Dp0"
"""An identity that looks like a secret."""


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("name", ["a", ODD])
def test_what_was_packed_and_what_seems_secret_is_the_same_alert_when_it_is_read_again(
    journal: Journal, encoding: str, name: str
) -> None:
    def send(status: str) -> None:
        body = notification(name, status)
        packed = gzip.compress(body) if encoding else body
        headers = {"content-encoding": encoding} if encoding else {}
        one = Delivery(source="am", system="alertmanager", key=None, headers=headers, body=packed)
        with journal.write("test.stored") as tx:
            intake.store_all(tx, [one])

    send("firing")
    taking.take_in(made(journal, senders={}))
    again(journal, every=True)
    taking.take_in(made(journal, senders=MENDED))
    send("resolved")
    taking.take_in(made(journal, senders=MENDED))
    assert [state for _, state in episodes_of(journal)] == ["holding"]
    with journal.read() as tx:
        assert all(ODD.encode() not in row["body"] for row in tx.all(select(t.inbox)))


def test_a_large_delivery_is_read_again_whole(journal: Journal) -> None:
    alerts = [json.loads(notification(f"a{n}", note="x" * 600))["alerts"][0] for n in range(600)]
    body = json.dumps({"version": "4", "groupKey": "g", "groupLabels": {}, "alerts": alerts}).encode()
    assert len(body) > 256 * 1024
    broken(journal, body)
    assert again(journal, every=True) == 1
    taking.take_in(made(journal, senders=MENDED))
    assert len(episodes_of(journal)) == 600


def test_what_could_not_be_kept_is_said_to_be_so_and_is_not_read_again(journal: Journal) -> None:
    lost, _ = broken(journal, b"\xff\xfe not a text", notification("a"))
    with journal.read() as tx:
        found = unread.unreadable(tx)
    assert [one.kept for one in found] == [False, True]
    assert inbox.table(found).splitlines()[0].endswith("(body not kept: it cannot be read again)")
    with pytest.raises(BadInput, match="is not kept"):
        again(journal, lost)
    assert again(journal, every=True) == 1
    taking.take_in(made(journal, senders=MENDED))
    assert [state for state, _ in states(journal)] == ["unreadable", "parsed"]
    assert "no longer configured" in states(journal)[0][1]  # why it was so stays


def test_a_beginning_and_its_end_are_read_again_in_the_order_they_came(journal: Journal) -> None:
    ids = broken(journal, notification("a"), notification("a", "resolved"))
    again(journal, *reversed(ids))
    taking.take_in(made(journal, Rules(), senders=MENDED))
    assert episodes_of(journal) == [("a", "holding")]


def test_a_beginning_that_is_read_after_its_end_was_opens_nothing(journal: Journal) -> None:
    """Its end came later, and was read: what is read again is older, however long ago that was."""
    (one,) = broken(journal, notification("a"))
    stored(journal, notification("a"), notification("a", "resolved"))
    parts = made(journal, senders=MENDED)
    taking.take_in(parts)
    with journal.write("test.later") as tx:
        half, whole = tx.now - timedelta(minutes=30), tx.now - timedelta(hours=1)
        tx.run(t.episodes.update().values(state="ended", last_seen_at=half))
        tx.run(t.inbox.update().values(received_at=whole, taken_at=whole))
    again(journal, one)
    taking.take_in(parts)
    assert episodes_of(journal) == [("a", "ended")]
    with journal.read() as tx:
        assert tx.run(select(func.count()).select_from(t.incidents)).scalar_one() == 1


def test_what_waited_before_its_turn_is_newer_than_what_was_read_meanwhile(journal: Journal) -> None:
    """A worker was an hour behind: the beginning, which came first, was applied after the end had come."""
    stored(journal, notification("a"))
    taking.take_in(made(journal, senders=MENDED))
    (one,) = broken(journal, notification("a", "resolved"))
    with journal.write("test.waited") as tx:
        tx.run(t.inbox.update().values(received_at=tx.now - timedelta(hours=1)))
    again(journal, one)
    taking.take_in(made(journal, senders=MENDED))
    assert episodes_of(journal) == [("a", "holding")]


def test_what_is_unreadable_still_is_so_again_and_keeps_its_turn(journal: Journal) -> None:
    (one,) = broken(journal, b"{not json")
    with journal.read() as tx:
        before = tx.one(select(t.inbox.c.taken_at))
    again(journal, one)
    taking.take_in(made(journal))
    ((state, why),) = states(journal)
    assert state == "unreadable"
    assert "JSON" in why
    with journal.read() as tx:
        assert tx.one(select(t.inbox.c.taken_at)) == before
    assert before is not None
    assert before["taken_at"] is not None


def test_one_source_or_all_may_be_read_again_and_what_is_new_comes_first(journal: Journal) -> None:
    broken(journal, notification("a"))
    broken(journal, notification("b"), source="other")
    assert again(journal, source="nobody") == 0
    assert again(journal, source="other") == 1
    assert [state for state, _ in states(journal)] == ["unreadable", "again"]
    assert again(journal, every=True) == 1
    stored(journal, notification("new"))
    with journal.read() as tx:
        assert unread.any_again(tx)
        assert intake.oldest_stored(tx) is not None
        (first,) = intake.next_stored(tx, 10)
    assert b"new" in bytes(first["body"])
    taking.take_in(made(journal, senders=MENDED))
    assert [identity for identity, _ in episodes_of(journal)] == ["new", "a", "b"]
    with journal.read() as tx:
        assert not unread.any_again(tx)


def test_what_is_to_be_read_again_closes_no_door(journal: Journal) -> None:
    """The door is closed by the age of what is new; a heap from yesterday is none."""
    (one,) = broken(journal, notification("a"))
    again(journal, one)
    with journal.read() as tx:
        assert intake.oldest_stored(tx) is None


def test_an_id_that_names_nothing_unreadable_has_nothing_read_again(journal: Journal) -> None:
    (one,) = broken(journal, notification("a"))
    with pytest.raises(BadInput, match="IN_NONE"):
        again(journal, one, "IN_NONE")
    assert [state for state, _ in states(journal)] == ["unreadable"]


@pytest.mark.parametrize("named", [{}, {"source": "am", "every": True}])
def test_which_to_read_again_has_to_be_said_in_one_way(journal: Journal, named: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="say which"):
        again(journal, **named)


def test_a_chats_updates_are_not_the_workers(journal: Journal) -> None:
    with journal.write("test.stored") as tx:
        chat = Delivery(source="slack", system="slack", key=None, headers={}, body=b"{")
        (row,) = intake.store_all(tx, [chat])
        intake.finish(tx, row.id, "no JSON")
    with journal.read() as tx:
        assert unread.unreadable(tx) == []
    assert again(journal, every=True) == 0


# What was heard


def test_a_watchdog_is_heard_and_is_no_incident(journal: Journal) -> None:
    stored(journal, notification("Watchdog"), notification("Watchdog", "resolved"), notification("DeadMansSwitch"))
    taking.take_in(made(journal))
    with journal.read() as tx:
        assert [one.heartbeat for one in hearings.all_known(tx)] == ["", "DeadMansSwitch", "Watchdog"]
        for table in (t.incidents, t.episodes):
            assert tx.all(select(table)) == []


def test_a_watchdog_that_ended_is_not_heard_and_what_nobody_can_read_is(journal: Journal) -> None:
    stored(journal, notification("Watchdog", "resolved"))
    taking.take_in(made(journal))
    with journal.read() as tx:
        assert [(one.source, one.heartbeat) for one in hearings.all_known(tx)] == [("am", "")]
    broken(journal, b"{", source="other")
    with journal.read() as tx:
        assert [one.source for one in hearings.all_known(tx)] == ["am", "other"]


# The commands


@pytest.fixture(name="run")
def _run(journal_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv(PREFIX + "JOURNAL_URL", journal_url)
    yield lambda *words: CliRunner().invoke(app, list(words))


def test_the_commands_list_read_again_and_say_when_there_is_nothing(journal: Journal, run: Any) -> None:
    assert "no unreadable deliveries" in run("inbox").output
    (one,) = broken(journal, notification("a"))
    assert one in run("inbox").output
    assert [row["id"] for row in json.loads(run("inbox", "--json").output)] == [one]
    assert isinstance(run("inbox", "read-again").exception, BadInput)
    done = run("inbox", "read-again", one)
    assert (done.exit_code, "1 delivery" in done.output) == (0, True)
    assert json.loads(run("inbox", "--json").output) == []
    done = run("inbox", "read-again", "--all")
    assert (done.exit_code, "no unreadable" in done.output) == (0, True)


def test_changes_that_belong_nowhere_are_seen(journal: Journal, run: Any) -> None:
    from bot.journal.changes import save_change

    assert "no unplaced changes" in run("changes").output
    with journal.write("test.change") as tx:
        save_change(tx, a_change(id="ci:1", at=tx.now, service=None))
        save_change(tx, a_change(id="ci:2", at=tx.now))
    (row,) = json.loads(run("changes", "--json").output)
    assert (row["id"], row["service"]) == ("ci:1", None)
    assert "no service" in run("changes").output
