"""How long a source may be silent, by its own habit."""

from datetime import timedelta

import pytest

from bot.doctor import silence
from bot.journal.hearings import AT_LEAST, BEAT_AT_LEAST, LEAST, LEAST_BEATS, STEP, Hearing, heard
from tests.builders import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def every(gap: timedelta, times: int, heartbeat: str = "") -> Hearing:
    """Heard so many times, at even distances, the last time at NOON."""
    first = NOON - gap * (times - 1)
    known = Hearing(source="am", heartbeat=heartbeat, heard_at=first, days={first.date().isoformat(): (1, 0.0)})
    for n in range(1, times):
        known = heard(known, first + n * gap, NOON)
    return known


def test_a_source_is_missed_after_twice_its_longest_silence() -> None:
    known = every(HOUR, 20)
    assert known.habit == 2 * HOUR
    assert not known.missed(NOON + 2 * HOUR)
    assert known.missed(NOON + 2 * HOUR + MINUTE)


def test_one_long_silence_makes_the_habit() -> None:
    known = heard(every(MINUTE, 20), NOON + 3 * HOUR, NOON + 3 * HOUR)
    assert known.habit == 6 * HOUR


@pytest.mark.parametrize(("times", "known"), [(LEAST - 1, False), (LEAST, True)])
def test_what_is_heard_too_seldom_has_no_habit_and_is_never_missed(times: int, known: bool) -> None:
    found = every(HOUR, times)
    assert (found.habit is not None) is known
    assert found.missed(NOON + 30 * DAY) is known


def test_nothing_is_missed_within_the_hour_and_a_watchdog_earlier() -> None:
    assert every(MINUTE, 20).habit == AT_LEAST
    assert every(MINUTE, 20, "Watchdog").habit == BEAT_AT_LEAST
    assert every(HOUR, LEAST_BEATS, "Watchdog").missed(NOON + 3 * HOUR)
    assert every(HOUR, LEAST_BEATS - 1, "Watchdog").habit is None


def test_a_burst_is_one_time_and_what_comes_late_moves_nothing_back() -> None:
    known = every(HOUR, 2)
    assert heard(known, NOON + STEP - timedelta(seconds=1), NOON) is known
    assert heard(known, NOON - DAY, NOON) is known


def test_a_clock_that_was_ahead_for_a_moment_hides_no_silence() -> None:
    known = heard(every(HOUR, 20), NOON + 365 * DAY, NOON + 365 * DAY)
    for n in range(LEAST + 1):
        known = heard(known, NOON + n * HOUR, NOON + n * HOUR)
    assert known.heard_at == NOON + LEAST * HOUR
    assert known.missed(NOON + 2 * DAY)
    assert all(day <= (NOON + DAY).date().isoformat() for day in known.days)


def test_a_silence_of_more_than_a_week_ago_is_no_habit() -> None:
    known = heard(every(MINUTE, 20), NOON + 5 * HOUR, NOON + 5 * HOUR)
    assert known.habit == 10 * HOUR
    for n in range(1, 24 * 8):
        known = heard(known, NOON + (5 + n) * HOUR, NOON + (5 + n) * HOUR)
    assert known.habit == 2 * HOUR
    assert len(known.days) == 7


def test_doctor_says_since_when_and_by_what_habit() -> None:
    assert silence(every(HOUR, 20), NOON + 3 * HOUR).startswith("3 h ago, and by its habit within 2 h: does it")
    assert silence(every(HOUR, 20), NOON + HOUR) == "60 min ago; missed after 2 h"
    assert "too seldom" in silence(every(HOUR, 2), NOON + 9 * DAY)
    assert "fires always" in silence(every(MINUTE, 20, "Watchdog"), NOON + HOUR)
