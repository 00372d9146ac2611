"""``python -m tests.bench``: the walk's five faults, repeated, and the memory of an idle installation.

Prints one JSON line a run, then min, median and max of each duration in seconds, and idle memory in MiB.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bot import processes
from bot.processes import PREFIX


def runs(count: int, *, prometheus: bool) -> tuple[int, dict[str, dict[str, list[float]]]]:
    """(runs that ended right, fault → duration → seconds)."""
    took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    good = 0
    for number in range(count):
        command = [sys.executable, "-m", "bot", "demo", "--fault", "all", "--yes", "--once", "--json"]
        command += ["--seed", str(number)] + ([] if prometheus else ["--no-prometheus"])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        good += done.returncode == 0
        for text in done.stdout.splitlines():
            document = json.loads(text)
            for name, seconds in document["durations_s"].items():
                if seconds is not None:
                    took[document["fault"]][name].append(seconds)
            state = (document["finding"] or {}).get("state")
            print(
                json.dumps(
                    {
                        "run": number,
                        "fault": document["fault"],
                        "end": document["end"],
                        "finding": state,
                        **document["durations_s"],
                    }
                ),
                flush=True,
            )
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
    return good, took


def idle_memory(seconds: float = 20) -> dict[str, float]:
    """Proportional set size in MiB by process, *seconds* after ``firstresponder up`` was started, no model set."""
    with tempfile.TemporaryDirectory(prefix="fr-idle-") as folder:
        env = processes.base_environment() | {PREFIX + "PORT": "0"}
        command = [sys.executable, "-m", "bot", "up", "--state", folder]
        with (Path(folder) / "log").open("wb") as log:
            machine = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            time.sleep(seconds)
            found = {_name(pid): _pss(pid) for pid in (machine.pid, *_children(machine.pid))}
        finally:
            machine.terminate()
            machine.wait(20)
    return found | {"together": round(sum(found.values()), 1)}


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return words[3] if words[2:3] == ["bot.run"] else "up" if "bot.up" in words else Path(words[0]).name


def _pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return round(next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024, 1)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--prometheus", action="store_true", help="with the real ones, if installed")
    parser.add_argument("--memory-only", action="store_true")
    asked = parser.parse_args()
    os.chdir(processes.root())
    if not asked.memory_only:
        good, took = runs(asked.runs, prometheus=asked.prometheus)
        print(f"\n{good} of {asked.runs} runs of all five faults ended right")
        for fault, durations in took.items():
            for name, values in durations.items():
                low, middle, high = min(values), statistics.median(values), max(values)
                spread = f"min {low:6.2f}  median {middle:6.2f}  max {high:6.2f} s  n {len(values)}"
                print(f"{fault:<14} {name:<26} {spread}")
    print("idle memory, MiB (proportional set size): " + json.dumps(idle_memory()))


if __name__ == "__main__":
    main()
