"""What the change feed promises, on SQLite and on PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from agents.incident.incident import Change, ChangeKind, ChangeOutcome
from bot.journal import migrate
from bot.journal.changes import changes_since, joined, save_change, unplaced
from bot.journal.journal import Journal, open_engine
from tests.builders import ENVIRONMENT, NOON, SERVICE, a_change

HERE = [(ENVIRONMENT, SERVICE)]
LONG_AGO = NOON - timedelta(days=30)
C = ChangeOutcome


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def event(outcome: ChangeOutcome, minutes: float | None, word: str = "", **named: Any) -> Change:
    """One event of a deploy that names no revision; with *minutes* none that names no time."""
    told = None if minutes is None else at(minutes)
    usual: dict[str, Any] = {
        "id": "ci:7",
        "at": told or NOON,
        "outcome": outcome,
        "word": word or outcome.value,
        "said_at": told,
        "started_at": told if outcome is C.STARTED else None,
        "finished_at": told if outcome.over else None,
        "revision": None,
        "previous_revision": None,
    }
    return a_change(**(usual | named))


def deployed(version: str, minutes: float, **named: Any) -> Change:
    return event(C.SUCCEEDED, minutes, **({"id": f"ci:{version}", "version": version} | named))


def told(journal: Journal, *changes: Change) -> list[bool]:
    """Each in a transaction of its own."""
    said = []
    for change in changes:
        with journal.write("test.change") as tx:
            said.append(save_change(tx, change))
    return said


def feed(journal: Journal, since: datetime = LONG_AGO) -> tuple[Change, ...]:
    with journal.read() as tx:
        return changes_since(tx, HERE, since)


def only(journal: Journal) -> Change:
    (change,) = feed(journal)
    return change


def test_changes_are_found_by_service_environment_and_time(journal: Journal) -> None:
    change, late = a_change(), a_change(id="late", at=NOON, note="0002_add_updated_at")
    elsewhere = a_change(id="elsewhere", environment="production")
    assert told(journal, late, change, a_change(id="other", service="orders"), elsewhere) == [True] * 4
    assert feed(journal, change.at) == (change, late)
    assert feed(journal, change.at + timedelta(microseconds=1)) == (late,)
    with journal.read() as tx:
        assert changes_since(tx, [], change.at) == ()
        both = [*HERE, ("production", SERVICE)]
        assert {c.id for c in changes_since(tx, both, LONG_AGO)} == {change.id, late.id, "elsewhere"}


def test_an_event_told_again_says_nothing_new(journal: Journal) -> None:
    change = event(C.SUCCEEDED, 5, "success")
    assert told(journal, change, change, change) == [True, False, False]
    assert only(journal) == change


def test_one_change_is_one_row_that_moves(journal: Journal) -> None:
    queued = event(C.STARTED, 0, "queued", started_at=None, version="v2")
    running, done = event(C.STARTED, 1, "in_progress"), event(C.SUCCEEDED, 5, "success", actor="mira")
    assert told(journal, queued, running, done) == [True, True, True]
    change = only(journal)
    assert (change.outcome, change.word) == (C.SUCCEEDED, "success")
    assert (change.at, change.started_at, change.finished_at) == (at(1), at(1), at(5))
    assert (change.version, change.actor, change.said_at) == ("v2", "mira", at(5))


EVENTS = (
    event(C.STARTED, 0, "queued", started_at=None, version="v2"),
    event(C.STARTED, 1, "in_progress", link="https://ci.example.com/7"),
    event(C.SUCCEEDED, 5, "success", actor="mira"),
)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_events_out_of_order_come_to_the_same_row(journal: Journal, order: tuple[int, ...]) -> None:
    told(journal, *EVENTS)
    wanted = only(journal)
    told(journal, *(replace(EVENTS[n], id="ci:8") for n in order))
    first, second = feed(journal)
    assert (first.id, replace(second, id="ci:7")) == ("ci:7", wanted)


def test_an_older_event_never_overwrites_a_newer(journal: Journal) -> None:
    told(journal, event(C.FAILED, 9, "failure", version="v2"), event(C.SUCCEEDED, 5, "success", version="v1"))
    change = only(journal)
    assert (change.outcome, change.word, change.version) == (C.FAILED, "failure", "v2")
    assert (change.finished_at, change.said_at) == (at(9), at(9))


@pytest.mark.parametrize("minutes", [None, 5])
def test_an_end_is_not_taken_back_by_a_beginning_that_is_not_later(
    journal: Journal, minutes: float | None
) -> None:
    told(journal, event(C.SUCCEEDED, 5, "success"), event(C.STARTED, minutes, "in_progress"))
    change = only(journal)
    assert (change.outcome, change.word, change.finished_at) == (C.SUCCEEDED, "success", at(5))


def test_a_run_begun_again_is_under_way_again(journal: Journal) -> None:
    told(journal, event(C.STARTED, 0), event(C.FAILED, 5), event(C.STARTED, 60, "in_progress"))
    change = only(journal)
    assert (change.outcome, change.started_at, change.finished_at) == (C.STARTED, at(60), None)
    assert change.at == at(60)


def test_without_times_the_last_word_counts(journal: Journal) -> None:
    told(journal, event(C.STARTED, None), event(C.FAILED, None), event(C.SUCCEEDED, None, "fixed"))
    assert (only(journal).outcome, only(journal).word) == (C.SUCCEEDED, "fixed")


def test_a_word_that_nobody_knows_takes_nothing_back(journal: Journal) -> None:
    told(journal, event(C.SUCCEEDED, 5, "success"), event(C.UNKNOWN, 90, "inactive"))
    change = only(journal)
    assert (change.outcome, change.word, change.finished_at, change.said_at) == (
        C.SUCCEEDED,
        "success",
        at(5),
        at(90),
    )


def test_a_deploy_that_did_not_succeed_still_counts_for_its_moment(journal: Journal) -> None:
    told(journal, event(C.STARTED, 0), event(C.FAILED, 5))
    assert [(c.outcome, c.at) for c in feed(journal, at(0))] == [(C.FAILED, at(0))]


def test_an_unplaced_change_is_kept_apart_until_it_is_placed(journal: Journal) -> None:
    nowhere = event(C.STARTED, 0, environment=None)
    told(journal, nowhere, event(C.STARTED, 1, id="ci:8", service=None))
    assert feed(journal) == ()
    with journal.read() as tx:
        assert [c.id for c in unplaced(tx, LONG_AGO)] == ["ci:8", "ci:7"]
        assert [c.id for c in unplaced(tx, at(1))] == ["ci:8"]
        assert len(unplaced(tx, LONG_AGO, limit=1)) == 1
    told(journal, event(C.SUCCEEDED, 2))
    assert only(journal).id == "ci:7"
    with journal.read() as tx:
        assert [c.id for c in unplaced(tx, LONG_AGO)] == ["ci:8"]


def test_what_ran_before_is_the_last_deploy_that_succeeded(journal: Journal) -> None:
    told(
        journal,
        deployed("v1", -300, revision=1),
        deployed("v2", -200, revision=2),
        event(C.FAILED, -100, id="ci:v3", version="v3"),
        event(C.SUCCEEDED, -90, id="ci:flag", version="on", kind=ChangeKind.FLAG),
        deployed("v9", -80, environment="production"),
        deployed("v8", -80, service="orders"),
        deployed("v4", 0, revision=4),
        deployed("v5", 60),
    )
    (change,) = (c for c in feed(journal, at(0)) if c.version == "v4")
    assert (change.previous_version, change.previous_revision, change.previous_derived) == ("v2", 2, True)


def test_the_first_deploy_has_nothing_to_go_back_to(journal: Journal) -> None:
    told(journal, deployed("v1", 0), deployed("v2", 60))
    first, second = feed(journal)
    assert (first.previous_version, first.previous_derived) == (None, False)
    assert second.previous_version == "v1"


def test_what_is_stated_is_not_derived(journal: Journal) -> None:
    told(
        journal,
        deployed("v1", 0),
        deployed("v2", 60, previous_version="v0"),
        deployed("v3", 70, previous_revision=4),
    )
    _, second, third = feed(journal)
    assert (second.previous_version, second.previous_derived) == ("v0", False)
    assert (third.previous_version, third.previous_revision, third.previous_derived) == (None, 4, False)


def test_the_same_version_deployed_again_is_nothing_to_go_back_to(journal: Journal) -> None:
    told(journal, deployed("v1", -60), deployed("v2", -30), deployed("v2", 0, id="ci:again"))
    (again,) = feed(journal, at(0))
    assert again.previous_version == "v1"


def test_a_flag_and_a_migration_have_no_deploy_to_go_back_to(journal: Journal) -> None:
    told(journal, deployed("v1", -60), event(C.SUCCEEDED, 0, kind=ChangeKind.MIGRATION))
    (migration,) = feed(journal, at(0))
    assert (migration.previous_version, migration.previous_derived) == (None, False)


def test_after_a_rollback_what_it_went_back_to_is_what_ran(journal: Journal) -> None:
    told(journal, deployed("v1", -60), deployed("v2", -30))
    told(journal, event(C.ROLLED_BACK, -20, id="ci:back", version="v1", previous_version="v2"), deployed("v3", 0))
    (third,) = feed(journal, at(0))
    assert third.previous_version == "v1"


@pytest.mark.parametrize("backwards", [False, True])
def test_a_deploy_that_was_rolled_back_is_nothing_to_go_back_to(journal: Journal, *, backwards: bool) -> None:
    brought = deployed("v2", -30, id="ci:2", revision=2)
    events = (brought, event(C.ROLLED_BACK, -20, id="ci:2"), event(C.ROLLED_BACK, -20, id="ci:2"))
    told(journal, deployed("v1", -60, revision=1), *(reversed(events) if backwards else events), deployed("v3", 0))
    _, second, third = feed(journal)
    assert (second.outcome, second.version, second.previous_version) == (C.ROLLED_BACK, None, "v2")
    assert (third.previous_version, third.previous_revision) == ("v1", 1)


def test_joining_does_not_ask_which_came_first() -> None:
    for one, other in permutations(EVENTS, 2):
        assert joined(one, other) == joined(other, one)


def test_events_of_one_change_at_the_same_time_are_one_row(journal: Journal) -> None:
    def tell(number: int) -> None:
        told(journal, event(C.STARTED, number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(8)))
    change = only(journal)
    assert (change.started_at, change.said_at) == (at(0), at(7))


def test_records_from_before_are_deploys_that_succeeded(empty_url: str) -> None:
    record = (
        '{"id": "old", "kind": "deploy", "service": "checkout", "environment": "demo",'
        ' "at": "2026-03-04T11:00:00Z", "artifact": "pkg:oci/checkout@1", "revision": 1}'
    )
    _to(empty_url, "0002", forth=True)
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO changes (id, kind, service, environment, at, record)"
                " VALUES ('old', 'deploy', 'checkout', 'demo', 1772622000000000, :record)"
            ),
            {"record": record},
        )
    engine.dispose()
    migrate.upgrade(empty_url)
    journal = Journal(open_engine(empty_url))
    told(journal, deployed("pkg:oci/checkout@2", 0), event(C.SUCCEEDED, 1, environment=None))
    old, new = feed(journal)
    journal.close()
    assert (old.outcome, old.version, old.revision) == (C.SUCCEEDED, "pkg:oci/checkout@1", 1)
    assert (new.previous_version, new.previous_revision) == ("pkg:oci/checkout@1", 1)
    _to(empty_url, "0002", forth=False)
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT id FROM changes ORDER BY id")).scalars().all()
    engine.dispose()
    assert kept == ["ci:pkg:oci/checkout@2", "old"]


def _to(url: str, revision: str, *, forth: bool) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(url)
    config = migrate._config()
    config.attributes["engine"] = engine
    (command.upgrade if forth else command.downgrade)(config, revision)
    engine.dispose()
