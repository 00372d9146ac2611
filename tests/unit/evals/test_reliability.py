"""Scores of scores, against values worked out by hand."""

from math import log

import pytest

from tests.evals.reliability import aurc, brier, ece, log_loss, report, risk_coverage, table, threshold

SAID = (0.9, 0.8, 0.6, 0.3)
RIGHT = (True, False, True, False)


def test_brier_and_log_loss_are_those_of_their_definitions():
    assert brier(SAID, RIGHT) == pytest.approx((0.01 + 0.64 + 0.16 + 0.09) / 4)
    assert log_loss(SAID, RIGHT) == pytest.approx(-(log(0.9) + log(0.2) + log(0.6) + log(0.7)) / 4)


def test_being_certain_and_wrong_is_very_bad_but_finite():
    assert 20 < log_loss([1.0], [False]) < 40


def test_rows_say_what_was_said_what_was_so_and_how_well_that_is_known():
    (row,) = table([0.9] * 10, [True] * 9 + [False])
    assert row.said == pytest.approx(0.9)
    assert (row.right, row.total) == (0.9, 10)
    assert (row.least, row.most) == pytest.approx((0.5550, 0.9975), abs=1e-4)
    assert table([1.0], [True])[0].total == 1


def test_the_calibration_error_waits_for_hundreds_of_labels():
    assert ece([0.9] * 199, [True] * 199) is None
    assert ece([0.9] * 200, [True] * 200) == pytest.approx(0.1)


def test_risk_rises_with_coverage_here_and_equal_probabilities_enter_together():
    points = risk_coverage(SAID, RIGHT)
    assert [(p.threshold, p.coverage, p.risk) for p in points] == [
        (0.9, 0.25, 0.0),
        (0.8, 0.5, 0.5),
        (0.6, 0.75, 1 / 3),
        (0.3, 1.0, 0.5),
    ]
    assert aurc(SAID, RIGHT) == pytest.approx((0 + 0.5 + 1 / 3 + 0.5) / 4)
    assert len(risk_coverage([0.5] * 4, RIGHT)) == 1


def test_the_threshold_is_the_lowest_that_keeps_the_bound():
    said = [0.9] * 29 + [0.7] * 40 + [0.4] * 10
    right = [True] * 69 + [False] * 10
    chosen = threshold(risk_coverage(said, right))
    assert chosen is not None
    assert (chosen.threshold, chosen.risk) == (0.7, 0)
    assert chosen.bound <= 0.10


def test_few_labels_have_no_threshold_however_right_they_were():
    assert threshold(risk_coverage([0.9] * 28, [True] * 28)) is None
    assert threshold(risk_coverage([0.9] * 29, [True] * 29)) is not None


def test_the_report_holds_all_of_it():
    found = report(SAID, RIGHT)
    assert found["ece"] is None
    assert found["threshold"] is None
    assert (found["labels"], found["right"]) == (4, 2)
