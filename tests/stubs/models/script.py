"""What the stub says next, for whoever asks for which shape."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.stubs.common import ControlError, Json, Log

HUGE = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer. ``whole`` tells that ``text`` is JSON; ``cut`` that it ended at the limit of tokens."""

    text: str = ""
    value: Any = None
    refusal: str = ""
    cut: bool = False
    whole: bool = False
    drip_s: float = 0.0
    input_tokens: int = 100
    output_tokens: int = 20


def said(given: Json) -> Said:
    """An answer as it was ordered: ``json``, ``text``, ``truncated``, ``huge``, ``refusal`` or ``drip``."""
    usual = Said()
    made = _said(given)
    return replace(
        made,
        input_tokens=int(given.get("input_tokens", usual.input_tokens)),
        output_tokens=int(given.get("output_tokens", usual.output_tokens)),
    )


def _said(given: Json) -> Said:
    if "json" in given:
        return Said(text=json.dumps(given["json"]), value=given["json"], whole=True)
    if "truncated" in given:
        text = json.dumps(given["truncated"])
        return Said(text=text[: len(text) // 2], cut=True)
    if "text" in given:
        return Said(text=str(given["text"]))
    if given.get("huge"):
        return Said(text='{"version":1,"incident":"' + "x" * HUGE)
    if "refusal" in given:
        return Said(refusal=str(given["refusal"]))
    if "drip" in given:
        return Said(drip_s=float(given["drip"]))
    raise ControlError("an answer is one of json, text, truncated, huge, refusal, drip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a server of somebody's own differs from the provider whose language it speaks.

    ``refuses`` are parameters that are answered with 400; ``context`` the bytes of a prompt that are taken, zero
    for any; ``streams``: whether an answer that is asked for in pieces comes in pieces.
    """

    refuses: tuple[str, ...] = ()
    usage: bool = True
    streams: bool = True
    context: int = 0


@dataclass(slots=True)
class State:
    """Answers by the name of the shape that is asked for, ``*`` for any; the last one is given again."""

    key: str = ""
    answers: dict[str, list[Said]] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    manners: Manners = Manners()

    def next(self, task: str) -> Said:
        """The next answer."""
        waiting = self.answers.get(task) or self.answers.get("*")
        if not waiting:
            return Said(text="no answer was ordered")
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def order(self, given: Json) -> int:
        """Add answers for one shape."""
        waiting = self.answers.setdefault(str(given.get("task", "*")), [])
        waiting += [said(one) for one in given["answers"]]
        return len(waiting)

    async def behave(self, given: Json) -> None:
        """Take on the manners that are named, the usual ones where none is."""
        self.manners = Manners(**(given | {"refuses": tuple(given.get("refuses", ()))}))

    async def clear(self, _: Json) -> None:
        """Forget everything."""
        self.manners = Manners()
        self.answers.clear()
        self.log.clear()
