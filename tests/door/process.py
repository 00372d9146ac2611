"""One real receiver with sources of its own: started, killed and started again at the same address."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bot.configuration import sources
from bot.processes import PREFIX

CONFIG = Path(__file__).parents[2] / "config"
NO_REDIS = "unix:///nowhere/redis.sock"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_config(folder: Path, configured: Mapping[str, Mapping[str, Any]]) -> Path:
    """The project's configuration with these sources instead of its own; read once, so a mistake shows here."""
    config = folder / "config"
    config.mkdir()
    for file in CONFIG.iterdir():
        if file.name != "sources.yaml":
            (config / file.name).symlink_to(file)
    (config / "sources.yaml").write_text(json.dumps({"schema": 1, "sources": configured}))
    sources(config)
    return config


@dataclass(slots=True, kw_only=True)
class ReceiverProcess:
    """``python -m bot serve`` at an address that outlives its process."""

    folder: Path
    journal_url: str
    config: Path
    tokens: Mapping[str, list[str]]
    redis_url: str = NO_REDIS
    more: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "receiver.log"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def environment(self) -> dict[str, str]:
        given = {
            "JOURNAL_URL": self.journal_url,
            "REDIS_URL": self.redis_url,
            "CONFIG": str(self.config),
            "PORT": str(self.port),
            "WEBHOOK_TOKENS": json.dumps(self.tokens),
            "LOG_JSON": "true",
            **self.more,
        }
        return {"PATH": os.environ["PATH"]} | {PREFIX + k: v for k, v in given.items()}

    def launch(self) -> None:
        """Start it and do not wait."""
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "bot", "serve"]
            self.process = subprocess.Popen(command, env=self.environment(), stdout=out, stderr=out)

    def start(self, seconds: float = 20) -> None:
        """Start it; return when it answers."""
        self.launch()
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(self.url + "/healthz", timeout=1)
                return
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a pulled plug would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it politely, if it still runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
