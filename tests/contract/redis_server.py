"""A real Redis for tests: started, killed, started again, with and without its memory."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import redis

from bot.embedded import redis_child, wait_ready
from bot.processes import Child
from bot.queue import connect_briefly


@dataclass(slots=True)
class RedisServer:
    """One server of a test, and its one connection."""

    folder: Path
    child: Child
    url: str
    connection: redis.Redis

    @classmethod
    def serve(cls, folder: Path) -> "RedisServer":
        """Start one that keeps its data in *folder*."""
        child, url = redis_child(folder)
        child.start()
        wait_ready(url)
        return cls(folder=folder, child=child, url=url, connection=connect_briefly(url))

    def kill(self) -> None:
        """SIGKILL, as the kernel would."""
        assert self.child.process is not None
        self.child.process.kill()
        self.child.process.wait()

    def restart(self, *, forget: bool = False) -> None:
        """Start it again after ``kill``; ``forget`` takes its data away first."""
        if forget:
            shutil.rmtree(self.folder / "appendonlydir")
        self.connection.close()
        self.child.start()
        wait_ready(self.url)
        self.connection = connect_briefly(self.url)

    def stop(self) -> None:
        """End it."""
        self.connection.close()
        self.child.stop()
