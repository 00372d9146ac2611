"""A model that says what a file says: for tests, the demo and replays. No network, no library.

A file holds answers by task, in the order in which they are given; the last one of a task is given again. In an
answer ``{ent:checkout}`` stands for an entity's id and ``{ev:checkout/quantity:pool_waiters}`` for evidence about
it, both looked up in what the model is shown; ``{incident}`` for the incident's. ``raises`` in the place of an
answer is an error: busy, slow, refused, or malformed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agents import documents
from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused, Transient
from agents.ports import Reasoned, Task

_REFERENCE = re.compile(r"\{(ent|ev|incident)(?::([^{}]+))?\}")


@dataclass(slots=True, kw_only=True)
class Scripted:
    """Recorded answers, by task. An answer is a JSON value, a text as it stands, or an error to raise."""

    answers: Mapping[Task, Sequence[object]]
    name: str = "scripted"
    asked: list[tuple[Task, View]] = field(default_factory=list)

    def prompt(self, task: Task, view: View) -> str:
        """What would be sent: the view."""
        return view.text

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """The next recorded answer to *task*."""
        given = self.answers.get(task, ())
        if not given:
            raise BadInput(f"the script has no answer to {task}")
        number = sum(1 for t, _ in self.asked if t is task)
        self.asked.append((task, view))
        said = given[min(number, len(given) - 1)]
        if isinstance(said, Exception):
            raise said
        body = said if isinstance(said, str) else json.dumps(said)
        return Reasoned(body=_filled(body, view))


def _filled(body: str, view: View) -> str:
    shown: Mapping[str, Any] = json.loads(view.text)
    names: dict[str, str] = {e["name"]: e["id"] for e in shown.get("entities", ())}
    by_id = {ref: name for name, ref in names.items()}
    read: dict[str, str] = {}
    for item in (*shown.get("readings", ()), *shown.get("log_templates", ())):
        read.setdefault(f"{by_id.get(item['entity'], '')}/{item['template']}", item["ev"])
    tables = {"ent": names, "ev": read}

    def one(found: re.Match[str]) -> str:
        kind, name = found.groups()
        if kind == "incident":
            return view.incident
        return tables[kind].get(name or "", f"no-such-{kind}")

    return _REFERENCE.sub(one, body)


_ERRORS: Mapping[str, type[Exception]] = {
    "busy": Transient,
    "slow": TimeoutError,
    "refused": Refused,
    "malformed": BadInput,
}


def load(path: Path) -> Scripted:
    """The script in *path* (YAML or JSON); BadInput says what is wrong with it."""
    try:
        raw = documents.read(path)
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing; a script is a file of answers by task") from error
    if not isinstance(raw, dict) or not raw.keys() <= {t.value for t in Task}:
        raise BadInput(f"{path}: a script holds lists of answers under {', '.join(t.value for t in Task)}")
    return Scripted(
        answers={Task(task): tuple(_answer(item, path) for item in items) for task, items in raw.items()},
        name=f"scripted:{path.stem}",
    )


def _answer(item: object, path: Path) -> object:
    if isinstance(item, dict) and item.keys() == {"raises"}:
        kind = _ERRORS.get(str(item["raises"]))
        if kind is None:
            raise BadInput(f"{path}: raises is one of {', '.join(_ERRORS)}")
        return kind(f"scripted: {item['raises']}")
    return item
