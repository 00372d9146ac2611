"""The rules by themselves: priority, storms and their origin, turns."""

from datetime import timedelta
from typing import Any

import pytest

from agents.incident.catalogue import Catalogue, Service
from agents.incident.incident import Severity
from bot.grouping import Rules, origin, priority, storms, turned, worse
from tests.builders import NOON

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("severity", "criticality", "burn", "expected"),
    [
        (Severity.CRITICAL, "normal", None, 1),
        (Severity.HIGH, "normal", None, 2),
        (Severity.HIGH, "critical", None, 1),
        (Severity.WARNING, "normal", None, 3),
        (Severity.WARNING, "low", None, 4),
        (Severity.UNKNOWN, "normal", None, 3),
        (Severity.INFO, "low", None, 4),
        (Severity.INFO, "normal", "14.4", 1),
        (Severity.INFO, "normal", "6", 2),
        (Severity.CRITICAL, "normal", "6", 1),
        (Severity.INFO, "normal", "5.9", 4),
        (Severity.INFO, "normal", "fast", 4),
        (Severity.CRITICAL, "critical", "100", 1),
    ],
)
def test_priority_comes_of_severity_criticality_and_burn(
    severity: Severity, criticality: str, burn: str | None, expected: int
) -> None:
    assert priority(severity, criticality, {"burn_rate": burn} if burn else {}) == expected


def test_louder_is_worse_and_unknown_is_no_louder_than_a_warning() -> None:
    assert worse(Severity.CRITICAL, Severity.HIGH)
    assert worse(Severity.HIGH, Severity.WARNING)
    assert not worse(Severity.UNKNOWN, Severity.WARNING)
    assert not worse(Severity.WARNING, Severity.UNKNOWN)
    assert worse(Severity.WARNING, Severity.INFO)


@pytest.mark.parametrize(
    ("opened", "alerting", "known", "storm"),
    [
        (9, 0, 0, False),
        (10, 0, 0, True),
        (0, 4, 5, False),  # in a small system one fault shows everywhere
        (0, 5, 12, True),
        (0, 5, 13, False),
        (0, 40, 100, False),
        (0, 41, 100, True),
        (0, 5, 0, False),
    ],
)
def test_a_storm_is_many_incidents_or_a_large_share_of_the_services(
    opened: int, alerting: int, known: int, storm: bool
) -> None:
    assert storms(opened, alerting, known, Rules()) is storm


def a_graph(**calls: tuple[str, ...]) -> Catalogue:
    return Catalogue(services=tuple(Service(name=n, environment="e", calls=c) for n, c in calls.items()))


@pytest.mark.parametrize(
    ("alerting", "calls", "expected"),
    [
        ({"a", "b", "db"}, {"a": ("db",), "b": ("db",), "db": ()}, "db"),
        ({"a", "b", "db", "x"}, {"a": ("db",), "b": ("db",), "db": (), "x": ()}, "db"),  # three of four
        ({"a", "db", "x"}, {"a": ("db",), "db": (), "x": ()}, None),  # two of three are too few
        ({"a", "b"}, {"a": ("m",), "b": ("m",), "m": ("db",), "db": ()}, None),  # nobody below alerts
        ({"a", "one", "two"}, {"a": ("one", "two"), "one": (), "two": ()}, None),  # two explain as much
        ({"a", "db"}, {"a": ("m",), "m": ("db",), "db": ()}, "db"),  # through one that is silent
        ({"a", "b"}, {"a": ("b",), "b": ("a",)}, None),  # each relies on the other
        (set(), {"a": ()}, None),
    ],
)
def test_the_origin_of_a_storm_is_what_most_of_it_relies_on_or_nothing(
    alerting: set[str], calls: dict[str, Any], expected: str | None
) -> None:
    found = origin(alerting, "e", a_graph(**calls))
    assert (found.name if found is not None else None) == expected


def test_the_origin_is_of_the_storms_own_environment() -> None:
    assert origin({"a"}, "other", a_graph(a=())) is None


def test_turns_are_counted_within_their_hour_and_no_longer_kept_than_needed() -> None:
    rules = Rules()
    turns: list[str] = []
    for n in range(6):
        turns, flaps = turned(turns, NOON + n * MINUTE, rules)
        assert flaps is (n == 5)
    for n in range(6, 30):
        turns, _ = turned(turns, NOON + n * MINUTE, rules)
    assert len(turns) == 6
    assert turned(turns, NOON + timedelta(hours=2), rules) == ([(NOON + timedelta(hours=2)).isoformat()], False)
