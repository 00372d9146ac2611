"""G11 and G13 for one claim: what a claim over several pieces of evidence needs beside each of them."""

from itertools import pairwise

from agents.gates.court import Court
from agents.incident.claims import Associated, Claim, Compare, EdgeFact, FactName, Path, Precedes, Where
from agents.incident.finding import Dropped


def g11_two(claim: Claim, court: Court) -> Dropped | None:
    """What is said of two is of two: a line has no order, likeness or difference with itself."""
    match claim:
        case Compare() | Associated():
            first, second = (claim.evidence, claim.where), (claim.other_evidence, claim.other_where)
        case Precedes():
            first, second = (claim.first_evidence, claim.first_where), (claim.second_evidence, claim.second_where)
        case _:
            return None
    asked = [(court.readers[ev].evidence.question, where) for ev, where in (first, second)]
    again = isinstance(claim, Associated | Precedes) and asked[0] == asked[1]
    return (
        Dropped(code="SINGLE_SIGNAL", what=f"{claim.type} of {first[0]} and itself")
        if first == second or again
        else None
    )


def g13_hops(claim: Claim, court: Court) -> Dropped | None:
    """The hops of a path join and never turn back, and every call of it got worse."""
    if not isinstance(claim, Path):
        return None
    for below, above in pairwise(claim.hops):
        if below.client != above.server:
            return Dropped(code="NO_PATH", what=f"{below.client} and {above.server} do not join")
    passed = [claim.hops[0].server, *(hop.client for hop in claim.hops)]
    if len(set(passed)) < len(passed):
        return Dropped(code="NO_PATH", what=f"a way from {passed[0]} to {passed[-1]} that turns back")
    well = next((hop for hop in claim.hops if not _went_wrong(hop, court)), None)
    if well is not None:
        return Dropped(code="NO_PATH", what=f"calls from {well.client} to {well.server} did not get worse")
    return None


def _went_wrong(hop: EdgeFact, court: Court) -> bool:
    reader, where = court.readers[hop.evidence], Where(upstream=hop.server.rpartition("/")[2])
    before, now = reader.value(FactName.BASELINE, where), reader.value(FactName.RECENT, where)
    return before is not None and now is not None and now - before >= reader.quantity.floor
