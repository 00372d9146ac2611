"""What free words say about when and what."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.deliberation.understanding import understand
from agents.incident.errors import Transient
from agents.ports import Task
from agents.reasoners.scripted import Scripted
from bot.desk.spans import span
from bot.desk.words import MOST, read
from tests.unit.agents.thinking import honest
from tests.unit.agents.world import CHECKOUT, SHOP

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
BRIEF = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("checkout last two hours", timedelta(hours=2)),
        ("checkout over the past 45 minutes", timedelta(minutes=45)),
        ("checkout 1h", timedelta(hours=1)),
        ("checkout since 30 min", timedelta(minutes=30)),
        ("what about checkout for a couple of hours", timedelta(hours=2)),
        ("checkout half an hour", timedelta(minutes=30)),
        ("checkout the last hour", timedelta(hours=1)),
        ("checkout since this morning", timedelta(hours=8, minutes=5)),
        ("checkout since midnight", timedelta(hours=14, minutes=5)),
        ("checkout today", timedelta(hours=14, minutes=5)),
        ("checkout since yesterday", timedelta(hours=24)),
        ("checkout since last night", timedelta(hours=20, minutes=5)),
        ("checkout since 13:30", timedelta(minutes=35)),
        ("checkout since 9am", timedelta(hours=5, minutes=5)),
        ("checkout since 11pm", timedelta(hours=15, minutes=5)),
        ("checkout this evening", timedelta(hours=20, minutes=5)),
        ("checkout 10 s", timedelta(minutes=5)),
        ("checkout three days", timedelta(hours=24)),
        ("checkout since 1.5h", timedelta(minutes=90)),
        ("checkout since 1,5 hours", timedelta(minutes=90)),
        ("checkout 2h30m", timedelta(minutes=150)),
        ("checkout 1h 30m", timedelta(minutes=90)),
        ("checkout last 1 hour and 30 minutes", timedelta(minutes=90)),
        ("checkout for an hour and a half", timedelta(minutes=90)),
        ("checkout since two and a half hours", timedelta(minutes=150)),
        ("checkout 1h why is it slow", timedelta(hours=1)),
        ("checkout was deployed 2 hours ago", timedelta(hours=2)),
        ("errors in 30 min on checkout", timedelta(minutes=30)),
        ("checkout since 9", timedelta(hours=5, minutes=5)),
        ("checkout since 9?", timedelta(hours=5, minutes=5)),
        ("checkout since 9 o'clock it is slow", timedelta(hours=5, minutes=5)),
        ("checkout last 500s", timedelta(seconds=500)),
        ("checkout", None),
        ("orders-2 in demo", None),
        ("orders-2 hours", None),
        ("checkout since 1h30", None),
        ("checkout latency 30m", timedelta(minutes=30)),
        ("checkout timeouts 2 hours", timedelta(hours=2)),
        ("checkout p99 1h", timedelta(hours=1)),
        ("checkout 45 mins slow", timedelta(minutes=45)),
        ("checkout 30m requests failing", timedelta(minutes=30)),
        ("checkout has been broken 2 hours now", timedelta(hours=2)),
        ("checkout an hour", timedelta(hours=1)),
        ("checkout a day", timedelta(hours=24)),
    ],
)
def test_a_window_is_read_wherever_it_stands(said, back):
    assert read(tuple(said.split()), NOW).window == back


@pytest.mark.parametrize(
    "said",
    [
        "checkout takes 2 seconds",
        "checkout takes about 2 seconds",
        "checkout takes over 10 minutes",
        "checkout answers in 2s",
        "checkout latency 2s",
        "30s timeouts on checkout",
        "checkout answers 3 seconds late",
        "checkout fails 3 times an hour",
        "checkout fails every 5 minutes",
        "checkout is as slow as ever",
        "checkout throws 500s",
        "checkout throws errors since the 500s began",
        "errors from 3 of the pods of checkout",
        "errors since 3 of the pods of checkout restarted",
    ],
)
def test_what_a_request_takes_and_what_is_counted_is_no_window(said):
    words = tuple(said.split())
    assert (read(words, NOW).window, read(words, NOW).rest) == (None, words)


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("checkout takes 2 seconds since 3 hours", timedelta(hours=3)),
        ("checkout since 3 hours takes 2 seconds", timedelta(hours=3)),
        ("checkout hangs for 30 seconds since this morning", timedelta(hours=8, minutes=5)),
        ("checkout hangs for 10 minutes since 13:30", timedelta(minutes=35)),
        ("checkout hangs for 30 seconds, 2h", timedelta(hours=2)),
        ("checkout 30m over the last two hours", timedelta(hours=2)),
        ("checkout throws 500s 30m", timedelta(minutes=30)),
    ],
)
def test_of_two_durations_the_one_that_says_since_when_is_the_window(said, back):
    assert read(tuple(said.split()), NOW).window == back


@pytest.mark.parametrize(
    ("word", "lasts"),
    [
        ("30m", timedelta(minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("2h30m", timedelta(minutes=150)),
        ("500s", timedelta(seconds=500)),
        ("90", None),
        ("h", None),
        ("1h30", None),
        ("²h", None),
    ],
)
def test_a_duration_in_one_word(word, lasts):
    assert span(word) == lasts


@pytest.mark.parametrize("word", ["last", "since", "1h", "a", "takes about", "and a half"])
def test_no_more_than_the_first_words_are_read(word):
    meant = read(("checkout", *(word.split() * 20_000), "since", "2h"), NOW)
    assert meant.cut
    assert meant.window != timedelta(hours=2)


def test_a_word_longer_than_any_name_is_passed_over():
    meant = read(("x" * 600, "checkout", "30m"), NOW)
    assert (meant.rest, meant.window, meant.cut) == (("checkout",), timedelta(minutes=30), True)


def test_only_whole_words_are_read():
    words = ("checkout", *4 * ("x" * ((MOST - len("checkout")) // 4 - 1),))
    assert read(words, NOW).rest == words
    assert not read(words, NOW).cut
    longer = read((*words[:-1], words[-1] + "x", "2h"), NOW)
    assert (longer.rest, longer.window, longer.cut) == (words[:-1], None, True)


@pytest.mark.parametrize(
    ("said", "symptom"),
    [
        ("why is checkout slow since this morning", "slow_request_ratio"),
        ("checkout throws errors", "server_error_ratio"),
        ("checkout throws 500s", "server_error_ratio"),
        ("checkout 503s since 2h", "server_error_ratio"),
        ("is checkout down?", "health_failing"),
        ("checkout's pool is full", "pool_waiters"),
        ("so much traffic on checkout", "request_rate"),
        ("checkout", ""),
    ],
)
def test_a_symptom_is_one_of_a_closed_list(said, symptom):
    assert read(tuple(said.split()), NOW).symptom == symptom


def test_what_is_no_window_is_left_as_it_is():
    assert read(("shop/checkout", "last", "two", "hours"), NOW).rest == ("shop/checkout",)


def test_a_model_may_read_the_words_too():
    meant = understand("the till is sluggish", SHOP, reasoner=honest(), timeout=BRIEF)
    assert meant is not None
    assert (meant.service, meant.window, meant.symptom) == (CHECKOUT, timedelta(hours=2), "slow_request_ratio")


@pytest.mark.parametrize(
    "said",
    [
        {"version": 1, "status": "abstain"},
        {"version": 1, "status": "understood", "service": "ent_" + "a" * 12},
        {"version": 1, "status": "understood", "service": "checkout"},
        {"version": 1, "status": "understood", "service": "{ent:checkout}", "minutes": 100_000},
        {"version": 1, "status": "understood", "service": "{ent:checkout}", "action": "restart"},
        "it is checkout",
        Transient("busy"),
        TimeoutError("late"),
    ],
)
def test_what_a_model_says_of_words_must_resolve(said):
    assert understand("anything", SHOP, reasoner=Scripted(answers={Task.WORDS: [said]}), timeout=BRIEF) is None


def test_words_with_a_secret_are_shown_to_nobody():
    reasoner = honest()
    words = "checkout with ghp_" + "a1B2c3D4" * 5
    assert understand(words, SHOP, reasoner=reasoner, timeout=BRIEF) is None
    assert reasoner.asked == []
