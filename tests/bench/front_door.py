"""``python -m tests.bench.front_door --json``: webhooks a second through one receiver; what a killed one loses.

Real HTTP over kept connections, signed bodies, a journal that syncs every commit. Latencies are measured at the
sender, which shares the machine. Two phases a journal: as fast as answers come, then at a steady rate that waits
for no answer (``open_loop``; latency counts from the time a delivery fell due). With ``--count`` there is one
phase, and with ``--kills`` the receiver is killed and started again while it is sent to; afterwards the journal is
read: ``lost`` were acknowledged and are not there, ``duplicates`` are there more than once.

Without ``--system`` it is GitHub: its signature is over the whole body, its delivery id is a header. Alertmanager
has no delivery id; what it sends again after a kill counts as a duplicate and is none of the receiver's making.

The limit on a source and the overload answer are switched off; both would answer 503 to such a sender.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

from bot.embedded import redis_child, wait_ready
from bot.processes import Child, own
from tests.bench.deliveries import SECRET, SENDERS, deliveries
from tests.bench.journals import KINDS, Place, journal, states, stored
from tests.bench.load import Client, Tally
from tests.bench.usage import cpu_s, peak_mib
from tests.door.process import ReceiverProcess, write_config

SOURCES = ["bench-0", "bench-1", "bench-2", "bench-3"]
LIMITS = {"SOURCE_LIMIT": "0", "OVERLOAD_S": "86400"}
WARM_UP = 400
START_S = 30.0


@contextlib.contextmanager
def installation(
    folder: Path, place: Place, system: str, workers: int
) -> Iterator[tuple[ReceiverProcess, list[Child]]]:
    """A receiver and so many triage workers over a journal, with a Redis."""
    redis, url = redis_child(folder / "redis")
    redis.start()
    wait_ready(url)
    receiver = ReceiverProcess(
        folder=folder,
        journal_url=place.url,
        redis_url=url,
        config=write_config(folder, {source: {"system": system} for source in SOURCES}),
        tokens={source: [SECRET] for source in SOURCES},
        more=LIMITS,
    )
    crew = [
        Child(
            name=f"triage-{n}", command=own("triage"), env=receiver.environment(), log=folder / f"triage-{n}.log"
        )
        for n in range(workers)
    ]
    try:
        receiver.start()
        for worker in crew:
            worker.start()
        yield receiver, crew
    finally:
        for worker in crew:
            worker.stop()
        receiver.stop()
        redis.stop()


async def _comes_back(receiver: ReceiverProcess) -> float:
    """Seconds until a receiver that was just started answers."""
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=1) as client:
        while time.monotonic() - began < START_S:
            with contextlib.suppress(httpx.HTTPError):
                await client.get(receiver.url + "/healthz")
                return time.monotonic() - began
            await asyncio.sleep(0.05)
    raise TimeoutError(f"the receiver did not come back within {START_S:g} s; see {receiver.log}")


async def _kill(receiver: ReceiverProcess, kills: int, count: int, tally: Tally) -> list[float]:
    """Kill it *kills* times, spread over *count* deliveries; seconds each restart took."""
    took = []
    for number in range(1, kills + 1):
        while len(tally.acknowledged) < number * count // (kills + 1):
            await asyncio.sleep(0.01)
        receiver.kill()
        receiver.launch()
        took.append(await _comes_back(receiver))
    return took


async def _send(receiver: ReceiverProcess, asked: argparse.Namespace) -> tuple[Tally, Tally, list[float]]:
    """(as fast as possible, at a rate, seconds of each restart)."""
    client = Client(receiver.port, asked.connections)
    fast, steady = Tally(), Tally()
    source = deliveries(asked.system, SOURCES, int(time.time()))
    try:
        await client.as_fast_as_possible(source, Tally(), count=WARM_UP)
        if asked.count:
            async with asyncio.TaskGroup() as group:
                killer = group.create_task(_kill(receiver, asked.kills, asked.count, fast))
                group.create_task(client.as_fast_as_possible(source, fast, count=asked.count))
            return fast, steady, killer.result()
        await client.as_fast_as_possible(source, fast, seconds=asked.seconds)
        if asked.rate:
            await client.at_rate(source, steady, rate=asked.rate, seconds=asked.seconds / 2)
    finally:
        client.close()
    return fast, steady, []


def measure(kind: str, asked: argparse.Namespace, folder: Path) -> dict[str, object]:
    """One journal's line."""
    with (
        journal(kind, folder) as place,
        installation(folder, place, asked.system, asked.workers) as (receiver, workers),
    ):
        busy, used = round(os.getloadavg()[0], 2), time.process_time()
        fast, steady, restarts = asyncio.run(_send(receiver, asked))
        used = time.process_time() - used
        drained = states(place.url)
        memory, receiver_cpu_s = peak_mib(receiver.pid), cpu_s(receiver.pid)
        ended = [worker.name for worker in workers if worker.process is None or worker.process.poll() is not None]
        if ended:
            raise RuntimeError(f"{', '.join(ended)} did not live through the run; see {folder}")
        # Ended first: what is counted below is then what a journal keeps, not what a process still holds.
        receiver.stop()
        kept = stored(place.url)
        sent, acknowledged = fast.sent | steady.sent, set(fast.acknowledged) | set(steady.acknowledged)
        return {
            **place.said(),
            "system": asked.system,
            **fast.figures(),
            "connections": asked.connections,
            "open_loop": {"rate": asked.rate, **steady.figures()} if steady.sent else None,
            "sent": len(sent),
            "acknowledged": len(acknowledged),
            "lost": sum(1 for key in acknowledged if not kept[key]),
            "duplicates": sum(rows - 1 for rows in kept.values()),
            "stored_never_acknowledged": sum(1 for key in sent - acknowledged if kept[key]),
            "refused": _by_status(fast.refused + steady.refused),
            "sent_again_after_5xx": _by_status(fast.asked_again + steady.asked_again),
            "sent_again_after_no_answer": fast.no_answer + steady.no_answer,
            "kills": asked.kills,
            "restarts": len(restarts),
            "longest_restart_s": round(max(restarts, default=0.0), 2),
            "workers": asked.workers,
            "inbox": drained,
            "receiver_peak_mib": memory,
            "receiver_cpu_s": receiver_cpu_s,
            "sender_cpu_s": round(used, 2),
            "load_before": busy,
            "cpus": os.cpu_count(),
            "limits": "source limit and overload answer switched off",
        }


def _by_status(counted: Counter[int]) -> dict[str, int]:
    return {str(status): number for status, number in sorted(counted.items())}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line a journal, nothing else")
    parser.add_argument("--journal", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--system", choices=tuple(SENDERS), default="github")
    parser.add_argument("--seconds", type=float, default=20, help="of the first phase; the second takes half")
    parser.add_argument("--rate", type=float, default=500, help="deliveries a second in the second phase; 0: none")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--count", type=int, default=0, help="deliveries in place of seconds")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 and restarts, spread over --count")
    parser.add_argument("--workers", type=int, default=0, help="triage workers that drain the inbox meanwhile")
    parser.add_argument("--folder", type=Path, help="where the journal is to lie; a temporary one if left out")
    asked = parser.parse_args()
    if asked.kills and not asked.count:
        parser.error("--kills needs --count: the kills are spread over so many deliveries")
    for kind in KINDS:
        if asked.journal not in {kind, "both"}:
            continue
        with tempfile.TemporaryDirectory(prefix="fr-door-", dir=asked.folder) as folder:
            line = measure(kind, asked, Path(folder))
        if asked.json:
            print(json.dumps(line), flush=True)
        else:
            print(kind, *(f"  {name}: {value}" for name, value in line.items()), sep="\n", flush=True)


if __name__ == "__main__":
    main()
