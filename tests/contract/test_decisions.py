"""Who may say yes, when, and what comes of it when everybody presses at once. On both databases."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from actions.approval import Approval, ApprovalState, Decision, Press, Rejection, Verdict
from actions.policy import Policy
from agents.incident.errors import Refused
from agents.incident.ids import ApprovalId, PersonId, RunId
from agents.incident.lifecycle import ActionState, IncidentState
from bot.journal import approvals, incidents, runs
from bot.journal import journal as journal_module
from bot.journal import tables as t
from bot.journal.journal import _NOW, Journal, open_engine
from bot.journal.ledger import JournalLedger
from tests.builders import PEOPLE, Asked, a_policy, a_press, ask
from tests.conftest import Rung

A, S = ActionState, IncidentState
APPROVE, REJECT = Verdict.APPROVE, Verdict.REJECT
RACE_S = 5.0
"""Seconds of races for each database."""


def _press(journal: Journal, press: Press) -> Decision | Rejection:
    with journal.write("test.press") as tx:
        return approvals.press(tx, press, PEOPLE)


def _refused(journal: Journal, press: Press) -> str:
    answer = _press(journal, press)
    assert isinstance(answer, Rejection)
    return answer.reason


def _approval(journal: Journal, question: Asked) -> Approval:
    with journal.read() as tx:
        found = approvals.approval_of(tx, question.run_id)
    assert found is not None
    return found


def _state(journal: Journal, question: Asked) -> ActionState:
    with journal.read() as tx:
        return runs.view(tx, question.run_id).state


def _acts(journal: Journal, run_id: RunId) -> int:
    with journal.read() as tx:
        return len(tx.all(select(t.outbox).where(t.outbox.c.job == "act", t.outbox.c.subject == run_id)))


def _set_deadline(journal: Journal, question: Asked, deadline: datetime) -> None:
    with journal.write("test.deadline") as tx:
        tx.run(t.approvals.update().where(t.approvals.c.id == question.approval_id).values(deadline=deadline))


def _due(journal: Journal, question: Asked) -> None:
    with journal.read() as tx:
        at = tx.now
    _set_deadline(journal, question, at)


def _expire(journal: Journal) -> int:
    with journal.write("test.expire") as tx:
        return approvals.expire_due(tx)


def _cancel(journal: Journal, question: Asked, reason: str = "the alert resolved") -> None:
    """As the walk does when an alert resolves: under the incident's lock."""
    with journal.write("test.cancel") as tx:
        incidents.load(tx, question.incident_id, lock=True)
        approvals.cancel_open(tx, question.incident_id, reason)


def two() -> Policy:
    """Two people have to agree to a restart."""
    return a_policy(quorum={"restart_replica": 2})


# One press


def test_one_yes_makes_it_ready_and_rings_the_runner(journal: Journal, rung: Rung) -> None:
    question = ask(journal)
    answer = _press(journal, a_press(question, "ana"))
    assert isinstance(answer, Decision)
    assert (answer.state, answer.votes, answer.person.id) == (ApprovalState.APPROVED, 1, "ana")
    assert _state(journal, question) is A.READY
    assert rung[-1][1:] == ("act", question.run_id)
    approval = _approval(journal, question)
    assert (approval.decided_by, dict(approval.votes)) == ("Ana", {"ana": APPROVE})
    ledger = JournalLedger(journal, PEOPLE, a_policy())
    assert ledger.authority(ledger.run(question.run_id)) is None


def test_one_no_ends_it(journal: Journal, rung: Rung) -> None:
    question = ask(journal, policy=two())
    _press(journal, a_press(question, "ana"))
    answer = _press(journal, a_press(question, "ben", REJECT, reason="not now"))
    assert isinstance(answer, Decision)
    assert answer.state is ApprovalState.REJECTED
    assert _state(journal, question) is A.REJECTED
    assert _acts(journal, question.run_id) == 0
    assert rung[-1][1:] == ("settle", question.incident_id)
    assert "Already rejected by Ben" in _refused(journal, a_press(question, "cleo"))


def test_two_yeses_are_needed_where_policy_says_two(journal: Journal) -> None:
    question = ask(journal, policy=two())
    first = _press(journal, a_press(question, "ana"))
    assert isinstance(first, Decision)
    assert (first.state, first.votes) == (ApprovalState.AWAITING, 1)
    assert (_state(journal, question), _acts(journal, question.run_id)) == (A.AWAITING_APPROVAL, 0)
    second = _press(journal, a_press(question, "ben"))
    assert isinstance(second, Decision)
    assert (second.state, second.votes) == (ApprovalState.APPROVED, 2)
    assert (_state(journal, question), _acts(journal, question.run_id)) == (A.READY, 1)


@pytest.mark.parametrize("again", [("console", "ana"), ("slack", "U-ANA")])
@pytest.mark.parametrize("verdict", Verdict)
def test_one_person_is_one_vote_on_all_surfaces(
    journal: Journal, again: tuple[str, str], verdict: Verdict
) -> None:
    question = ask(journal, policy=two())
    _press(journal, a_press(question, "ana"))
    surface, account = again
    assert _refused(journal, a_press(question, account, verdict, surface)) == "You have already voted."
    assert _approval(journal, question).state is ApprovalState.AWAITING


def test_a_button_works_once(journal: Journal) -> None:
    question = ask(journal)
    _press(journal, a_press(question, "ana"))
    for who in ("ana", "ben"):
        assert "Already approved by Ana" in _refused(journal, a_press(question, who))
    assert _acts(journal, question.run_id) == 1


@pytest.mark.parametrize("account", ["dora", "U-ANA", "stranger", ""])
def test_whoever_may_not_approve_is_told_who_may(journal: Journal, account: str) -> None:
    question = ask(journal)
    assert "Approvers are: Ana, Ben, Cleo" in _refused(journal, a_press(question, account))
    assert (_approval(journal, question).state, _acts(journal, question.run_id)) == (ApprovalState.AWAITING, 0)


def test_whoever_proposed_it_may_not_approve_it(journal: Journal) -> None:
    question = ask(journal, proposed_by=PersonId("ana"))
    assert "somebody else has to approve" in _refused(journal, a_press(question, "ana"))
    assert isinstance(_press(journal, a_press(question, "ben")), Decision)


@pytest.mark.parametrize("hash8", ["00000000", "", "0"])
def test_a_card_of_another_plan_counts_for_nothing(journal: Journal, hash8: str) -> None:
    question = ask(journal)
    assert "out of date" in _refused(journal, a_press(question, "ana", hash8=hash8))


def test_less_or_more_than_eight_digits_of_the_right_hash_are_refused(journal: Journal) -> None:
    question = ask(journal)
    for hash8 in (question.proposal.plan_hash[:7], question.proposal.plan_hash):
        assert "out of date" in _refused(journal, a_press(question, "ana", hash8=hash8))


def test_a_button_of_nothing_is_answered(journal: Journal) -> None:
    question = ask(journal)
    unknown = a_press(question, "ana", approval_id=ApprovalId("AP_other"))
    assert "belongs to nothing" in _refused(journal, unknown)


# Deadlines and cancelling


def test_at_the_deadline_it_is_over(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    question = ask(journal)
    deadline = _approval(journal, question).deadline
    instant = timedelta(microseconds=1)
    _stop_clock(monkeypatch, deadline)
    assert "the deadline was" in _refused(journal, a_press(question, "ana"))
    _stop_clock(monkeypatch, deadline - instant)
    assert _expire(journal) == 0
    assert isinstance(_press(journal, a_press(question, "ana")), Decision)


def test_a_question_expires_at_exactly_its_deadline(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    question = ask(journal)
    _stop_clock(monkeypatch, _approval(journal, question).deadline)
    with journal.read() as tx:
        assert approvals.any_due(tx)
    assert _expire(journal) == 1
    assert _expire(journal) == 0
    assert (_state(journal, question), _acts(journal, question.run_id)) == (A.EXPIRED, 0)
    assert "expired: nobody answered in time. Nothing was run." in _refused(journal, a_press(question, "ana"))


def _stop_clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    """The database's clock stands at *at*: written as the SQL that reads it, and nothing passes after that."""
    micros = int(at.timestamp() * 1_000_000)
    for dialect in ("sqlite", "postgresql"):
        monkeypatch.setitem(_NOW, dialect, f"CAST({micros} AS BIGINT)")
    monkeypatch.setattr(journal_module, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=time.sleep))


def test_only_what_is_due_expires(journal: Journal) -> None:
    early, late = ask(journal), ask(journal)
    _due(journal, early)
    assert _expire(journal) == 1
    assert (_state(journal, early), _state(journal, late)) == (A.EXPIRED, A.AWAITING_APPROVAL)


def test_a_yes_after_the_alert_resolved_is_refused_with_the_reason(journal: Journal) -> None:
    question = ask(journal)
    _cancel(journal, question)
    assert _state(journal, question) is A.CANCELLED
    assert "cancelled: the alert resolved. Nothing was run." in _refused(journal, a_press(question, "ana"))
    assert _acts(journal, question.run_id) == 0


def test_what_is_ready_and_has_not_begun_is_cancelled_too(journal: Journal) -> None:
    question = ask(journal)
    _press(journal, a_press(question, "ana"))
    _cancel(journal, question)
    assert _state(journal, question) is A.CANCELLED


@pytest.mark.parametrize("state", [A.RESERVED, A.PREFLIGHT, A.EXECUTING, A.VERIFYING, A.UNKNOWN])
def test_what_has_begun_is_never_cancelled(journal: Journal, state: ActionState) -> None:
    question = ask(journal)
    _press(journal, a_press(question, "ana"))
    with journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=state.value))
    _cancel(journal, question)
    assert _state(journal, question) is state


def test_cancelling_touches_no_other_incident(journal: Journal) -> None:
    question, other = ask(journal), ask(journal)
    _cancel(journal, question)
    assert _state(journal, other) is A.AWAITING_APPROVAL


def test_a_decision_that_cannot_move_its_run_leaves_no_vote(journal: Journal) -> None:
    question = ask(journal)
    with journal.write("test.placed") as tx:
        tx.run(t.action_runs.update().values(state=A.CANCELLED.value))
    with pytest.raises(Refused):
        _press(journal, a_press(question, "ana"))
    assert dict(_approval(journal, question).votes) == {}
    assert _acts(journal, question.run_id) == 0


def test_a_reason_is_added_to_a_rejection_alone(journal: Journal) -> None:
    question, other = ask(journal), ask(journal)
    _press(journal, a_press(question, "ana", REJECT))
    with journal.write("test.reason") as tx:
        approvals.add_reason(tx, question.approval_id, PersonId("ana"), "too risky")
    for asked, who in ((other, "ana"), (question, "ben")):
        with pytest.raises(Refused), journal.write("test.reason") as tx:
            approvals.add_reason(tx, asked.approval_id, PersonId(who), "too late")
    assert _approval(journal, question).reason == "too risky"
    assert _approval(journal, other).reason == ""


# Everybody at once

Player = Callable[[Journal, Asked], Decision | Rejection | int | None]


def _presses(account: str, verdict: Verdict = APPROVE, surface: str = "console") -> Player:
    return lambda journal, question: _press(journal, a_press(question, account, verdict, surface))


def _expires(journal: Journal, _question: Asked) -> int:
    return _expire(journal)


def _cancels(journal: Journal, question: Asked) -> None:
    _cancel(journal, question)


ANA, ANA_AGAIN, BEN, CLEO = (_presses(a) for a in ("ana", "ana", "ben", "cleo"))
ANA_ELSEWHERE = _presses("U-ANA", surface="slack")
NO = _presses("cleo", REJECT)

LINE_UPS: tuple[tuple[Player, ...], ...] = (
    (ANA, ANA_AGAIN, BEN, NO, _expires, _cancels),
    (ANA, ANA_AGAIN, ANA_ELSEWHERE, BEN),
    (ANA, BEN, CLEO),
    (ANA, BEN, _cancels),
    (ANA, BEN, _expires, _expires),
    (ANA, ANA_ELSEWHERE, NO, _cancels, _cancels),
)
AGREED = (1, 2)
"""Line-ups in which nobody objects and nothing ends: two different people say yes."""


@pytest.fixture(name="journals")
def _journals(journal_url: str) -> Iterator[list[Journal]]:
    """One for each player: its own connection, as its own process would have."""
    made = [Journal(open_engine(journal_url)) for _ in range(max(map(len, LINE_UPS)))]
    yield made
    for one in made:
        one.close()


def test_of_all_who_decide_at_once_exactly_one_wins(
    journal: Journal, journals: list[Journal], capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(7)
    ends: Counter[str] = Counter()
    stop = time.monotonic() + RACE_S
    rounds = 0
    with ThreadPoolExecutor(len(journals)) as pool:
        while time.monotonic() < stop or rounds < len(LINE_UPS) * 2:
            quorum = 1 + rounds % 2
            line_up = rounds // 2 % len(LINE_UPS)
            question = ask(journal, policy=a_policy(quorum={"restart_replica": quorum}))
            if line_up not in AGREED and dice.random() < 0.7:
                with journal.read() as tx:
                    soon = tx.now + timedelta(milliseconds=dice.uniform(0, 15))
                _set_deadline(journal, question, soon)
            ends[_round(journal, journals, pool, question, LINE_UPS[line_up], quorum)] += 1
            if line_up in AGREED:
                assert _approval(journal, question).state is ApprovalState.APPROVED
            rounds += 1
    with capsys.disabled():
        tally = ", ".join(f"{count} {state.lower()}" for state, count in sorted(ends.items()))
        print(f"\n{journal.engine.dialect.name}: {rounds} races ({tally})")


OF_RUN = {
    ApprovalState.AWAITING: {A.AWAITING_APPROVAL},
    ApprovalState.APPROVED: {A.READY, A.CANCELLED},  # ready, until the alert resolves
    ApprovalState.REJECTED: {A.REJECTED},
    ApprovalState.EXPIRED: {A.EXPIRED},
    ApprovalState.CANCELLED: {A.CANCELLED},
}


def _round(
    journal: Journal,
    journals: list[Journal],
    pool: ThreadPoolExecutor,
    question: Asked,
    players: tuple[Player, ...],
    quorum: int,
) -> str:
    """One race, and what must hold after it whoever won."""
    barrier = threading.Barrier(len(players))

    def play(own: Journal, player: Player) -> Decision | Rejection | int | None:
        barrier.wait()
        return player(own, question)

    futures = [pool.submit(play, own, player) for own, player in zip(journals, players, strict=False)]
    answers = [future.result() for future in futures]
    approval, state = _approval(journal, question), _state(journal, question)
    counted = [a for a in answers if isinstance(a, Decision)]
    deciding = [a.state for a in counted if a.state is not ApprovalState.AWAITING]
    expired = sum(a for a in answers if isinstance(a, int))
    with journal.read() as tx:
        told = tx.all(
            select(t.events.c.kind).where(
                t.events.c.incident_id == question.incident_id,
                t.events.c.kind.in_([f"approval.{s.lower()}" for s in ApprovalState]),
            )
        )
    yes = [p for p, v in approval.votes.items() if v is APPROVE]
    assert len(counted) == len(approval.votes)  # whoever was told that the vote counts has one
    assert len(told) == (approval.state is not ApprovalState.AWAITING)  # decided once, or not at all
    assert deciding == ([approval.state] if approval.state in {"APPROVED", "REJECTED"} else [])
    assert expired == (approval.state is ApprovalState.EXPIRED)
    assert (approval.state is ApprovalState.APPROVED) == (len(yes) >= quorum)  # a quorum is never lost
    assert _acts(journal, question.run_id) == (approval.state is ApprovalState.APPROVED)
    assert state in OF_RUN[approval.state]
    _cancel(journal, question)  # what is still open must not expire in a later race
    return approval.state.value
