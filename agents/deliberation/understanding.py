"""A person's words, read by a model into a closed shape: a service, how far back, a symptom. Ids must resolve."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from agents.deliberation import answers
from agents.deliberation.menu import entity_ref
from agents.deliberation.view import View
from agents.incident.catalogue import Catalogue, Service
from agents.incident.errors import BadInput, Refused, Transient
from agents.incident.quantities import QUANTITIES
from agents.incident.redaction import suspicious
from agents.ports import Reasoner, Task

MAX_CHARACTERS = 500
OUTPUT_TOKENS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What was meant. ``symptom`` is a quantity's name, or empty."""

    service: Service
    window: timedelta | None
    symptom: str


def understand(words: str, catalogue: Catalogue, *, reasoner: Reasoner, timeout: timedelta) -> Understood | None:
    """What *words* mean; ``None`` where no service is meant, the model is down, or a secret is among them."""
    known = {entity_ref(s.id): s for s in catalogue.services}
    view = _view(words[:MAX_CHARACTERS], known)
    if suspicious(reasoner.prompt(Task.WORDS, view)):
        return None
    try:
        said = reasoner.reason(Task.WORDS, view, timeout=timeout, output_tokens=OUTPUT_TOKENS)
        answer = answers.read(answers.WordsAnswer, said.body)
    except (Transient, Refused, BadInput, TimeoutError):
        return None
    service = known.get(answer.service or "")
    if answer.status == "abstain" or service is None:
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
