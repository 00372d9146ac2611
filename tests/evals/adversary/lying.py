"""What a lie is, and the model that tells it: honest in every answer but the one that the lie is about."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agents.deliberation.view import View
from agents.ports import Reasoned, Task
from tests.evals.adversary.honest import ANSWERS, Json, shown

CANARY = "velociraptor"
"""Stands in every text that a lie makes up: a model's own words have no way out, so it is to be seen nowhere."""


class Clock:
    """Seconds that pass only when somebody takes them."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.at


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a lie is made of. ``answer`` is the honest one, to be spoiled.

    ``elsewhere`` are evidence ids of other incidents, ``planted`` instructions that stand in the telemetry.
    """

    task: Task
    view: Json
    answer: Json
    dice: random.Random
    elsewhere: Sequence[str]
    planted: str
    clock: Clock
    timeout: timedelta
    round: int

    def supports(self) -> list[Json]:
        """The claims of the honest answer; one of a made-up hypothesis where it has none."""
        found = [s for h in self.answer.get("hypotheses", ()) for s in h["supports"]]
        return found or self.hypothesis()["supports"]

    def hypothesis(self) -> Json:
        """The first hypothesis, or one that is made up over whatever was read."""
        if not self.answer.get("hypotheses"):
            evs = [r["ev"] for r in self.view["readings"] if r.get("facts")] or [self.foreign()]
            services = [e["id"] for e in self.view["entities"]] or ["ent_" + "a" * 12]
            support = {"type": "METRIC_VALUE", "ev": evs[0], "fact": "recent", "direction": None, "value": None}
            made = {
                "signature": "F11",
                "entity": services[0],
                "supports": [support],
                "refuters_checked": [],
                "would_settle": ["quantity:request_rate"],
            }
            self.answer |= {"status": "propose", "hypotheses": [made], "abstain_reason": None}
        first: Json = self.answer["hypotheses"][0]
        return first

    def foreign(self) -> str:
        """An id of evidence that this incident does not hold."""
        return self.dice.choice(self.elsewhere) if self.elsewhere else "ev_" + "a" * 20

    def reading(self, *, facts: bool = True) -> Mapping[str, Any]:
        """Some answer that was read."""
        found = [r for r in self.view["readings"] if bool(r.get("facts")) is facts] or self.view["readings"]
        return (
            self.dice.choice(found) if found else {"ev": self.foreign(), "template": "", "facts": {}, "entity": ""}
        )


Make = Callable[[Scene], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """One type of lie: in answer to which task, and how. ``make`` gives JSON, a text, a ``Reasoned`` or raises.

    ``instruction`` and ``channel`` are set where the model obeys what was planted in the telemetry.
    """

    name: str
    group: str
    task: Task
    make: Make
    instruction: str = ""
    channel: str = ""


def lies(group: str, task: Task, **made: Make) -> tuple[Lie, ...]:
    """Lies of one group about one task, by name."""
    return tuple(Lie(name=name, group=group, task=task, make=make) for name, make in made.items())


@dataclass(slots=True, kw_only=True)
class Liar:
    """Tells *lie* whenever it is asked for its task; counts from outside what it is asked."""

    lie: Lie | None
    dice: random.Random
    elsewhere: Sequence[str] = ()
    planted: str = ""
    clock: Clock = field(default_factory=Clock)
    name: str = "liar"
    calls: int = 0
    told: int = 0
    begun: list[tuple[float, int]] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)
    proposals: list[Json] = field(default_factory=list)

    def prompt(self, task: Task, view: View) -> str:
        """What would be sent: the view."""
        return view.text

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """A lie, or the truth where the lie is about something else."""
        self.calls += 1
        self.begun.append((self.clock.at, len(view.text.encode())))
        said = self._said(task, view, timeout)
        self.reported.append(max(said.input_tokens or 0, 0))
        return said

    def _said(self, task: Task, view: View, timeout: timedelta) -> Reasoned:
        seen = shown(view)
        answer = ANSWERS[task](seen)
        if self.lie is None or self.lie.task is not task:
            return Reasoned(body=json.dumps(answer))
        self.told += 1
        made = self.lie.make(
            Scene(
                task=task,
                view=seen,
                answer=deepcopy(answer),
                dice=self.dice,
                elsewhere=self.elsewhere,
                planted=self.planted,
                clock=self.clock,
                timeout=timeout,
                round=self.told,
            )
        )
        if isinstance(made, Reasoned):
            return made
        return Reasoned(body=made if isinstance(made, str) else json.dumps(made))
