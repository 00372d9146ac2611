"""``python -m tests.bench.races``: approval races over both chats, seven events each, at the desk.

In every race two people press on Slack and on Telegram at once, one of them says no, while the deadline comes and
the alert resolves. It fails on the first race that has not exactly one end, or a presser who was not answered.
Prints one JSON line a database.
"""

import argparse
import contextlib
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from actions.approval import ApprovalState, Verdict, button
from actions.policy import People
from bot.desk import desk
from bot.journal import approvals, migrate
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.surfaces.ports import Asker, Pressed, Reply
from bot.wiring.parts import DeskParts
from tests.builders import Asked, a_person, a_policy, ask, desk_parts
from tests.contract import postgres

PEOPLE = People(
    people=(
        a_person("ana", "approver", slack="U-ANA", telegram="1"),
        a_person("ben", "approver", slack="U-BEN", telegram="2"),
        a_person("cleo", "approver", slack="U-CLEO", telegram="3"),
    )
)
PRESSES = (
    ("slack", "U-ANA", "a"),
    ("telegram", "1", "a"),
    ("slack", "U-BEN", "a"),
    ("telegram", "2", "r"),
    ("telegram", "3", "a"),
)
"""Five presses; the deadline and the resolved alert make seven events."""

Player = Callable[[DeskParts, Asked], Reply | int | None]


def _presses(surface: str, account: str, letter: str) -> Player:
    def play(parts: DeskParts, question: Asked) -> Reply:
        data = button(letter, question.approval_id, question.proposal.plan_hash)
        asker = Asker(surface=surface, account=account, place="P", private=False)
        return desk.take(Pressed(asker=asker, data=data), parts)

    return play


def _expires(parts: DeskParts, _: Asked) -> int:
    with parts.journal.write("approvals.expired") as tx:
        return approvals.expire_due(tx)


def _resolves(parts: DeskParts, question: Asked) -> None:
    with parts.journal.write("test.resolved") as tx:
        approvals.cancel_open(tx, question.incident_id, "the alert resolved")


PLAYERS: tuple[Player, ...] = (*(_presses(*p) for p in PRESSES), _expires, _resolves)


def _parts(url: str) -> DeskParts:
    return desk_parts(Journal(open_engine(url)), people=lambda: PEOPLE)


def run(url: str, races: int, seed: int) -> Counter[str]:
    """The ends of *races* races at this journal."""
    dice, ends = random.Random(seed), Counter[str]()
    everybody = [_parts(url) for _ in PLAYERS]
    with ThreadPoolExecutor(len(PLAYERS)) as pool:
        for _ in range(races):
            quorum = dice.choice((1, 2))
            parts = everybody[0]
            question = ask(parts.journal, policy=a_policy(quorum={"restart_replica": quorum}))
            if dice.random() < 0.5:
                with parts.journal.write("test.deadline") as tx:
                    tx.run(
                        t.approvals.update()
                        .where(t.approvals.c.id == question.approval_id)
                        .values(deadline=tx.now + timedelta(milliseconds=dice.uniform(0, 20)))
                    )
            ends[_race(pool, everybody, question, quorum, dice)] += 1
    for parts in everybody:
        parts.journal.close()
    return ends


def _race(
    pool: ThreadPoolExecutor, everybody: list[DeskParts], question: Asked, quorum: int, dice: random.Random
) -> str:
    start = threading.Barrier(len(PLAYERS))
    spread = dice.choice((0.0, 0.004, 0.02, 0.08))  # all at once, and in every order
    late = [dice.uniform(0, spread) for _ in PLAYERS]
    late[-1] += dice.choice((0.0, 0.02, 0.08))

    def play(at: int) -> Reply | int | None:
        start.wait()
        time.sleep(late[at])
        return PLAYERS[at](everybody[at], question)

    answers = list(pool.map(play, range(len(PLAYERS))))
    with everybody[0].journal.read() as tx:
        asked = approvals.find(tx, question.approval_id)
        bells = tx.all(select(t.outbox).where(t.outbox.c.job == "act", t.outbox.c.subject == question.run_id))
        told = tx.all(
            select(t.events.c.kind).where(
                t.events.c.incident_id == question.incident_id,
                t.events.c.kind.in_([f"approval.{s.lower()}" for s in ApprovalState]),
            )
        )
    assert asked is not None
    replies = [a for a in answers if isinstance(a, Reply)]
    winners = [r for r in replies if "by you" in r.text]
    assert len(replies) == len(PRESSES)
    assert all(r.text for r in replies), "somebody was not answered"
    assert asked.state is not ApprovalState.AWAITING
    assert len(told) == 1, f"decided {len(told)} times"
    decided_by_press = asked.state in {ApprovalState.APPROVED, ApprovalState.REJECTED}
    assert len(winners) == decided_by_press, [r.text for r in replies]
    assert len(bells) == (asked.state is ApprovalState.APPROVED)
    yes = sum(v is Verdict.APPROVE for v in asked.votes.values())
    assert (asked.state is ApprovalState.APPROVED) == (yes >= quorum)
    return asked.state.value


@contextlib.contextmanager
def _journal(kind: str) -> Iterator[str]:
    memory = Path("/dev/shm")  # a race is about order, not about the disk
    with tempfile.TemporaryDirectory(prefix="fr-races-", dir=memory if memory.is_dir() else None) as folder:
        if kind == "sqlite":
            url = f"sqlite:///{Path(folder) / 'journal.db'}"
            migrate.upgrade(url)
            yield url
        else:
            with postgres.serve() as server, server.database() as url:
                yield url


def main() -> None:
    """Race on both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=10_000, help="for each database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", choices=("sqlite", "postgresql", "both"), default="both")
    asked = parser.parse_args()
    for kind in ("sqlite", "postgresql"):
        if asked.journal not in {kind, "both"}:
            continue
        with _journal(kind) as url:
            began = time.monotonic()
            ends = run(url, asked.races, asked.seed)
            print(
                json.dumps(
                    {
                        "journal": kind,
                        "races": sum(ends.values()),
                        "events": sum(ends.values()) * len(PLAYERS),
                        "ends": dict(ends),
                        "seconds": round(time.monotonic() - began, 1),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
