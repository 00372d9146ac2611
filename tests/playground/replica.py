"""One replica: a place with ports and a name where one process after another runs."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.playground.client import call
from tests.playground.options import ENV_PARENT
from tests.playground.osproc import LOOPBACK, now

ROOT = Path(__file__).resolve().parents[2]
TERM_S = 0.5
PROBE_S = 0.5
START_S = 5.0
_SECRET_PREFIX = "PLAYGROUND_"


class Spawner:
    """Starts processes, all from one thread that lives as long as the program.

    The kernel ends a child when the thread that started it ends (see `osproc.die_with_parent`), so
    the short-lived threads that carry out operations must not start one themselves.
    """

    def __init__(self, directory: Path) -> None:
        """What the processes print goes to `DIR/stderr/<name>.txt`."""
        self._directory = directory / "stderr"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    def start(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a module as a process that gets only the secrets in `environment`."""
        return self._thread.submit(self._start, name, module, arguments, environment).result()

    def _start(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_SECRET_PREFIX)}
        with (self._directory / f"{name}.txt").open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                # Fewer allocation arenas: threads come and go, and each arena keeps what it once had.
                env={**inherited, "MALLOC_ARENA_MAX": "2", ENV_PARENT: str(os.getpid()), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a process: SIGTERM, and SIGKILL when that has not worked within 0.5 s."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(TERM_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stays the same for a replica however often its process is replaced."""

    name: str
    service: str
    port: int
    control_port: int

    @property
    def address(self) -> str:
        """host:port of the main port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def control(self) -> str:
        """host:port of the control port."""
        return f"{LOOPBACK}:{self.control_port}"


class Replica:
    """The process that runs at a place now. Only the holder of the service's lock starts and stops it."""

    def __init__(self, place: Place, launch: Callable[[Place, str, int], subprocess.Popen[bytes]]) -> None:
        """`launch` starts a process for a place, a version and a revision."""
        self.place = place
        self.uid = ""
        self.started_at: datetime = now()
        self.version = ""
        self.revision = 0
        self.ready = False
        self.restart_due_s: float | None = None
        self._launch = launch
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, version: str, revision: int) -> None:
        """Start a new process; it is not ready before it has answered."""
        self.ready = False
        self.restart_due_s = None
        self.version, self.revision = version, revision
        self._process = self._launch(self.place, version, revision)
        self.uid, self.started_at = str(uuid.uuid4()), now()

    def stop(self) -> None:
        """End the process, if there is one."""
        self.ready = False
        if self._process is not None:
            stop_process(self._process)

    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process is None or self._process.poll() is not None

    def healthy(self) -> bool:
        """Ask `/healthz` now, and wait at most 0.5 s for the answer."""
        return not self.gone() and call("GET", self.place.address, "/healthz", timeout_s=PROBE_S).accepted

    def probe(self) -> None:
        """Set `ready` from `/healthz`, unless the process was replaced meanwhile."""
        uid = self.uid
        healthy = self.healthy()
        if uid == self.uid:
            self.ready = healthy and not self.gone()

    def wait_healthy(self) -> bool:
        """Wait up to 5 s for a process that was just started to answer; False when it does not."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and not self.gone():
            if self.healthy():
                self.ready = True
                return True
            time.sleep(0.05)
        return False
