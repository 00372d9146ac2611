"""How often raw scores are right: runs of the playground with known faults, findings only, nothing acted on.

``python -m tests.evals.calibrate --write`` makes config/calibration.yaml from the calibrating seeds and from the
recorded incidents of the half to tune with; ``--report`` runs other seeds and prints how the shipped table did on
them. Both print one JSON line a run.
``--labels FILE …`` counts such lines instead of running anything, from whatever was replayed or labelled by hand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from agents.calibration import Bin, Calibration, Isotonic, Label, Platt
from agents.calibration.file import Provenance
from agents.incident.clock import now
from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState
from agents.signatures import load as signature_files
from bot import demo, processes
from bot.journal import evidence, incidents
from tests.evals import recorded
from tests.evals.calibrators import BINS, counted, left_out
from tests.evals.reliability import report
from tests.playground.client import send_json

CALIBRATING = tuple(range(6))
REPORTING = tuple(range(100, 106))
RATES = (12.0, 16.0, 20.0)
EXPECTED = {"pool-leak": "F11", "hung-replica": "F34", "stale-schema": "F49", "surge": "F41"}
ENTITY = {
    "pool-leak": "playground/checkout",
    "stale-schema": "playground/inventory",
    "surge": "playground/gateway",
}
PERMISSIVE = Calibration(
    source="permissive", bins=tuple(Bin(low=low, high=high, right=100000, total=100000) for low, high in BINS)
)
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
    bins = [_row(b) for b in PERMISSIVE.bins]
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


def labels_of(runs: Iterable[Mapping[str, Any]], families: Mapping[str, str]) -> list[Label]:
    """The runs that named a cause with a score, as labels; a run counts in the bin of the score it was named with.

    Args:
        runs: What a JSON line of a run holds; of it ``score``, ``convicted`` and ``right`` are read.
        families: The family of each signature.
    """
    named = [r for r in runs if r.get("score") is not None and r.get("convicted")]
    unknown = {str(r["convicted"]) for r in named} - set(families)
    if unknown:
        raise BadInput(
            f"labels name signatures that config/signatures does not have: {', '.join(sorted(unknown))}"
        )
    return [
        Label(score=float(r["score"]), right=bool(r["right"]), family=families[str(r["convicted"])]) for r in named
    ]


def read_lines(files: Iterable[Path]) -> list[Mapping[str, Any]]:
    """Every run in *files*; lines that are no run (a summary) are left out."""
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]
    return [line for line in lines if "convicted" in line]


def written(found: Calibration, provenance: Provenance) -> str:
    """config/calibration.yaml of *found*."""
    out: dict[str, Any] = {
        "schema": 1,
        "source": found.source,
        "provenance": provenance.model_dump(),
        "bins": [_row(b) for b in found.bins],
        "families": {name: [_row(b) for b in bins if b.total] for name, bins in found.families.items()},
    }
    match found.curve:
        case Platt(slope=slope, intercept=intercept):
            out["curve"] = {"kind": "platt", "slope": round(slope, 6), "intercept": round(intercept, 6)}
        case Isotonic(knots=knots):
            out["curve"] = {"kind": "isotonic", "knots": [list(knot) for knot in knots]}
    head = "# How often raw scores were right. Made by `python -m tests.evals.calibrate`; do not edit by hand.\n"
    return head + yaml.safe_dump(out, sort_keys=False, width=110, allow_unicode=True)


def _row(b: Bin) -> dict[str, float]:
    return {"low": b.low, "high": b.high, "right": b.right, "total": b.total}


def scored(labels: Sequence[Label]) -> Mapping[str, object]:
    """How the table does on its own labels, each left out of the table that judges it."""
    said = left_out(labels, lambda others: counted(others, ""))
    return report(said, [x.right for x in labels])


def _commit() -> str:
    """The code that made the labels, and whether it was changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(("git", *words), capture_output=True, text=True, check=False, timeout=30)
        return done.stdout.strip()

    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" and changes" if git("status", "-s") else "")


def _file(name: str) -> Path:
    return Path(name).resolve()  # before we go to the root


def _runs(asked: argparse.Namespace) -> tuple[list[Mapping[str, Any]], str]:
    """The labelled runs asked for, and where they come from."""
    if asked.labels:
        return read_lines(asked.labels), f"labels in {', '.join(file.name for file in asked.labels)}"
    seeds = (CALIBRATING if asked.write else REPORTING)[: asked.seeds]
    found: list[Labelled] = []
    for seed in seeds:
        found += play(seed, prometheus=seed % 2 == 0, adapt=permissive if asked.write else findings_only)
    source = (
        f"{len(found)} runs of tests/playground with known faults (seeds {seeds[0]} to {seeds[-1]}, "
        f"loads {', '.join(f'{r:g}' for r in RATES)} requests/s, with and without Prometheus)"
    )
    runs: list[Mapping[str, Any]] = [asdict(run) | {"right": run.right} for run in found]
    if asked.write:
        replayed = recorded.labelled(recorded.SAMPLES, PERMISSIVE)
        for line in replayed:
            print(json.dumps(line), flush=True)
        runs += replayed
        source += f", and {len(replayed)} recorded incidents of the half to tune with"
    return runs, source


def main() -> None:
    """Play or read labelled runs, say how they did, and write the table where that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write config/calibration.yaml from the runs")
    parser.add_argument("--report", action="store_true", help="the other seeds, under the shipped table")
    parser.add_argument("--labels", type=_file, nargs="+", help="read the runs from these files of JSON lines")
    parser.add_argument("--seeds", type=int, default=len(CALIBRATING), help="how many of them")
    asked = parser.parse_args()
    if (asked.write and asked.report) or not (asked.write or asked.report or asked.labels):
        parser.error("name --write, --report or --labels FILE (which may go with --write)")
    os.chdir(processes.root())
    runs, source = _runs(asked)
    labels = labels_of(runs, {s.id: s.family for s in signature_files.load(Path("config/signatures"))})
    summary = {
        "runs": len(runs),
        "named": len(labels),
        "named_right": sum(x.right for x in labels),
        "faults_missed": sum(1 for r in runs if r.get("fault") in EXPECTED and not r["convicted"]),
        "named_without_fault": sum(
            1 for r in runs if r["convicted"] and r.get("fault", "pool-leak") not in EXPECTED
        ),
        "left_one_out": scored(labels) if labels else None,
    }
    print(json.dumps(summary), flush=True)
    if asked.write:
        provenance = Provenance(data=source, labels=len(labels), made=f"{now():%Y-%m-%d}", commit=_commit())
        Path("config/calibration.yaml").write_text(written(counted(labels, source), provenance))
        print("config/calibration.yaml written", file=sys.stderr)


if __name__ == "__main__":
    main()
