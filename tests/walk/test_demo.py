"""The five faults through every real process, as a newcomer sees them. Minutes long, so run by ``make live``."""

import json
import subprocess
import sys

import pytest

from bot.demo import FAULTS, RIGHT_END
from tests.playground import monitoring

pytestmark = pytest.mark.live


@pytest.mark.parametrize("prometheus", [False, True], ids=["metrics read directly", "real Prometheus"])
def test_every_fault_reaches_its_right_end(prometheus):
    if prometheus and not monitoring.available():
        pytest.skip("prometheus and alertmanager are not installed here; a machine of make live has them")
    command = [sys.executable, "-m", "bot", "demo", "--fault", "all", "--yes", "--once", "--json"]
    command += ["--prometheus" if prometheus else "--no-prometheus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    ends = {d["fault"]: d["end"] for d in map(json.loads, done.stdout.splitlines())}
    assert ends == {fault: RIGHT_END[fault] for fault in FAULTS}, done.stderr[-3000:]
    assert done.returncode == 0
