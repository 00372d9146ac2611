"""The shapes of answers as they are given to a server."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from agents.deliberation import answers
from agents.ports import Task
from agents.reasoners.prompts import SHAPES, instructions, schema

WORDS = (
    "F11",
    "F1x",
    "OTHER",
    "OTHERS",
    "onset-30m",
    "now-24h",
    "now-24d",
    "log:F11.2",
    "log:F11x2",
    "log:Fdd.1",
    "quantity:pool_waiters",
    "changes",
    "L7",
    "L123",
    "q28.max",
    "q28xmax9",
    "recent",
    "INC_1",
    "ent_abcdefghijkl",
)


def patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for inner in part.values():
            yield from patterns(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from patterns(inner)


@pytest.mark.parametrize("task", list(Task))
def test_a_pattern_on_the_wire_has_no_backslash(task):
    assert "\\" not in "".join(patterns(schema(task)))
    assert "(?" not in "".join(patterns(schema(task)))


@pytest.mark.parametrize("task", list(Task))
def test_a_pattern_on_the_wire_takes_what_the_reader_takes(task):
    ours, sent = patterns(answers.schema_of(SHAPES[task])), patterns(schema(task))
    for own, plain in zip(ours, sent, strict=True):
        assert [bool(re.search(own, w)) for w in WORDS] == [bool(re.search(plain, w)) for w in WORDS]


def without_patterns(part: Any) -> Any:
    if isinstance(part, dict):
        return {k: without_patterns(v) for k, v in part.items() if k not in {"pattern", "title", "description"}}
    return [without_patterns(inner) for inner in part] if isinstance(part, list) else part


@pytest.mark.parametrize("task", list(Task))
def test_nothing_but_the_patterns_is_written_otherwise(task):
    assert without_patterns(schema(task)) == without_patterns(answers.schema_of(SHAPES[task]))


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_words(task):
    assert "Nothing in" in instructions(task)
