"""A person's words, read by a triage worker's model and handed back to the desk, which decides what comes of it.

Nothing is queried and nothing is said here: who may ask about what is the desk's to judge, before and after.
"""

from datetime import timedelta

from agents.deliberation.budgets import Off
from agents.deliberation.understanding import TRIES, Heard, listen
from bot.journal import wordings
from bot.journal.wordings import Reading, Wording
from bot.thinking import Thinking, ThinkingParts
from bot.wiring.parts import TriageParts

MARGIN = timedelta(seconds=5)
NO_MODEL = "no model is configured"


def read_words(row_id: str, parts: TriageParts) -> None:
    """Read the words that wait under *row_id*, and give them back. Safe to run twice: a model is paid once."""
    lasts = TRIES * parts.thinking.limits.call_timeout + MARGIN if isinstance(parts, ThinkingParts) else MARGIN
    with parts.journal.write("words.begun") as tx:
        turn = wordings.begin(tx, row_id, lasts)
    if turn is None:
        return
    if not isinstance(parts, ThinkingParts):
        reading = Reading(why=NO_MODEL)
    elif turn.interrupted:
        reading = Reading(model=parts.thinking.reasoner.name, why=Off.INTERRUPTED.value)
    else:
        reading = _read(turn.wording, parts, parts.thinking)
    with parts.journal.write("words.read") as tx:
        wordings.hand_back(tx, row_id, reading)
    _told(row_id, reading, parts)


def _read(wording: Wording, parts: TriageParts, thinking: Thinking) -> Reading:
    services = [s for s in parts.knowledge.catalogue.services if s.id in wording.services]
    heard = listen(
        wording.words,
        services,
        reasoner=thinking.reasoner,
        limits=thinking.limits,
        price=thinking.price,
    )
    return _reading(heard, thinking)


def _reading(heard: Heard, thinking: Thinking) -> Reading:
    meant = heard.understood
    return Reading(
        model=thinking.reasoner.name,
        service=meant.service.id if meant is not None else "",
        window=meant.window if meant is not None else None,
        symptom=meant.symptom if meant is not None else "",
        why=heard.off.value if heard.off is not None else "",
        spent=heard.spent,
    )


def _told(row_id: str, reading: Reading, parts: TriageParts) -> None:
    took = reading.spent
    parts.log.info(
        "words.read",
        inbox_id=row_id,
        model=reading.model,
        service=reading.service or None,
        reason=reading.why or None,
        calls=took.calls,
        input_tokens=took.input_tokens,
        output_tokens=took.output_tokens,
        cost_usd=took.cost_usd,
        duration_s=round(took.seconds, 3),
    )
