"""What the owner of a source has to be told, and how often; on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.configuration import Source
from bot.journal import notices, refusals
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.journal.notices import Notice, Trouble
from bot.journal.refusals import Refusal
from bot.receiver import sources
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.notices import message
from bot.taking import take_in
from tests.walk.test_take_in import made, stored


def noticed(journal: Journal) -> list[tuple[str, str, str]]:
    with journal.read() as tx:
        return [(n.source, n.trouble.value, n.detail) for n in notices.to_post(tx, "slack")]


def test_a_template_that_is_not_rendered_is_told_and_opens_nothing(journal: Journal) -> None:
    body = b'{"firstresponder": 1, "id": "$ALERT_CYCLE_KEY", "status": "$X", "title": "$EVENT_TITLE"}'
    senders = sources.ready({"am": Source(system="datadog")}, {}, {}, fetching=False)
    stored(journal, body, body)
    take_in(made(journal, senders=senders))
    ((source, trouble, detail),) = noticed(journal)
    assert (source, trouble) == ("am", "unrendered")
    assert detail.startswith("$")
    with journal.read() as tx:
        assert tx.all(t.incidents.select()) == []


def test_a_secret_in_what_is_told_of_a_source_is_not(journal: Journal) -> None:
    with journal.write("test.notice") as tx:
        notices.once(tx, Notice(source="am", trouble=Trouble.UNRENDERED, detail="${DB_PASSWORD=hunter2hunter2}"))
    assert "hunter2" not in noticed(journal)[0][2]


def test_a_body_that_cannot_be_read_is_told(journal: Journal) -> None:
    stored(journal, b"{", b"[")
    take_in(made(journal))
    ((source, trouble, detail),) = noticed(journal)
    assert (source, trouble) == ("am", "unreadable")
    assert "JSON" in detail


@pytest.mark.parametrize(("count", "told"), [(19, False), (20, True)])
def test_many_refusals_of_one_source_are_told_and_those_of_strangers_are_not(
    journal: Journal, count: int, told: bool
) -> None:
    with journal.write("test.refused") as tx:
        minute = tx.now.replace(second=0, microsecond=0)
        refusals.add(tx, {Refusal(source="hub", reason="bad_proof", minute=minute): count})
        refusals.add(tx, {Refusal(source="", reason="unknown_source", minute=minute): 1000})
        old = Refusal(source="old", reason="bad_proof", minute=minute - timedelta(hours=1))
        refusals.add(tx, {old: 1000})
        notices.of_refusals(tx)
    assert noticed(journal) == ([("hub", "refused", "bad_proof")] if told else [])


@pytest.mark.parametrize(("count", "told"), [(300, False), (301, True)])
def test_a_source_that_sends_very_much_at_once_is_told(journal: Journal, count: int, told: bool) -> None:
    with journal.write("test.loud") as tx:
        row = {"source": "am", "number": 1, "firing": True, "labels": {}, "last_seen_at": tx.now}
        rows = [row | {"id": f"EP_{n}", "identity": f"i{n}", "started_at": tx.now} for n in range(count)]
        tx.run(t.episodes.insert(), rows)
        notices.of_alerts(tx)
    assert noticed(journal) == ([("am", "loud", "301 alerts")] if told else [])


def test_counting_what_came_lately_walks_no_episode_of_long_ago(sqlite_url: str) -> None:
    """Episodes are never forgotten, and this is asked every few seconds."""
    journal = Journal(open_engine(sqlite_url))
    asked: list[tuple[str, Any]] = []
    event.listen(journal.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    with journal.write("test.loud") as tx:
        notices.of_alerts(tx)
    said, values = next((said, values) for said, values in asked if "episodes" in said)
    with journal.engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values)]
    journal.close()
    assert any("ix_episodes_last_seen_at (last_seen_at>?)" in step for step in plan), plan
    assert not any(step.startswith("SCAN episodes") for step in plan), plan


def test_the_same_is_told_again_after_a_week(journal: Journal) -> None:
    notice = Notice(source="am", trouble=Trouble.UNREADABLE, detail="x")
    with journal.write("test.told") as tx:
        notices.once(tx, notice)
        notices.posted(tx, "slack", notice)
        notices.once(tx, notice)
        assert notices.to_post(tx, "slack") == []
        for table in (t.notices, t.notices_told):
            tx.run(table.update().values(made_at=tx.now - notices.AGAIN - timedelta(seconds=1)))
        notices.once(tx, notice)
        assert notices.to_post(tx, "slack") == [notice]


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize(
    "detail", ["$HOST", "`x` “y” <@U1> http://a.b/?t=1 12345", "a" * 5000, "\u202e\u200b\n\n"]
)
def test_whatever_a_source_sends_stays_data_in_its_notice(trouble: Trouble, detail: Any) -> None:
    said = message(Notice(source="am", trouble=trouble, detail=detail[:300]))
    assert said.headline != WITHHELD
    assert len(said.text()) < 800
