"""What every playground process needs from the operating system: a tied life, free ports, safe files."""

import contextlib
import ctypes
import json
import os
import random
import resource
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def rfc3339(at: datetime) -> str:
    """An instant as RFC 3339 in UTC with milliseconds and a trailing Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process as soon as the thread that started it ends.

    The kernel watches the starting thread, not the starting process, so the parent must start its
    children from a thread that lives as long as it does.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent process was gone before this one had started")


def allow_many_connections() -> None:
    """Raise the soft limit on open files to the hard one: a hung replica holds every connection it gets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def stop_event() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; call it from the main thread."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    return stop


class Ports:
    """Hands out free loopback ports, each once.

    They lie below the range the kernel gives to outgoing connections, so that no call can take the
    port of a replica while that replica is down for a moment.
    """

    def __init__(self) -> None:
        """Read the kernel's range; where there is none, assume the usual one."""
        try:
            text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
            self._below = int(text.split()[0])
        except OSError:
            self._below = 32768
        self._given: set[int] = set()

    def free(self) -> int:
        """A port that nothing listens on now and that this object has not given out before."""
        low, high = (10240, self._below) if self._below > 11000 else (20000, 30000)
        for _ in range(500):
            port = random.randrange(low, high)
            if port in self._given:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind((LOOPBACK, port))
                    self._given.add(port)
                    return port
        raise OSError(f"no free port found between {low} and {high}")


def write_json(path: Path, value: Mapping[str, object], *, mode: int = 0o600) -> None:
    """Write a JSON file so that a reader sees the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    part.replace(path)
