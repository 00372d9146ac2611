"""``python -m tests.bench.gates``: what judging an incident costs, and what large answers weigh, as one JSON line.

Times are milliseconds of this process on a made-up shop; memory is what Python itself took at its peak, MiB.
"""

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from agents import gates
from agents.accounting import leaks
from agents.facts import Reader
from agents.grounding import grounded
from agents.incident.claims import Cause, FactName, LogPresent, MetricValue, Op, Where
from agents.incident.clock import to_ms
from agents.incident.evidence import Evidence, Window
from agents.incident.finding import Finding, Said
from agents.render import allowed, render
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, GATEWAY, INC, INVENTORY, NOW, SHOP, SIGNATURES, STALE, Store

ROUNDS = 20
LOG_BYTES = 1_400_000
POINTS = 100_000
FAULTS = {"pool_leak": world.pool_leak, "stale_schema": world.stale_schema, "surge": world.surge}


def took_ms(step: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def peak_mib(step: Callable[[], object]) -> float:
    """The most that Python held on top of what it held before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round((peak - before) / 2**20, 1)


def court_of(store: Store) -> gates.Court:
    """A court that has read everything once more."""
    readers, _ = gates.admit(store.items, lambda digest: store.blobs[digest])
    return gates.Court(
        incident_id=INC,
        readers={r.evidence.id: r for r in readers},
        now=NOW,
        max_age=timedelta(minutes=2),
        lookback=timedelta(hours=1),
        catalogue=SHOP,
        signatures=SIGNATURES,
    )


def of_fault(build: Callable[[], Store]) -> dict[str, float]:
    """An incident from its bytes to its message, and the two steps of that which the gates are."""
    store = build()
    finding = store.finding()
    claims = [s.claim for s in finding.claims if not isinstance(s.claim, Cause)]
    held = court_of(store).readers

    def said() -> None:
        done = render(finding)
        assert not leaks(done.text, allowed(done, held))  # a message that leaks measures nothing

    return {
        "claims": len(claims),
        "evidence": len(store.items),
        "triage_ms": took_ms(store.finding),
        "gates_ms": took_ms(lambda: [gates.judge(c, court_of(store)) for c in claims]),
        "render_and_parse_ms": took_ms(said),
    }


def large_log() -> tuple[Store, Evidence, Finding]:
    """1.4 MB of lines that match."""
    store = world.stale_schema()
    finding = store.finding()
    pattern = next(e.question.name for e in store.items if e.question.kind == "log")
    line = f"{STALE} of request number 000000 by somebody else, which is long enough to be a line of a log"
    kept = store.log(INVENTORY, pattern, *[line] * (LOG_BYTES // (len(line) + 80)))
    return store, kept, finding


def large_series() -> tuple[Store, Evidence]:
    """A hundred thousand points of one series, one a second."""
    store, end = Store(), to_ms(NOW)
    points = [[float(end - s * 1000), 7.0 if s < 60 else float(s % 5)] for s in range(POINTS, -1, -1)]
    item = store.quantity(GATEWAY, "request_rate", {"gateway-1": points})
    window = Window(start=NOW - timedelta(seconds=POINTS), end=NOW, recent=timedelta(seconds=4))
    return store, replace(item, window=window)


def of_log() -> dict[str, float]:
    """Quoting from, counting in and pointing into a large log."""
    store, item, _ = large_log()
    blob = store.blobs[item.blob_sha256]
    reader = Reader(item, blob)
    claim = LogPresent(
        evidence=item.id,
        entity=INVENTORY.id,
        pattern=item.question.name,
        quote=reader.quote() or "",
        count=reader.count(),
    )
    court = replace(court_of(Store()), readers={item.id: reader})
    said = Said(claim=claim, text="")

    def judged() -> None:
        assert gates.judge(claim, court) is None  # a refusal would measure nothing
        grounded(said, {item.id: reader})

    return {
        "bytes": len(blob),
        "lines": len(reader.lines()),
        "read_ms": took_ms(lambda: Reader(item, blob), 5),
        "judge_and_point_ms": took_ms(judged, 5),
        "peak_mib": peak_mib(lambda: [Reader(item, blob), grounded(said, {item.id: reader})]),
    }


def of_series() -> dict[str, float]:
    """Reading, dating and pointing into a long series."""
    store, item = large_series()
    blob = store.blobs[item.blob_sha256]

    def judged() -> None:
        reader = Reader(item, blob)
        reader.onset(Where())
        claim = MetricValue(
            evidence=item.id,
            entity=CHECKOUT.id,
            fact=FactName.MAX,
            where=Where(),
            value=reader.value(FactName.MAX, Where()) or 0.0,
            op=Op.GE,
            threshold=1.0,
        )
        grounded(Said(claim=claim, text=""), {item.id: reader})

    return {
        "bytes": len(blob),
        "points": POINTS,
        "read_ms": took_ms(lambda: Reader(item, blob), 3),
        "read_date_and_point_ms": took_ms(judged, 3),
        "peak_mib": peak_mib(judged),
    }


def main() -> None:
    """Print every figure."""
    figures = {name: of_fault(build) for name, build in FAULTS.items()}
    print(json.dumps({"faults": figures, "log": of_log(), "series": of_series()}))


if __name__ == "__main__":
    main()
