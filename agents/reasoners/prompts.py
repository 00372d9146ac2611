"""Prompts, by task and version: text files, so that a change of one is seen as a change of text."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from agents.deliberation import answers
from agents.ports import Task

FOLDER = Path(__file__).parent.parent / "prompts"
VERSIONS = {Task.PLAN: "plan-1", Task.PROPOSE: "propose-1", Task.ORDER: "order-1", Task.WORDS: "words-1"}
SHAPES: Mapping[Task, type[BaseModel]] = {
    Task.PLAN: answers.PlanAnswer,
    Task.PROPOSE: answers.ProposalAnswer,
    Task.ORDER: answers.OrderAnswer,
    Task.WORDS: answers.WordsAnswer,
}


@cache
def instructions(task: Task) -> str:
    """What is said to the model before it is shown anything."""
    return (FOLDER / f"{VERSIONS[task]}.txt").read_text()


@cache
def schema(task: Task) -> dict[str, object]:
    """The shape of the answer, as JSON Schema under the task's name."""
    made = answers.schema_of(SHAPES[task])
    return made | {"title": task.value, "description": f"The answer to the task {task.value}."}
