"""The lease set in Redis: one script, the server's own clock, tokens kept in two parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import redis

from actions.ports import LeasePhase, LockSet, Mode, Token
from agents.incident.errors import LockHeld, QueueUnreachable, Refused

_SCRIPT = (Path(__file__).parent / "leases.lua").read_text()
_KEYS = ("{lk}:leases", "{lk}:counter", "{lk}:generation", "{lk}:hold")


class LeaseLost(Refused):
    """The lease is not live and ours any more: stop before the next effect."""


class GenerationChanged(Refused):
    """Redis is not the one the journal knows; nothing is granted until the clock has settled that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One lease as Redis has it now."""

    owner: str
    phase: LeasePhase
    token: Token
    remaining: timedelta
    want: LockSet


class RedisLocks:
    """Locks over one Redis. Every call has the connection's time-out."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._script = connection.register_script(_SCRIPT)

    def _call(self, *args: str | int) -> list[str]:
        try:
            answer = self._script(keys=_KEYS, args=args)
        except redis.RedisError as error:
            raise QueueUnreachable(f"the lock service (Redis) did not answer: {type(error).__name__}") from error
        return [a.decode() if isinstance(a, bytes) else str(a) for a in cast(list[Any], answer)]

    def acquire(self, owner: str, want: LockSet, *, generation: int, redis_id: str, ttl: timedelta) -> Token:
        """All or nothing; raises LockHeld with who holds what."""
        answer = self._call("acquire", owner, generation, redis_id, _ms(ttl), _pack(want))
        match answer:
            case ["OK", gen, ctr]:
                return Token(generation=int(gen), counter=int(ctr))
            case ["HELD", who, phase]:
                raise LockHeld(f"held by {who} ({phase})")
            case _:
                raise GenerationChanged("the lock service was replaced; the clock will settle it")

    def phase(self, owner: str, token: Token, to: LeasePhase, ttl: timedelta) -> None:
        """Move and renew."""
        self._own(self._call("phase", owner, token.generation, token.counter, to.value, _ms(ttl)), owner)

    def renew(self, owner: str, token: Token, ttl: timedelta) -> None:
        """Never revives an expired lease."""
        self._own(self._call("renew", owner, token.generation, token.counter, _ms(ttl)), owner)

    def adopt(self, owner: str, token: Token, *, generation: int, ttl: timedelta) -> Token:
        """A new token over the same set."""
        answer = self._call("adopt", owner, token.generation, token.counter, generation, _ms(ttl))
        self._own(answer, owner)
        return Token(generation=int(answer[1]), counter=int(answer[2]))

    def release(self, owner: str, token: Token) -> bool:
        """Own token only."""
        return self._call("release", owner, token.generation, token.counter) == ["OK"]

    def look(self) -> Iterator[Lease]:
        """Every lease there is; what expired is quarantined or freed by looking."""
        flat = self._call("look", "")
        for i in range(0, len(flat), 6):
            owner, phase, gen, ctr, left, packed = flat[i : i + 6]
            yield Lease(
                owner=owner,
                phase=LeasePhase(phase),
                token=Token(generation=int(gen), counter=int(ctr)),
                remaining=timedelta(milliseconds=int(left)),
                want=_unpack(packed),
            )

    def restore(self, owner: str, token: Token, want: LockSet) -> None:
        """Write a set back as quarantined, after Redis lost its memory."""
        self._call("restore", owner, token.generation, token.counter, _pack(want))

    def install(self, generation: int, hold: timedelta) -> None:
        """Grant under *generation* from now on, after *hold*, in which leases of the old Redis run out."""
        self._call("install", "", generation, _ms(hold))

    def installed(self) -> int:
        """The generation grants are made under; 0 when none is."""
        try:
            found: Any = self._redis.get(_KEYS[2])
        except redis.RedisError as error:
            raise QueueUnreachable(f"the lock service (Redis) did not answer: {type(error).__name__}") from error
        return int(found) if found is not None else 0

    def redis_id(self) -> str:
        """The server's own run id: another one is another memory."""
        try:
            info = cast(Mapping[str, Any], self._redis.info("server"))
        except redis.RedisError as error:
            raise QueueUnreachable(f"the lock service (Redis) did not answer: {type(error).__name__}") from error
        return str(info["run_id"])

    @staticmethod
    def _own(answer: list[str], owner: str) -> None:
        if answer[0] != "OK":
            raise LeaseLost(f"the lease of {owner} was lost")


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _pack(want: LockSet) -> str:
    if not want:
        raise Refused("an empty lock set is an error: it must never read as nothing or as everything")
    for resource in want:
        if any(c in resource for c in "=,|") or not resource:
            raise Refused(f"resource name {resource!r} cannot be locked")
    return ",".join(f"{r}={m.value}" for r, m in sorted(want.items()))


def _unpack(packed: str) -> LockSet:
    return {r: Mode(m) for r, _, m in (p.partition("=") for p in packed.split(",") if p)}
