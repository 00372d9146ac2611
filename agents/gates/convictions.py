"""G11 to G13: what a hypothesis needs before it may be called a cause. Each refusal has its code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.incident.evidence import Evidence
from agents.incident.finding import Dropped
from agents.lineage import independent
from agents.signatures.evaluate import Truth
from agents.signatures.model import Group, Refuter

Confirmed = tuple[Group, tuple[Evidence, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A hypothesis as it stands after its claims were judged.

    ``reached`` are the ids of the services that the symptom leads to along calls that were seen.
    """

    what: str
    service: str
    confirmed: Sequence[Confirmed]
    refuters: Sequence[tuple[Refuter, Truth]]
    reached: frozenset[str]


ConvictionGate = Callable[[Case], Dropped | None]


def g11_independence(case: Case) -> Dropped | None:
    """Two independent groups at least, one of the mechanism, and another vantage."""
    signals = independent([evidence for _, evidence in case.confirmed])
    groups = [group for group, _ in case.confirmed]
    if signals < 2 or not any(g.mechanism for g in groups) or len({g.vantage for g in groups}) < 2:
        return Dropped(code="SINGLE_SIGNAL", what=case.what)
    return None


def g12_refuters(case: Case) -> Dropped | None:
    """What would tell it from its look-alikes was asked and answered."""
    skipped = [r.id for r, truth in case.refuters if r.required and truth is Truth.UNKNOWN]
    return Dropped(code="REFUTER_SKIPPED", what=f"{case.what}: {', '.join(skipped)}") if skipped else None


def g12_unrefuted(case: Case) -> Dropped | None:
    """No hard refuter fired."""
    fired = [r.id for r, truth in case.refuters if r.hard and truth is Truth.TRUE]
    return Dropped(code="REFUTED", what=f"{case.what}: {', '.join(fired)}") if fired else None


def g13_path(case: Case) -> Dropped | None:
    """The cause reaches the symptom along calls that were seen, or is the same service."""
    return None if case.service in case.reached else Dropped(code="NO_PATH", what=case.what)


CONVICTION_GATES: tuple[ConvictionGate, ...] = (g11_independence, g12_refuters, g12_unrefuted, g13_path)


def convict(case: Case) -> Dropped | None:
    """The first gate that refuses, or ``None``."""
    for gate in CONVICTION_GATES:
        dropped = gate(case)
        if dropped is not None:
            return dropped
    return None
