"""From an approval to its outcome: one effect at most, whatever is lost, late or done twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from actions import runner
from actions.catalogue import CATALOGUE
from actions.policy import People, Policy
from actions.ports import LeasePhase, Run, StepRow, Token
from actions.proposal import Mode
from actions.redis_locks import _KEYS, LeaseLost, RedisLocks
from actions.runner import Limits, Tools
from actions.steps import SetRevision, Step
from actions.verification import Measured, Outcome, Sample
from agents.incident.errors import (
    FenceRefused,
    JournalUnavailable,
    LockHeld,
    OutcomeUnknown,
    Refused,
    Transient,
)
from agents.incident.ids import VerificationId
from agents.incident.incident import AlertStatus
from agents.incident.lifecycle import ACTION_TERMINAL, ActionState, IncidentState
from bot import clock
from bot.clock import ClockParts
from bot.journal import approvals, incidents, runs, verifications
from bot.journal import tables as t
from bot.journal.codec import dump
from bot.journal.journal import Journal
from bot.journal.ledger import JournalLedger
from bot.queue import Doorbell
from tests.builders import ALONE, NOON, PEOPLE, Asked, a_person, a_policy, a_press, ask, take
from tests.contract.redis_server import RedisServer
from tests.walk.platform import FakePlatform, Fault

A, S = ActionState, IncidentState
RESTART, ROLLBACK = "restart_replica", "rollback_deployment"
TRUSTING = a_policy(trusted=frozenset({RESTART}))
GOOD, BAD, WORSE = 0.0, 0.3, 0.9
"""Server error ratios: the criterion wants at most 0.01, and it was 0.3 before."""


class Gone(BaseException):
    """The process ends here."""


class Arena:
    """One installation in one process: journal, locks, a platform, and whoever acts on it."""

    def __init__(self, journal: Journal, server: RedisServer) -> None:
        self.journal = journal
        self.server = server
        self.platform = FakePlatform()
        self.locks = RedisLocks(server.connection)
        self.tools = self.hire()
        self.clock = ClockParts(
            journal=journal,
            doorbell=Doorbell(server.connection),
            locks=self.locks,
            limits=clock.Limits(
                tick=timedelta(0),
                reconcile=timedelta(0),
                lease=timedelta(seconds=30),
                triage_silence=timedelta(seconds=30),
            ),
            grouping=ALONE,
            log=structlog.get_logger(),
        )
        clock.settle_generation(self.clock)

    def hire(self, people: People = PEOPLE, ledger: JournalLedger | None = None) -> Tools:
        """A runner."""
        return Tools(
            ledger=ledger or JournalLedger(self.journal, people, TRUSTING),
            locks=self.locks,
            workloads=self.platform,
            catalogue=CATALOGUE,
            limits=Limits(
                lease=timedelta(seconds=30),
                step=timedelta(seconds=1),
                poll=timedelta(milliseconds=100),
                operation=timedelta(seconds=3),
            ),
            sleep=lambda _: None,
        )

    def approved(self, action: str = ROLLBACK, policy: Policy | None = None, **named: Any) -> Asked:
        """A proposal that as many people as it takes said yes to."""
        question = ask(self.journal, action, policy=policy, **named)
        for who in ("ana", "ben")[: question.proposal.quorum]:
            with self.journal.write("test.press") as tx:
                approvals.press(tx, a_press(question, who), PEOPLE)
        assert self.state(question) is A.READY
        return question

    def run(self, question: Asked, tools: Tools | None = None) -> ActionState:
        return runner.run(question.run_id, tools or self.tools)

    def state(self, question: Asked) -> ActionState:
        return self.view(question).state

    def view(self, question: Asked) -> Run:
        with self.journal.read() as tx:
            return runs.view(tx, question.run_id)

    def incident(self, question: Asked) -> IncidentState:
        with self.journal.read() as tx:
            return incidents.load(tx, question.incident_id).state

    def rows(self, table: Any, question: Asked) -> Sequence[Mapping[str, Any]]:
        with self.journal.read() as tx:
            return tx.all(select(table).where(table.c.run_id == question.run_id))

    def history(self, question: Asked) -> list[str]:
        """The states the run went through, as the incident's events tell."""
        events = select(t.events.c.kind).where(
            t.events.c.incident_id == question.incident_id, t.events.c.kind.startswith("run.")
        )
        with self.journal.read() as tx:
            kinds = tx.run(events.order_by(t.events.c.number)).scalars()
            return [kind.removeprefix("run.").upper() for kind in kinds]

    def lease(self, question: Asked) -> LeasePhase | None:
        found = {lease.owner: lease.phase for lease in self.locks.look()}
        return found.get(question.run_id)

    def resolve(self, question: Asked) -> None:
        """The alert behind it resolves."""
        with self.journal.write("test.resolved") as tx:
            identity = incidents.load(tx, question.incident_id).identity
            take(tx, identity=identity, status=AlertStatus.RESOLVED)

    def judge(self, question: Asked, *values: float | None) -> Outcome | None:
        """Samples of the window, read by whoever verifies."""
        outcome = None
        window = VerificationId(self.rows(t.verifications, question)[0]["id"])
        for value in values:
            with self.journal.write("test.sample") as tx:
                sample = Sample(at=tx.now, measured=(Measured(value=value),))
                outcome = verifications.add(tx, window, sample)
        return outcome

    def lose_runner(self, question: Asked) -> None:
        """The lease of a runner that is gone or stands still runs out, and the clock takes note."""
        raw = self.server.connection.hget(_KEYS[0], question.run_id)
        assert isinstance(raw, bytes)
        phase, generation, counter, _, want = raw.decode().split("|")
        self.server.connection.hset(_KEYS[0], question.run_id, f"{phase}|{generation}|{counter}|1|{want}")
        clock.lost_runners(self.clock)

    def reconcile(self) -> list[str]:
        """One round of the clock over runs that stand; who is to act."""
        old = timedelta(seconds=10)
        with self.journal.write("test.later") as tx:
            tx.run(t.action_runs.update().values(state_since=tx.now - old))
            tx.run(t.outbox.update().values(sent_at=tx.now))  # whatever was rung before was heard
        for part in (clock.keep_watching, clock.lost_runners, clock.unfinished):
            part(self.clock)
        with self.journal.read() as tx:
            unsent = t.outbox.c.sent_at.is_(None)
            return [r["subject"] for r in tx.all(select(t.outbox).where(t.outbox.c.job == "act", unsent))]

    def settle(self, question: Asked) -> ActionState:
        """Act as long as the clock asks for it."""
        for _ in range(6):
            if question.run_id not in self.reconcile():
                break
            with suppress(Refused, Transient, OutcomeUnknown):
                self.run(question)
        return self.state(question)


@pytest.fixture(name="journal_url")
def _journal_url(sqlite_url: str) -> str:
    """The walk is the same on both databases; the contract suites compare them."""
    return sqlite_url


@pytest.fixture(name="arena")
def _arena(journal: Journal, redis_server: RedisServer) -> Iterator[Arena]:
    yield Arena(journal, redis_server)


class Spy(JournalLedger):
    """The ledger of a runner to whom something happens right before it writes."""

    before: dict[str, Callable[[], None]]

    def __init__(self, arena: Arena, **before: Callable[[], None]) -> None:
        super().__init__(arena.journal, PEOPLE, TRUSTING)
        self.before = before

    def _happen(self, what: str) -> None:
        self.before.pop(what, lambda: None)()

    def reserve(self, run: Run, token: Token, want: Any) -> Run:
        """``reserve`` happens first."""
        self._happen("reserve")
        return super().reserve(run, token, want)

    def move(self, run: Run, to: ActionState, *, reason: str = "", **data: Any) -> Run:
        """What is named after the state happens first."""
        self._happen(to.value)
        return super().move(run, to, reason=reason, **data)

    def begin(self, run: Run, undo: Any) -> Run:
        """``begin`` happens first."""
        self._happen("begin")
        return super().begin(run, undo)

    def intend(self, run: Run, kind: str, number: int, step: Step) -> StepRow:
        """``intend do`` or ``intend undo`` happens first."""
        self._happen(f"intend {kind}")
        return super().intend(run, kind, number, step)

    def retoken(self, run: Run, token: Token) -> Run:
        """``retoken`` happens first."""
        self._happen("retoken")
        return super().retoken(run, token)

    def done(self, run: Run, row: StepRow, answer: str) -> None:
        """``done`` happens first."""
        self._happen("done")
        super().done(run, row, answer)


def _die() -> None:
    raise Gone


# As it should go


def test_an_approved_action_is_done_once_watched_and_closed(arena: Arena) -> None:
    question = arena.approved()
    assert arena.run(question) is A.VERIFYING
    assert [step for _, step in arena.platform.effects] == [
        SetRevision(service="demo/checkout", from_revision=2, to_revision=1)
    ]
    assert arena.platform.revision == 1
    assert arena.lease(question) is LeasePhase.VERIFYING
    assert arena.incident(question) is S.VERIFYING
    assert arena.judge(question, GOOD) is Outcome.SUCCEEDED
    assert arena.incident(question) is S.MITIGATED
    assert arena.run(question) is A.SUCCEEDED
    assert arena.lease(question) is None
    assert arena.history(question) == [
        "RESERVED",
        "PREFLIGHT",
        "EXECUTING",
        "EXECUTED",
        "VERIFYING",
        "SUCCEEDED",
    ]


def test_the_target_is_claimed_with_the_token_of_the_journal_before_anything_is_read(arena: Arena) -> None:
    question = arena.approved()
    seen: list[ActionState] = []
    arena.platform.on_claim = lambda: seen.append(arena.state(question))
    arena.platform.on_start = lambda: seen.append(arena.state(question))
    arena.run(question)
    token = arena.view(question).token
    assert token is not None
    assert seen == [A.PREFLIGHT, A.EXECUTING]
    assert arena.platform.claims == [token.fence]
    assert arena.platform.starts == [(f"{question.run_id}-do-1", token.fence)]


def test_the_lease_is_held_before_and_never_while_people_think(arena: Arena) -> None:
    question = ask(arena.journal, ROLLBACK)
    assert arena.run(question) is A.AWAITING_APPROVAL
    assert arena.lease(question) is None
    assert arena.platform.effects == []


def test_an_action_that_takes_its_time_is_followed_to_its_end(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.slow = 20
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_an_action_that_policy_trusts_runs_without_people(arena: Arena) -> None:
    question = ask(arena.journal, RESTART, policy=a_policy(trusted=frozenset({RESTART})))
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_who_finds_the_set_taken_waits_and_goes_on_later(arena: Arena) -> None:
    first, second = arena.approved(), arena.approved(RESTART)
    arena.run(first)
    assert arena.run(second) is A.READY
    assert second.run_id in arena.reconcile()
    arena.judge(first, GOOD)
    arena.run(first)
    assert arena.run(second) is A.VERIFYING


# What is read again before the effect


def test_a_precondition_that_no_longer_holds_ends_it_with_nothing_done(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.revision = 3
    assert arena.run(question) is A.ABORTED
    assert arena.platform.starts == []
    assert "revision 2 still runs" in arena.view(question).reason
    assert arena.lease(question) is None
    assert arena.rows(t.steps, question) == []


def test_a_rollback_never_crosses_a_schema_change(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.schema_versions[2] = 8
    assert arena.run(question) is A.ABORTED
    assert arena.platform.starts == []


@pytest.mark.parametrize("replicas", [("checkout-1",), ("checkout-2",), ()])
def test_the_last_replica_is_never_restarted_nor_one_that_is_gone(arena: Arena, replicas: tuple[str, ...]) -> None:
    question = arena.approved(RESTART)
    arena.platform.replicas = replicas
    assert arena.run(question) is A.ABORTED
    assert arena.platform.starts == []


def test_a_replica_that_was_started_anew_since_it_was_found_wanting_is_not_restarted(arena: Arena) -> None:
    question = arena.approved(RESTART)
    arena.platform.started["checkout-1"] = NOON + timedelta(seconds=1)
    assert arena.run(question) is A.ABORTED
    assert "not been started anew since the finding" in arena.view(question).reason
    assert (arena.platform.starts, arena.lease(question)) == ([], None)


def test_a_replica_that_ran_before_it_was_found_wanting_is_restarted_whatever_its_peer_did(arena: Arena) -> None:
    question = arena.approved(RESTART)
    arena.platform.started = {"checkout-1": NOON, "checkout-2": NOON + timedelta(seconds=1)}
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_a_platform_that_cannot_be_read_ends_it_with_nothing_done(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.unreadable = True
    assert arena.run(question) is A.ABORTED
    assert (arena.platform.starts, arena.lease(question)) == ([], None)


def test_a_target_that_has_seen_a_newer_token_ends_it_with_nothing_done(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.fences["demo/checkout"] = 2**60
    assert arena.run(question) is A.ABORTED
    assert (arena.platform.starts, arena.lease(question)) == ([], None)


def test_a_resolved_alert_is_never_acted_on(arena: Arena) -> None:
    question = arena.approved()
    arena.resolve(question)
    assert arena.run(question) is A.CANCELLED
    assert (arena.platform.claims, arena.platform.starts) == ([], [])
    assert arena.lease(question) is None


def test_an_alert_that_resolves_at_the_last_moment_is_not_acted_on(arena: Arena) -> None:
    question = arena.approved()
    late = arena.hire(ledger=Spy(arena, reserve=lambda: arena.resolve(question)))
    assert arena.run(question, late) is A.CANCELLED
    assert arena.platform.starts == []


def test_authority_does_not_outlive_its_scope(arena: Arena) -> None:
    question = arena.approved()
    elsewhere = replace(a_person("ana", "approver"), scopes=("demo/billing",))
    arena.run(question, arena.hire(People(people=(elsewhere, a_person("ben", "approver")))))
    assert arena.platform.effects == []
    assert "may still approve" in arena.view(question).reason


@pytest.mark.parametrize("roles", [(), ("viewer",)])
def test_authority_does_not_outlive_the_role(arena: Arena, roles: tuple[str, ...]) -> None:
    question = arena.approved()
    people = People(people=(a_person("ana", *roles), a_person("ben", "approver")))
    assert arena.run(question, arena.hire(people)) is A.ABORTED
    assert (arena.platform.starts, arena.lease(question)) == ([], None)
    assert "may still approve" in arena.view(question).reason


def test_of_two_approvers_both_must_still_be_one(arena: Arena) -> None:
    question = arena.approved(policy=a_policy(quorum={ROLLBACK: 2}))
    people = People(people=(a_person("ana", "approver"), a_person("cleo", "approver")))
    assert arena.run(question, arena.hire(people)) is A.ABORTED
    assert arena.platform.starts == []


def test_an_approval_of_another_plan_counts_for_nothing(arena: Arena) -> None:
    question = arena.approved()
    with arena.journal.write("test.forged") as tx:
        tx.run(t.approvals.update().values(plan_hash="0" * 64))
    assert arena.run(question) is A.ABORTED
    assert arena.platform.starts == []


def test_an_approval_without_votes_counts_only_where_policy_gave_it(arena: Arena) -> None:
    question = ask(arena.journal, ROLLBACK)
    with arena.journal.write("test.forged") as tx:
        tx.run(t.approvals.update().values(state="APPROVED", decided_by="Ana"))
        tx.run(t.action_runs.update().values(state=A.READY.value))
    assert arena.run(question) is A.STALE
    assert arena.platform.starts == []
    assert arena.view(question).reason == "nobody approved this"


def test_policy_never_lets_a_tier_2_action_run_alone(arena: Arena) -> None:
    question = ask(arena.journal, ROLLBACK, mode=Mode.POLICY)
    assert arena.run(question) is A.STALE
    assert arena.platform.starts == []
    assert "needs people" in arena.view(question).reason


def test_what_the_owner_trusts_no_more_does_not_run_alone(arena: Arena) -> None:
    question = ask(arena.journal, RESTART, policy=TRUSTING)
    doubting = JournalLedger(arena.journal, PEOPLE, a_policy())
    assert arena.run(question, arena.hire(ledger=doubting)) is A.ABORTED
    assert arena.platform.starts == []


def test_a_yes_is_not_good_for_ever(arena: Arena) -> None:
    question = arena.approved()
    with arena.journal.write("test.later") as tx:
        tx.run(t.approvals.update().values(decided_at=tx.now - timedelta(days=3)))
    assert arena.run(question) is A.STALE
    assert arena.platform.starts == []


def test_an_alert_that_resolves_during_the_preflight_is_not_acted_on(arena: Arena) -> None:
    question = arena.approved()
    late = Spy(arena, begin=lambda: arena.resolve(question))
    assert arena.run(question, arena.hire(ledger=late)) is A.ABORTED
    assert arena.platform.starts == []


def test_a_plan_that_was_changed_after_the_yes_is_not_run(arena: Arena) -> None:
    question = arena.approved()
    with arena.journal.write("test.forged") as tx:
        record = dump(replace(question.proposal, quorum=1, effect="something else"))
        tx.run(t.proposals.update().values(record=record))
    assert arena.run(question) is A.ABORTED
    assert arena.platform.starts == []


def test_what_is_never_run_is_not_run_by_any_approval(arena: Arena) -> None:
    question = ask(arena.journal, "drop_column", mode=Mode.ASK)
    assert arena.state(question) is A.AWAITING_APPROVAL
    with arena.journal.write("test.press") as tx:
        approvals.press(tx, a_press(question, "ana"), PEOPLE)
    for _ in range(2):
        with pytest.raises(Refused, match="Tier 3"):
            arena.run(question)
    assert (arena.platform.claims, arena.platform.starts) == ([], [])
    assert arena.lease(question) is None


def test_what_is_never_run_has_no_approval_to_give(arena: Arena) -> None:
    question = ask(arena.journal, "drop_column")
    assert (question.approval_id, arena.run(question)) == ("", A.MANUAL_ONLY)
    assert question.proposal.runbook
    with arena.journal.write("test.forged") as tx:
        tx.run(t.action_runs.update().values(state=A.READY.value))
    with pytest.raises(Refused, match="Tier 3"):
        arena.run(question)


def test_parameters_are_read_again_and_an_empty_target_is_an_error(arena: Arena) -> None:
    question = arena.approved(parameters={"service": "", "from_revision": 2, "to_revision": 1})
    with pytest.raises(Exception, match="must name something"):
        arena.run(question)
    assert (arena.platform.claims, arena.lease(question)) == ([], None)


# Written before it has an effect


def test_the_undo_is_on_record_before_the_step_and_the_step_before_the_effect(arena: Arena) -> None:
    question = arena.approved()
    seen: list[tuple[str, int, int, int]] = []

    def look(when: str) -> None:
        counts = (len(arena.rows(table, question)) for table in (t.undo, t.verifications, t.steps))
        seen.append((when, *counts))  # type: ignore[arg-type]  # three of them

    arena.platform.on_start = lambda: look("start")
    ledger = Spy(arena, begin=lambda: look("begin"), **{"intend do": lambda: look("intend")})
    arena.run(question, arena.hire(ledger=ledger))
    assert seen == [("begin", 0, 0, 0), ("intend", 1, 1, 0), ("start", 1, 1, 1)]
    undo, step = arena.rows(t.undo, question)[0], arena.rows(t.steps, question)[0]
    assert undo["written_at"] <= step["intended_at"] <= step["done_at"]
    assert undo["request"] == {
        "kind": "SetRevision",
        "service": "demo/checkout",
        "from_revision": 1,
        "to_revision": 2,
    }
    assert undo["captured"] == {"revision": 2}


# Lost answers


def test_an_effect_whose_answer_was_lost_is_found_and_not_repeated(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.LOST_AFTER]
    assert arena.run(question) is A.UNKNOWN
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.effects) == len(arena.platform.starts) == 1
    assert arena.history(question)[3:] == ["UNKNOWN", "EXECUTED", "VERIFYING"]
    assert arena.judge(question, GOOD) is Outcome.SUCCEEDED
    assert arena.rows(t.steps, question)[0]["state"] == "done"


def test_a_request_that_was_lost_was_not_applied_and_is_not_sent_again(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.LOST_BEFORE]
    assert arena.run(question) is A.UNKNOWN
    assert arena.lease(question) is LeasePhase.EXECUTING
    assert arena.run(question) is A.NOT_APPLIED
    assert (arena.platform.effects, len(arena.platform.starts)) == ([], 1)
    assert arena.lease(question) is None


def test_a_request_that_arrives_after_it_was_given_up_is_refused(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.LOST_BEFORE]
    arena.run(question)
    arena.run(question)
    key, token = arena.platform.starts[0]
    step = SetRevision(service="demo/checkout", from_revision=2, to_revision=1)
    with pytest.raises(FenceRefused):
        arena.platform.start(step, key, token)
    assert arena.platform.effects == []


def test_while_the_platform_cannot_be_asked_it_stays_unknown(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.LOST_AFTER]
    arena.run(question)
    arena.platform.unreachable = 30
    with pytest.raises(OutcomeUnknown, match="stopped answering"):
        arena.run(question)
    assert arena.state(question) is A.UNKNOWN
    arena.platform.unreachable = 3
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_a_platform_that_goes_silent_after_the_effect_leaves_it_unknown(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.unreachable = 30
    assert arena.run(question) is A.UNKNOWN
    arena.platform.unreachable = 0
    assert arena.settle(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_an_effect_that_does_not_end_in_its_time_is_unknown(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.slow = 50
    assert arena.run(question) is A.UNKNOWN
    assert "did not end" in arena.view(question).reason
    arena.platform.slow = 0
    assert arena.settle(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


def test_an_effect_that_was_refused_is_over_with_nothing_done(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.REFUSED]
    assert arena.run(question) is A.NOT_APPLIED
    assert (arena.platform.effects, arena.lease(question)) == ([], None)


def test_an_effect_that_failed_half_way_is_undone(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.FAILED]
    arena.platform.on_start = lambda: setattr(arena.platform, "revision", 1) if arena.platform.known else None
    assert arena.run(question) is A.UNDONE
    assert arena.history(question)[3:] == ["UNKNOWN", "PARTIAL", "UNDOING", "UNDONE"]
    assert [key.removeprefix(question.run_id) for key, _ in arena.platform.effects] == ["-do-1", "-undo-1"]
    assert (arena.platform.revision, arena.lease(question)) == (2, None)


# Outcomes


def test_what_made_it_worse_is_undone_once(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    assert arena.judge(question, WORSE, WORSE) is Outcome.REGRESSED
    assert arena.run(question) is A.UNDONE
    assert arena.run(question) is A.UNDONE
    assert [step for _, step in arena.platform.effects] == [
        SetRevision(service="demo/checkout", from_revision=2, to_revision=1),
        SetRevision(service="demo/checkout", from_revision=1, to_revision=2),
    ]
    assert (arena.platform.revision, arena.lease(question)) == (2, None)


def test_what_did_not_help_is_put_back(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    _judge_late(arena, question)
    assert arena.state(question) is A.INEFFECTIVE
    assert arena.run(question) is A.UNDONE
    assert arena.platform.revision == 2


def test_what_did_not_help_and_left_nothing_is_only_released(arena: Arena) -> None:
    question = arena.approved(RESTART)
    arena.run(question)
    _judge_late(arena, question)
    assert arena.run(question) is A.INEFFECTIVE
    assert (len(arena.platform.effects), arena.lease(question)) == (1, None)


def _judge_late(arena: Arena, question: Asked) -> None:
    with arena.journal.write("test.late") as tx:
        tx.run(t.verifications.update().values(opened_at=tx.now - timedelta(hours=2)))
    assert arena.judge(question, BAD) is Outcome.INEFFECTIVE


def test_what_cannot_be_measured_goes_to_a_person_and_lets_go(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    assert arena.judge(question, None, None, None, None) is Outcome.INCONCLUSIVE
    assert arena.run(question) is A.ESCALATED
    assert (len(arena.platform.effects), arena.lease(question)) == (1, None)


def test_an_undo_that_fails_keeps_the_set_until_a_person_clears_it(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.faults = [Fault.FAILED]
    assert arena.run(question) is A.ESCALATED
    assert arena.history(question)[-3:] == ["UNDOING", "UNDO_FAILED", "ESCALATED"]
    for _ in range(2):
        assert arena.settle(question) is A.ESCALATED
        assert arena.run(question) is A.ESCALATED
        assert arena.lease(question) is not None
    assert len(arena.platform.effects) == 2


def test_an_undo_that_failed_keeps_the_set_though_its_runner_died_of_it(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.faults = [Fault.FAILED]
    with pytest.raises(Gone):
        arena.run(question, arena.hire(ledger=Spy(arena, ESCALATED=_die)))
    assert arena.state(question) is A.UNDO_FAILED
    assert arena.settle(question) is A.ESCALATED
    assert arena.lease(question) is not None


def test_an_undo_whose_answer_was_lost_is_found_and_not_repeated(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.faults = [Fault.LOST_AFTER]
    assert arena.run(question) is A.UNKNOWN
    assert arena.run(question) is A.UNDONE
    assert (len(arena.platform.effects), arena.platform.revision, arena.lease(question)) == (2, 2, None)
    assert {row["state"] for row in arena.rows(t.steps, question)} == {"done"}


def test_an_undo_whose_request_was_lost_is_sent_again(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.faults = [Fault.LOST_BEFORE]
    assert arena.run(question) is A.UNKNOWN
    assert arena.run(question) is A.UNDONE
    assert (len(arena.platform.effects), arena.platform.revision, arena.lease(question)) == (2, 2, None)


# Twice, and at once


def test_an_ended_run_is_left_alone(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    before = (list(arena.platform.starts), list(arena.platform.claims))
    for state in sorted(ACTION_TERMINAL):
        with arena.journal.write("test.placed") as tx:
            tx.run(t.action_runs.update().values(state=state.value))
        for _ in range(2):
            assert arena.run(question) is state
        assert (arena.platform.starts, arena.platform.claims) == before


@pytest.mark.parametrize("state", [A.RESERVED, A.PREFLIGHT, A.EXECUTING, A.UNDOING])
def test_what_another_runner_is_at_is_left_alone(arena: Arena, state: ActionState) -> None:
    question = arena.approved()
    with arena.journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=state.value, generation=1, counter=1))
    assert arena.run(question) is state
    assert (arena.platform.starts, arena.platform.claims) == ([], [])


def test_while_it_is_watched_another_job_only_takes_the_watch_over(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    assert arena.run(question) is A.VERIFYING
    assert len(arena.platform.starts) == 1
    assert arena.lease(question) is LeasePhase.VERIFYING
    assert arena.judge(question, GOOD) is Outcome.SUCCEEDED


def _at_once(arena: Arena, question: Asked, count: int = 2) -> list[object]:
    barrier = Barrier(count)

    def act(tools: Tools) -> object:
        barrier.wait()
        try:
            return arena.run(question, tools)
        except (Refused, Transient) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, [arena.hire() for _ in range(count)]))


@pytest.mark.parametrize("turn", range(9))
def test_two_runners_of_one_run_have_one_effect(arena: Arena, turn: int) -> None:
    question = arena.approved()
    arena.platform.slow = turn % 3
    answers = _at_once(arena, question, 2 + turn % 2)
    assert arena.settle(question) is A.VERIFYING, answers
    assert len(arena.platform.effects) == 1
    assert len({key for key, _ in arena.platform.starts}) == 1
    assert arena.history(question).count("EXECUTING") == 1
    assert len(arena.rows(t.steps, question)) == 1


@pytest.mark.parametrize("turn", range(6))
def test_two_runners_of_one_undo_have_one_effect(arena: Arena, turn: int) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.slow = turn % 3
    answers = _at_once(arena, question)
    if arena.state(question) is A.UNDOING:
        arena.lose_runner(question)
    assert arena.settle(question) is A.UNDONE, answers
    assert [key.removeprefix(question.run_id) for key, _ in arena.platform.effects] == ["-do-1", "-undo-1"]
    assert (arena.platform.revision, arena.lease(question)) == (2, None)


# A runner that stands still, and wakes up late


def test_a_runner_that_wakes_up_after_it_was_given_up_is_refused_by_the_target(arena: Arena) -> None:
    question = arena.approved()

    def pause() -> None:
        arena.platform.on_start = lambda: None
        arena.lose_runner(question)
        assert arena.state(question) is A.UNKNOWN
        assert arena.run(question, arena.hire()) is A.NOT_APPLIED

    arena.platform.on_start = pause
    with pytest.raises(FenceRefused):
        arena.run(question)
    assert arena.platform.effects == []
    assert arena.state(question) is A.NOT_APPLIED


def test_a_runner_that_wakes_up_before_its_step_is_written_cannot_write_it(arena: Arena) -> None:
    question = arena.approved()

    def pause() -> None:
        arena.lose_runner(question)
        arena.run(question, arena.hire())

    with pytest.raises(Refused, match="may not write"):
        arena.run(question, arena.hire(ledger=Spy(arena, **{"intend do": pause})))
    assert (arena.platform.starts, arena.rows(t.steps, question)) == ([], [])
    assert arena.state(question) is A.NOT_APPLIED


@pytest.mark.parametrize(("when", "then"), [("PREFLIGHT", A.READY), ("begin", A.ABORTED), ("reserve", A.READY)])
def test_a_runner_that_is_given_up_before_any_effect_goes_no_further(
    arena: Arena, when: str, then: ActionState
) -> None:
    question = arena.approved()
    with pytest.raises(Refused):
        arena.run(question, arena.hire(ledger=Spy(arena, **{when: lambda: _give_up(arena, question, when)})))
    assert arena.platform.starts == []
    assert arena.state(question) is then
    assert arena.lease(question) is None
    if then is A.READY:
        assert arena.settle(question) is A.VERIFYING
        assert len(arena.platform.effects) == 1


def _give_up(arena: Arena, question: Asked, when: str) -> None:
    arena.lose_runner(question)
    if when == "reserve":  # somebody else takes the set meanwhile, and gives it back
        other = arena.approved(RESTART)
        assert arena.run(other) is A.VERIFYING
        arena.judge(other, GOOD)
        arena.run(other)
        arena.platform.starts.clear()
        arena.platform.effects.clear()


@pytest.mark.parametrize(("paused", "effects"), [(28.9, 1), (29.1, 0)])
def test_no_effect_begins_with_too_little_of_the_lease_left(arena: Arena, paused: float, effects: int) -> None:
    question = arena.approved()
    passed = [0.0]
    ledger = Spy(arena, **{"intend do": lambda: passed.append(paused)})
    tools = replace(arena.hire(ledger=ledger), monotonic=lambda: passed[-1])
    with nullcontext() if effects else pytest.raises(LockHeld, match="too little of the lease"):
        arena.run(question, tools)
    assert len(arena.platform.effects) == len(arena.platform.starts) == effects
    _revive(arena, question)
    assert arena.state(question) is (A.VERIFYING if effects else A.NOT_APPLIED)


def test_a_runner_whose_lease_ran_out_in_mid_effect_stops(arena: Arena) -> None:
    question = arena.approved()
    arena.platform.slow = 5
    slept: list[float] = []

    def sleep(span: float) -> None:
        slept.append(span)
        if len(slept) == 2:
            arena.lose_runner(question)

    tools = arena.hire()
    with pytest.raises(LeaseLost):
        arena.run(question, Tools(**{f: getattr(tools, f) for f in _FIELDS} | {"sleep": sleep}))
    assert len(slept) == 2
    assert arena.state(question) is A.UNKNOWN
    assert arena.settle(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1


_FIELDS = ("ledger", "locks", "workloads", "catalogue", "limits")


# A runner that dies

DEATHS = {
    "reserve": A.VERIFYING,
    "PREFLIGHT": A.VERIFYING,
    "begin": A.ABORTED,
    "intend do": A.NOT_APPLIED,
    "done": A.VERIFYING,
    "EXECUTED": A.VERIFYING,
    "VERIFYING": A.VERIFYING,
}


@pytest.mark.parametrize("when", DEATHS)
def test_whoever_dies_doing_it_leaves_one_effect_at_most(arena: Arena, when: str) -> None:
    question = arena.approved()
    with pytest.raises(Gone):
        arena.run(question, arena.hire(ledger=Spy(arena, **{when: _die})))
    _revive(arena, question)
    assert arena.state(question) is DEATHS[when]
    assert len(arena.platform.effects) == (DEATHS[when] is A.VERIFYING)


@pytest.mark.parametrize("when", ["retoken", "UNDOING", "intend undo", "done", "UNDONE"])
def test_whoever_dies_undoing_it_leaves_it_undone_once(arena: Arena, when: str) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    with pytest.raises(Gone):
        arena.run(question, arena.hire(ledger=Spy(arena, **{when: _die})))
    _revive(arena, question)
    assert arena.state(question) is A.UNDONE
    assert [key.removeprefix(question.run_id) for key, _ in arena.platform.effects] == ["-do-1", "-undo-1"]
    assert (arena.platform.revision, arena.lease(question)) == (2, None)


@pytest.mark.parametrize("when", ["retoken", "EXECUTED", "VERIFYING"])
def test_whoever_dies_finding_out_leaves_it_to_the_next(arena: Arena, when: str) -> None:
    question = arena.approved()
    arena.platform.faults = [Fault.LOST_AFTER]
    arena.run(question)
    with pytest.raises(Gone):
        arena.run(question, arena.hire(ledger=Spy(arena, **{when: _die})))
    _revive(arena, question)
    assert arena.state(question) is A.VERIFYING
    assert len(arena.platform.effects) == 1
    assert arena.judge(question, GOOD) is Outcome.SUCCEEDED


def _revive(arena: Arena, question: Asked) -> None:
    """The dead runner's lease runs out, and the clock goes round until nothing is left to do."""
    if arena.lease(question) is not None:
        arena.lose_runner(question)
    arena.settle(question)


@pytest.mark.parametrize("end", ["SUCCEEDED", "UNDONE", "UNDONE after it was unknown", "NOT_APPLIED", "ESCALATED"])
def test_whoever_dies_before_giving_the_set_back_leaves_that_to_the_next(
    arena: Arena, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = arena.approved()
    if end == "NOT_APPLIED":
        arena.platform.faults = [Fault.LOST_BEFORE]
    arena.run(question)
    if end == "SUCCEEDED":
        arena.judge(question, GOOD)
    elif end == "ESCALATED":
        arena.judge(question, None, None, None, None)
    elif end != "NOT_APPLIED":
        arena.judge(question, WORSE, WORSE)
    if end == "UNDONE after it was unknown":
        arena.platform.faults = [Fault.LOST_AFTER]
        arena.run(question)
    with monkeypatch.context() as patched, pytest.raises(Gone):
        patched.setattr(arena.locks, "release", lambda *_: _die())
        arena.run(question)
    assert arena.lease(question) is not None
    assert arena.settle(question) is A(end.partition(" ")[0])
    assert arena.lease(question) is None


def test_a_set_whose_adoption_died_is_given_back_once_that_ran_out(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.lose_runner(question)
    with pytest.raises(Gone):
        arena.run(question, arena.hire(ledger=Spy(arena, retoken=_die)))
    assert arena.judge(question, GOOD) is Outcome.SUCCEEDED
    assert arena.run(question) is A.SUCCEEDED
    _revive(arena, question)
    assert (arena.lease(question), len(arena.platform.effects)) == (None, 1)


def test_a_journal_that_fails_before_the_effect_prevents_it(arena: Arena) -> None:
    question = arena.approved()

    def fail() -> None:
        raise JournalUnavailable("gone")

    with pytest.raises(JournalUnavailable):
        arena.run(question, arena.hire(ledger=Spy(arena, **{"intend do": fail})))
    assert arena.platform.starts == []
    _revive(arena, question)
    assert arena.state(question) is A.NOT_APPLIED


def test_a_redis_that_lost_its_memory_stops_the_effect_and_keeps_the_set(arena: Arena) -> None:
    question = arena.approved()
    arena.server.connection.flushall()
    with pytest.raises(Refused):
        arena.run(question)
    assert (arena.state(question), arena.platform.starts) == (A.READY, [])


def _forget(arena: Arena) -> None:
    """Redis loses its memory, and the clock settles that."""
    arena.server.connection.flushall()
    clock.settle_generation(arena.clock)


def test_an_undo_is_made_though_redis_lost_its_memory(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    _forget(arena)
    assert arena.settle(question) is A.UNDONE
    assert (arena.platform.revision, arena.lease(question)) == (2, None)


def test_what_did_not_help_is_put_back_though_redis_lost_its_memory(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    _judge_late(arena, question)
    _forget(arena)
    assert arena.settle(question) is A.UNDONE
    assert arena.platform.revision == 2


def test_a_failed_undo_keeps_its_set_though_redis_lost_its_memory(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    arena.platform.faults = [Fault.FAILED]
    assert arena.run(question) is A.ESCALATED
    _forget(arena)
    assert arena.lease(question) is LeasePhase.QUARANTINED


def test_no_undo_begins_with_too_little_of_the_lease_left(arena: Arena) -> None:
    question = arena.approved()
    arena.run(question)
    arena.judge(question, WORSE, WORSE)
    passed = [0.0]
    ledger = Spy(arena, **{"intend undo": lambda: passed.append(29.1)})
    with pytest.raises(LockHeld, match="too little of the lease"):
        arena.run(question, replace(arena.hire(ledger=ledger), monotonic=lambda: passed[-1]))
    assert len(arena.platform.effects) == 1
    _revive(arena, question)
    assert arena.state(question) is A.UNDONE
    assert len(arena.platform.effects) == 2
