"""What an honest model says of several readings at once, by what it is shown of each."""

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations
from typing import Any

Json = dict[str, Any]
Reading = Mapping[str, Any]

ABNORMAL = 2.0
"""A reading so many times its baseline, or the inverse of that, is worth pointing at."""

WELL_ABOVE = 2.0
FAILED = "quantity:upstream_failure_ratio"


def moved(reading: Reading) -> bool:
    """Up by twice or more, or down to half from what is well above nothing: a view does not tell the floors."""
    facts = reading.get("facts", {})
    ratio, before = facts.get("ratio_to_baseline"), facts.get("baseline", 0.0)
    return ratio is not None and (ratio >= ABNORMAL or (ratio <= 1 / ABNORMAL and before >= WELL_ABOVE))


def supports(view: Json, service: str) -> list[Json]:
    """True claims over more than one reading that have to do with *service*, one of each type."""
    first: dict[str, Json] = {}
    for made in _every(view, service):
        first.setdefault(made["type"], made)
    turn = sum(map(ord, view["incident"] + service))  # so that every type has its turn in some incident
    types = sorted(first)
    return [first[types[(turn + n) % len(types)]] for n in range(len(types))]


def _every(view: Json, service: str) -> Iterator[Json]:
    yield from _calls(view, service)
    yield from _ruled_out(view)
    own = [r for r in view["readings"] if r["entity"] == service]
    yield from _compared(own)
    others = [r for r in view["readings"] if moved(r) and "onset_from" in r["facts"]]
    for first, second in permutations(others, 2):
        if service in {first["entity"], second["entity"]} and _before(first, second):
            yield support("PRECEDES", first, second)
    for first, second in combinations(others, 2):
        if service in {first["entity"], second["entity"]} and first["template"] != second["template"]:
            yield support("ASSOCIATED", first, second)


def _before(first: Reading, second: Reading) -> bool:
    """By whole seconds, as they are shown."""
    return bool(first["facts"]["onset_to"] < second["facts"]["onset_from"])


def _calls(view: Json, service: str) -> Iterator[Json]:
    """The calls to *service* that fail, and the way of failing calls from it up."""
    failing = {r["entity"]: r for r in view["readings"] if r["template"] == FAILED and moved(r)}
    callers = {e["id"]: e["calls"] for e in view["entities"] if e["kind"] == "service"}
    way: list[Reading] = []
    at = service
    while True:
        above = [c for c, calls in callers.items() if calls == [at] and c in failing]
        if not above or len(way) > 3:
            break
        at = above[0]
        way.append(failing[at])
    if way:
        yield support("EDGE_FACT", way[0], fact="recent", entity=service)
        yield support("PATH", *way, entity=service)


def _ruled_out(view: Json) -> Iterator[Json]:
    shown = {r["ev"] for r in view["readings"]}
    for held in view["engine"]:
        for refuter in held["refuters"]:
            for ev in refuter["read"]:
                if refuter["outcome"] == "refuted" and ev in shown:
                    yield support("REFUTED", {"ev": ev}, entity=held["entity"], refuter=refuter["id"])


def _compared(readings: list[Reading]) -> Iterator[Json]:
    """Two numbers of one kind of thing: what waits for a pool, and what is under way."""
    of = {r["template"].partition(":")[2]: r for r in readings if "max" in r.get("facts", {})}
    for one, other in (("pool_waiters", "in_flight"), ("server_error_ratio", "upstream_failure_ratio")):
        if one in of and other in of and of[one]["facts"]["max"] != of[other]["facts"]["max"]:
            more = of[one]["facts"]["max"] > of[other]["facts"]["max"]
            yield support("COMPARE", of[one], of[other], fact="max", other_fact="max", op=">" if more else "<")


def support(kind: str, *readings: Reading, **fields: object) -> Json:
    """One support that cites *readings* in this order."""
    first, *rest = readings
    made: Json = {"type": kind, "ev": first["ev"], "fact": None, "direction": None, "value": None}
    return made | ({"also": [r["ev"] for r in rest]} if rest else {}) | fields
