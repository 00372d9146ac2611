"""Who is who, read while the receiver runs: a change counts soon, and a file that nobody can read means nobody."""

import json

import pytest
import structlog

from bot.journal.journal import Journal, open_engine
from bot.settings import ReceiverSettings
from bot.wiring.chats import FRESH_S, UNREADABLE_S, people_of


def written(folder, *names):
    people = {n: {"name": n.capitalize(), "roles": ["approver"], "accounts": {"slack": [n]}} for n in names}
    (folder / "people.yaml").write_text(json.dumps({"schema": 1, "people": people}))


@pytest.fixture
def watch(tmp_path, sqlite_url):
    """(the clock, who is known now by id)."""
    now = [1000.0]
    journal = Journal(open_engine(sqlite_url))
    read = people_of(ReceiverSettings(config=tmp_path), journal, structlog.get_logger(), clock=lambda: now[0])
    yield now, lambda: [p.id for p in read().people]
    journal.close()


def test_whoever_is_taken_out_of_the_file_is_nobody_a_few_seconds_later(watch, tmp_path):
    now, known = watch
    written(tmp_path, "ana", "ben")
    assert known() == ["ana", "ben"]
    written(tmp_path, "ben")
    now[0] += FRESH_S
    assert known() == ["ben"]


@pytest.mark.parametrize("how", ["half-written", "deleted"])
def test_a_file_that_stays_unreadable_means_nobody(watch, tmp_path, how):
    now, known = watch
    written(tmp_path, "ana")
    assert known() == ["ana"]
    if how == "deleted":
        (tmp_path / "people.yaml").unlink()
    else:
        (tmp_path / "people.yaml").write_text('{"schema": 1, "people": {"an')
    now[0] += FRESH_S
    assert known() == ["ana"]  # it may be whole again in a moment
    now[0] += UNREADABLE_S
    assert known() == []
    written(tmp_path, "ana")
    now[0] += FRESH_S
    assert known() == ["ana"]


def test_a_file_that_was_never_readable_means_nobody_at_once(watch):
    _, known = watch
    assert known() == []
