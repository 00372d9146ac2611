"""Commands whose words a model is to read: kept in the inbox beside what was said, and handed back to the desk.

The copy of a command waits under ``WORDING`` until a triage worker has read it, or nobody has for too long. Then
it is as if it had been left unanswered: whoever listens to its chat takes it up, and the desk finds the reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from agents.deliberation.budgets import Off, Spent
from agents.incident.ids import new_id
from agents.incident.redaction import redact
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx

WORDING = "wording"
JOB = "words"
GIVE_UP = timedelta(minutes=2)
"""Starting value: whoever asked is answered without the model after this."""

UNHEARD = timedelta(seconds=5)
LEFT = timedelta(minutes=1)
"""How long ago it is made out to have been left, so that the next sweep of its chat takes it up."""

_KEY = "words:"
_i = t.inbox.c
_ASKED = _i.delivery_key.startswith(_KEY, autoescape=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model made of the words: the id of a service, or empty; ``why`` says why it had no part, if so."""

    model: str = ""
    service: str = ""
    window: timedelta | None = None
    symptom: str = ""
    why: str = ""
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Words without their secrets, who said them, and the ids of the services that person may ask about."""

    words: str
    person_id: str
    services: tuple[str, ...]
    reading: Reading | None = None


def ask(tx: Tx, delivery: str, wording: Wording) -> bool:
    """Have the words of a stored delivery read, once; false where there is no delivery to come back to."""
    said = tx.one(select(t.inbox).where(_i.id == delivery))
    if said is None:
        return False
    if asked(tx, delivery):
        return True
    row = new_id("IN")
    tx.run(
        t.inbox.insert().values(
            id=row,
            source=said["source"],
            system=said["system"],
            delivery_key=f"{_KEY}{delivery}",
            headers=dump(replace(wording, words=redact(wording.words))),
            body=said["body"],
            received_at=tx.now,
            state=WORDING,
            error="",
        )
    )
    tx.ring(JOB, row)
    return True


def asked(tx: Tx, delivery: str) -> bool:
    """Whether the words of this delivery were given to a model already."""
    return tx.one(select(_i.id).where(_i.delivery_key == f"{_KEY}{delivery}")) is not None


def lately(tx: Tx, person_id: str, within: timedelta) -> int:
    """How many commands of a person were given to a model within so long."""
    rows = tx.all(select(_i.headers).where(_ASKED, _i.received_at > tx.now - within))
    return sum(1 for r in rows if r["headers"].get("person_id") == person_id)


def of(tx: Tx, delivery: str) -> Reading | None:
    """What a model made of this delivery; ``None`` where none was asked."""
    row = tx.one(select(_i.headers).where(_i.id == delivery, _ASKED))
    return load(Wording, row["headers"]).reading if row is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Words to be read now. ``interrupted``: an earlier try broke off, and what it cost is not known."""

    wording: Wording
    interrupted: bool


def begin(tx: Tx, row_id: str, lasts: timedelta) -> Turn | None:
    """The words to be read, unless they were, or somebody reads them: a try *lasts* so long at most."""
    row = _waiting(tx, row_id)
    if row is None:
        return None
    wording, since = load(Wording, row["headers"]), row["taken_at"]
    if since is None:
        tx.run(t.inbox.update().where(_i.id == row_id).values(taken_at=tx.now))
        return Turn(wording=wording, interrupted=False)
    return Turn(wording=wording, interrupted=True) if tx.now - since > lasts else None


def hand_back(tx: Tx, row_id: str, reading: Reading) -> bool:
    """Give the command back to its chat with what was read; false where that was done before."""
    row = _waiting(tx, row_id)
    if row is None:
        return False
    read = replace(load(Wording, row["headers"]), reading=reading)
    values = {"state": "stored", "headers": dump(read), "taken_at": tx.now - LEFT}
    tx.run(t.inbox.update().where(_i.id == row_id).values(**values))
    return True


def tend(tx: Tx, every: timedelta) -> None:
    """Ring again for words that nobody read yet; give those back that nobody will."""
    for row in tx.all(select(_i.id, _i.received_at).where(_i.state == WORDING)):
        waited = tx.now - row["received_at"]
        if waited > GIVE_UP:
            hand_back(tx, row["id"], Reading(why=Off.INTERRUPTED.value))
        elif waited > UNHEARD:
            tx.ring_again(JOB, row["id"], every=every)


def _waiting(tx: Tx, row_id: str) -> Mapping[str, Any] | None:
    return tx.one(select(t.inbox).where(_i.id == row_id, _i.state == WORDING).with_for_update())
