"""What looks like an exhausted pool and is not: queries that wait for a lock, queries that have become slow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.facts import Reader
from agents.hypotheses import weigh
from agents.identity import identified
from agents.incident.claims import LogAbsent, LogPresent
from agents.incident.evidence import Question, QuestionKind, Status
from agents.incident.finding import FindingState, RefuterOutcome
from agents.incident.incident import Change, ChangeKind, ChangeOutcome
from agents.probes.changes import Changes
from agents.signatures.evaluate import Bench, Entity
from agents.signatures.model import predicates
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, NOW, SHOP, SIGNATURES, line

F11 = next(s for s in SIGNATURES if s.id == "F11")
LOCK = next(r for r in F11.refuters if r.id == "F11.x6")
(PATTERN,) = [p.log for p in predicates(LOCK.condition) if p.log]


def without_deploy():
    """A pool exhausted, and nothing changed before it."""
    store = world.pool_leak()
    store.items = [e for e in store.items if e.question.kind is not QuestionKind.CHANGES]
    assert store.finding().signature == "F11"
    return store


def odds(p):
    return p / (1 - p)


def outcome(finding, refuter):
    return next(r.outcome for r in finding.refuters if r.id == refuter)


@pytest.mark.parametrize(
    "text",
    [
        "OperationalError: database is locked",
        "ERROR: deadlock detected",
        "ERROR: canceling statement due to lock timeout",
        "Lock wait timeout exceeded; try restarting transaction",
    ],
)
def test_a_log_that_tells_of_lock_waits_keeps_an_exhausted_pool_a_suspect(text):
    store = without_deploy()
    store.log(CHECKOUT, PATTERN, text)
    finding = store.finding()
    assert finding.state is FindingState.SUSPECTS
    (against,) = [r for r in finding.refuters if r.outcome is RefuterOutcome.FIRED]
    assert isinstance(against.claim, LogPresent)
    assert f"[{against.claim.evidence}]" in against.text


@pytest.mark.parametrize(
    ("status", "outcome_"), [(Status.COMPLETE, RefuterOutcome.CLEAR), (Status.TRUNCATED, RefuterOutcome.UNKNOWN)]
)
def test_a_log_rules_out_only_where_it_was_read_whole(status, outcome_):
    store = world.pool_leak()
    logged = store.log(CHECKOUT, PATTERN, "all is well")
    store.items = [identified(replace(e, status=status)) if e.id == logged.id else e for e in store.items]
    store.quantity(CHECKOUT, "database_lock_waits", {"": line(0, 0)})
    finding = store.finding()
    assert finding.signature == "F11"
    seen = next(r for r in finding.refuters if r.id == "F11.x6")
    assert (seen.outcome, isinstance(seen.claim, LogAbsent)) == (outcome_, outcome_ is RefuterOutcome.CLEAR)


def test_a_log_without_lock_waits_leaves_the_pool_named():
    store = world.pool_leak()
    store.log(CHECKOUT, PATTERN)
    store.quantity(CHECKOUT, "database_lock_waits", {"": line(0, 0)})
    finding = store.finding()
    assert (finding.state, finding.signature) == (FindingState.DIAGNOSED, "F11")
    assert outcome(finding, "F11.x6") is RefuterOutcome.CLEAR


def test_sessions_that_wait_for_a_lock_keep_an_exhausted_pool_a_suspect():
    store = without_deploy()
    store.quantity(CHECKOUT, "database_lock_waits", {"": line(3, 0)})
    finding = store.finding()
    assert (finding.state, finding.signature) == (FindingState.SUSPECTS, None)
    assert outcome(finding, "F11.x6") is RefuterOutcome.FIRED
    assert outcome(finding, "F11.x1") is RefuterOutcome.CLEAR
    assert "which speaks against F11 in `checkout`" in finding.text
    assert "a look-alike of F11 in `checkout`" in finding.text


def test_a_look_alike_is_not_ruled_out_by_a_reading_that_no_gate_lets_be_said():
    store = world.pool_leak()
    assert store.finding().signature == "F11"
    long_ago = timedelta(hours=1)

    def older(e):
        if (e.question.name, e.question.service) != ("request_rate", "gateway"):
            return e
        window = replace(e.window, start=e.window.start - long_ago, end=e.window.end - long_ago)
        return identified(replace(e, window=window))

    store.items = [older(e) for e in store.items]
    finding = store.finding()
    assert finding.signature is None
    assert finding.state is FindingState.SUSPECTS


def test_lock_waits_after_a_deploy_weigh_and_do_not_rule_out():
    store = world.pool_leak()
    before = store.finding()
    store.quantity(CHECKOUT, "database_lock_waits", {"": line(3, 0)})
    finding = store.finding()
    assert outcome(finding, "F11.x6") is RefuterOutcome.FIRED
    assert finding.signature == "F11"
    assert odds(finding.score) == pytest.approx(odds(before.score) / 6)


@pytest.mark.parametrize(
    ("before_s", "now_s", "named"),
    [(0.010, 0.055, None), (0.010, 0.045, "F11"), (0.001, 0.008, "F11")],
    ids=["fivefold", "less than fivefold", "fivefold of next to nothing"],
)
def test_queries_five_times_as_slow_rule_the_pool_out(before_s, now_s, named):
    store = world.pool_leak()
    store.quantity(CHECKOUT, "query_time", {"": line(now_s, before_s, per=20.0)})
    assert store.finding().signature == named


def test_where_nobody_measures_locks_or_queries_the_card_says_so():
    finding = world.pool_leak().finding()
    assert finding.signature == "F11"
    for refuter in ("F11.x5", "F11.x6"):
        assert outcome(finding, refuter) is RefuterOutcome.UNKNOWN
    assert any("wait for a lock" in gap for gap in finding.not_checked)
    assert any("mean time of a query" in gap for gap in finding.not_checked)


def test_a_change_is_read_back_with_all_that_its_sender_told():
    told = Change(
        id="ci/7",
        kind=ChangeKind.DEPLOY,
        service=CHECKOUT.name,
        environment=CHECKOUT.environment,
        at=NOW - timedelta(minutes=3),
        source="ci",
        subject="checkout image",
        outcome=ChangeOutcome.FAILED,
        word="failure",
        started_at=NOW - timedelta(minutes=3),
        finished_at=NOW - timedelta(minutes=1),
        artifact="checkout:2",
        commit="abc",
        version="v2",
        previous_version="v1",
        revision=42,
        previous_revision=41,
        previous_derived=True,
        schema_version=3,
        actor="mira",
        link="https://ci.example.com/7",
        note="by hand",
    )
    question = Question(kind=QuestionKind.CHANGES, service=CHECKOUT.name, environment=CHECKOUT.environment)
    (answer,) = Changes(lambda *_: [told]).look([(question, CHECKOUT)], world.WINDOW, timedelta(seconds=1))
    store = world.Store()
    item = store.add(answer)
    bench = Bench([Reader(item, store.blobs[item.blob_sha256])])
    found = weigh(F11, Entity(service=CHECKOUT), bench, SHOP, NOW).change
    assert found is not None
    assert found[0] == told
