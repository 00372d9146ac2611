"""Starts the real local model and tells how a user would configure it."""

import json
import select
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.processes import PREFIX
from tests.stubs.models.local import CONTEXT, NAME

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "var" / "peers"
PROGRAM = Path(__file__).with_name("local.py")
KEY = "key-of-the-local-model"
STARTS_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One that listens."""

    url: str
    pid: int

    def settings(self, **more: str) -> Mapping[str, str]:
        """The variables that a user sets for it; *more* are further ones of ``MODEL__``, by their short names."""
        given = {"NAME": f"openai:{NAME}", "API_KEY": KEY, "BASE_URL": f"{self.url}/v1"} | more
        return {f"{PREFIX}MODEL__{name}": value for name, value in given.items()}


def missing(python: Path) -> str:
    """What must be done before *python* can serve the model; empty when nothing must."""
    return (
        ""
        if python.exists()
        else f"the local model is not installed in {python.parents[1]}; make live installs it"
    )


@contextmanager
def local_model(*, context: int = CONTEXT, python: Path = PEERS / "bin" / "python") -> Iterator[LocalModel]:
    """The model on a port of its own, ended at the end. RuntimeError tells what it printed if it did not start."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(python), str(PROGRAM), "--port", str(port), "--key", KEY, "--context", str(context)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        ready = select.select([process.stdout], [], [], STARTS_S)[0]
        line = process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(
                f"the local model did not start within {STARTS_S:.0f} s; by hand: {' '.join(command)}"
            )
        said = json.loads(line)
        yield LocalModel(url=said["url"], pid=said["pid"])
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
