"""What is proposed, under whose word, and what is never proposed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actions.catalogue import CATALOGUE
from actions.policy import Policy
from actions.proposal import Mode, NoProposal, Proposal, Tried, propose
from agents.incident.claims import FactName, Op, Where
from agents.incident.errors import BadInput, Refused
from agents.incident.finding import Criterion, FindingState, Remedy
from agents.incident.ids import FindingId, PersonId, ProposalId
from tests.unit.agents import world

NOW = world.NOW
CRITERION = Criterion(
    role="mechanism",
    quantity="pool_waiters",
    service="checkout",
    environment="shop",
    where=Where(),
    fact=FactName.MAX,
    op=Op.EQ,
    threshold=0,
)
SHARE = replace(CRITERION, role="capacity", quantity="request_rate", op=Op.GE, threshold=0.5, of_baseline=True)
ROLL_BACK, RESTART = Remedy(action="rollback_deployment", only_if="deploy"), Remedy(action="restart_replica")
RELOAD, DROP = Remedy(action="reload_schema_cache"), Remedy(action="drop_column")


def made(
    finding,
    *remedies,
    policy=None,
    tried=(),
    criteria=((CRITERION, 7.0), (SHARE, 16.0)),
    number=1,
    asked_by=None,
):
    return propose(
        finding,
        proposal_id=ProposalId("PR_1"),
        number=number,
        remedies=remedies,
        criteria=criteria,
        tried=tried,
        catalogue=CATALOGUE,
        policy=policy or Policy(version="1"),
        settle=timedelta(seconds=5),
        now=NOW,
        asked_by=asked_by,
    )


@pytest.fixture(scope="module")
def leak():
    return world.pool_leak().finding()


@pytest.fixture(scope="module")
def stale():
    return world.stale_schema().finding()


def test_a_rollback_names_both_revisions_and_asks(leak):
    proposal = made(leak, ROLL_BACK, RESTART)
    assert isinstance(proposal, Proposal)
    assert (proposal.action, proposal.tier, proposal.mode) == ("rollback_deployment", 2, Mode.ASK)
    assert proposal.parameters == {"service": "shop/checkout", "from_revision": 42, "to_revision": 41}
    assert [t.threshold for t in proposal.check.targets] == [0, 8.0]


def test_a_tier_2_action_never_runs_by_policy_even_if_somebody_trusts_it(leak):
    policy = Policy(version="1", trusted=frozenset({"rollback_deployment"}))
    proposal = made(leak, ROLL_BACK, policy=policy)
    assert isinstance(proposal, Proposal)
    assert proposal.mode is Mode.ASK


def test_a_tier_1_action_asks_unless_the_owner_trusts_it_by_name(stale):
    asks = made(stale, RELOAD)
    alone = made(stale, RELOAD, policy=Policy(version="1", trusted=frozenset({"reload_schema_cache"})))
    assert isinstance(asks, Proposal)
    assert isinstance(alone, Proposal)
    assert (asks.mode, alone.mode, alone.trusted) == (Mode.ASK, Mode.POLICY, True)


def test_what_somebody_asked_for_never_runs_alone_and_is_theirs_to_propose(stale):
    policy = Policy(version="1", trusted=frozenset({"reload_schema_cache"}))
    proposal = made(stale, RELOAD, policy=policy, asked_by=PersonId("ana"))
    assert isinstance(proposal, Proposal)
    assert (proposal.mode, proposal.trusted, proposal.proposed_by) == (Mode.ASK, False, "ana")


def test_only_the_first_attempt_may_run_alone(stale):
    policy = Policy(version="1", trusted=frozenset({"reload_schema_cache"}))
    tried = [Tried(action="restart_replica", parameters={}, applied=False)]
    proposal = made(stale, RELOAD, policy=policy, tried=tried)
    assert isinstance(proposal, Proposal)
    assert proposal.mode is Mode.ASK


def test_a_likely_cause_may_move_tier_1_only_and_always_asks(leak):
    likely = replace(leak, state=FindingState.LIKELY)
    assert isinstance(made(likely, ROLL_BACK), NoProposal)
    proposal = made(likely, RESTART, policy=Policy(version="1", trusted=frozenset({"restart_replica"})))
    assert isinstance(proposal, Proposal)
    assert proposal.mode is Mode.ASK


@pytest.mark.parametrize(
    "state", [s for s in FindingState if s not in {FindingState.DIAGNOSED, FindingState.LIKELY}]
)
def test_nothing_less_than_a_cause_moves_anything(leak, state):
    taken_back = {"contests": FindingId("FI_1")} if state is FindingState.CONTESTED else {}
    assert isinstance(made(replace(leak, state=state, **taken_back), ROLL_BACK, RESTART, DROP), NoProposal)


def test_phase_1_proposes_nothing(leak):
    answer = made(leak, ROLL_BACK, policy=Policy(version="1", phase=1))
    assert isinstance(answer, NoProposal)
    assert "phase 1" in answer.reason


def test_what_took_effect_is_never_tried_again_on_the_same_target(leak):
    first = made(leak, ROLL_BACK, RESTART)
    assert isinstance(first, Proposal)
    again = made(
        leak, ROLL_BACK, RESTART, tried=[Tried(action=first.action, parameters=first.parameters, applied=True)]
    )
    assert isinstance(again, Proposal)
    assert again.action == "restart_replica"


def test_what_was_never_applied_may_be_tried_again(leak):
    first = made(leak, ROLL_BACK)
    assert isinstance(first, Proposal)
    again = made(leak, ROLL_BACK, tried=[Tried(action=first.action, parameters=first.parameters, applied=False)])
    assert isinstance(again, Proposal)
    assert again.action == first.action


def test_three_attempts_are_enough(leak):
    tried = [Tried(action=f"a{i}", parameters={}, applied=True) for i in range(3)]
    assert isinstance(made(leak, ROLL_BACK, tried=tried), NoProposal)


def test_a_tier_3_action_is_only_ever_written_out(stale):
    proposal = made(stale, DROP, policy=Policy(version="1", trusted=frozenset({"drop_column"})))
    assert isinstance(proposal, Proposal)
    assert proposal.mode is Mode.RUNBOOK
    assert len(proposal.runbook) >= 3
    with pytest.raises(Refused, match="never run"):
        CATALOGUE["drop_column"].steps(proposal.parameters, None)  # type: ignore[arg-type]  # never looked at


def test_without_a_baseline_success_could_not_be_told_so_nothing_is_proposed(leak):
    answer = made(leak, RESTART, criteria=((SHARE, None),))
    assert isinstance(answer, NoProposal)
    assert "baseline" in answer.reason


def test_the_hash_covers_what_a_person_says_yes_to(leak):
    first = made(leak, ROLL_BACK)
    assert isinstance(first, Proposal)
    same = made(leak, ROLL_BACK)
    assert isinstance(same, Proposal)
    assert first.plan_hash == same.plan_hash
    changed = [
        made(leak, RESTART),
        made(leak, ROLL_BACK, number=2),
        made(leak, ROLL_BACK, policy=Policy(version="2")),
        made(leak, ROLL_BACK, criteria=((CRITERION, 7.0), (SHARE, 20.0))),
        made(replace(leak, change=replace(leak.change, previous_revision=40)), ROLL_BACK),
    ]
    hashes = {p.plan_hash for p in changed if isinstance(p, Proposal)}
    assert len(hashes) == len(changed)
    assert first.plan_hash not in hashes


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_an_empty_or_unknown_parameter_is_an_error(name):
    action = CATALOGUE[name]
    for parameters in ({}, {"service": ""}, {"service": "  "}, {"service": "shop/x", "surprise": "y"}):
        with pytest.raises(BadInput):
            action.parse(parameters)


def test_settling_is_never_shorter_than_readings_reach_back(leak):
    proposal = made(leak, ROLL_BACK, policy=Policy(version="1"))
    assert isinstance(proposal, Proposal)
    assert proposal.check.settle >= timedelta(seconds=5)
