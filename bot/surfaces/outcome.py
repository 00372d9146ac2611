"""What an action is held against, and what was measured of it afterwards."""

from collections.abc import Sequence

from actions.ports import Run
from actions.verification import Mark, Measured, Target, mark
from bot.journal import verifications
from bot.journal.journal import Tx
from bot.surfaces.accounted import Accounted

MARKS = {Mark.GOOD: "✓", Mark.BAD: "–", Mark.WORSE: "✗", Mark.ERROR: "?"}
SIGNS = {"==": "=", ">=": "≥", "<=": "≤"}


def expected(target: Target, told: Accounted) -> str:
    """What must be measured for the action to have helped."""
    c = target.criterion
    value = told.reading(target.threshold, c.quantity)
    return f"{told.name(_place(target))} {told.title(c.quantity)} {SIGNS.get(c.op, c.op)} {value}"


def outcome_of(tx: Tx, all_runs: Sequence[Run], told: Accounted) -> tuple[str, ...]:
    """The verification of the newest run: a mark for each sample, and what changed from before to now."""
    found = verifications.of_run(tx, all_runs[-1].id) if all_runs else None
    if found is None or not found[2]:
        return ()
    row, check, samples = found
    seen = [mark(check, s) for s in samples]
    marks = " ".join(MARKS[m] for m in seen)
    good = f"{told.count(seen.count(Mark.GOOD))} of {told.count(len(seen))} samples good"
    word = f" · {row['outcome'].lower()}" if row["outcome"] else " · watching"
    pairs = zip(check.targets, samples[-1].measured, strict=True)
    return (
        f"Verification: {good} ({marks}){word}",
        *(_change(target, measured, told) for target, measured in pairs),
    )


def _change(target: Target, measured: Measured, told: Accounted) -> str:
    c = target.criterion
    told.known |= set(measured.evidence)
    before, value = told.reading(target.before, c.quantity), told.reading(measured.value, c.quantity)
    cited = " ".join(f"[{e}]" for e in measured.evidence)
    return f"• {told.name(_place(target))} {told.title(c.quantity)}: {before} → {value} {cited}".rstrip()


def _place(target: Target) -> str:
    c = target.criterion
    return c.where.instance or (f"peers of {c.where.not_instance}" if c.where.not_instance else c.service)
