"""A model's part in an incident, for the page: what it asked, said and took, and what was dropped of it.

Nothing here is a finding. A model names ids alone; the words beside them are the engine's.
"""

from dataclasses import dataclass

from agents.deliberation.budgets import Spent
from agents.deliberation.record import Deliberation
from agents.incident.evidence import Evidence
from bot.journal import spending
from bot.page import words
from bot.page.seen import Drop, drop
from bot.page.turns import Turns

WAITS = "The model has its turn next; the finding above is the engine's and does not wait for it."
THINKS = "The model is having its turn; the finding above is the engine's and does not wait for it."
NONE = "No model was asked about this incident: the finding is the engine's alone."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query that was run for it, and how it was answered."""

    id: str
    text: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """A model's part as the page shows it. ``facts`` are (what, how much), for what the newest turn took."""

    headline: str
    alarm: str = ""
    standing: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    before: str = ""
    asked: tuple[Asked, ...] = ()
    refused: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    points_at: tuple[str, ...] = ()
    settle: tuple[str, ...] = ()
    abstained: str = ""
    dropped: tuple[Drop, ...] = ()


def thought(turns: Turns) -> Thought:
    """*turns* in words."""
    record = turns.record
    refused = sorted(record.refused.items()) if record is not None else []
    standing = {spending.DUE: WAITS, spending.BEGUN: THINKS}.get(turns.state, "")
    if record is None:
        return Thought(headline=standing or NONE)
    return Thought(
        headline=_headline(record),
        alarm=_alarm(record),
        standing=standing,
        facts=_took(record),
        before=_altogether(turns.spent) if turns.spent.calls != record.spent.calls else "",
        asked=tuple(_question(e) for e in turns.asked),
        refused=tuple(f"{_plain(code)}: {words.count(n, 'query', 'queries')}" for code, n in refused),
        suggested=tuple(f"{s.title} in `{s.entity}` ({s.signature})" for s in record.suspects),
        points_at=tuple(f.text for f in record.facts),
        settle=record.settle,
        abstained=_plain(record.abstained),
        dropped=tuple(drop(d.code, d.what) for d in record.dropped),
    )


def _headline(record: Deliberation) -> str:
    if record.off is not None:
        return f"model: off (`{record.model}`): {record.off.value}. The finding is the engine's alone."
    return f"model: on (`{record.model}`). The finding is the engine's own: a model may suggest and not conclude."


def _alarm(record: Deliberation) -> str:
    if not record.suspected_injection:
        return ""
    rules = ", ".join(sorted({_plain(f.rule) for f in record.flags}))
    return f"Suspected injection: text in the telemetry reads like an instruction ({rules})."


def _took(record: Deliberation) -> tuple[tuple[str, str], ...]:
    took = record.spent
    return (
        ("Rounds", f"{record.rounds}"),
        ("Calls", f"{took.calls}"),
        ("Queries run", f"{took.tool_calls}"),
        ("Tokens", f"{took.input_tokens:,} in, {took.output_tokens:,} out"),
        ("Time", f"{took.seconds:.1f} s"),
        ("Cost", _cost(took)),
    )


def _altogether(took: Spent) -> str:
    return (
        f"All turns of this incident together: {words.count(took.calls, 'call')}, "
        f"{took.input_tokens + took.output_tokens:,} tokens, {took.seconds:.1f} s, {_cost(took)}."
    )


def _cost(took: Spent) -> str:
    return "unknown: no price is known for it" if took.cost_usd is None else f"${took.cost_usd:.4f}"


def _question(asked: Evidence) -> Asked:
    question = asked.question
    what = f"{question.kind.value} {question.name}".strip().replace("_", " ")
    return Asked(id=asked.id, text=f"{what} of `{question.entity}`", status=words.STATUSES[asked.status])


def _plain(code: str) -> str:
    return code.replace("_", " ")
