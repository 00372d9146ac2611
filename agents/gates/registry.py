"""Which gates a claim passes, in their order."""

from agents.gates.bounds import g7_entity, g8_window, g9_order, g10_completeness
from agents.gates.court import Court, Gate
from agents.gates.existence import g1_closed, g2_exists, g2_record, g3_provenance
from agents.gates.joined import g11_two, g13_hops
from agents.gates.readings import g4_note, g4_quote, g5_number, g6_direction
from agents.incident.claims import Claim, Path, Refuted
from agents.incident.finding import Dropped

CLAIM_GATES: tuple[Gate, ...] = (
    g1_closed,
    g2_exists,
    g3_provenance,
    g2_record,
    g4_quote,
    g4_note,
    g5_number,
    g6_direction,
    g7_entity,
    g8_window,
    g9_order,
    g10_completeness,
    g11_two,
    g13_hops,
)


def judge(claim: Claim, court: Court) -> Dropped | None:
    """The first gate that refuses, or ``None``. The parts of a claim are judged before the whole."""
    for part in parts(claim):
        dropped = judge(part, court)
        if dropped is not None:
            return dropped
    for gate in CLAIM_GATES:
        dropped = gate(claim, court)
        if dropped is not None:
            return dropped
    return None


def parts(claim: Claim) -> tuple[Claim, ...]:
    """The claims a claim is made of."""
    match claim:
        case Path():
            return claim.hops
        case Refuted():
            return (claim.reading,)
        case _:
            return ()
