"""What moved, over everything that was read: two detectors, a floor on the effect, and a bound on false alarms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.facts import Reader
from agents.incident.claims import FactName, Where
from agents.incident.evidence import QuestionKind, Reading
from agents.onset import ABNORMAL_Z, parted, robust_z

FALSE_SHARE = 0.05
"""The share of false alarms allowed among what is called moved (Benjamini-Hochberg)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One answer whose present left its past. ``chance`` is the probability of that by accident."""

    reader: Reader
    before: float
    after: float
    z: float
    chance: float


def scan(readers: Iterable[Reader]) -> tuple[Moved, ...]:
    """Every answer that moved, the farthest first.

    An answer counts among those scanned as soon as it has a past to compare with; it is called moved when its
    chance survives the correction for all of them, its effect reaches the quantity's floor, and both detectors
    agree on a beginning.
    """
    compared = [m for reader in readers if (m := _compared(reader)) is not None]
    kept = survivors([m.chance for m in compared], FALSE_SHARE)
    moved = [
        m
        for m, survives in zip(compared, kept, strict=True)
        if survives
        and abs(m.after - m.before) >= m.reader.quantity.floor
        and abs(m.z) >= ABNORMAL_Z
        and m.reader.onset(Where()) is not None
    ]
    return tuple(sorted(moved, key=lambda m: -abs(m.z)))


def _compared(reader: Reader) -> Moved | None:
    evidence = reader.evidence
    if evidence.question.kind is not QuestionKind.QUANTITY or evidence.reading is not Reading.SAW:
        return None
    past, present = reader.past(Where()), reader.present(Where())
    before, after = reader.value(FactName.BASELINE, Where()), reader.value(FactName.RECENT, Where())
    if before is None or after is None or len(past) < 2 or not present:
        return None
    z = robust_z(after, past, reader.quantity.floor)
    return Moved(reader=reader, before=before, after=after, z=z, chance=parted(past, present))


def survivors(chances: Sequence[float], share: float) -> tuple[bool, ...]:
    """Benjamini-Hochberg: which of *chances* may be believed if *share* of the believed ones may be false."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    last = max((k for k, i in enumerate(order, 1) if chances[i] <= share * k / len(chances)), default=0)
    believed = set(order[:last])
    return tuple(i in believed for i in range(len(chances)))
