"""How often raw scores are right: runs of the playground with known faults, findings only, nothing acted on.

``python -m tests.evals.calibrate --write`` makes config/calibration.yaml from the calibrating seeds;
``--report`` runs other seeds and prints how the shipped table did on them. Both print one JSON line a run.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState
from bot import demo, processes
from bot.journal import evidence, incidents
from tests.playground.client import send_json

CALIBRATING = tuple(range(6))
REPORTING = tuple(range(100, 106))
RATES = (12.0, 16.0, 20.0)
BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
EXPECTED = {"pool-leak": "F11", "hung-replica": "F34", "stale-schema": "F49", "surge": "F41"}
ENTITY = {
    "pool-leak": "playground/checkout",
    "stale-schema": "playground/inventory",
    "surge": "playground/gateway",
}
SETTLED = frozenset({IncidentState.NEEDS_HUMAN, IncidentState.RESOLVED, IncidentState.CLOSED})
PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One run with its truth. ``convicted`` is what the engine would have named."""

    fault: str
    seed: int
    rate: float
    prometheus: bool
    state: str
    convicted: str | None
    entity: str | None
    truth: str | None
    score: float | None

    @property
    def right(self) -> bool:
        """Whether a named cause is the true one, entity included."""
        return self.convicted == EXPECTED.get(self.fault) and self.entity == self.truth


def permissive(config: Path) -> None:
    """Let every hypothesis that passes the gates be named, whatever its score, and let nothing be done."""
    bins = [{"low": low, "high": high, "right": 100000, "total": 100000} for low, high in BINS]
    (config / "calibration.yaml").write_text(yaml.safe_dump({"schema": 1, "source": "permissive", "bins": bins}))
    findings_only(config)


def findings_only(config: Path) -> None:
    """Phase 1."""
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    (config / "policy.yaml").write_text(yaml.safe_dump(policy | {"phase": 1}))


def play(seed: int, *, prometheus: bool, adapt: Callable[[Path], None]) -> list[Labelled]:
    """All five faults once on one fresh stage."""
    rate = RATES[seed % len(RATES)]
    wish = demo.Wish(
        fault="all", yes=True, once=True, as_json=True, keep=None, seed=seed, rate=rate, prometheus=prometheus
    )
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="fr-eval-") as folder,
        demo.stage_of(Path(folder), wish, lambda: False, adapt) as stage,
    ):
        for fault in demo.FAULTS:
            found.append(_one(stage, fault, seed, rate, prometheus))
            print(json.dumps(asdict(found[-1]) | {"right": found[-1].right}), flush=True)
            demo.calm(stage, fault, lambda: False)
    return found


def _one(stage: demo.Stage, fault: str, seed: int, rate: float, prometheus: bool) -> Labelled:
    with stage.parts.journal.read() as tx:
        before = {i.id for i in incidents.recent(tx)}
    demo.inject(stage, fault, seed)
    incident_id = _reported(stage, before, fault)
    with stage.parts.journal.read() as tx:
        finding = evidence.latest_finding(tx, incident_id)
    assert finding is not None, f"{fault} with seed {seed}: no finding"
    truth = ENTITY.get(fault) or (_hung(stage) if fault == "hung-replica" else None)
    return Labelled(
        fault=fault,
        seed=seed,
        rate=rate,
        prometheus=prometheus,
        state=finding.state.value,
        convicted=finding.signature,
        entity=finding.entity,
        truth=truth,
        score=finding.score,
    )


def _reported(stage: demo.Stage, before: set[IncidentId], fault: str) -> IncidentId:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for child in stage.children:
            child.watch()
        with stage.parts.journal.read() as tx:
            done = [i.id for i in incidents.recent(tx) if i.id not in before and i.state in SETTLED]
        if done:
            return done[-1]
        time.sleep(0.2)
    raise TimeoutError(f"no finding within {PATIENCE_S:g} s of {fault}")


def _hung(stage: demo.Stage) -> str | None:
    """The replica that its platform says is not ready: a truth the diagnosis never reads."""
    file = json.loads((stage.playground / "playground.json").read_text())
    url = file["supervisor"] + "/v1/services/checkout"
    answer = send_json("GET", url, None, token=file["tokens"]["read"], timeout_s=5)
    names = [r["name"] for r in answer.json()["replicas"] if not r["ready"]]
    return f"playground/checkout/{names[0]}" if len(names) == 1 else None


def table(runs: list[Labelled], source: str) -> str:
    """config/calibration.yaml from labelled runs: a run counts in the bin of the score it was named with."""
    rows = []
    for low, high in BINS:
        named = [r for r in runs if r.score is not None and r.convicted and low <= r.score < high]
        right = sum(r.right for r in named)
        rows.append(f"  - {{low: {low}, high: {high}, right: {right}, total: {len(named)}}}")
    head = (
        "# How often raw scores were right. Made by `python -m tests.evals.calibrate --write`.\n"
        "schema: 1\n"
        f"source: >-\n  {source}\nbins:\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> None:
    """Run one half of the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--write", action="store_true", help="calibrating seeds; writes config/calibration.yaml")
    which.add_argument("--report", action="store_true", help="the other seeds, under the shipped table")
    parser.add_argument("--seeds", type=int, default=len(CALIBRATING), help="how many of them")
    asked = parser.parse_args()
    os.chdir(processes.root())
    seeds = (CALIBRATING if asked.write else REPORTING)[: asked.seeds]
    runs: list[Labelled] = []
    for seed in seeds:
        adapt = permissive if asked.write else findings_only
        runs += play(seed, prometheus=seed % 2 == 0, adapt=adapt)
    named = [r for r in runs if r.convicted]
    summary = {
        "runs": len(runs),
        "named": len(named),
        "named_right": sum(r.right for r in named),
        "faults_missed": sum(1 for r in runs if r.fault in EXPECTED and not r.convicted),
        "named_without_fault": sum(1 for r in named if r.fault not in EXPECTED),
    }
    print(json.dumps(summary), flush=True)
    if asked.write:
        source = (
            f"{len(runs)} runs of tests/playground with known faults (seeds {seeds[0]} to {seeds[-1]}, "
            f"loads {', '.join(f'{r:g}' for r in RATES)} requests/s, with and without Prometheus), pooled"
        )
        Path("config/calibration.yaml").write_text(table(runs, source))
        print("config/calibration.yaml written", file=sys.stderr)


if __name__ == "__main__":
    main()
