"""Where in a server's words the answer is, and how a server may be asked."""

import json

import pytest

from agents.deliberation.answers import MAX_ANSWER_BYTES
from agents.reasoners.ways import answer_in, overflows, room_for, ways_of

ANSWER = json.dumps({"version": 1, "queries": [{"args": {"service": "ent_a"}}], "says": "a } brace and a { too"})


@pytest.mark.parametrize(
    "around",
    [
        "ANSWER",
        "So: ANSWER.",
        "```json\nANSWER\n```",
        "<think>{ANSWER}</think>ANSWER",
        '{"draft": 1} ANSWER',
        "{{ ANSWER",
    ],
)
def test_the_last_whole_object_is_the_answer(around):
    assert answer_in(around.replace("ANSWER", ANSWER)) == ANSWER


def test_thoughts_hold_no_answer():
    assert answer_in(f"<think>{ANSWER}</think> I abstain.") == f"<think>{ANSWER}</think> I abstain."


@pytest.mark.parametrize("text", ["", "no idea", "[1, 2]", "{", '{"version": 1', "{not json}"])
def test_what_holds_no_object_is_left_as_it_is(text):
    assert answer_in(text) == text


def test_a_flood_of_braces_ends_and_is_no_answer():
    flood = '{"a":' * 5_000
    assert answer_in(flood) == flood
    assert answer_in("{" * 300 + ANSWER) == "{" * 300 + ANSWER


def test_what_is_longer_than_any_answer_is_not_searched():
    long = " " * MAX_ANSWER_BYTES + ANSWER
    assert answer_in(long) == long


@pytest.mark.parametrize(
    "said",
    [
        "request (13331 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "error code context_length_exceeded",
    ],
)
def test_a_prompt_over_the_context_is_told_from_other_refusals(said):
    assert overflows(said)


@pytest.mark.parametrize("said", ["Unrecognized request argument supplied: response_format", "invalid api key"])
def test_other_refusals_are_not_about_the_context(said):
    assert not overflows(said)


def test_room_is_a_power_of_two_that_holds_prompt_and_answer():
    assert room_for("x" * 30, 500) == 4_096
    assert room_for("x" * 12_000, 500) == 8_192
    assert room_for("x" * 10_000_000, 500) == 65_536


@pytest.mark.parametrize("provider", ["openai", "anthropic", "ollama", "google_genai"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_shape_is_always_asked_for_first_and_words_alone_come_last(provider, elsewhere):
    ways = ways_of(provider, elsewhere=elsewhere)
    assert ways[0].shaped
    assert not ways[-1].shaped
    assert [w.shaped for w in ways] == sorted((w.shaped for w in ways), reverse=True)
