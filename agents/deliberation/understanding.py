"""A person's words, read by a model into a closed shape: a service, how far back, a symptom. Ids must resolve."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from agents.deliberation import answers
from agents.deliberation.budgets import Limits, Meter, Off, Price, Spent
from agents.deliberation.calling import call
from agents.deliberation.menu import entity_ref
from agents.deliberation.view import View
from agents.incident.catalogue import Catalogue, Service
from agents.incident.errors import BadInput
from agents.incident.quantities import QUANTITIES
from agents.incident.redaction import suspicious
from agents.ports import Reasoner, Task

MAX_CHARACTERS = 500
OUTPUT_TOKENS = 200
TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What was meant. ``symptom`` is a quantity's name, or empty."""

    service: Service
    window: timedelta | None
    symptom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a model made of words; ``off`` says why it had no part, ``spent`` what it took anyway."""

    understood: Understood | None
    off: Off | None
    spent: Spent


def listen(
    words: str,
    services: Sequence[Service],
    *,
    reasoner: Reasoner,
    limits: Limits,
    price: Price | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Heard:
    """What *words* mean, of *services* alone: no other is shown to the model, and none that it makes up counts.

    An answer of the wrong shape is asked for once more.

    Args:
        clock: Monotonic seconds.
    """
    known = {entity_ref(s.id): s for s in services}
    view = _view(words[:MAX_CHARACTERS], known)
    prompt = reasoner.prompt(Task.WORDS, view)
    meter = Meter(limits, price, Spent(), clock)
    answer: answers.WordsAnswer | None = None
    off = Off.SECRET if suspicious(prompt) else meter.before_call(prompt)
    for _ in range(TRIES):
        if answer is not None or off not in {None, Off.MALFORMED}:
            break
        off = meter.before_call(prompt)
        if off is None:
            answer, off = _asked(prompt, view, reasoner, meter, limits)
    return Heard(understood=_meant(answer, known), off=off, spent=meter.spent)


def understand(words: str, catalogue: Catalogue, *, reasoner: Reasoner, timeout: timedelta) -> Understood | None:
    """What *words* mean; ``None`` where no service is meant, the model is down, or a secret is among them."""
    limits = Limits(call_timeout=timeout, wall_clock=TRIES * timeout)
    return listen(words, catalogue.services, reasoner=reasoner, limits=limits).understood


def _asked(
    prompt: str, view: View, reasoner: Reasoner, meter: Meter, limits: Limits
) -> tuple[answers.WordsAnswer | None, Off | None]:
    most = min(limits.output_tokens, OUTPUT_TOKENS)
    try:
        said = call(reasoner, Task.WORDS, view, prompt=prompt, meter=meter, output_tokens=most)
        return (None, said) if isinstance(said, Off) else (answers.read(answers.WordsAnswer, said.body), None)
    except BadInput:
        return None, Off.MALFORMED


def _meant(answer: answers.WordsAnswer | None, known: Mapping[str, Service]) -> Understood | None:
    service = known.get(answer.service or "") if answer is not None else None
    if answer is None or answer.status == "abstain" or service is None:
        return None
    return Understood(
        service=service,
        window=timedelta(minutes=answer.minutes) if answer.minutes is not None else None,
        symptom=answer.symptom if answer.symptom is not None and answer.symptom in QUANTITIES else "",
    )


def _view(words: str, known: Mapping[str, Service]) -> View:
    body = {
        "words": words,
        "entities": [{"id": ref, "name": s.name, "environment": s.environment} for ref, s in known.items()],
        "symptoms": [{"id": name, "means": quantity.title} for name, quantity in QUANTITIES.items()],
    }
    return View(incident="", text=json.dumps(body, ensure_ascii=True, separators=(",", ":")))
