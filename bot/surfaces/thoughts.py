"""What a model had to do with a finding, for whoever asks why."""

from collections.abc import Iterable

from agents.deliberation.record import Deliberation
from bot.surfaces.accounted import Accounted


def notice(record: Deliberation | None, told: Accounted) -> str:
    """One line for a card: that the engine was alone and why, or what was suggested; empty without a model."""
    if record is None:
        return ""
    if record.suspected_injection:
        return "Suspected injection: text in the telemetry reads like an instruction; the model was left out"
    if record.off is not None:
        return f"model: off ({record.off.value})"
    named = [f"{s.title} on {told.name(s.entity)}" for s in record.suspects[:3]]
    return f"Suggested by the model, not confirmed: {'; '.join(named)}" if named else ""


def reasons(record: Deliberation | None, told: Accounted) -> Iterable[str]:
    """Lines for /why: whether a model was heard, what it suggested, what was dropped of that, what it took.

    Its suggestions are never a cause; every word of them comes from the engine.
    """
    if record is None:
        return
    model = told.name(record.model)
    if record.off is not None:
        yield f"model: off ({model}: {record.off.value}); the finding is the engine's alone"
    else:
        yield f"model: on ({model}, {told.count(record.rounds)} round(s)); the finding is the engine's own"
    if record.suspected_injection:
        rules = ", ".join(sorted({f.rule.replace("_", " ") for f in record.flags}))
        yield f"Suspected injection: text in the telemetry reads like an instruction ({rules})"
    for suspect in record.suspects:
        yield f"Suggested by the model, not confirmed: {suspect.title} on {told.name(suspect.entity)}"
    for fact in record.facts:
        yield f"It points at: {told.words(fact.text)}"
    for means in record.settle:
        yield f"Would settle it: {told.words(means)}"
    for drop in record.dropped:
        yield f"Dropped of what the model said ({drop.code}): {told.cut(drop.what)}"
    if record.refused:
        count = told.count(sum(record.refused.values()))
        yield f"Queries refused: {count} ({', '.join(sorted(c.replace('_', ' ') for c in record.refused))})"
    took = record.spent
    cost = "unknown price" if took.cost_usd is None else told.words(f"${took.cost_usd:.4f}")
    yield (
        f"It took: {told.count(took.calls)} call(s), {told.count(took.tool_calls)} query(ies), "
        f"{told.count(took.input_tokens)} tokens in, {told.count(took.output_tokens)} out, "
        f"{told.words(f'{took.seconds:.1f}')} s, {cost}"
    )
