"""What a small model on this machine's own processor costs: ``python -m tests.bench.local_model [--json]``.

One model of 135 million parameters on one thread, installed by ``make live``, beside recorded incidents in which a
model is asked. Of each figure the least, the median and the most; seconds are of the wall clock and therefore hold
whatever else ran meanwhile: the machine and its load are told with them.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from agents.deliberation.budgets import Limits
from agents.reasoners import langchain
from tests.bench.usage import cpu_s, peak_mib
from tests.evals.adversary.cases import thought
from tests.evals.adversary.runs import changed, stand
from tests.stubs.models.heard import SHAPED, Call, Heard
from tests.stubs.models.local import NAME
from tests.stubs.models.local_client import KEY, PEERS, LocalModel, local_model, missing

SAMPLE = ("pool-leak-12", "hung-replica-12", "surge-12", "nothing-answers", "prometheus-down-12", "surge-16")
"""Three that are diagnosed, in which only lines are put into order, and three on which the engine abstains."""

LIMITS = Limits(
    rounds=1,
    output_tokens=300,
    call_timeout=timedelta(seconds=120),
    wall_clock=timedelta(seconds=240),
)
"""Longer than an incident has by default, so that on a quiet machine nothing is cut off by time."""

SAID = 64
WORDS = 500
SPEEDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One incident: its calls, how it ended, and whether the finding became a worse one."""

    incident: str
    calls: tuple[Call, ...]
    seconds: float
    ended: str
    worse: str


def spread(values: Iterable[float]) -> dict[str, float | int]:
    """Least, median, most and how many; nothing but their number where there are none."""
    known = sorted(values)
    if not known:
        return {"n": 0}
    figures = {"min": known[0], "median": statistics.median(known), "max": known[-1]}
    return {name: round(value, 2) for name, value in figures.items()} | {"n": len(known)}


def machine() -> dict[str, object]:
    """Where it was measured, and what else ran."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def speeds(model: LocalModel) -> list[dict[str, float]]:
    """Tokens a second of reading and of writing, by the server's own clock; each prompt begins otherwise."""
    found = []
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=300, trust_env=False) as client:
        for number in range(SPEEDS):
            asked = {
                "model": NAME,
                "messages": [{"role": "user", "content": f"{number} " + "service " * WORDS}],
                "max_tokens": SAID,
                "ignore_eos": True,
            }
            answer = client.post(f"{model.url}/v1/chat/completions", json=asked).raise_for_status().json()
            found.append({k: float(answer["timings"][k]) for k in ("prompt_per_second", "predicted_per_second")})
    return found


def turn(name: str, model: LocalModel) -> Turn:
    """One recorded incident with the model beside it."""
    at = stand(name)
    heard = Heard(reasoner=langchain.LangChain(model=f"openai:{NAME}", api_key=KEY, base_url=f"{model.url}/v1"))
    began = time.monotonic()
    done = thought(at, heard, limits=LIMITS, clock=time.monotonic)
    return Turn(
        incident=name,
        calls=tuple(heard.calls),
        seconds=time.monotonic() - began,
        ended=done.record.off.name.lower() if done.record.off is not None else "heard",
        worse=changed(at, done),
    )


def _calls(t: Turn) -> list[str]:
    return [f"{c.task}: {c.became}, {c.seconds:.1f} s" for c in t.calls]


def _told(t: Turn) -> Turn:
    """*t*, once it was told on stderr: the whole takes minutes."""
    print(f"{t.incident}: {t.ended}, {t.seconds:.1f} s; {'; '.join(_calls(t))}", file=sys.stderr, flush=True)
    return t


def measured(sample: Sequence[str]) -> dict[str, Any]:
    """Everything, as one document."""
    before = machine()
    langchain.load(f"openai:{NAME}")  # what is loaded once a worker is not part of an incident's time
    began = time.monotonic()
    with local_model() as model:
        started = time.monotonic() - began
        quick = speeds(model)
        turns = [_told(turn(name, model)) for name in sample]
        peak, cpu = peak_mib(model.pid), cpu_s(model.pid)
    calls = [call for t in turns for call in t.calls]
    return {
        "machine": before | {"load_1min_after": round(os.getloadavg()[0], 2)},
        "model": f"{NAME}, one thread",
        "server": {"seconds_to_start": round(started, 2), "peak_mib": peak, "cpu_s": cpu},
        "tokens_per_s": {
            "reading": spread(q["prompt_per_second"] for q in quick),
            "writing": spread(q["predicted_per_second"] for q in quick),
        },
        "incident": {"seconds": spread(t.seconds for t in turns), "calls": spread(len(t.calls) for t in turns)},
        "call": {
            "seconds": spread(c.seconds for c in calls),
            "input_tokens": spread(c.input_tokens for c in calls if c.input_tokens is not None),
            "output_tokens": spread(c.output_tokens for c in calls if c.output_tokens is not None),
        },
        "answers": {
            "became": dict(Counter(c.became for c in calls)),
            "share_well_formed": round(sum(c.became == SHAPED for c in calls) / max(len(calls), 1), 2),
        },
        "ended": dict(Counter(t.ended for t in turns)),
        "worse": [f"{t.incident}: {t.worse}" for t in turns if t.worse],
        "turns": [
            {
                "incident": t.incident,
                "ended": t.ended,
                "seconds": round(t.seconds, 1),
                "calls": _calls(t),
            }
            for t in turns
        ],
    }


def _table(document: dict[str, Any]) -> str:
    lines = [f"machine    {json.dumps(document['machine'])}", f"server     {json.dumps(document['server'])}"]
    for group in ("tokens_per_s", "incident", "call"):
        for name, figures in document[group].items():
            told = "  ".join(f"{k} {v}" for k, v in figures.items())
            lines.append(f"{group + ' ' + name:24} {told}")
    lines += [f"answers    {json.dumps(document['answers'])}", f"ended      {json.dumps(document['ended'])}"]
    lines += [f"worse      {one}" for one in document["worse"] or ["none"]]
    lines += [
        f"{t['incident']:24} {t['ended']}, {t['seconds']} s: {'; '.join(t['calls'])}" for t in document["turns"]
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and tell by the exit status whether a finding became worse."""
    parser = argparse.ArgumentParser(prog="tests.bench.local_model", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("incidents", nargs="*", help="recorded incidents by name; six if none is named")
    asked = parser.parse_args()
    reason = missing(PEERS / "bin" / "python")
    if reason:
        print(reason, file=sys.stderr)
        return 2
    document = measured(asked.incidents or SAMPLE)
    print(json.dumps(document) if asked.json else _table(document))
    return 1 if document["worse"] else 0


if __name__ == "__main__":
    sys.exit(main())
