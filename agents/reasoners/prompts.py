"""Prompts, by task and version: text files, so that a change of one is seen as a change of text."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from agents.deliberation import answers
from agents.ports import Task

FOLDER = Path(__file__).parent.parent / "prompts"
VERSIONS = {Task.PLAN: "plan-1", Task.PROPOSE: "propose-2", Task.ORDER: "order-1", Task.WORDS: "words-1"}
SHAPES: Mapping[Task, type[BaseModel]] = {
    Task.PLAN: answers.PlanAnswer,
    Task.PROPOSE: answers.ProposalAnswer,
    Task.ORDER: answers.OrderAnswer,
    Task.WORDS: answers.WordsAnswer,
}


def instructions(task: Task, refused: str = "") -> str:
    """What is said to the model before it is shown anything; *refused* is what was wrong with its last answer."""
    again = f"\nYour last answer was not taken: {refused}. Answer once more, in the given schema.\n"
    return _text(task) + (again if refused else "")


@cache
def _text(task: Task) -> str:
    return (FOLDER / f"{VERSIONS[task]}.txt").read_text()


@cache
def schema(task: Task) -> dict[str, object]:
    """The shape of the answer, as JSON Schema under the task's name."""
    made = {name: _plain(part) for name, part in answers.schema_of(SHAPES[task]).items()}
    return made | {"title": task.value, "description": f"The answer to the task {task.value}."}


def _plain(part: object) -> object:
    """*part* with its patterns free of backslashes: some servers hold an answer to no pattern that has one."""
    if isinstance(part, dict):
        return {name: _plain(inner) for name, inner in part.items()} | _pattern(part.get("pattern"))
    return [_plain(inner) for inner in part] if isinstance(part, list) else part


def _pattern(written: object) -> dict[str, str]:
    if not isinstance(written, str):
        return {}
    return {"pattern": written.replace(r"\d", "[0-9]").replace(r"\.", "[.]").replace("(?:", "(")}
