"""A reasoner that notes every call to another one: how long it took, what it cost, whether its shape was right."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import ValidationError

from agents.deliberation.view import View
from agents.incident.errors import Refused, Transient
from agents.ports import Reasoned, Reasoner, Task
from agents.reasoners.prompts import SHAPES

SHAPED = "shaped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``became`` is ``shaped``, ``misshapen``, ``slow``, ``refused`` or ``unreachable``.

    Tokens are as the server counts them; ``None`` where it did not say or did not answer.
    """

    task: Task
    seconds: float
    became: str
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(slots=True, kw_only=True)
class Heard:
    """Passes everything on, and keeps what came of it."""

    reasoner: Reasoner
    calls: list[Call] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the reasoner's."""
        return self.reasoner.name

    def prompt(self, task: Task, view: View) -> str:
        """As the reasoner's."""
        return self.reasoner.prompt(task, view)

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """The reasoner's answer, or its error, noted."""
        began = time.monotonic()
        said: Reasoned | None = None
        became = "misshapen"
        try:
            said = self.reasoner.reason(task, view, timeout=timeout, output_tokens=output_tokens)
            became = SHAPED if _fits(task, said.body, view) else "misshapen"
        except TimeoutError:
            became = "slow"
            raise
        except Refused:
            became = "refused"
            raise
        except Transient:
            became = "unreachable"
            raise
        finally:
            self.calls.append(
                Call(
                    task=task,
                    seconds=time.monotonic() - began,
                    became=became,
                    input_tokens=said.input_tokens if said is not None else None,
                    output_tokens=said.output_tokens if said is not None else None,
                )
            )
        return said


def _fits(task: Task, body: str, view: View) -> bool:
    try:
        SHAPES[task].model_validate_json(body)
    except ValidationError:
        return False
    return f'"{view.incident}"' in body
