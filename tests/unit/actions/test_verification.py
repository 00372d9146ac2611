"""A fix is a hypothesis until it is verified."""

from datetime import timedelta

import pytest

from actions.verification import Check, Mark, Measured, Outcome, Sample, Target, mark, verify
from agents.incident.claims import FactName, Op, Where
from agents.incident.finding import Criterion
from tests.unit.agents.world import NOW


def target(role, op, threshold, before):
    criterion = Criterion(
        role=role,
        quantity="server_error_ratio",
        service="gateway",
        environment="shop",
        where=Where(),
        fact=FactName.RECENT,
        op=op,
        threshold=threshold,
    )
    return Target(criterion=criterion, threshold=threshold, before=before)


CHECK = Check(
    targets=(
        target("user_facing", Op.LT, 0.01, 0.4),
        target("capacity", Op.GE, 8.0, 16.0),
        target("neighbour", Op.EQ, 0.0, 0.0),
    ),
    settle=timedelta(seconds=5),
    interval=timedelta(seconds=1),
    horizon=timedelta(seconds=5),
    good_samples=3,
    give_up=timedelta(seconds=40),
)
GOOD, BAD, WORSE = (0.0, 16.0, 0.0), (0.2, 16.0, 0.0), (0.0, 16.0, 1.0)
UNREAD, GONE = (None, 16.0, 0.0), (0.0, 0.0, 0.0)


def outcome(*values, after_s=12.0):
    samples = [
        Sample(at=NOW + timedelta(seconds=i), measured=tuple(Measured(value=v) for v in row))
        for i, row in enumerate(values)
    ]
    return verify(CHECK, samples, opened=NOW, now=NOW + timedelta(seconds=after_s))


@pytest.mark.parametrize(
    ("values", "expected"),
    [(GOOD, Mark.GOOD), (BAD, Mark.BAD), (WORSE, Mark.WORSE), (UNREAD, Mark.ERROR), (GONE, Mark.BAD)],
)
def test_one_sample(values, expected):
    assert mark(CHECK, Sample(at=NOW, measured=tuple(Measured(value=v) for v in values))) is expected


def test_good_samples_in_a_row_over_the_window_succeed():
    assert outcome(GOOD, GOOD, GOOD) is Outcome.SUCCEEDED


def test_good_samples_before_the_window_is_over_are_not_enough():
    assert outcome(GOOD, GOOD, GOOD, after_s=8) is None


def test_a_bad_sample_starts_the_row_anew():
    assert outcome(GOOD, GOOD, BAD, GOOD) is None


def test_a_failed_query_is_never_a_success():
    assert outcome(GOOD, GOOD, UNREAD) is None
    assert outcome(*[UNREAD] * 4) is Outcome.INCONCLUSIVE
    assert outcome(*[UNREAD] * 3, after_s=60) is Outcome.INCONCLUSIVE


def test_scaling_to_zero_is_not_recovery():
    assert outcome(GONE, GONE, GONE) is None
    assert outcome(GONE, GONE, GONE, after_s=60) is Outcome.INEFFECTIVE


def test_short_of_the_criteria_is_ineffective():
    assert outcome(*[BAD] * 5, after_s=41) is Outcome.INEFFECTIVE


def test_a_neighbour_that_was_well_and_is_not_is_harm_at_the_second_sample():
    assert outcome(GOOD, WORSE) is None
    assert outcome(GOOD, WORSE, WORSE) is Outcome.REGRESSED


def test_users_suffering_clearly_more_is_harm():
    assert outcome((0.9, 16.0, 0.0), (0.9, 16.0, 0.0)) is Outcome.REGRESSED


def test_there_are_four_outcomes():
    assert {o.value for o in Outcome} == {"SUCCEEDED", "INEFFECTIVE", "REGRESSED", "INCONCLUSIVE"}
