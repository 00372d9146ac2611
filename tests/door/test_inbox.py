"""The inbox on both databases: stored together, drained in order by several, pruned; refusals counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from agents.incident.errors import JournalUnavailable
from bot.journal import intake, refusals
from bot.journal import tables as t
from bot.journal.intake import Delivery
from bot.journal.journal import Journal, open_engine
from bot.journal.refusals import Refusal

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def delivery(key: str | None = None, source: str = "github", **named: Any) -> Delivery:
    given: dict[str, Any] = {"system": "github", "headers": {"x-github-event": "push"}, "body": b"{}", **named}
    return Delivery(source=source, key=key, **given)


def store(journal: Journal, *deliveries: Delivery) -> list[intake.Stored]:
    with journal.write("test.stored") as tx:
        return intake.store_all(tx, deliveries)


def finish(journal: Journal, row: str, error: str = "") -> None:
    with journal.write("test.finished") as tx:
        intake.finish(tx, row, error)


def test_duplicates_within_a_batch_and_of_the_table_fail_nobody(journal, rung):
    (before,) = store(journal, delivery("a"))
    found = store(journal, delivery("b"), delivery("a"), delivery(None), delivery("b"), delivery("a", "other"))
    assert [one.duplicate for one in found] == [False, True, False, True, False]
    assert found[1].id == before.id
    assert found[3].id == found[0].id
    with journal.read() as tx:
        assert tx.run(select(func.count()).select_from(t.inbox)).scalar_one() == 4


def test_one_bell_is_written_while_none_is_waiting(journal, rung):
    store(journal, delivery("a"), delivery("b"))
    store(journal, delivery("c"))
    assert [(job, subject) for _, job, subject in rung] == [("intake", "inbox")]


def test_a_batch_of_duplicates_rings_nobody(journal, rung):
    store(journal, delivery("a"))
    with journal.write("test.rung") as tx:
        tx.run(t.outbox.delete())
    rung.clear()
    store(journal, delivery("a"))
    assert rung == []


def test_what_is_stored_is_drained_in_the_order_it_came(journal):
    first = [one.id for one in store(journal, *(delivery(str(n)) for n in range(50)))]
    second = [one.id for one in store(journal, *(delivery(f"x{n}") for n in range(50)))]
    with journal.read() as tx:
        assert [row["id"] for row in intake.next_stored(tx, 1000)] == first + second
        assert [row["id"] for row in intake.next_stored(tx, 7)] == first[:7]


def test_of_two_workers_the_second_gets_nothing_while_the_first_reads_what_came_before(journal, journal_url):
    ids = [one.id for one in store(journal, *(delivery(str(n)) for n in range(4)))]
    other = Journal(open_engine(journal_url))
    try:
        with journal.write("test.first") as tx:
            mine = [row["id"] for row in intake.next_stored(tx, 2)]
            if tx.dialect == "postgresql":
                with pytest.raises(JournalUnavailable, match="lock timeout"), other.write("test.second") as theirs:
                    theirs.run(text("SET LOCAL lock_timeout = '20ms'"))
                    intake.next_stored(theirs, 2)
            for row in mine:
                intake.finish(tx, row)
        with other.write("test.second") as theirs:
            assert [row["id"] for row in intake.next_stored(theirs, 4)] == ids[2:]
    finally:
        other.close()


def test_what_was_said_in_a_chat_or_asks_the_receiver_is_no_workers_business(journal, rung):
    intake.store_said(journal, [intake.Said(system="slack", key=None, body=b"{}")])
    (asked,) = store(journal, delivery("m", asks=True))
    assert rung == []
    with journal.read() as tx:
        assert intake.next_stored(tx, 10) == []
        assert intake.oldest_stored(tx) is None
        assert [row["id"] for row in intake.asked(tx, 10)] == [asked.id]
    with journal.write("test.answered") as tx:
        intake.answer(tx, asked.id)
    with journal.read() as tx:
        assert intake.asked(tx, 10) == []


def test_the_age_of_the_oldest_unread_delivery_is_known(journal):
    with journal.read() as tx:
        assert intake.oldest_stored(tx) is None
    one, other = store(journal, delivery("a"), delivery("b"))
    with journal.write("test.older") as tx:
        tx.run(t.inbox.update().where(t.inbox.c.id == one.id).values(received_at=tx.now - timedelta(minutes=9)))
        age = intake.oldest_stored(tx)
    assert age is not None
    assert age >= timedelta(minutes=9)
    finish(journal, one.id)
    with journal.read() as tx:
        age = intake.oldest_stored(tx)
    assert age is not None
    assert age < timedelta(minutes=9)
    finish(journal, other.id)


def test_old_deliveries_that_were_dealt_with_are_forgotten_and_no_others(journal):
    rows = store(journal, *(delivery(str(n)) for n in range(4)), delivery("asked", asks=True))
    read, unreadable, unread, fresh, asked = (one.id for one in rows)
    finish(journal, read)
    finish(journal, unreadable, "no JSON")
    finish(journal, fresh)
    with journal.write("test.older") as tx:
        old = t.inbox.update().where(t.inbox.c.id != fresh)
        tx.run(old.values(received_at=tx.now - timedelta(hours=73)))
        assert intake.prune(tx, timedelta(hours=72)) == 2
        left = {row["id"] for row in tx.all(select(t.inbox.c.id))}
    assert left == {unread, fresh, asked}
    with journal.write("test.answered") as tx:
        intake.answer(tx, asked, "refused")
        assert intake.prune(tx, timedelta(hours=72)) == 1


def test_refusals_add_up_by_source_reason_and_minute(journal):
    one = Refusal(source="github", reason="unproven", minute=NOON)
    with journal.write("test.refused") as tx:
        refusals.add(tx, {one: 3, Refusal(source="", reason="unknown_source", minute=NOON): 1})
        refusals.add(tx, {one: 4})
        found = dict(refusals.since(tx, tx.now - NOON + timedelta(hours=1)))
        assert found[one] == 7
        assert sum(found.values()) == 8
        refusals.prune(tx, tx.now - NOON - timedelta(hours=1))
        assert refusals.since(tx, tx.now - NOON + timedelta(hours=1)) == []


TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.mark.parametrize("end", [intake.finish, intake.answer])
@pytest.mark.parametrize("again", [False, True])
def test_what_was_read_already_is_not_read_again_and_is_kept_without_its_secrets(journal, end, again):
    body = f'{{"token": "{TOKEN}", "ref": "main"}}'.encode()
    asks = end is intake.answer
    (one,) = store(journal, delivery("a", body=body, headers={"x-github-event": f"push {TOKEN}"}, asks=asks))
    with journal.write("test.ended") as tx:
        (row,) = intake.asked(tx, 1) if asks else intake.next_stored(tx, 1)
        asked: list[str] = []
        event.listen(journal.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        end(tx, one.id, "", held=None if again else row)
    assert any(said.startswith("SELECT") for said in asked) is again
    with journal.read() as tx:
        kept = tx.one(select(t.inbox).where(t.inbox.c.id == one.id))
    assert kept is not None
    assert kept["state"] == ("answered" if asks else "parsed")
    assert TOKEN.encode() not in bytes(kept["body"])
    assert b"main" in bytes(kept["body"])
    assert TOKEN not in str(kept["headers"])
