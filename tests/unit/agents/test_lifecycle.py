"""No arrow points back, and what is over stays over."""

import pytest

from agents.incident.lifecycle import (
    ACTION_MOVES,
    ACTION_TERMINAL,
    INCIDENT_MOVES,
    REOPENS,
    ActionState,
    IncidentState,
    action_may,
    incident_may,
)


@pytest.mark.parametrize("state", sorted(ACTION_TERMINAL))
def test_a_terminal_action_state_never_changes(state):
    assert ACTION_MOVES[state] == frozenset()


def test_every_state_has_its_row():
    assert set(INCIDENT_MOVES) == set(IncidentState)
    assert set(ACTION_MOVES) == set(ActionState)


def test_inside_one_attempt_no_arrow_points_back():
    edges = {
        (a, b)
        for a, to in INCIDENT_MOVES.items()
        for b in to
        if (a, b) not in REOPENS and a is not IncidentState.REOPENED
    }

    def reaches(start, goal, seen):
        nexts = {b for a, b in edges if a == start} - seen
        return goal in nexts or any(reaches(n, goal, seen | nexts) for n in nexts)

    assert not [s for s in IncidentState if reaches(s, s, set())]


def test_nothing_acts_without_passing_ready_reserved_and_preflight():
    into = {s for s in ActionState if action_may(s, ActionState.EXECUTING)}
    assert into == {ActionState.PREFLIGHT}
    assert {s for s in ActionState if action_may(s, ActionState.PREFLIGHT)} == {ActionState.RESERVED}
    assert {s for s in ActionState if action_may(s, ActionState.RESERVED)} == {ActionState.READY}


def test_acting_is_never_interrupted_by_a_resolved_alert():
    assert not incident_may(IncidentState.MITIGATING, IncidentState.RESOLVED)
    assert not incident_may(IncidentState.VERIFYING, IncidentState.RESOLVED)
