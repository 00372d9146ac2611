"""``python -m tests.bench.storm --json``: 10,000 alerts over 200 services, and what people are told of them.

One Alertmanager sends groups of up to fifty alerts: all fire, half of them resolve, twenty identities flap.
Receiver, clock, triage workers and both chats are real processes; the chats are the stubs, with their documented
limits on. One JSON line: incidents made and their states, calls to each chat (without the methods that were called
while nothing happened), triages, seconds until every delivery is applied, and resident memory at the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import func, select

from bot import processes, up
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.processes import PREFIX, Child, own
from tests.bench import storm_alerts
from tests.bench.journals import KINDS, Place, journal
from tests.bench.load import Client, Tally
from tests.bench.storm_alerts import ENVIRONMENT, Group, Member
from tests.bench.usage import resident_mib
from tests.chats.platforms import Slack, Telegram
from tests.door.process import free_port
from tests.stubs.client import SlackStub, TelegramStub

SOURCE, TOKEN = "alertmanager", "a-long-token-of-the-storm"
CONNECTIONS = 4
QUIET_S = 10.0
"""Without a new line in any incident's history, the storm is over as far as people can see."""

READY_S = 40.0


def _config(folder: Path, services: int, chats: Sequence[Slack | Telegram]) -> Path:
    """The project's configuration with so many services, each relying on another, and Ana on both chats."""
    config = folder / "config"
    shutil.copytree(processes.root() / "config", config)
    names = storm_alerts.service_names(services)
    catalogue = {
        name: {"environment": ENVIRONMENT, "calls": [names[at // 10]] if at else []}
        for at, name in enumerate(names)
    }
    ana = {"name": "Ana", "roles": ["approver"], "accounts": {chat.name: [chat.account()] for chat in chats}}
    files: Mapping[str, Any] = {
        "services.yaml": {"schema": 1, "services": catalogue},
        "people.yaml": {"schema": 1, "people": {"ana": ana}},
        "sources.yaml": {"schema": 1, "sources": {SOURCE: {"system": "alertmanager"}}},
    }
    for name, content in files.items():
        (config / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything that runs, and the storm's own look into the journal."""

    port: int
    children: Sequence[Child]
    chats: Sequence[Slack | Telegram]
    journal: Journal

    def count(self, column: Any, *where: Any) -> dict[str, int]:
        """Value of *column* → rows."""
        with self.journal.read() as tx:
            rows = tx.all(select(column.label("value"), func.count().label("rows")).where(*where).group_by(column))
        return {str(row["value"]): int(row["rows"]) for row in rows}

    def unapplied(self) -> int:
        """Deliveries stored and not yet read."""
        return self.count(t.inbox.c.state, t.inbox.c.source == SOURCE).get("stored", 0)

    def history(self) -> int:
        """Lines in all histories."""
        with self.journal.read() as tx:
            row = tx.one(select(func.count().label("rows")).select_from(t.events))
        return int(row["rows"]) if row is not None else 0


@contextlib.contextmanager
def installation(folder: Path, place: Place, services: int, workers: int) -> Iterator[Installation]:
    """What ``firstresponder up`` starts, both chats, and *workers* triage workers in all."""
    chats: Sequence[Slack | Telegram] = (Slack(SlackStub()), Telegram(TelegramStub()))
    port = free_port()
    given = {
        "CONFIG": str(_config(folder, services, chats)),
        "PORT": str(port),
        "JOURNAL_URL": place.url,
        "WEBHOOK_TOKENS": json.dumps({SOURCE: [TOKEN]}),
        "LOG_JSON": "true",
    }
    env = {k: v for k, v in os.environ.items() if k in processes.PASSED}
    env |= {PREFIX + k: v for k, v in given.items()}
    for chat in chats:
        env |= chat.settings()
    (folder / "logs").mkdir()
    children = up.start(folder / "state", env, logs=folder / "logs")
    made = Journal(open_engine(place.url))
    try:
        more = [
            Child(
                name=f"triage-{n}",
                command=own("triage"),
                env=next(c for c in children if c.name == "triage").env,
                log=folder / "logs" / f"triage-{n}.log",
            )
            for n in range(2, workers + 1)
        ]
        for child in more:
            child.start()
            children.append(child)
        yield Installation(port=port, children=children, chats=chats, journal=made)
    finally:
        processes.stop(children)
        made.close()
        for chat in chats:
            chat.stop()


def _wait(holds: Callable[[], bool], seconds: float, every_s: float = 0.25) -> bool:
    """Whether it came to hold within so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True


def _listens(port: int) -> Callable[[], bool]:
    import httpx

    def asked() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
        return False

    return asked


async def _send(port: int, of: Sequence[Group], tally: Tally, seconds: float) -> None:
    """Send each group once, as long as there is time."""
    client = Client(port, CONNECTIONS)
    try:
        notifications = storm_alerts.notifications(of, SOURCE, TOKEN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await client.as_fast_as_possible(notifications, tally, count=len(of))
    finally:
        client.close()


def _calls(at: Installation) -> dict[str, Counter[str]]:
    return {chat.name: Counter(str(c["method"]) for c in chat.stub.calls()) for chat in at.chats}


def storm(at: Installation, asked: argparse.Namespace) -> dict[str, object]:
    """The figures of one storm."""
    if not _wait(_listens(at.port), READY_S):
        raise TimeoutError(f"the receiver was not ready within {READY_S:g} s")
    time.sleep(2)  # the chats have said hello by then
    idle = {name: set(methods) for name, methods in _calls(at).items()}
    of = storm_alerts.groups(asked.alerts, asked.services, asked.seed)
    identities = len({m.identity for g in of for m in g.members})
    phases: dict[str, float] = {}
    tally, wanted, began = Tally(), 0, time.monotonic()

    def left() -> float:
        return max(float(asked.seconds) - (time.monotonic() - began), 0.1)

    def phase(name: str, groups: Sequence[Group]) -> None:
        nonlocal wanted
        sent = Tally()
        asyncio.run(_send(at.port, groups, sent, left()))
        phases[name] = round(time.monotonic() - began, 1)
        wanted += len(groups)
        tally.asked_again.update(sent.asked_again)
        tally.refused.update(sent.refused)
        tally.latencies.extend(sent.latencies)

    phase("firing", of)
    phase("half_resolved", storm_alerts.half_ends(of))
    flapping = storm_alerts.flappers(of, asked.flapping)
    for _ in range(asked.turns):
        for _, member in flapping:
            member.turn()
        phase("flapping", [group for group, _ in flapping])
    applied = _wait(lambda: at.unapplied() == 0, left()) and len(tally.latencies) == wanted
    applied_s = time.monotonic() - began
    quiet = applied and _quiet(at, left())
    return {
        "alerts": identities,
        "services": asked.services,
        "notifications": wanted,
        "answered": len(tally.latencies),
        "sent_within_s": phases,
        "answered_5xx_first": sum(tally.asked_again.values()),
        "refused": {str(k): v for k, v in tally.refused.items()},
        "applied": applied,
        "applied_s": round(applied_s, 1),
        "quiet": quiet,
        "seconds": round(time.monotonic() - began, 1),
        "inbox": at.count(t.inbox.c.state),
        "incidents": sum(at.count(t.incidents.c.state).values()),
        "incidents_by_state": at.count(t.incidents.c.state),
        "incidents_by_kind": at.count(t.incidents.c.kind),
        "episodes_by_state": at.count(t.episodes.c.state),
        **_triages(at, [member for _, member in flapping]),
        "chat_calls": {
            name: {m: n for m, n in sorted(methods.items()) if m not in idle[name]}
            for name, methods in _calls(at).items()
        },
        "chat_calls_each": {
            name: sum(n for m, n in methods.items() if m not in idle[name]) for name, methods in _calls(at).items()
        },
        "rules_broken": {chat.name: len(chat.violations()) for chat in at.chats},
        "resident_mib": {
            child.name: resident_mib(child.process.pid)
            for child in at.children
            if child.process is not None and child.process.poll() is None
        },
        "died": [c.name for c in at.children if c.process is None or c.process.poll() is not None],
    }


def _quiet(at: Installation, seconds: float) -> bool:
    """Whether nothing happened to any incident for a while, within so many seconds."""
    seen, since = at.history(), time.monotonic()

    def calm() -> bool:
        nonlocal seen, since
        now = at.history()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= QUIET_S

    return _wait(calm, max(seconds, QUIET_S + 1), 0.5)


def _triages(at: Installation, flapping: Sequence[Member]) -> dict[str, object]:
    """Diagnoses made, each look of one attempt counted once; and those of the incidents of what flapped."""
    names = [m.identity for m in flapping]
    with at.journal.read() as tx:
        done = {
            (r["incident_id"], r["attempt"])
            for r in tx.all(select(t.findings.c.incident_id, t.findings.c.attempt))
        }
        looks = tx.one(select(func.count().label("rows")).select_from(t.findings))
        episodes = tx.all(
            select(t.episodes.c.identity, t.episodes.c.incident_id, t.episodes.c.flapping_until).where(
                t.episodes.c.identity.in_(names)
            )
        )
    theirs = {e["incident_id"] for e in episodes}
    attempts = Counter(incident for incident, _ in done if incident in theirs)
    return {
        "triages": len(done),
        "looks": int(looks["rows"]) if looks is not None else 0,
        "flapping": {
            "identities": len(names),
            "known": len({e["identity"] for e in episodes}),
            "episodes": len(episodes),
            "marked": sum(e["flapping_until"] is not None for e in episodes),
            "incidents": len(theirs),
            "most_triages_of_one_incident": max(attempts.values(), default=0),
        },
    }


def main() -> None:
    """Let it storm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line, nothing else")
    parser.add_argument("--journal", choices=KINDS, default="sqlite")
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--flapping", type=int, default=20, help="identities that flap")
    parser.add_argument("--turns", type=int, default=8, help="how often each of them turns")
    parser.add_argument("--workers", type=int, default=2, help="triage workers")
    parser.add_argument(
        "--seconds",
        type=float,
        default=600,
        help="of sending and waiting; what is then not done is not waited for",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-logs", type=Path, help="copy the processes' logs there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fr-storm-") as name:
        folder = Path(name)
        with journal(asked.journal, folder) as place:
            with installation(folder, place, asked.services, asked.workers) as at:
                line = {**place.said(), "workers": asked.workers, **storm(at, asked)}
            if asked.keep_logs is not None:
                shutil.copytree(folder / "logs", asked.keep_logs, dirs_exist_ok=True)
    if asked.json:
        print(json.dumps(line))
    else:
        print(*(f"{name}: {value}" for name, value in line.items()), sep="\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
