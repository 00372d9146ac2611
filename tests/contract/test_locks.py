"""What the lease set promises, against a real Redis."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import combinations

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from actions.ports import LeasePhase, LockSet, Mode, Token
from actions.redis_locks import _KEYS, GenerationChanged, Lease, LeaseLost, RedisLocks
from agents.incident.errors import LockHeld, QueueUnreachable, Refused
from agents.incident.lifecycle import HOLDS_LEASE, ActionState
from bot import clock
from bot.clock import ClockParts
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.journal.ledger import JournalLedger
from bot.queue import Doorbell
from tests.builders import ALONE, PEOPLE, a_policy, ask
from tests.contract.redis_server import RedisServer

A = ActionState
S, X = Mode.SHARED, Mode.EXCLUSIVE
LONG, SHORT = timedelta(hours=1), timedelta(milliseconds=20)
DB: LockSet = {"db/orders": X}


class Bench:
    """Locks of one generation, and the few moves a test needs."""

    def __init__(self, server: RedisServer, generation: int = 1) -> None:
        self.server = server
        self.locks = RedisLocks(server.connection)
        self.generation = generation
        self.locks.install(generation, timedelta(0))
        self.redis_id = self.locks.redis_id()

    def acquire(self, owner: str, want: LockSet = DB, ttl: timedelta = LONG) -> Token:
        return self.locks.acquire(owner, want, generation=self.generation, redis_id=self.redis_id, ttl=ttl)

    def leases(self) -> Mapping[str, Lease]:
        return {lease.owner: lease for lease in self.locks.look()}

    def expire(self, owner: str) -> None:
        """Let the lease's time be over, without waiting for it."""
        leases = self.server.connection
        raw = leases.hget(_KEYS[0], owner)
        assert isinstance(raw, bytes)
        phase, generation, counter, _, want = raw.decode().split("|")
        leases.hset(_KEYS[0], owner, f"{phase}|{generation}|{counter}|1|{want}")


@pytest.fixture(name="bench")
def _bench(redis_server: RedisServer) -> Bench:
    return Bench(redis_server)


# Granting


def test_it_is_all_or_nothing(bench: Bench) -> None:
    bench.acquire("one", {"db/orders": X})
    with pytest.raises(LockHeld, match="held by one"):
        bench.acquire("two", {"svc/checkout": X, "db/orders": X})
    assert set(bench.leases()) == {"one"}
    bench.acquire("three", {"svc/checkout": X})


def test_the_same_owner_gets_the_same_token(bench: Bench) -> None:
    token = bench.acquire("one")
    assert bench.acquire("one") == token
    bench.locks.phase("one", token, LeasePhase.EXECUTING, LONG)
    assert bench.acquire("one") == token


@pytest.mark.parametrize(
    ("held", "wanted", "granted"), [(S, S, True), (S, X, False), (X, S, False), (X, X, False)]
)
def test_only_shared_goes_with_shared(bench: Bench, held: Mode, wanted: Mode, granted: bool) -> None:
    bench.acquire("one", {"db/orders": held})
    if granted:
        bench.acquire("two", {"db/orders": wanted})
        return
    with pytest.raises(LockHeld):
        bench.acquire("two", {"db/orders": wanted})


def test_one_resource_name_is_not_a_part_of_another(bench: Bench) -> None:
    bench.acquire("one", {"svc/checkout": X})
    bench.acquire("two", {"svc/checkout-2": X, "svc/check": X})


def test_tokens_rise_with_every_grant(bench: Bench) -> None:
    tokens = []
    for owner in ("one", "two", "three"):
        tokens.append(bench.acquire(owner))
        assert bench.locks.release(owner, tokens[-1])
    assert tokens == sorted(set(tokens), key=lambda token: token.fence)
    assert len({token.fence for token in tokens}) == 3


def test_an_empty_set_and_a_name_that_is_none_are_errors(bench: Bench) -> None:
    for want in ({}, {"": X}, {"a,b": X}, {"a=X": S}, {"a|b": X}):
        with pytest.raises(Refused):
            bench.acquire("one", want)
    assert bench.leases() == {}


def test_another_generation_and_another_redis_are_refused(bench: Bench) -> None:
    for generation, redis_id in ((2, bench.redis_id), (0, bench.redis_id), (1, "0" * 40), (1, "")):
        with pytest.raises(GenerationChanged):
            bench.locks.acquire("one", DB, generation=generation, redis_id=redis_id, ttl=LONG)
    assert bench.leases() == {}


def test_nothing_is_granted_by_a_redis_nobody_installed(redis_server: RedisServer) -> None:
    locks = RedisLocks(redis_server.connection)
    assert locks.installed() == 0
    for generation in (0, 1):
        with pytest.raises(GenerationChanged):
            locks.acquire("one", DB, generation=generation, redis_id=locks.redis_id(), ttl=LONG)


def test_after_a_new_generation_nothing_is_granted_for_one_lease(bench: Bench) -> None:
    bench.locks.install(1, LONG)
    with pytest.raises(LockHeld, match="old leases"):
        bench.acquire("one")
    _end_hold(bench.server)
    bench.acquire("one")


def _end_hold(server: RedisServer) -> None:
    """One lease's time has passed since another Redis came."""
    assert server.connection.pexpire(_KEYS[3], 1)
    time.sleep(0.01)


# Time


def test_only_what_has_not_begun_is_freed_by_time(bench: Bench) -> None:
    token = bench.acquire("one", ttl=SHORT)
    time.sleep(2 * SHORT.total_seconds())
    assert bench.acquire("two") != token
    assert set(bench.leases()) == {"two"}


@pytest.mark.parametrize("phase", [LeasePhase.EXECUTING, LeasePhase.VERIFYING])
def test_what_may_have_had_an_effect_is_quarantined_and_still_conflicts(bench: Bench, phase: LeasePhase) -> None:
    token = bench.acquire("one")
    bench.locks.phase("one", token, phase, SHORT)
    time.sleep(2 * SHORT.total_seconds())
    for _ in range(2):
        with pytest.raises(LockHeld, match="held by one"):
            bench.acquire("two")
    with pytest.raises(LockHeld, match="quarantined"):
        bench.acquire("one")
    assert bench.leases()["one"].phase is LeasePhase.QUARANTINED


def test_renewing_gives_more_time(bench: Bench) -> None:
    token = bench.acquire("one", ttl=timedelta(minutes=1))
    bench.locks.renew("one", token, LONG)
    assert bench.leases()["one"].remaining > LONG - timedelta(minutes=1)


@pytest.mark.parametrize("phase", [None, LeasePhase.EXECUTING, LeasePhase.VERIFYING])
def test_renewing_never_revives(bench: Bench, phase: LeasePhase | None) -> None:
    token = bench.acquire("one")
    if phase is not None:
        bench.locks.phase("one", token, phase, LONG)
    bench.expire("one")
    with pytest.raises(LeaseLost):
        bench.locks.renew("one", token, LONG)
    with pytest.raises(LeaseLost):
        bench.locks.phase("one", token, LeasePhase.EXECUTING, LONG)
    assert {lease.phase for lease in bench.leases().values()} <= {LeasePhase.QUARANTINED}


def test_what_has_begun_never_becomes_a_mere_reservation_again(bench: Bench) -> None:
    token = bench.acquire("one")
    bench.locks.phase("one", token, LeasePhase.EXECUTING, LONG)
    with pytest.raises(LeaseLost):
        bench.locks.phase("one", token, LeasePhase.RESERVED, LONG)
    assert bench.leases()["one"].phase is LeasePhase.EXECUTING


# Whose it is


def test_only_the_own_token_moves_renews_or_releases(bench: Bench) -> None:
    token = bench.acquire("one")
    for other in (
        Token(generation=1, counter=token.counter + 1),
        Token(generation=1, counter=token.counter - 1),
        Token(generation=2, counter=token.counter),
    ):
        with pytest.raises(LeaseLost):
            bench.locks.renew("one", other, LONG)
        with pytest.raises(LeaseLost):
            bench.locks.phase("one", other, LeasePhase.EXECUTING, LONG)
        assert not bench.locks.release("one", other)
    with pytest.raises(LeaseLost):
        bench.locks.renew("two", token, LONG)
    assert not bench.locks.release("two", token)
    assert bench.leases()["one"].phase is LeasePhase.RESERVED
    assert bench.locks.release("one", token)
    assert not bench.locks.release("one", token)
    assert bench.leases() == {}


@pytest.mark.parametrize("expired", [False, True])
def test_who_adopts_gets_a_newer_token_and_the_old_one_is_lost(bench: Bench, expired: bool) -> None:
    old = bench.acquire("one")
    bench.locks.phase("one", old, LeasePhase.EXECUTING, LONG)
    if expired:
        bench.expire("one")
    new = bench.locks.adopt("one", old, generation=1, ttl=LONG)
    assert new.fence > old.fence
    with pytest.raises(LeaseLost):
        bench.locks.renew("one", old, LONG)
    with pytest.raises(LeaseLost):
        bench.locks.adopt("one", old, generation=1, ttl=LONG)
    assert not bench.locks.release("one", old)
    bench.locks.renew("one", new, LONG)
    with pytest.raises(LockHeld, match="executing"):
        bench.acquire("two")
    assert bench.locks.release("one", new)


def test_who_holds_nothing_adopts_nothing(bench: Bench) -> None:
    with pytest.raises(LeaseLost):
        bench.locks.adopt("one", Token(generation=1, counter=1), generation=1, ttl=LONG)


def test_an_adoption_that_died_before_it_was_written_down_can_be_made_again(bench: Bench) -> None:
    """The journal still names the old token: once the lease ran out, it is enough."""
    old = bench.acquire("one")
    bench.locks.phase("one", old, LeasePhase.EXECUTING, LONG)
    lost = bench.locks.adopt("one", old, generation=1, ttl=LONG)
    bench.expire("one")
    again = bench.locks.adopt("one", old, generation=1, ttl=LONG)
    assert again.fence > lost.fence
    with pytest.raises(LeaseLost):
        bench.locks.renew("one", lost, LONG)


# Numbers


def test_a_token_of_a_high_generation_stays_a_whole_number_everywhere(bench: Bench, journal: Journal) -> None:
    generation, counter = 151, 2**31 - 7
    bench = Bench(bench.server, generation)
    bench.server.connection.set(_KEYS[1], counter - 1)
    token = bench.acquire("one", {"svc/demo/checkout": X})
    assert token == Token(generation=generation, counter=counter)
    assert token.fence == 151 * 2**40 + 2**31 - 7
    assert bench.leases()["one"].token == token
    bench.locks.renew("one", token, LONG)
    ledger = JournalLedger(journal, PEOPLE, a_policy())
    question = ask(journal)
    with journal.write("test.placed") as tx:
        tx.run(t.lock_service.insert().values(id=1, generation=generation, run_id=bench.redis_id, since=tx.now))
        tx.run(t.action_runs.update().values(state=A.READY.value))
    run = ledger.reserve(ledger.run(question.run_id), token, {"svc/demo/checkout": X})
    assert run.token is not None
    assert run.token.fence == token.fence
    newer = bench.locks.adopt("one", token, generation=generation, ttl=LONG)
    assert newer.fence == token.fence + 1
    bench.locks.restore("one", newer, {"svc/demo/checkout": X})
    assert bench.leases()["one"].token.fence == newer.fence
    assert bench.locks.release("one", newer)


def test_a_newer_generation_is_above_every_counter_of_an_older_one() -> None:
    assert Token(generation=2, counter=1).fence > Token(generation=1, counter=2**40 - 1).fence


# A Redis that dies


def test_a_killed_redis_keeps_its_leases_and_has_another_id(own_redis: RedisServer) -> None:
    bench = Bench(own_redis)
    token = bench.acquire("one")
    bench.locks.phase("one", token, LeasePhase.EXECUTING, LONG)
    own_redis.connection.execute_command("WAITAOF", 1, 0, 2000)
    own_redis.kill()
    with pytest.raises(QueueUnreachable):
        bench.locks.renew("one", token, LONG)
    own_redis.restart()
    after = RedisLocks(own_redis.connection)
    assert after.redis_id() != bench.redis_id
    assert after.installed() == 1
    assert [(x.owner, x.token, x.phase) for x in after.look()] == [("one", token, LeasePhase.EXECUTING)]
    with pytest.raises(GenerationChanged):
        after.acquire("two", {"other": X}, generation=1, redis_id=bench.redis_id, ttl=LONG)
    with pytest.raises(LockHeld):
        after.acquire("two", DB, generation=1, redis_id=after.redis_id(), ttl=LONG)


def _parts(journal: Journal, server: RedisServer) -> ClockParts:
    return ClockParts(
        journal=journal,
        doorbell=Doorbell(server.connection),
        locks=RedisLocks(server.connection),
        limits=clock.Limits(tick=SHORT, reconcile=SHORT, lease=LONG, triage_silence=timedelta(seconds=30)),
        grouping=ALONE,
        log=structlog.get_logger(),
    )


def _service(journal: Journal) -> tuple[int, str]:
    with journal.read() as tx:
        row = tx.one(select(t.lock_service))
    assert row is not None
    return row["generation"], row["run_id"]


def test_the_first_redis_is_installed_at_once(journal: Journal, redis_server: RedisServer) -> None:
    parts = _parts(journal, redis_server)
    for _ in range(2):
        clock.settle_generation(parts)
        assert _service(journal) == (1, parts.locks.redis_id())
        assert parts.locks.installed() == 1
    parts.locks.acquire("one", DB, generation=1, redis_id=parts.locks.redis_id(), ttl=LONG)


@pytest.mark.parametrize("forget", [True, False])
def test_after_redis_was_replaced_whatever_is_unresolved_is_quarantined_again(
    journal: Journal, own_redis: RedisServer, forget: bool
) -> None:
    clock.settle_generation(_parts(journal, own_redis))
    held = sorted(HOLDS_LEASE)
    questions = {state: ask(journal, service=f"demo/{state}") for state in (*held, A.READY, A.SUCCEEDED)}
    tokens = {}
    for number, (state, question) in enumerate(questions.items(), start=1):
        tokens[state] = Token(generation=1, counter=number)
        with journal.write("test.placed") as tx:
            tx.run(
                t.action_runs.update()
                .where(t.action_runs.c.id == question.run_id)
                .values(state=state.value, generation=1, counter=number)
            )
    own_redis.kill()
    own_redis.restart(forget=forget)
    parts = _parts(journal, own_redis)
    clock.settle_generation(parts)
    assert _service(journal) == (2, parts.locks.redis_id())
    assert parts.locks.installed() == 2
    leases = {lease.owner: lease for lease in parts.locks.look()}
    assert {lease.phase for lease in leases.values()} == {LeasePhase.QUARANTINED}
    assert set(leases) == {questions[state].run_id for state in held}
    for state in held:
        assert leases[questions[state].run_id].token == tokens[state]
    with pytest.raises(LockHeld, match="old leases"):
        parts.locks.acquire("new", {"free": X}, generation=2, redis_id=parts.locks.redis_id(), ttl=LONG)
    _end_hold(own_redis)
    with pytest.raises(LockHeld, match="quarantined"):
        parts.locks.acquire(
            "new", {"svc/demo/checkout": X}, generation=2, redis_id=parts.locks.redis_id(), ttl=LONG
        )
    run_id = questions[A.EXECUTING].run_id
    newer = parts.locks.adopt(run_id, tokens[A.EXECUTING], generation=2, ttl=LONG)
    assert newer.fence > max(token.fence for token in tokens.values())


def test_settling_again_changes_nothing(journal: Journal, own_redis: RedisServer) -> None:
    clock.settle_generation(_parts(journal, own_redis))
    own_redis.kill()
    own_redis.restart(forget=True)
    for _ in range(3):
        clock.settle_generation(_parts(journal, own_redis))
        assert _service(journal)[0] == 2


def test_a_redis_whose_data_was_taken_away_gets_a_new_generation(
    journal: Journal, redis_server: RedisServer
) -> None:
    """FLUSHALL leaves the server its id, yet the counter starts again: tokens would be granted twice."""
    parts = _parts(journal, redis_server)
    clock.settle_generation(parts)
    redis_id = parts.locks.redis_id()
    before = parts.locks.acquire("one", DB, generation=1, redis_id=redis_id, ttl=LONG)
    redis_server.connection.flushall()
    clock.settle_generation(parts)
    _end_hold(redis_server)
    generation = _service(journal)[0]
    after = parts.locks.acquire("two", DB, generation=generation, redis_id=redis_id, ttl=LONG)
    assert after.fence > before.fence


# Anything in any order

OWNERS = ("ana", "ben", "cleo", "dora")
WANTS: st.SearchStrategy[LockSet] = st.dictionaries(
    st.sampled_from(("a", "b", "c")), st.sampled_from(Mode), min_size=1, max_size=3
)
WRITING = (LeasePhase.EXECUTING, LeasePhase.VERIFYING)
Grant = tuple[str, Token]


def _conflict(one: LockSet, two: LockSet) -> bool:
    return any(X in {one[r], two[r]} for r in one.keys() & two.keys())


class LeaseMachine(RuleBasedStateMachine):
    """Every operation in any order, against a model of what is held."""

    server: RedisServer
    grants: Bundle[Grant] = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.server.connection.flushall()
        self.bench = Bench(self.server)
        self.held: dict[str, Lease] = {}
        self.over: set[str] = set()
        self.highest = 0

    def _settle(self) -> None:
        """What the passing of time does, once somebody looks."""
        for owner in self.over:
            lease = self.held[owner]
            if lease.phase is LeasePhase.RESERVED:
                del self.held[owner]
            else:
                self._put(lease, phase=LeasePhase.QUARANTINED)
        self.over.clear()

    def _put(self, lease: Lease, *, phase: LeasePhase, token: Token | None = None) -> None:
        self.held[lease.owner] = Lease(
            owner=lease.owner,
            phase=phase,
            token=token or lease.token,
            remaining=lease.remaining,
            want=lease.want,
        )

    def _live(self, grant: Grant) -> bool:
        lease = self.held.get(grant[0])
        return lease is not None and lease.token == grant[1] and lease.phase is not LeasePhase.QUARANTINED

    def _newer(self, token: Token) -> None:
        assert token.fence > self.highest
        self.highest = token.fence

    @rule(target=grants, owner=st.sampled_from(OWNERS), want=WANTS)
    def acquire(self, owner: str, want: LockSet) -> MultipleResults[Grant] | Grant:
        self._settle()
        mine = self.held.get(owner)
        refused = (
            mine.phase is LeasePhase.QUARANTINED
            if mine is not None
            else any(_conflict(want, other.want) for other in self.held.values())
        )
        try:
            token = self.bench.acquire(owner, want)
        except LockHeld:
            assert refused
            return multiple()
        assert not refused
        if mine is not None:
            assert token == mine.token
            return multiple()
        self._newer(token)
        self.held[owner] = Lease(owner=owner, phase=LeasePhase.RESERVED, token=token, remaining=LONG, want=want)
        return (owner, token)

    @rule(grant=grants, to=st.sampled_from(WRITING))
    def phase(self, grant: Grant, to: LeasePhase) -> None:
        self._settle()
        if not self._live(grant):
            with pytest.raises(LeaseLost):
                self.bench.locks.phase(*grant, to, LONG)
            return
        self.bench.locks.phase(*grant, to, LONG)
        self._put(self.held[grant[0]], phase=to)

    @rule(grant=grants)
    def renew(self, grant: Grant) -> None:
        self._settle()
        if self._live(grant):
            self.bench.locks.renew(*grant, LONG)
            return
        with pytest.raises(LeaseLost):
            self.bench.locks.renew(*grant, LONG)

    @rule(grant=grants)
    def release(self, grant: Grant) -> None:
        self._settle()
        owner, token = grant
        lease = self.held.get(owner)
        own = lease is not None and lease.token == token
        assert self.bench.locks.release(owner, token) == own
        if own:
            del self.held[owner]

    @rule(target=grants, grant=grants)
    def adopt(self, grant: Grant) -> MultipleResults[Grant] | Grant:
        self._settle()
        owner, token = grant
        lease = self.held.get(owner)
        own = lease is not None and lease.token == token
        gone = lease is not None and lease.phase is LeasePhase.QUARANTINED and lease.token.fence > token.fence
        if not own and not gone:
            with pytest.raises(LeaseLost):
                self.bench.locks.adopt(owner, token, generation=1, ttl=LONG)
            return multiple()
        assert lease is not None
        newer = self.bench.locks.adopt(owner, token, generation=1, ttl=LONG)
        self._newer(newer)
        self._put(lease, phase=LeasePhase.EXECUTING, token=newer)
        return (owner, newer)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.held)))
        self.bench.expire(owner)
        if self.held[owner].phase is not LeasePhase.QUARANTINED:
            self.over.add(owner)

    @rule(grant=consumes(grants))
    def forget(self, grant: Grant) -> None:
        """Whoever held it is gone, and never calls again."""

    @invariant()
    def no_two_incompatible_leases(self) -> None:
        if self.over:
            return  # looking would settle what a later call is to find
        seen = self.bench.leases()
        assert {o: (x.phase, x.token, x.want) for o, x in seen.items()} == {
            o: (x.phase, x.token, x.want) for o, x in self.held.items()
        }
        for one, two in combinations(seen.values(), 2):
            assert not _conflict(one.want, two.want)


@pytest.fixture(name="machine")
def _machine(redis_server: RedisServer) -> Iterator[type[LeaseMachine]]:
    LeaseMachine.server = redis_server
    yield LeaseMachine
    del LeaseMachine.server


def test_whatever_is_done_in_whatever_order_the_invariants_hold(machine: type[LeaseMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None, database=None)
    )
