"""Starting, watching and ending the processes of one machine. Each child gets its own secrets and no other's."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSED = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE"})
PREFIX = "FIRSTRESPONDER_"
KNOWS: Mapping[str, frozenset[str]] = {
    "": frozenset({"JOURNAL_URL", "REDIS_URL", "CONFIG", "LOG_JSON", "CRASH_FILE"}),
    "receiver": frozenset(
        {
            "HOST",
            "PORT",
            "WEBHOOK_TOKENS",
            "MAX_BODY_BYTES",
            "OVERLOAD_S",
            "SOURCE_LIMIT",
            "SPANS_WINDOW_S",
            "SLACK",
            "TELEGRAM",
            "PAGERDUTY",
            "OPSGENIE",
            "PAGE",
            "READS_WORDS",
        }
    ),
    "triage": frozenset({"PROBE_TOKENS", "GATHER_BUDGET_S", "SPANS_WINDOW_S", "MODEL"}),
    "actions": frozenset({"SUPERVISOR_URL", "SUPERVISOR_TOKEN", "SUPERVISOR_ENVIRONMENT", "LEASE_S"}),
    "clock": frozenset({"TICK_S", "RECONCILE_S", "LEASE_S", "TRIAGE_SILENCE_S"}),
    "console": frozenset({"ACCOUNT"}),
    "migrate": frozenset(),
}
"""What each process may know, beside what all may. A test holds this against ``settings.py``; it stands here too
because the process that only watches the others need not load them."""

CALM_S = 10.0
"""A child that lived this long was well: its next death starts counting anew."""

MAX_PAUSE_S = 5.0


def environment(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """Of *given* only what the process of this name may know."""
    names = {PREFIX + field for field in KNOWS[""] | KNOWS[name]}
    return {k: v for k, v in given.items() if k in PASSED or k.upper().partition("__")[0] in names}


def die_with_parent() -> None:
    """Between fork and exec: do not outlive whoever started this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG


@dataclass(slots=True, kw_only=True)
class Child:
    """One program that is kept running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        """Start it; its output goes to its log file, or where ours goes."""
        out = self.log.open("ab") if self.log is not None else None
        try:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # this process has no threads yet
            )
        finally:
            if out is not None:
                out.close()
        self.started = time.monotonic()

    def watch(self) -> int | None:
        """Start it again when it died, after a pause that grows. Returns the exit status of a death just seen."""
        if self.process is None:
            if time.monotonic() >= self.again_at:
                self.start()
            return None
        status = self.process.poll()
        if status is None:
            return None
        lived = time.monotonic() - self.started
        self.deaths = 1 if lived > CALM_S else self.deaths + 1
        self.process = None
        self.again_at = time.monotonic() + min(0.2 * 2 ** (self.deaths - 1), MAX_PAUSE_S)
        return status

    def stop(self, patience_s: float = 8.0) -> None:
        """End it, politely first."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def keep(children: Sequence[Child], *, told: Callable[[str], None], until: Callable[[], bool]) -> None:
    """Watch until told to stop, then end all in reverse order."""
    try:
        while not until():
            for child in children:
                status = child.watch()
                if status is not None:
                    told(f"{child.name} ended with status {status}; starting it again")
            time.sleep(0.2)
    finally:
        stop(children)


def stop(children: Sequence[Child]) -> None:
    """Ask all at once, then wait for each, last started first; Redis ends after those who talk to it."""
    redis = [c for c in children if c.name == "redis"]
    for group in ([c for c in children if c not in redis], redis):
        for child in reversed(group):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in reversed(group):
            child.stop()


def stop_on_signals() -> Callable[[], bool]:
    """SIGTERM and SIGINT end the loop instead of the process."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: asked.append(n))
    return lambda: bool(asked)


def own(name: str) -> list[str]:
    """The command line of one of this project's processes, run by this very interpreter."""
    return [sys.executable, "-m", "bot.run", name]


def root() -> Path:
    """The checkout's root, where config/ and the playground are."""
    return Path(__file__).resolve().parent.parent


def base_environment() -> dict[str, str]:
    """What every child may have of this process's environment."""
    return {k: v for k, v in os.environ.items() if k in PASSED or k.startswith(PREFIX)}
