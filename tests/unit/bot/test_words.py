"""What free words say about when and what."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.deliberation.understanding import understand
from agents.incident.errors import Transient
from agents.ports import Task
from agents.reasoners.scripted import Scripted
from bot.desk.words import read
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
        ("checkout", None),
        ("orders-2 in demo", None),
    ],
)
def test_a_window_is_read_wherever_it_stands(said, back):
    assert read(tuple(said.split()), NOW).window == back


@pytest.mark.parametrize(
    ("said", "symptom"),
    [
        ("why is checkout slow since this morning", "slow_request_ratio"),
        ("checkout throws errors", "server_error_ratio"),
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
