"""What the journal promises, on SQLite and on PostgreSQL alike."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path as File
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, inspect, select, text

from actions.policy import Policy
from actions.ports import LockSet, Token
from actions.steps import SetRevision, Step
from actions.verification import Measured, Outcome, Sample
from agents.incident.claims import (
    Associated,
    Cause,
    ChangeFact,
    Claim,
    Compare,
    EdgeFact,
    EventFact,
    FactName,
    LogAbsent,
    LogPresent,
    MetricChange,
    Note,
    Op,
    Path,
    Precedes,
    Refuted,
    Similar,
    SpanFact,
    Where,
)
from agents.incident.errors import BadInput, JournalUnavailable, Refused
from agents.incident.evidence import Evidence
from agents.incident.finding import Dropped, Finding, RefuterOutcome, RefuterSeen, Said, Suspect
from agents.incident.grounds import Excerpt, Fact, LineAt, PointAt, RecordAt, SpanAt
from agents.incident.ids import EvidenceId, IncidentId, RunId, VerificationId
from agents.incident.incident import AlertStatus, Incident, Severity
from agents.incident.lifecycle import ACTION_TERMINAL, ActionState, IncidentState, action_may
from bot.journal import chain, evidence, incidents, intake, migrate, outbox, runs, verifications
from bot.journal import tables as t
from bot.journal.codec import dump
from bot.journal.compressed import MAGIC
from bot.journal.journal import REVISION, Journal, Tx, check, open_engine
from bot.journal.ledger import JournalLedger
from bot.journal.rows import cas, row_of
from bot.journal.tables import metadata
from bot.show import chain_text, evidence_text
from tests.builders import (
    NOON,
    PEOPLE,
    Asked,
    a_claim,
    a_finding,
    a_policy,
    ask,
    open_incident,
    some_evidence,
    take,
)
from tests.conftest import Rung
from tests.contract.postgres import Postgres

S, A = IncidentState, ActionState


class Stop(Exception):  # stands for a process that ends here
    """Raised inside a transaction."""


def _count(tx: Tx, table: object) -> int:
    counted: int = tx.run(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
    return counted


def _opened(journal: Journal, state: IncidentState = S.RECEIVED, **named: object) -> Incident:
    with journal.write("test.opened") as tx:
        return open_incident(tx, state, **named)


def _apply(journal: Journal, **named: Any) -> IncidentId | None:
    with journal.write("test.alert") as tx:
        return take(tx, **named)


def _loaded(journal: Journal, incident_id: IncidentId) -> Incident:
    with journal.read() as tx:
        return incidents.load(tx, incident_id)


# Alerts, episodes, incidents


def test_a_firing_alert_repeated_opens_one_incident(journal: Journal, rung: Rung) -> None:
    assert _apply(journal) == _apply(journal) == _apply(journal, summary="still")
    assert [job for _, job, _ in rung] == ["diagnose"]
    with journal.read() as tx:
        assert _count(tx, t.incidents) == 1
        assert _count(tx, t.episodes) == 1


def test_alerts_of_another_identity_or_source_open_others(journal: Journal) -> None:
    assert len({_apply(journal), _apply(journal, identity="other"), _apply(journal, source="other")}) == 3


def test_a_resolved_alert_ends_the_episode_and_is_told_once(journal: Journal, rung: Rung) -> None:
    incident_id = _apply(journal)
    for _ in range(2):
        assert _apply(journal, status=AlertStatus.RESOLVED) == incident_id
    assert [job for _, job, _ in rung] == ["diagnose", "settle"]
    assert incident_id is not None
    assert not _loaded(journal, incident_id).alert_firing


def test_a_resolved_alert_nobody_knows_opens_nothing(journal: Journal, rung: Rung) -> None:
    assert _apply(journal, status=AlertStatus.RESOLVED) is None
    assert rung == []


@pytest.mark.parametrize("state", [S.RESOLVED, S.MITIGATED])
def test_firing_again_within_a_day_is_the_next_attempt(journal: Journal, state: IncidentState) -> None:
    incident = _opened(journal, state, identity="one")
    _apply(journal, identity="one", status=AlertStatus.RESOLVED)
    assert _apply(journal, identity="one", started_at=NOON + timedelta(hours=1)) == incident.id
    again = _loaded(journal, incident.id)
    assert (again.state, again.attempt, again.look, again.alert_firing) == (S.REOPENED, 2, 1, True)


def test_firing_again_after_a_day_opens_a_new_one(journal: Journal) -> None:
    incident = _opened(journal, S.RESOLVED, identity="one")
    with journal.read() as tx:
        ended = tx.now - timedelta(hours=24, seconds=1)
    _apply(journal, identity="one", status=AlertStatus.RESOLVED, ended_at=ended)
    assert _apply(journal, identity="one", started_at=ended + timedelta(hours=1)) not in {None, incident.id}


def test_firing_again_after_it_was_closed_opens_a_new_one(journal: Journal) -> None:
    incident = _opened(journal, S.CLOSED, identity="one")
    _apply(journal, identity="one", status=AlertStatus.RESOLVED)
    new = _apply(journal, identity="one", started_at=NOON + timedelta(hours=1))
    assert new not in {None, incident.id}
    assert _loaded(journal, incident.id).state is S.CLOSED


def test_firing_again_before_anybody_settled_joins_the_incident(journal: Journal, rung: Rung) -> None:
    incident = _opened(journal, S.PROPOSED, identity="one")
    _apply(journal, identity="one", status=AlertStatus.RESOLVED)
    assert _apply(journal, identity="one", started_at=NOON + timedelta(hours=1)) == incident.id
    joined = _loaded(journal, incident.id)
    assert (joined.state, joined.attempt, joined.alert_firing) == (S.PROPOSED, 1, True)


def test_a_firing_that_is_older_than_what_was_applied_opens_nothing(journal: Journal) -> None:
    incident = _opened(journal, S.RESOLVED, identity="one")
    _apply(journal, identity="one", status=AlertStatus.RESOLVED)
    _apply(journal, identity="one", started_at=NOON - timedelta(minutes=6))
    assert _loaded(journal, incident.id).state is S.RESOLVED


def test_an_incident_is_read_as_it_was_opened(journal: Journal) -> None:
    incident = _opened(journal, severity=Severity.WARNING, summary="§ 1: naïve", service=None)
    assert (incident.severity, incident.summary, incident.service) == (Severity.WARNING, "§ 1: naïve", None)
    assert incident.alert_started_at == NOON
    assert incident.alert_started_at.utcoffset() == timedelta(0)


# Moves


def test_a_move_is_a_compare_and_set(journal: Journal) -> None:
    stale = _opened(journal)
    with journal.write("test.moved") as tx:
        moved = incidents.move(tx, stale, S.TRIAGING, actor="one")
    assert (moved.state, moved.version) == (S.TRIAGING, stale.version + 1)
    with journal.read() as tx:
        before = _count(tx, t.events)
    with pytest.raises(Refused, match="somebody else"), journal.write("test.stale") as tx:
        incidents.move(tx, stale, S.NEEDS_HUMAN, actor="other")
    with journal.read() as tx:
        assert _count(tx, t.events) == before
    assert _loaded(journal, stale.id) == moved


def test_a_move_in_the_right_state_but_of_an_older_version_is_refused(journal: Journal) -> None:
    first = _opened(journal, S.RESOLVED, identity="one")
    with journal.write("test.again") as tx:
        again = incidents.move(tx, first, S.REOPENED, actor="one")
        again = incidents.move(tx, again, S.RESOLVED, actor="one")
    with pytest.raises(Refused, match="somebody else"), journal.write("test.stale") as tx:
        incidents.move(tx, first, S.CLOSED, actor="other")
    assert _loaded(journal, first.id) == again


def test_a_move_that_no_table_allows_is_refused(journal: Journal) -> None:
    incident = _opened(journal)
    with pytest.raises(Refused, match="cannot go"), journal.write("test.jump") as tx:
        incidents.move(tx, incident, S.MITIGATED, actor="one")


def test_of_many_who_move_at_once_one_does(journal: Journal) -> None:
    incident = _opened(journal)
    barrier = threading.Barrier(4)

    def move(to: IncidentState) -> bool:
        barrier.wait()
        try:
            with journal.write("test.race") as tx:
                incidents.move(tx, incident, to, actor=to.value)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(move, (S.TRIAGING, S.RESOLVED, S.NEEDS_HUMAN, S.SUPPRESSED)))
    assert sum(moved) == 1
    assert _loaded(journal, incident.id).version == incident.version + 1


def test_a_terminal_run_never_changes(journal: Journal) -> None:
    question = ask(journal)
    for state in sorted(ACTION_TERMINAL):
        assert not any(action_may(state, to) for to in A)
        with journal.write("test.placed") as tx:
            tx.run(t.action_runs.update().values(state=state.value))
        for to in A:
            with pytest.raises(Refused), journal.write("test.moved") as tx:
                cas(tx, row_of(tx, question.run_id), to)
        with journal.read() as tx:
            assert row_of(tx, question.run_id)["state"] == state.value


def test_a_run_moves_by_compare_and_set_and_carries_its_incident(journal: Journal, rung: Rung) -> None:
    question = ask(journal)
    with journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=A.PREFLIGHT.value))
    with journal.write("test.moved") as tx:
        runs.move(tx, question.run_id, A.EXECUTING, version=1, actor="runner")
    assert _loaded(journal, question.incident_id).state is S.MITIGATING
    with pytest.raises(Refused, match="somebody else"), journal.write("test.stale") as tx:
        runs.move(tx, question.run_id, A.EXECUTED, version=1, actor="runner")
    with journal.write("test.lost") as tx:
        runs.move(tx, question.run_id, A.UNKNOWN, version=2, actor="clock")
    assert rung[-1][1:] == ("act", question.run_id)


def test_a_run_in_the_right_state_but_of_an_older_version_is_not_moved(journal: Journal) -> None:
    question = ask(journal)
    with journal.write("test.moved") as tx:
        stale = row_of(tx, question.run_id)
        cas(tx, stale, A.HELD)
        cas(tx, row_of(tx, question.run_id), A.AWAITING_APPROVAL)
    with pytest.raises(Refused, match="somebody else"), journal.write("test.stale") as tx:
        cas(tx, stale, A.HELD)


def test_a_step_is_written_only_by_the_runner_whose_token_is_in_force(journal: Journal) -> None:
    ledger = JournalLedger(journal, PEOPLE, a_policy())
    question = ask(journal, "rollback_deployment")
    with journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=A.UNKNOWN.value, generation=1, counter=1))
    old = ledger.run(question.run_id)
    step = _step()
    with pytest.raises(Refused, match="may not write"):
        ledger.intend(old, "do", 1, step)  # what is unknown gets no second effect
    new = ledger.retoken(old, Token(generation=1, counter=2))
    with pytest.raises(Refused, match="may not write"):
        ledger.intend(old, "undo", 1, step)
    row = ledger.intend(new, "undo", 1, step)
    assert ledger.intend(new, "undo", 1, step) == row
    assert [s.key for s in ledger.steps(new, "undo")] == [row.key]
    with pytest.raises(Refused, match="somebody else"):
        ledger.retoken(old, Token(generation=1, counter=3))


def test_a_grant_counts_only_above_every_token_on_record(journal: Journal) -> None:
    ledger = JournalLedger(journal, PEOPLE, a_policy())
    with journal.write("test.generation") as tx:
        tx.run(t.lock_service.insert().values(id=1, generation=2, run_id="r", since=tx.now))
    first, second = ask(journal), ask(journal)
    with journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=A.READY.value))
    want = _lock_set(journal, first.run_id)

    def reserve(run_id: RunId, generation: int, counter: int) -> ActionState:
        return ledger.reserve(ledger.run(run_id), Token(generation=generation, counter=counter), want).state

    with pytest.raises(Refused, match="another generation"):
        reserve(first.run_id, 1, 9)
    with pytest.raises(Refused, match="another generation"):
        reserve(first.run_id, 3, 1)
    assert reserve(first.run_id, 2, 5) is A.RESERVED
    for counter in (4, 5):
        with pytest.raises(Refused, match="on record"):
            reserve(second.run_id, 2, counter)
    assert ledger.run(second.run_id).state is A.READY
    assert reserve(second.run_id, 2, 6) is A.RESERVED


# Together or not at all


def test_a_move_its_event_and_its_outbox_row_commit_together(journal: Journal, rung: Rung) -> None:
    incident = _opened(journal)
    rung.clear()
    with journal.read() as tx:
        before = (_count(tx, t.events), _count(tx, t.outbox))
    with journal.write("test.moved") as tx:
        incidents.move(tx, incident, S.TRIAGING, actor="one")
        tx.ring("settle", incident.id)
        assert rung == []  # nobody is told of what may still be taken back
    with journal.read() as tx:
        assert (_count(tx, t.events), _count(tx, t.outbox)) == (before[0] + 1, before[1] + 1)
    assert [r[1:] for r in rung] == [("settle", incident.id)]


def test_one_bell_is_enough_until_it_is_rung(journal: Journal, rung: Rung) -> None:
    incident = _opened(journal)
    for _ in range(20):
        with journal.write("test.again") as tx:
            tx.ring("settle", incident.id)
    with journal.read() as tx:
        rows = tx.all(select(t.outbox).where(t.outbox.c.job == "settle"))
    assert len(rows) == 1


def test_a_bell_rung_a_moment_ago_is_not_rung_again(journal: Journal, rung: Rung) -> None:
    def again(subject: str, *, rung_ago: timedelta) -> int:
        rung.clear()
        with journal.write("test.again") as tx:
            tx.run(t.outbox.update().values(made_at=tx.now - rung_ago, sent_at=tx.now))
            tx.ring_again("settle", subject, every=timedelta(minutes=1))
        return len(rung)

    assert again("INC_1", rung_ago=timedelta(0)) == 1
    assert again("INC_1", rung_ago=timedelta(seconds=50)) == 0
    assert again("INC_2", rung_ago=timedelta(seconds=50)) == 1
    assert again("INC_1", rung_ago=timedelta(seconds=61)) == 1


def test_of_a_block_that_fails_nothing_is_kept_and_nothing_is_rung(journal: Journal, rung: Rung) -> None:
    incident = _opened(journal)
    rung.clear()
    with journal.read() as tx:
        before = (_count(tx, t.events), _count(tx, t.outbox))
    with pytest.raises(Stop), journal.write("test.failed") as tx:
        incidents.move(tx, incident, S.TRIAGING, actor="one")
        tx.ring("diagnose", incident.id)
        raise Stop
    with journal.read() as tx:
        assert (_count(tx, t.events), _count(tx, t.outbox)) == before
    assert _loaded(journal, incident.id) == incident
    assert rung == []


def test_what_is_not_committed_is_seen_by_nobody_else(journal: Journal) -> None:
    incident = _opened(journal)
    with journal.write("test.moved") as tx:
        incidents.move(tx, incident, S.TRIAGING, actor="one")
        assert _loaded(journal, incident.id).state is S.RECEIVED
    assert _loaded(journal, incident.id).state is S.TRIAGING


def test_the_outbox_keeps_what_was_not_sent(journal: Journal, rung: Rung) -> None:
    _opened(journal)
    _opened(journal)
    numbers = [number for number, _, _ in rung]
    with journal.read() as tx:
        assert list(outbox.unsent(tx, timedelta(0))) == rung
        assert list(outbox.unsent(tx, timedelta(minutes=1))) == []
        assert [r[0] for r in outbox.unsent(tx, timedelta(0), limit=1)] == numbers[:1]
    with journal.write("test.sent") as tx:
        outbox.sent(tx, numbers[:1])
    with journal.read() as tx:
        assert [r[0] for r in outbox.unsent(tx, timedelta(0))] == numbers[1:]


def test_the_outbox_forgets_what_was_sent_long_ago_and_nothing_else(journal: Journal, rung: Rung) -> None:
    for _ in range(3):
        _opened(journal)
    long_ago, lately, unsent = (number for number, _, _ in rung)
    with journal.write("test.pruned") as tx:
        tx.run(t.outbox.update().values(made_at=tx.now - timedelta(days=1)))
        outbox.sent(tx, [long_ago, lately])
        sent_at = tx.now - timedelta(hours=1, seconds=1)
        tx.run(t.outbox.update().where(t.outbox.c.id == long_ago).values(sent_at=sent_at))
        outbox.prune(tx, timedelta(hours=1))
        left = tx.run(select(t.outbox.c.id).order_by(t.outbox.c.id)).scalars().all()
    assert left == [lately, unsent]


def test_every_event_makes_the_card_newer(journal: Journal) -> None:
    incident = _opened(journal)
    version = select(t.incidents.c.card_version).where(t.incidents.c.id == incident.id)
    with journal.write("test.event") as tx:
        before = tx.run(version).scalar_one()
        tx.event(incident.id, "one", "something.happened", number=1)
        assert tx.run(version).scalar_one() == before + 1


# The clock


def test_now_is_the_databases_clock(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    before = datetime.now(UTC)
    with journal.read() as tx:
        assert abs(tx.now - before) < timedelta(seconds=10)
        assert tx.now.utcoffset() == timedelta(0)


def test_now_goes_on_within_one_transaction(journal: Journal) -> None:
    with journal.write("test.now") as tx:
        start = tx.now
        for _ in range(20_000):
            if tx.now > start:
                return
    pytest.fail("time stood still for the length of a transaction")


# Evidence, findings, changes


def _keep(journal: Journal, item: Evidence, data: bytes) -> None:
    with journal.write("test.kept") as tx:
        evidence.keep(tx, [item], {item.blob_sha256: data}, attempt=1, look=1, purpose=evidence.TRIAGE)


def test_evidence_and_its_bytes_are_written_once(journal: Journal) -> None:
    incident = _opened(journal)
    item, data = some_evidence(incident_id=incident.id)
    _keep(journal, item, data)
    other, _ = some_evidence(incident_id=incident.id, query="forged")
    _keep(journal, other, b"forged")
    with journal.read() as tx:
        assert evidence.find(tx, item.id) == (item, data)
        assert evidence.blob(tx, item.blob_sha256) == data
        assert evidence.of_look(tx, incident.id, attempt=1, look=1) == (item,)
        assert evidence.of_look(tx, incident.id, attempt=1, look=2) == ()
        assert (_count(tx, t.blobs), _count(tx, t.evidence)) == (1, 1)


def test_evidence_kept_by_two_at_once_is_one(journal: Journal) -> None:
    incident = _opened(journal)
    item, data = some_evidence(incident_id=incident.id)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _keep(journal, item, data), range(8)))
    with journal.read() as tx:
        assert (_count(tx, t.blobs), _count(tx, t.evidence)) == (1, 1)


def test_evidence_is_found_by_a_prefix_that_is_its_alone(journal: Journal) -> None:
    incident = _opened(journal)
    first, data = some_evidence("one", id=EvidenceId("EV_AB_1"), incident_id=incident.id)
    second, more = some_evidence("two", id=EvidenceId("EV_ABX2"), incident_id=incident.id)
    _keep(journal, first, data)
    _keep(journal, second, more)
    with journal.read() as tx:
        assert evidence.find(tx, "EV_AB_")[0] == first  # "_" is a letter, not a wildcard
        with pytest.raises(BadInput, match="more than one"):
            evidence.find(tx, "EV_AB")
        with pytest.raises(BadInput, match="no evidence"):
            evidence.find(tx, "EV_C")
        with pytest.raises(BadInput, match="not in the journal"):
            evidence.blob(tx, "0" * 64)


EDGE = EdgeFact(
    evidence=EvidenceId("EV_1"),
    client="demo/gateway",
    server="demo/checkout",
    fact=FactName.RECENT,
    value=0.5,
    op=Op.GE,
    threshold=0.1,
)
CLAIMS: tuple[Claim, ...] = (
    a_claim(where=Where(instance="checkout-1", not_upstream_instance="gateway"), value=-0.0),
    MetricChange(
        evidence=EvidenceId("EV_1"),
        entity="demo/checkout",
        where=Where(),
        before=1.0,
        after=float(10**300),
        onset=(NOON, NOON + timedelta(milliseconds=1)),
        op=Op.GT,
        threshold=2.0,
        fact=FactName.MAX,
    ),
    LogPresent(
        evidence=EvidenceId("EV_1"), entity="demo/checkout", pattern="p", quote='"ünknown"\tcolumn', count=3
    ),
    ChangeFact(evidence=EvidenceId("EV_1"), entity="demo/checkout", change_id="c", kind="deploy", at=NOON),
    Precedes(
        first_evidence=EvidenceId("EV_1"),
        second_evidence=EvidenceId("EV_1"),
        first=(NOON, NOON),
        second=(NOON, NOON),
        first_what="a",
        second_what="b",
    ),
    Cause(signature="F34", title="bad", entity="demo/checkout", evidence=(EvidenceId("EV_1"),)),
    Compare(
        evidence=EvidenceId("EV_1"),
        other_evidence=EvidenceId("EV_1"),
        entity="demo/checkout",
        fact=FactName.MAX,
        where=Where(),
        other_fact=FactName.MIN,
        other_where=Where(instance="checkout-1"),
        value=2.0,
        other_value=1.0,
        op=Op.GT,
    ),
    LogAbsent(evidence=EvidenceId("EV_1"), entity="demo/checkout", pattern="p"),
    SpanFact(
        evidence=EvidenceId("EV_1"),
        entity="demo/checkout",
        trace_id="t",
        span_id="s",
        attribute="a",
        value="v",
        at=NOON,
    ),
    EDGE,
    EventFact(evidence=EvidenceId("EV_1"), entity="demo/checkout", uid="u", reason="OOMKilled", at=NOON),
    Associated(
        evidence=EvidenceId("EV_1"),
        other_evidence=EvidenceId("EV_1"),
        where=Where(),
        other_where=Where(),
        rho=0.5,
        lag=timedelta(seconds=1),
    ),
    Path(hops=(EDGE, EDGE)),
    Refuted(signature="F11", entity="demo/checkout", refuter="F11.x1", reading=a_claim()),
    Similar(incident="INC_1", score=0.5, evidence=EvidenceId("EV_1")),
    Note(text="n", evidence=(EvidenceId("EV_1"),)),
)
GROUNDS = (
    PointAt(labels={"instance": "a"}, at_ms=1.0),
    LineAt(labels={"instance": "a"}, at="2026-01-01", sha256="0" * 64),
    SpanAt(trace_id="t", span_id="s", attribute="a"),
    RecordAt(id="c"),
)


def test_a_finding_comes_back_equal(journal: Journal) -> None:
    incident = _opened(journal)
    refuters = tuple(
        RefuterSeen(id=o.value, means="m", hard=True, outcome=o, text="t", claim=c)
        for o, c in zip(RefuterOutcome, (CLAIMS[0], CLAIMS[1], None), strict=True)
    )
    finding = a_finding(
        incident_id=incident.id,
        claims=tuple(
            Said(
                claim=c,
                text=type(c).__name__,
                facts=(Fact(name="x.max", value=0.1, unit="s", n_samples=3, inputs=(EvidenceId("EV_1"),)),),
                excerpts=tuple(
                    Excerpt(evidence=EvidenceId("EV_1"), byte_start=1, byte_end=2, text="x", pointer=p)
                    for p in GROUNDS
                ),
            )
            for c in CLAIMS
        ),
        refuters=refuters,
        suspects=(Suspect(signature="F11", title="pool", entity="demo/checkout", score=0.1 + 0.2),),
        dropped=(Dropped(code="G1", what="w"),),
        not_checked=("x",),
        made_at=NOON.replace(microsecond=123456),
    )
    with journal.write("test.finding") as tx:
        evidence.save_finding(tx, finding)
    with journal.read() as tx:
        loaded = evidence.latest_finding(tx, incident.id)
    assert loaded == finding
    assert loaded is not None
    assert [type(s.claim) for s in loaded.claims] == [type(c) for c in CLAIMS]


def test_the_newest_finding_is_that_of_the_last_look_of_the_last_attempt(journal: Journal) -> None:
    incident = _opened(journal)
    saved: list[Finding] = []
    for attempt, look in ((1, 1), (1, 2), (2, 1)):
        saved.append(a_finding(incident_id=incident.id, attempt=attempt, look=look))
        with journal.write("test.finding") as tx:
            evidence.save_finding(tx, saved[-1])
            assert evidence.latest_finding(tx, incident.id) == saved[-1]
    with journal.read() as tx:
        assert evidence.latest_finding(tx, IncidentId("INC_other")) is None


@pytest.fixture(name="linked")
def _linked(journal: Journal) -> Incident:
    """An incident with two pieces of evidence and a finding."""
    incident = _opened(journal)
    for body in ("one", "two"):
        item, data = some_evidence(body, incident_id=incident.id)
        _keep(journal, item, data)
    with journal.write("test.finding") as tx:
        evidence.save_finding(tx, a_finding(incident_id=incident.id))
    return incident


def _verified(journal: Journal, incident: Incident) -> chain.Chain:
    with journal.read() as tx:
        return chain.verify(tx, incident.id)


def test_everything_kept_is_linked_in_the_order_it_was_kept(journal: Journal, linked: Incident) -> None:
    verified = _verified(journal, linked)
    assert (verified.whole, verified.links, verified.before) == (True, 3, 0)
    with journal.read() as tx:
        links = tx.all(select(t.chain).order_by(t.chain.c.sequence))
    assert [(r["sequence"], r["kind"], r["actor"]) for r in links] == [
        (1, "evidence", "engine"),
        (2, "evidence", "engine"),
        (3, "finding", "triage"),
    ]
    assert [r["previous"] for r in links] == [chain.START, *(r["hash"] for r in links[:-1])]
    assert verified.head == links[-1]["hash"]


def test_the_same_evidence_kept_again_adds_no_link(journal: Journal, linked: Incident) -> None:
    item, data = some_evidence("one", incident_id=linked.id)
    _keep(journal, item, data)
    assert _verified(journal, linked).links == 3


TAMPERED: dict[str, tuple[Callable[[Tx], object], str]] = {
    "a record": (
        lambda tx: tx.run(t.findings.update().values(record={"state": "DIAGNOSED"})),
        "was changed after it was kept",
    ),
    "a record taken away": (lambda tx: tx.run(t.findings.delete()), "no longer in the journal"),
    "bytes": (lambda tx: tx.run(t.blobs.update().values(bytes=b"{}")), "BLOB_MISMATCH"),
    "an actor": (lambda tx: tx.run(t.chain.update().values(actor="somebody")), "link 1 was changed"),
    "a link taken away": (
        lambda tx: tx.run(t.chain.delete().where(t.chain.c.sequence == 2)),
        "does not follow the one before it",
    ),
    "the whole chain taken away": (
        lambda tx: tx.run(t.chain.delete()),
        "is in the journal and not in the chain",
    ),
    "the end taken away": (
        lambda tx: tx.run(t.chain.delete().where(t.chain.c.sequence == 3)),
        "is in the journal and not in the chain",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_named(journal: Journal, linked: Incident, what: str) -> None:
    tamper, says = TAMPERED[what]
    with journal.write("test.tampered") as tx:
        tamper(tx)
    verified = _verified(journal, linked)
    assert not verified.whole
    assert any(says in problem for problem in verified.broken)
    assert says in chain_text(verified)


def test_a_record_that_was_slipped_in_is_named(journal: Journal, linked: Incident) -> None:
    with journal.write("test.slipped") as tx:
        row = tx.one(select(t.evidence).order_by(t.evidence.c.id))
        assert row is not None
        tx.run(t.evidence.insert().values(**{**row, "id": "EV_slipped", "fetched_at": tx.now}))
    assert _verified(journal, linked).broken == ("evidence EV_slipped is in the journal and not in the chain",)


def test_what_is_older_than_chains_is_counted_and_not_blamed(journal: Journal, linked: Incident) -> None:
    with journal.write("test.older") as tx:
        tx.run(t.chain.delete())
        tx.run(t.evidence.update().values(topic=None))
        tx.run(t.findings.update().values(linked=None))
    verified = _verified(journal, linked)
    assert (verified.whole, verified.links, verified.before) == (True, 0, 3)


def _tampered(journal: Journal, tamper: Callable[[Tx], object]) -> None:
    with journal.write("test.tampered") as tx:
        tamper(tx)


@pytest.mark.parametrize("column", ["attempt", "look"])
def test_a_finding_that_was_made_the_latest_is_named(journal: Journal, linked: Incident, column: str) -> None:
    with journal.write("test.finding") as tx:
        earlier = evidence.latest_finding(tx, linked.id)
        assert earlier is not None
        evidence.save_finding(tx, a_finding(incident_id=linked.id, look=2))
        tx.run(t.findings.update().where(t.findings.c.id == earlier.id).values(**{column: 99}))
        assert evidence.latest_finding(tx, linked.id) == earlier
    says = f"finding {earlier.id} is filed under another {column} than its record has"
    verified = _verified(journal, linked)
    assert verified.broken == (says,)
    assert f"BROKEN: {says}" in chain_text(verified)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"attempt": 2}, "was changed after it was kept"),
        ({"look": 2}, "was changed after it was kept"),
        ({"purpose": evidence.VERIFICATION}, "was changed after it was kept"),
        ({"fetched_at": NOON + timedelta(days=1)}, "is filed under another fetched_at than its record has"),
        ({"topic": "0" * 64}, "is filed under another topic than its record has"),
        ({"topic": None}, "is filed under another topic than its record has"),
    ],
)
def test_evidence_that_was_filed_elsewhere_is_named(
    journal: Journal, linked: Incident, values: dict[str, Any], says: str
) -> None:
    item, _ = some_evidence("one")
    _tampered(journal, lambda tx: tx.run(t.evidence.update().where(t.evidence.c.id == item.id).values(**values)))
    assert _verified(journal, linked).broken == (f"evidence {item.id} {says}",)


def test_evidence_that_was_given_the_bytes_of_another_is_named(journal: Journal, linked: Incident) -> None:
    (one, _), (two, _) = some_evidence("one"), some_evidence("two")
    swap = t.evidence.update().where(t.evidence.c.id == one.id).values(blob_sha256=two.blob_sha256)
    _tampered(journal, lambda tx: tx.run(swap))
    assert _verified(journal, linked).broken == (
        f"evidence {one.id} is filed under another blob_sha256 than its record has",
    )


def _slip_in_finding(tx: Tx, finding: Finding) -> None:
    """A finding that says of itself that it was made before there was a chain."""
    names = ("id", "incident_id", "attempt", "look", "made_at")
    values = {name: getattr(finding, name) for name in names} | {"record": dump(finding), "linked": None}
    tx.run(t.findings.insert().values(**values))


def _slip_in_evidence(tx: Tx, item: Evidence, data: bytes) -> None:
    """Evidence that says of itself that it was kept before there was a chain."""
    tx.run(t.blobs.insert().values(sha256=item.blob_sha256, bytes=data))
    names = ("id", "incident_id", "blob_sha256", "fetched_at")
    values = {name: getattr(item, name) for name in names} | {"attempt": 1, "look": 1, "purpose": evidence.TRIAGE}
    tx.run(t.evidence.insert().values(**values, record=dump(item), topic=None))


SLIPPED_IN = "is in the journal as if from before there was a chain, and is not in the chain"


@pytest.mark.parametrize("ago", [timedelta(seconds=-1), timedelta(days=1)])
def test_a_finding_that_excuses_itself_is_named(journal: Journal, linked: Incident, ago: timedelta) -> None:
    with journal.write("test.slipped") as tx:
        forged = a_finding(incident_id=linked.id, look=100, made_at=tx.now - ago)
        _slip_in_finding(tx, forged)
        assert evidence.latest_finding(tx, linked.id) == forged
    verified = _verified(journal, linked)
    assert (verified.broken, verified.before) == ((f"finding {forged.id} {SLIPPED_IN}",), 0)
    assert f"BROKEN: finding {forged.id} {SLIPPED_IN}" in chain_text(verified)


def test_evidence_that_excuses_itself_is_named(journal: Journal, linked: Incident) -> None:
    with journal.write("test.slipped") as tx:
        forged, data = some_evidence("forged", incident_id=linked.id, fetched_at=tx.now)
        _slip_in_evidence(tx, forged, data)
    verified = _verified(journal, linked)
    assert (verified.broken, verified.before) == ((f"evidence {forged.id} {SLIPPED_IN}",), 0)


def test_what_excuses_itself_by_another_time_than_its_record_has_is_named(
    journal: Journal, linked: Incident
) -> None:
    with journal.write("test.slipped") as tx:
        forged, data = some_evidence("forged", incident_id=linked.id, fetched_at=tx.now)
        _slip_in_evidence(tx, forged, data)
        tx.run(
            t.evidence.update().where(t.evidence.c.topic.is_(None)).values(fetched_at=tx.now - timedelta(days=1))
        )
    assert _verified(journal, linked).broken == (
        f"evidence {forged.id} is filed under another fetched_at than its record has",
    )


def test_what_is_older_than_the_chain_of_its_incident_is_counted_and_not_blamed(journal: Journal) -> None:
    incident = _opened(journal)
    with journal.write("test.older") as tx:
        ago = tx.now - timedelta(days=1)
        _slip_in_finding(tx, a_finding(incident_id=incident.id, made_at=ago))
        _slip_in_evidence(tx, *some_evidence("older", incident_id=incident.id, fetched_at=ago))
        evidence.save_finding(tx, a_finding(incident_id=incident.id, look=2))
    verified = _verified(journal, incident)
    assert (verified.broken, verified.links, verified.before) == ((), 1, 2)


def test_a_link_that_hashed_the_record_of_evidence_alone_stays_good(journal: Journal) -> None:
    incident = _opened(journal)
    item, data = some_evidence(incident_id=incident.id)
    with journal.write("test.earlier") as tx:
        _slip_in_evidence(tx, item, data)
        tx.run(t.evidence.update().values(topic=chain.topic(dump(item))))
        chain.add(tx, incident.id, [(chain.EVIDENCE, item.id, dump(item), "engine")])
    assert (_verified(journal, incident).broken, _verified(journal, incident).links) == ((), 1)


def test_chains_of_two_incidents_are_two(journal: Journal, linked: Incident) -> None:
    other = _opened(journal)
    item, data = some_evidence("three", incident_id=other.id)
    _keep(journal, item, data)
    assert (_verified(journal, other).links, _verified(journal, linked).links) == (1, 3)


def test_links_added_by_many_at_once_are_one_chain(journal: Journal) -> None:
    incident = _opened(journal)
    kept = [some_evidence(f"n{n}", incident_id=incident.id) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: _keep(journal, *pair), kept))
    verified = _verified(journal, incident)
    assert (verified.whole, verified.links) == (True, 8)


def test_bytes_are_kept_compressed_and_read_back_whole(journal: Journal) -> None:
    incident = _opened(journal)
    item, data = some_evidence("pool " * 4000, incident_id=incident.id)
    _keep(journal, item, data)
    with journal.read() as tx:
        stored = tx.run(text("SELECT bytes FROM blobs")).scalar_one()
        assert bytes(stored).startswith(MAGIC)
        assert len(stored) < len(data) / 20
        assert evidence.blob(tx, item.blob_sha256) == data


def test_bytes_from_before_there_was_compression_are_read_as_they_are(journal: Journal) -> None:
    data = b'{"series":[]}'
    digest = hashlib.sha256(data).hexdigest()
    with journal.write("test.older") as tx:
        tx.run(text("INSERT INTO blobs (sha256, bytes) VALUES (:d, :b)"), {"d": digest, "b": data})
    with journal.read() as tx:
        assert evidence.blob(tx, digest) == data


@pytest.mark.parametrize("spoiled", [b"{}", MAGIC + b"no frame"])
def test_bytes_that_changed_under_their_hash_are_handed_to_nobody(journal: Journal, spoiled: bytes) -> None:
    incident = _opened(journal)
    item, data = some_evidence(incident_id=incident.id)
    _keep(journal, item, data)
    with journal.write("test.spoiled") as tx:
        tx.run(text("UPDATE blobs SET bytes = :b"), {"b": spoiled})
    with journal.read() as tx:
        for look in (lambda: evidence.blob(tx, item.blob_sha256), lambda: evidence.find(tx, item.id)):
            with pytest.raises(BadInput, match="BLOB_MISMATCH"):
                look()
        assert evidence.find(tx, item.id, verified=False) == (item, spoiled)
        assert "NOT THESE BYTES" in evidence_text(*evidence.find(tx, item.id, verified=False))


def test_bytes_that_are_not_what_their_hash_says_are_not_kept(journal: Journal) -> None:
    incident = _opened(journal)
    item, _ = some_evidence(incident_id=incident.id)
    with pytest.raises(BadInput, match="BLOB_MISMATCH"):
        _keep(journal, item, b"forged")
    with journal.read() as tx:
        assert (_count(tx, t.blobs), _count(tx, t.evidence), _count(tx, t.chain)) == (0, 0, 0)


def test_an_answer_read_again_takes_the_place_of_the_earlier_one(journal: Journal) -> None:
    incident = _opened(journal)
    first, one = some_evidence("one", incident_id=incident.id)
    again, two = some_evidence("two", incident_id=incident.id, fetched_at=NOON + timedelta(seconds=1))
    other, three = some_evidence("three", incident_id=incident.id, probe="otlp_traces")
    for item, data in ((first, one), (again, two), (other, three)):
        _keep(journal, item, data)
    with journal.read() as tx:
        held = {e.id: e.supersedes for e in evidence.of_look(tx, incident.id, attempt=1, look=1)}
    assert held == {first.id: None, again.id: first.id, other.id: None}


def test_a_sample_of_a_verification_takes_no_ones_place(journal: Journal) -> None:
    incident = _opened(journal)
    first, one = some_evidence("one", incident_id=incident.id)
    sample, two = some_evidence("two", incident_id=incident.id)
    _keep(journal, first, one)
    with journal.write("test.sample") as tx:
        evidence.keep(tx, [sample], {sample.blob_sha256: two}, attempt=1, look=0, purpose=evidence.VERIFICATION)
    with journal.read() as tx:
        assert evidence.find(tx, sample.id)[0].supersedes is None


# Verification


def test_a_window_sampled_by_two_at_once_is_judged_once(journal: Journal) -> None:
    """As two jobs would, each with the evidence it read."""
    for number in range(8):
        question, window = _watched(journal)
        barrier = threading.Barrier(2)
        judged = partial(_sample, journal, question, window, barrier)
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(judged, (f"{number} a", f"{number} b")))
        assert sorted(outcomes, key=str) == [None, Outcome.SUCCEEDED]
        with journal.read() as tx:
            assert runs.view(tx, question.run_id).state is A.SUCCEEDED


def _watched(journal: Journal, policy: Policy | None = None) -> tuple[Asked, VerificationId]:
    """An action that was carried out, and the window it is watched in."""
    ledger = JournalLedger(journal, PEOPLE, a_policy())
    question = ask(journal, policy=policy)
    with journal.write("test.placed") as tx:
        tx.run(
            t.action_runs.update()
            .where(t.action_runs.c.id == question.run_id)
            .values(state=A.PREFLIGHT.value, generation=1, counter=1)
        )
    run = ledger.begin(ledger.run(question.run_id), [])
    ledger.move(ledger.move(run, A.EXECUTED), A.VERIFYING)
    with journal.read() as tx:
        opened = select(t.verifications.c.id).where(t.verifications.c.run_id == question.run_id)
        return question, VerificationId(tx.run(opened).scalar_one())


def _sample(
    journal: Journal, question: Asked, window: VerificationId, barrier: threading.Barrier, body: str
) -> Outcome | None:
    item, data = some_evidence(body, incident_id=question.incident_id)
    barrier.wait()
    with journal.write("test.sample") as tx:
        evidence.keep(tx, [item], {item.blob_sha256: data}, attempt=1, look=0, purpose=evidence.VERIFICATION)
        measured = (Measured(value=0.0, evidence=(item.id,)),)
        return verifications.add(tx, window, Sample(at=tx.now, measured=measured))


def test_a_sample_that_comes_too_soon_after_another_is_not_counted(journal: Journal) -> None:
    windows = replace(a_policy().windows, interval=timedelta(seconds=10), good_samples=2)
    _, window = _watched(journal, a_policy(windows=windows))

    def sample(seconds: float) -> Outcome | None:
        with journal.write("test.sample") as tx:
            at = NOON + timedelta(seconds=seconds)
            return verifications.add(tx, window, Sample(at=at, measured=(Measured(value=0.0),)))

    assert [sample(0), sample(4.9)] == [None, None]
    with journal.read() as tx:
        assert len(verifications.samples(tx, window)) == 1
    assert sample(5) is Outcome.SUCCEEDED


# Tables


def test_migrations_make_exactly_the_tables_the_code_names(empty_url: str) -> None:
    assert migrate.upgrade(empty_url)
    engine = open_engine(empty_url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
    finally:
        engine.dispose()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    with pytest.raises(BadInput, match=r"no revision|no journal"):
        check(_made(empty_url))
    first = migrate.upgrade(empty_url)
    assert first == migrate.head() == REVISION
    journal = Journal(open_engine(empty_url))
    incident = _opened(journal)
    assert migrate.upgrade(empty_url) == first
    check(empty_url)
    assert _loaded(journal, incident.id) == incident
    journal.close()


def _made(url: str) -> str:
    if url.startswith("sqlite"):
        File(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return url


def test_an_empty_journal_can_be_taken_down_to_nothing_and_up_again(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = open_engine(empty_url)
    config = migrate._config()
    config.attributes["engine"] = engine
    try:
        command.downgrade(config, "base")
        assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    finally:
        engine.dispose()
    migrate.upgrade(empty_url)
    check(empty_url)


# When it cannot be had


def test_a_sqlite_file_that_may_only_be_read_is_unavailable_for_writing(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    sqlite3.connect(path).close()
    journal = Journal(open_engine(f"sqlite:///file:{path}?mode=ro&uri=true"))
    with journal.read() as tx:
        assert incidents.recent(tx) == []
    with pytest.raises(JournalUnavailable, match=r"test\.alert"):
        _apply(journal)
    journal.close()


def test_a_sqlite_file_that_cannot_be_is_unavailable(tmp_path: File) -> None:
    (tmp_path / "file").write_text("not a folder")
    _unavailable(f"sqlite:///{tmp_path / 'file' / 'journal.db'}")


def test_a_server_that_is_not_there_is_unavailable(tmp_path: File) -> None:
    _unavailable(f"postgresql://postgres@/none?host={tmp_path}")


def test_a_database_that_only_answers_reads_is_unavailable_for_writing(postgres_server: Postgres) -> None:
    """What a primary becomes when it is demoted under us."""
    with postgres_server.database() as url:
        journal = Journal(open_engine(url))
        name = url.partition("?")[0].rpartition("/")[2]
        postgres_server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(JournalUnavailable):
            _apply(journal)
        journal.close()


def test_a_database_that_goes_away_in_mid_transaction_is_unavailable_and_comes_back(
    postgres_server: Postgres,
) -> None:
    with postgres_server.database() as url:
        journal = Journal(open_engine(url))
        incident = _opened(journal)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
        with pytest.raises(JournalUnavailable), journal.write("test.cut") as tx:
            incidents.move(tx, incident, S.TRIAGING, actor="one")
            postgres_server.run(end.format(url.partition("?")[0].rpartition("/")[2]))
            tx.event(incident.id, "one", "never.written")
        assert _loaded(journal, incident.id) == incident
        journal.close()


def _unavailable(url: str) -> None:
    journal = Journal(open_engine(url))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: _apply(journal),
        lambda: _loaded(journal, IncidentId("INC_1")),
        lambda: intake.store_said(journal, [intake.Said(system="slack", key="d-1", body=b"{}")]),
    )
    for attempt in attempts:
        with pytest.raises(JournalUnavailable):
            attempt()
    journal.close()


def _step() -> Step:
    return SetRevision(service="demo/checkout", from_revision=1, to_revision=2)


def _lock_set(journal: Journal, run_id: RunId) -> LockSet:
    with journal.read() as tx:
        return runs.lock_set(tx, run_id)
