"""Places where a test may end the process at once; inert unless a test armed them.

A crash test names one point in a file and arms the processes with that file's path. The first process that
reaches the point takes the file away and dies with its parent worker, as a pulled plug would; started again,
it finds no file and walks on.
"""

import os
import signal
from pathlib import Path

_armed: list[tuple[Path, bool]] = []


def arm(file: Path, *, with_parent: bool = False) -> None:
    """Watch *file* from now on. ``with_parent`` also ends the parent (a worker's fork runs the job)."""
    _armed.append((file, with_parent))


def point(name: str) -> None:
    """Die here if a test asked for it."""
    for file, with_parent in _armed:
        trail = file.with_name(f"{file.name}.trail")
        if trail.exists():
            with trail.open("a") as out:
                out.write(name + "\n")
        try:
            wanted = file.read_text().strip() == name
            if wanted:
                file.rename(file.with_name(f"{file.name}.{os.getpid()}"))
        except FileNotFoundError:
            continue
        if wanted:
            if with_parent:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
