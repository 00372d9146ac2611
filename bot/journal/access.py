"""One-time codes and sessions. What is kept is a hash: whoever reads the journal can neither redeem nor enter."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select

from agents.incident.ids import PersonId
from bot.journal import tables as t
from bot.journal.journal import Tx

LOGIN = "login"
CODE_BYTES = 24
TOKEN_BYTES = 32


def digest(secret: str) -> str:
    """What the journal knows of a code or a token. Both are random and long, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def make_code(tx: Tx, person_id: PersonId, purpose: str, ttl: timedelta) -> str:
    """A fresh code for one use within *ttl*. It is told once and cannot be read again."""
    code = secrets.token_urlsafe(CODE_BYTES)
    at = tx.now
    tx.run(
        t.codes.insert().values(
            sha256=digest(code), purpose=purpose, person_id=person_id, made_at=at, expires_at=at + ttl
        )
    )
    return code


def redeem(tx: Tx, code: str, purpose: str) -> PersonId | None:
    """Whom *code* was made for, once; ``None`` when it is unknown, used, too old or for something else.

    One statement finds and uses it up, so that of two who come at once one is served.
    """
    at = tx.now
    row = tx.one(
        t.codes.update()
        .where(
            t.codes.c.sha256 == digest(code),
            t.codes.c.purpose == purpose,
            t.codes.c.used_at.is_(None),
            t.codes.c.expires_at > at,
        )
        .values(used_at=at)
        .returning(t.codes.c.person_id)
    )
    return PersonId(row["person_id"]) if row is not None else None


def open_session(tx: Tx, person_id: PersonId, ttl: timedelta) -> str:
    """A token that stands for *person_id* until *ttl* is over or the session is ended."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    at = tx.now
    tx.run(t.sessions.insert().values(sha256=digest(token), person_id=person_id, made_at=at, expires_at=at + ttl))
    return token


def person_of_session(tx: Tx, token: str) -> PersonId | None:
    """Whom *token* stands for now."""
    row = tx.one(
        select(t.sessions.c.person_id).where(
            t.sessions.c.sha256 == digest(token), t.sessions.c.expires_at > tx.now
        )
    )
    return PersonId(row["person_id"]) if row is not None else None


def still_open(tx: Tx, digests: Iterable[str]) -> frozenset[str]:
    """Those of these sessions (by hash) that have not ended."""
    rows = tx.run(
        select(t.sessions.c.sha256).where(t.sessions.c.sha256.in_(list(digests)), t.sessions.c.expires_at > tx.now)
    )
    return frozenset(rows.scalars())


def end_session(tx: Tx, token: str) -> None:
    """Forget one session."""
    tx.run(t.sessions.delete().where(t.sessions.c.sha256 == digest(token)))


def end_sessions(tx: Tx, person_id: PersonId) -> int:
    """End every session of a person, and make useless the links that would open another; how many ended."""
    tx.run(
        t.codes.delete().where(
            t.codes.c.person_id == person_id, t.codes.c.purpose == LOGIN, t.codes.c.used_at.is_(None)
        )
    )
    return tx.changed(t.sessions.delete().where(t.sessions.c.person_id == person_id))


def prune(tx: Tx) -> int:
    """Forget sessions and codes whose time is over; how many rows went. A code so forgotten stays useless."""
    at = tx.now
    codes = t.codes.delete().where(t.codes.c.expires_at <= at)
    return tx.changed(codes) + tx.changed(t.sessions.delete().where(t.sessions.c.expires_at <= at))
