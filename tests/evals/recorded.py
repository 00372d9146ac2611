"""Makes tests/samples/incidents: `python -m tests.evals.recorded --make` plays, `--derive` transforms,
`--score` counts.

Playing records a real playground that is broken on purpose; derived.py makes more of such recordings in code.
Names are given once and never follow what is found.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.calibration import Calibration
from agents.incident.evidence import Status
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from bot import processes, replay
from bot.recordings import reading, writing
from bot.recordings.recording import Kept, Look, Recording, Truth
from tests.evals import derived, staged
from tests.evals.scenes import MISSES, SHOWS, Scene, Show
from tests.evals.staged import Stage

SAMPLES = processes.root() / "tests" / "samples" / "incidents"
LICENCE = "Apache-2.0"
PLAYED = "python -m tests.evals.recorded --make"
MOST_LINES = 20
MOST_POINTS = 30


def half_of(name: str) -> str:
    """Which half a recording belongs to: what is in ``report`` may be counted and never looked at to tune."""
    return "report" if hashlib.sha256(name.encode()).digest()[0] & 1 else "tune"


def make(wanted: frozenset[str], into: Path) -> None:
    """Play every show that has a wanted scene, and write what was seen of it."""
    for show in SHOWS:
        scenes = [s for s in show.scenes if not wanted or s.name in wanted]
        if not scenes:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="fr-recorded-") as folder,
            staged.stage(Path(folder), seed=show.seed, rate=show.rate, prometheus=show.prometheus) as stage,
        ):
            for scene in scenes:
                try:
                    _written(_played(scene, show, stage), into / scene.name)
                    print(json.dumps({"made": scene.name}), flush=True)
                except (TimeoutError, ValueError) as error:
                    print(json.dumps({"failed": scene.name, "why": str(error)}), flush=True)
                stage.calm()


def _played(scene: Scene, show: Show, stage: Stage) -> Recording:
    incident_id = IncidentId(f"INC_{scene.name}")
    with scene.play(stage, show.seed) as alert:
        began = time.monotonic()
        looks = []
        for after in scene.looks:
            time.sleep(max(0.0, began + after - time.monotonic()))
            looks.append(_cut(stage.look(incident_id)))
        replica = stage.unready() if "{replica}" in repr(scene) else ""
    return Recording(
        id=incident_id,
        title=alert.title,
        service=alert.service,
        environment=alert.environment,
        alerts=(replace(alert, link=None),),
        catalogue=stage.knowledge.catalogue,
        looks=tuple(looks),
        truth=Truth(
            says=scene.says,
            cause=tuple(replace(b, entity=b.entity.format(replica=replica)) for b in scene.cause),
            expected=replace(
                scene.expected, entity=scene.expected.entity and scene.expected.entity.format(replica=replica)
            ),
            made={
                "by": PLAYED,
                "how": "recorded from a running playground",
                "seed": show.seed,
                "requests_per_s": show.rate,
                "prometheus": show.prometheus,
            },
            licence=LICENCE,
            half=half_of(scene.name),
        ),
    )


def _cut(look: Look) -> Look:
    """*look* as it is kept: the newest lines, a bounded number of points, no more digits than a reading has."""
    return replace(look, kept=tuple(_lean(one) for one in look.kept))


def _lean(one: Kept) -> Kept:
    answer = one.answer
    body: dict[str, Any] = dict(answer.body)
    status, reason = answer.status, answer.reason
    for part in ("series", "baseline"):
        if part in body:
            body[part] = [_rounded(s) for s in body[part]]
    lines = body.get("lines")
    if lines is not None and len(lines) > MOST_LINES:
        body["lines"] = lines[-MOST_LINES:]
        status = Status.TRUNCATED
    return replace(one, answer=replace(answer, body=body, status=status, reason=reason))


def _rounded(series: Mapping[str, Any]) -> dict[str, Any]:
    points = [[_round(x) for x in point] for point in series["points"]]
    return {"labels": series["labels"], "points": points[-MOST_POINTS:]}


def _round(value: float) -> float | int:
    short = round(float(value), 6)
    return int(short) if short == int(short) else short


def _written(recording: Recording, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    writing.write(recording, folder)


def derive(wanted: frozenset[str], into: Path) -> None:
    """Make of the recordings in *into* what derived.py lists."""
    for one in derived.DERIVED:
        if not wanted or one.name in wanted:
            _written(derived.made(one, reading.read(into / one.of), half_of(one.name)), into / one.name)
            print(json.dumps({"derived": one.name}), flush=True)


def tell_misses(folder: Path) -> None:
    """Bring every recording's ``miss`` to what is listed here."""
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        recording = reading.read(path)
        miss = MISSES.get(path.name)
        if recording.truth.miss != miss:
            _written(replace(recording, truth=replace(recording.truth, miss=miss)), path)
            print(json.dumps({"miss": path.name, "is": miss is not None}), flush=True)


def score(folder: Path) -> None:
    """One JSON line a recording and one of sums for each half: what was named, rightly or not, what was missed."""
    sums: dict[str, dict[str, int]] = {}
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        recording = reading.read(path)
        finding = replay.replay(recording, replay.knowledge_of(recording)).finding
        truth = recording.truth
        named = finding.signature is not None
        right = _right(finding, truth)
        nameable = truth.expected is not None and truth.expected.signature is not None
        half = sums.setdefault(truth.half or "unknown", dict.fromkeys(SUMS, 0))
        half["recordings"] += 1
        half["named right"] += named and right
        half["named wrongly"] += named and not right
        half["missed"] += nameable and not named
        half["quiet"] += truth.cause == ()
        half["named without a fault"] += named and truth.cause == ()
        line = {
            "name": path.name,
            "state": finding.state.value,
            "named": finding.signature,
            "entity": finding.entity,
        }
        print(json.dumps(line | {"expected": truth.expected and [s.value for s in truth.expected.states]}))
    for name, counted in sorted(sums.items()):
        print(json.dumps({"half": name, **counted}))


def labelled(folder: Path, permissive: Calibration) -> list[Mapping[str, Any]]:
    """What is named in each recording to tune with, whatever its score, and whether that is right.

    Only what was recorded while it happened counts: what was derived from it would vouch for itself.
    """
    found: list[Mapping[str, Any]] = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        recording = reading.read(path)
        truth = recording.truth
        if truth.half != "tune" or truth.made.get("by") != PLAYED:
            continue
        knowledge = replace(replay.knowledge_of(recording), calibration=permissive)
        finding = replay.replay(recording, knowledge).finding
        found.append(
            {
                "recording": path.name,
                "state": finding.state.value,
                "convicted": finding.signature,
                "entity": finding.entity,
                "score": finding.score,
                "right": _right(finding, truth),
            }
        )
    return found


def _right(finding: Finding, truth: Truth) -> bool:
    return (finding.signature, finding.entity) in {(b.signature, b.entity) for b in truth.cause or ()}


SUMS = ("recordings", "named right", "named wrongly", "missed", "quiet", "named without a fault")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", nargs="*", metavar="NAME", help="play these scenes, or all")
    parser.add_argument("--derive", nargs="*", metavar="NAME", help="transform these, or all")
    parser.add_argument("--misses", action="store_true", help="write what is listed as missed into truth.yaml")
    parser.add_argument("--score", action="store_true", help="replay all and count")
    parser.add_argument("--into", type=Path, default=SAMPLES)
    asked = parser.parse_args()
    os.chdir(processes.root())
    if asked.make is not None:
        make(frozenset(asked.make), asked.into)
    if asked.derive is not None:
        derive(frozenset(asked.derive), asked.into)
    if asked.misses:
        tell_misses(asked.into)
    if asked.score:
        score(asked.into)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
