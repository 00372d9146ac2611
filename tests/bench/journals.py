"""Journals that keep what they promise: on a disk, synced at every commit; and what they hold afterwards."""

import contextlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text

from bot.journal import migrate
from bot.journal import tables as t
from bot.journal.journal import open_engine
from bot.processes import Child
from tests.bench.deliveries import ID
from tests.contract import postgres

KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A journal, and where and how it keeps what was committed."""

    kind: str
    url: str
    path: Path
    durability: str

    def said(self) -> dict[str, str]:
        """As it stands beside a figure."""
        return {
            "journal": self.kind,
            "path": str(self.path),
            "file_system": file_system(self.path),
            "durability": self.durability,
        }


def file_system(path: Path) -> str:
    """The type of the file system under *path*, as /proc/mounts has it."""
    resolved = str(path.resolve())
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [(len(at), kind) for at, kind in mounts if resolved == at or resolved.startswith(at.rstrip("/") + "/")]
    return max(under)[1]


@contextlib.contextmanager
def journal(kind: str, folder: Path) -> Iterator[Place]:
    """A new journal at this version's tables."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'journal.db'}"
        migrate.upgrade(url)
        mode, level = _ask(url, "PRAGMA journal_mode"), int(_ask(url, "PRAGMA synchronous"))
        said = f"journal_mode={mode}, synchronous={('OFF', 'NORMAL', 'FULL', 'EXTRA')[level]}"
        yield Place(kind=kind, url=url, path=folder, durability=said)
        return
    with _postgres(folder / "postgres") as url:
        said = ", ".join(
            f"{k}={_ask(url, f'SHOW {k}')}" for k in ("fsync", "synchronous_commit", "server_version")
        )
        yield Place(kind=kind, url=url, path=folder, durability=said)


def _ask(url: str, question: str) -> str:
    engine = open_engine(url)  # as the product opens it, so what it sets is what is said
    try:
        with engine.connect() as connection:
            return str(connection.execute(text(question)).scalar_one())
    finally:
        engine.dispose()


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A server as its makers ship it: unlike the one under the tests it syncs what it commits."""
    folder.mkdir()
    for parent in folder.parents:
        if os.geteuid() == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)  # the user without rights must get in
    prefix = postgres._give_away(folder)
    programs = postgres._programs(folder, prefix)
    data = folder / "data"
    command = [str(programs / "initdb"), "-D", str(data), "-U", "postgres"]
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*prefix, *command, *options], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    serve = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-h", ""]
    child = Child(
        name="postgres",
        command=[*prefix, *serve, "-c", "max_connections=60", "-c", "log_min_messages=fatal"],
        env={"LC_ALL": "C"},
        log=folder / "log",
    )
    child.start()
    try:
        server = postgres.Postgres(folder)
        postgres._wait_ready(server)
        server.run("CREATE DATABASE bench")
        migrate.upgrade(server.url("bench"))
        yield server.url("bench")
    finally:
        child.stop()
        shutil.rmtree(data, ignore_errors=True)


def stored(url: str) -> Counter[str]:
    """Delivery id → rows of the inbox that hold it, the id taken from the body or else from the key kept."""
    found: Counter[str] = Counter()
    engine = open_engine(url)
    question = select(t.inbox.c.delivery_key, t.inbox.c.body).where(t.inbox.c.source.like("bench%"))
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            for key, body in connection.execute(question).yield_per(500):
                in_body = ID.search(bytes(body))
                known = in_body or ID.search(str(key).encode())
                found[known[0].decode() if known is not None else str(key)] += 1
    finally:
        engine.dispose()
    return found


def states(url: str) -> dict[str, int]:
    """State → rows of the inbox."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(t.inbox.c.state)).scalars()
            return dict(Counter(rows))
    finally:
        engine.dispose()
