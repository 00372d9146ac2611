"""What the clock does about whatever has not moved in its time, and what it does when it fails itself."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from structlog.testing import capture_logs

from actions.redis_locks import RedisLocks
from agents.incident.errors import JournalUnavailable, Refused
from agents.incident.ids import IncidentId
from agents.incident.incident import AlertStatus, Incident
from agents.incident.lifecycle import ActionState, IncidentState
from bot import clock
from bot.clock import ClockParts
from bot.journal import incidents, intake
from bot.journal import tables as t
from bot.journal.intake import Delivery
from bot.journal.journal import Journal
from bot.queue import Doorbell
from tests.builders import ALONE, Asked, ask, open_incident, take
from tests.conftest import Rung
from tests.contract.redis_server import RedisServer

A, S = ActionState, IncidentState
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture(name="journal_url")
def _journal_url(sqlite_url: str) -> str:
    """The clock is the same on both databases; the contract suites compare them."""
    return sqlite_url


@pytest.fixture(name="parts")
def _parts(journal: Journal, redis_server: RedisServer) -> ClockParts:
    limits = clock.Limits(tick=timedelta(0), reconcile=3 * SECOND, lease=30 * SECOND, triage_silence=30 * SECOND)
    return ClockParts(
        journal=journal,
        doorbell=Doorbell(redis_server.connection),
        locks=RedisLocks(redis_server.connection),
        limits=limits,
        grouping=ALONE,
        log=structlog.get_logger(),
    )


def _opened(journal: Journal, state: IncidentState = S.RECEIVED) -> Incident:
    with journal.write("test.opened") as tx:
        return open_incident(tx, state)


def _loaded(journal: Journal, incident_id: IncidentId) -> Incident:
    with journal.read() as tx:
        return incidents.load(tx, incident_id)


def _stood(journal: Journal, table: Any, span: timedelta) -> None:
    """Whatever stands in *table* has stood there this long."""
    with journal.write("test.later") as tx:
        tx.run(table.update().values(state_since=tx.now - span))


def _heard(journal: Journal, *, ago: timedelta) -> None:
    """Whatever was rung was heard this long ago."""
    with journal.write("test.heard") as tx:
        tx.run(t.outbox.update().values(made_at=tx.now - ago, sent_at=tx.now - ago))


# Runs that stand


def _acting(journal: Journal, run: ActionState, *path: IncidentState) -> Asked:
    """An incident on its *path* beyond a proposal, and its run in the state *run*."""
    question = ask(journal)
    with journal.write("test.placed") as tx:
        incident = incidents.load(tx, question.incident_id)
        for state in path:
            incident = incidents.move(tx, incident, state, actor="test")
        tx.run(t.action_runs.update().values(state=run.value, generation=1, counter=1))
    return question


@pytest.mark.parametrize(
    ("run", "path"),
    [
        (A.UNKNOWN, (S.MITIGATING,)),
        (A.PARTIAL, (S.MITIGATING,)),
        (A.UNKNOWN, (S.MITIGATING, S.VERIFYING)),
        (A.REGRESSED, (S.MITIGATING, S.VERIFYING)),
        (A.INCONCLUSIVE, (S.MITIGATING, S.VERIFYING)),
        (A.UNDO_FAILED, (S.MITIGATING, S.VERIFYING)),
    ],
)
def test_what_stands_unknown_or_harmful_for_five_minutes_is_told_to_a_person_and_not_before(
    parts: ClockParts, run: ActionState, path: tuple[IncidentState, ...]
) -> None:
    question = _acting(parts.journal, run, *path)
    _stood(parts.journal, t.action_runs, 5 * MINUTE - 10 * SECOND)
    clock.unfinished(parts)
    assert _loaded(parts.journal, question.incident_id).state is path[-1]
    _stood(parts.journal, t.action_runs, 5 * MINUTE + 10 * SECOND)
    for _ in range(2):
        clock.unfinished(parts)
        told = _loaded(parts.journal, question.incident_id)
        assert told.state is S.NEEDS_HUMAN
        assert f"stands {run.value.lower()}" in told.reason


# Fixes that were verified


def test_an_alert_that_goes_on_half_an_hour_after_its_fix_was_verified_opens_it_again(parts: ClockParts) -> None:
    incident = _opened(parts.journal, S.MITIGATED)
    _stood(parts.journal, t.incidents, 30 * MINUTE - 10 * SECOND)
    clock.followers(parts)
    assert _loaded(parts.journal, incident.id) == incident
    _stood(parts.journal, t.incidents, 30 * MINUTE + 10 * SECOND)
    clock.followers(parts)
    again = _loaded(parts.journal, incident.id)
    assert (again.state, again.attempt, again.alert_firing) == (S.REOPENED, incident.attempt + 1, True)


def test_an_alert_that_resolved_after_its_fix_was_verified_is_settled_and_not_opened_again(
    parts: ClockParts, rung: Rung
) -> None:
    incident = _opened(parts.journal, S.MITIGATED)
    with parts.journal.write("test.resolved") as tx:
        take(tx, identity=incident.identity, status=AlertStatus.RESOLVED)
    _heard(parts.journal, ago=MINUTE)
    rung.clear()
    _stood(parts.journal, t.incidents, 30 * MINUTE + 10 * SECOND)
    clock.followers(parts)
    assert _loaded(parts.journal, incident.id).state is S.MITIGATED
    assert [bell[1:] for bell in rung] == [("settle", incident.id)]


# Bells


def test_a_round_rings_the_same_subject_once_in_four_rounds(parts: ClockParts, rung: Rung) -> None:
    incident = _opened(parts.journal)
    _stood(parts.journal, t.incidents, MINUTE)
    four = 4 * parts.limits.reconcile
    three = 3 * parts.limits.reconcile
    for ago, expected in ((three, []), (four + SECOND, [("diagnose", incident.id)]), (SECOND, [])):
        _heard(parts.journal, ago=ago)
        rung.clear()
        for _ in range(2):
            clock.waiting(parts)
        assert [bell[1:] for bell in rung] == expected


@pytest.mark.parametrize(("state", "rung_for"), [("again", True), ("unreadable", False), ("parsed", False)])
def test_a_round_rings_for_what_is_to_be_read_again(
    parts: ClockParts, rung: Rung, state: str, rung_for: bool
) -> None:
    delivery = Delivery(source="am", system="alertmanager", key=None, headers={}, body=b"{}")
    with parts.journal.write("test.stored") as tx:
        intake.store_all(tx, [delivery])
        tx.run(t.inbox.update().values(state=state))
    _heard(parts.journal, ago=MINUTE)
    rung.clear()
    clock.waiting(parts)
    assert (("intake", "inbox") in [(job, subject) for _, job, subject in rung]) is rung_for


def test_a_round_forgets_bells_that_were_heard_an_hour_ago_and_no_others(parts: ClockParts, rung: Rung) -> None:
    for _ in range(3):
        _opened(parts.journal)
    long_ago, lately, unheard = (number for number, _, _ in rung)
    _heard(parts.journal, ago=60 * MINUTE + SECOND)
    with parts.journal.write("test.lately") as tx:
        tx.run(t.outbox.update().where(t.outbox.c.id == lately).values(sent_at=tx.now - 59 * MINUTE))
        tx.run(t.outbox.update().where(t.outbox.c.id == unheard).values(sent_at=None))
    clock.waiting(parts)
    with parts.journal.read() as tx:
        left = set(tx.run(select(t.outbox.c.id)).scalars())
    assert (long_ago in left, {lately, unheard} <= left) == (False, True)


# A clock that fails


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ValueError("unreadable"), "clock.failed"),
        (Refused("moved by somebody else"), "clock.delayed"),
        (JournalUnavailable("gone"), "clock.delayed"),
    ],
)
def test_a_part_that_fails_is_logged_and_stops_no_other(
    parts: ClockParts, error: Exception, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    ends = iter((False, False, True))

    def broken(_: ClockParts) -> None:
        raise error

    monkeypatch.setattr(clock, "RECONCILED", (broken, lambda _: done.append("after it")))
    monkeypatch.setattr(clock, "tick", lambda _: done.append("tick"))
    monkeypatch.setattr("bot.clock.time.sleep", lambda _: None)
    every_time = replace(parts, limits=replace(parts.limits, reconcile=timedelta(0)))
    with capture_logs() as logged:
        clock.run(every_time, until=lambda: next(ends))
    assert done == ["tick", "after it"] * 2
    assert [(line["event"], line["part"]) for line in logged] == [(event, "broken")] * 2


def test_a_tick_that_fails_is_logged_and_stops_no_round(
    parts: ClockParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    ends = iter((False, True))

    def tick(_: ClockParts) -> None:
        raise ValueError("unreadable")

    monkeypatch.setattr(clock, "RECONCILED", (lambda _: done.append("a round"),))
    monkeypatch.setattr(clock, "tick", tick)
    monkeypatch.setattr("bot.clock.time.sleep", lambda _: None)
    with capture_logs() as logged:
        clock.run(parts, until=lambda: next(ends))
    assert done == ["a round"]
    assert [(line["event"], line["part"]) for line in logged] == [("clock.failed", "tick")]
