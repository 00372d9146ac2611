"""A process dies at a point of the walk: one effect, the right final state, nothing lost. With real processes.

By default every point of the action worker and one of each other process; ``make live`` walks the whole matrix:
every point of every process, and every point that is only passed on the way back from such a death.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.walks import EXPECTED, Case, Machine, Place, Row, places, recoveries

LANES = 3
OTHERS: tuple[Place, ...] = (
    ("receiver", "inbox.stored:after"),
    ("triage", "finding:after"),
    ("clock", "verification.due:after"),
    ("console", "decision:after"),
)
"""One point of each other process: committed, and nobody told yet."""


def _told(rows: Sequence[Row], fault: str) -> None:
    """The figure, and an error that names every walk that went wrong."""
    twice = sum(max(0, row.effects - len(EXPECTED[fault][2])) for row in rows)
    wrong = [str(row) for row in rows if not row.right]
    print(f"{len(rows)} points × 1 action ({fault}), {twice} duplicate effects, {len(wrong)} wrong ends")
    assert rows
    assert not wrong, "\n".join(wrong)
    assert twice == 0


def test_the_action_worker_dies_at_every_point_and_each_other_process_at_one(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        (plain,) = machine.lead([Case(fault="F11")])
        assert plain.right, plain
        own = places(plain, ["actions"])
        assert {("actions", f"effect:do:{when}") for when in ("before", "after")} <= set(own)
        cases = [Case(fault="F11", first=place) for place in (*OTHERS, *own)]
        rows = machine.lead(cases, LANES)
    _told(rows, "F11")
    assert len(rows) == len(cases)


@pytest.mark.live
@pytest.mark.parametrize("fault", ["F11", "F34"])
def test_every_process_dies_at_every_point(fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled(), Machine(tmp_path) as machine:
        print(f"\n{fault}: every point of every process")
        (plain,) = machine.lead([Case(fault=fault)])
        assert plain.right, plain
        rows = machine.lead([Case(fault=fault, first=place) for place in places(plain)], LANES)
        print(f"{fault}: points passed only on the way back")
        rows += machine.lead(recoveries(plain, rows), LANES)
        _told(rows, fault)


@pytest.mark.live
def test_the_undo_dies_at_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The fix makes it worse: it is undone, once, whoever dies while that is done."""
    with capsys.disabled(), Machine(tmp_path) as machine:
        print("\nworse: every point of the action worker from the effect on")
        (plain,) = machine.lead([Case(fault="worse")])
        assert plain.right, plain
        own = places(plain, ["actions"])
        undoing = own[own.index(("actions", "effect:do:after")) :]
        rows = machine.lead([Case(fault="worse", first=place) for place in undoing], LANES)
        print("worse: points passed only on the way back")
        rows += machine.lead(recoveries(plain, rows), LANES)
        _told(rows, "worse")
