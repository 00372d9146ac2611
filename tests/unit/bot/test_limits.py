"""A platform's limits: what is urgent keeps its share, and what the platform asks for is kept."""

from bot.surfaces.limits import Budget, Rate
from bot.surfaces.ports import Kind, Lane


def test_what_is_urgent_keeps_a_share_that_nothing_else_takes():
    now = [0.0]
    budget = Budget({Kind.EDIT: (Rate(most=5, seconds=60, reserved=2),)}, lambda: now[0])
    assert [budget.may(Kind.EDIT, Lane.EDIT) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [budget.may(Kind.EDIT, Lane.ASK) for _ in range(3)] == [True, True, False]
    now[0] = 60.0
    assert budget.may(Kind.EDIT, Lane.EDIT)


def test_calls_of_one_kind_do_not_use_up_another():
    budget = Budget({Kind.POST: (Rate(most=1, seconds=1),)}, lambda: 0.0)
    assert budget.may(Kind.POST, Lane.ROOT)
    assert not budget.may(Kind.POST, Lane.ASK)
    assert all(budget.may(Kind.EDIT, Lane.DETAIL) for _ in range(100))


def test_a_platform_that_asks_to_wait_is_left_alone_for_that_kind_of_call():
    now = [0.0]
    budget = Budget({}, lambda: now[0])
    budget.hold(Kind.POST, 30)
    assert not budget.may(Kind.POST, Lane.ASK)
    assert budget.may(Kind.EDIT, Lane.EDIT)
    now[0] = 30.0
    assert budget.may(Kind.POST, Lane.DETAIL)
