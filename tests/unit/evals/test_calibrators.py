"""Fits against values that are known without fitting."""

import random
from pathlib import Path

import pytest
import yaml

from agents.calibration import Isotonic, Label, Platt, load, logit
from agents.calibration.file import Provenance
from agents.incident.errors import BadInput
from tests.evals.calibrate import labels_of, read_lines, written
from tests.evals.calibrators import BENT, bend, counted, curve, isotonic, left_out, platt

PROVENANCE = Provenance(data="made up", labels=40, made="2026-11-27", commit="0123456789ab")


def labels(*of: tuple[float, int, int], family: str = "") -> list[Label]:
    """(score, right, total), as labels."""
    return [Label(score=s, right=n < right, family=family) for s, right, total in of for n in range(total)]


def drawn(n: int, seed: int = 5) -> list[Label]:
    """Labels that are right as often as their score says."""
    r = random.Random(seed)
    return [Label(score=s, right=r.random() < s) for s in (r.uniform(0.05, 0.95) for _ in range(n))]


def test_two_scores_are_met_exactly_by_two_parameters():
    # 30 right and 30 wrong: verdicts are drawn to 31/32 and 1/32.
    found = platt(labels((0.2, 5, 30), (0.8, 25, 30)))
    high, low = 31 / 32, 1 / 32
    assert found.read(0.2) == pytest.approx((5 * high + 25 * low) / 30, abs=1e-6)
    assert found.read(0.8) == pytest.approx((25 * high + 5 * low) / 30, abs=1e-6)


def test_scores_that_say_what_is_so_are_left_nearly_as_they_are():
    found = platt(drawn(1000))
    assert found.slope == pytest.approx(1, abs=0.15)
    assert found.intercept == pytest.approx(0, abs=0.15)


def test_scores_that_part_the_labels_cleanly_have_a_finite_slope():
    found = platt(labels((0.1, 0, 20), (0.9, 20, 20)))
    assert 0 < found.slope < 10
    assert found.read(0.9) == pytest.approx(21 / 22, abs=1e-6)


def test_a_curve_that_would_fall_is_level():
    found = platt(labels((0.2, 20, 20), (0.8, 10, 20)))
    assert found.slope == 0
    assert found.read(0.1) == found.read(0.9) == pytest.approx((30 * 31 / 32 + 10 / 12) / 40)


def test_neighbours_that_fall_are_pooled():
    found = isotonic(labels((0.1, 1, 1), (0.2, 0, 1), (0.3, 1, 2), (0.5, 0, 1), (0.9, 1, 1)))
    assert found == Isotonic(knots=((0.1, 0.4), (0.5, 0.4), (0.9, 1.0)))


def test_what_rises_already_is_kept():
    found = isotonic(labels((0.1, 0, 2), (0.4, 1, 2), (0.9, 2, 2)))
    assert found.knots == ((0.1, 0.0), (0.4, 0.5), (0.9, 1.0))


def test_the_number_of_labels_chooses_the_calibrator():
    assert curve(drawn(29)) is None
    assert isinstance(curve(drawn(30)), Platt)
    assert isinstance(curve(drawn(1000)), Platt)
    assert isinstance(curve(drawn(1001)), Isotonic)
    assert curve(labels((0.8, 40, 40))) is None


def test_a_bent_curve_is_followed_instead():
    bent = labels((0.1, 0, 100), (0.4, 95, 100), (0.9, 96, 100))
    assert bend(bent, platt(bent)) > BENT
    assert isinstance(curve(bent), Isotonic)
    assert bend(drawn(400), platt(drawn(400))) < BENT


def test_counts_are_pooled_and_by_family():
    found = counted(labels((0.8, 3, 4), family="pools") + labels((0.8, 0, 1), (0.1, 1, 1), family="replicas"), "x")
    assert [(b.right, b.total) for b in found.bins] == [(1, 1), (0, 0), (0, 0), (3, 5)]
    assert [(b.right, b.total) for b in found.families["pools"]] == [(0, 0), (0, 0), (0, 0), (3, 4)]


def test_a_label_does_not_vouch_for_itself():
    one, *_ = said = left_out(labels((0.8, 1, 2)), lambda others: counted(others, ""))
    assert one == pytest.approx(2 / 5)  # of the others, one was wrong
    assert said[1] == pytest.approx(3 / 5)


@pytest.mark.parametrize("made", [drawn(20), drawn(60), drawn(1200)], ids=["counts", "platt", "isotonic"])
def test_what_is_written_is_read_again(tmp_path: Path, made: list[Label]):
    found = counted(made + labels((0.8, 3, 4), family="pools"), "made up")
    file = tmp_path / "calibration.yaml"
    file.write_text(written(found, PROVENANCE))
    read = load(file)
    for score in (0.1, 0.4, 0.8, 0.97):
        for family in ("", "pools"):
            assert read.read(score, family).p == pytest.approx(found.read(score, family).p, abs=1e-4)
            assert read.read(score, family).p_low == found.read(score, family).p_low
    assert yaml.safe_load(file.read_text())["provenance"]["commit"] == "0123456789ab"


def test_only_runs_that_named_a_cause_with_a_score_are_labels(tmp_path: Path):
    file = tmp_path / "runs.jsonl"
    file.write_text(
        '{"convicted": "F11", "score": 0.8, "right": true}\n{"convicted": null, "score": null, "right": false}\n'
        '{"runs": 2, "named": 1}\n'
    )
    runs = read_lines([file])
    assert labels_of(runs, {"F11": "pools"}) == [Label(score=0.8, right=True, family="pools")]
    with pytest.raises(BadInput, match="F11"):
        labels_of(runs, {})


def test_the_logit_of_a_certain_score_is_finite():
    assert logit(1.0) == pytest.approx(-logit(0.0))
    assert logit(1.0) < 20
