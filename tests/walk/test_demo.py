"""The demonstration, as a newcomer starts it: one fault in every run, all five in ``make live``."""

import json
import subprocess
import sys

import pytest

from bot.demo import FAULTS, RIGHT_END
from tests.playground import monitoring


@pytest.mark.live
@pytest.mark.parametrize("prometheus", [False, True], ids=["metrics read directly", "real Prometheus"])
def test_every_fault_reaches_its_right_end(prometheus):
    if prometheus and not monitoring.available():
        pytest.fail("prometheus and alertmanager are not installed; make live says which packages it needs")
    command = [sys.executable, "-m", "bot", "demo", "--fault", "all", "--yes", "--once", "--json"]
    command += ["--prometheus" if prometheus else "--no-prometheus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    ends = {d["fault"]: d["end"] for d in map(json.loads, done.stdout.splitlines())}
    assert ends == {fault: RIGHT_END[fault] for fault in FAULTS}, done.stderr[-3000:]
    assert done.returncode == 0


def test_the_demonstration_breaks_something_and_repairs_it():
    command = [sys.executable, "-m", "bot", "demo", "--fault", "stale-schema", "--yes", "--once", "--json"]
    command += ["--no-prometheus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["end"] == RIGHT_END["stale-schema"] == "verified_fix"
    assert document["finding"]["signature"] == "F49"
    assert document["verification"]["outcome"] == "SUCCEEDED"
