"""The pool lends, queues, times out and counts."""

import sqlite3
import threading
import time
from collections.abc import Iterator

import pytest

from tests.playground.pool import Pool, PoolState, PoolTimeoutError


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


@pytest.fixture(name="pool")
def _pool() -> Iterator[Pool]:
    pool = Pool(_connect, size=2, timeout_s=0.2)
    yield pool
    pool.close()


def test_lends_what_it_has_and_counts(pool: Pool) -> None:
    with pool.connection(), pool.connection():
        assert pool.state() == PoolState(size=2, in_use=2, waiting=0)
    assert pool.state() == PoolState(size=2, in_use=0, waiting=0)


def test_times_out_with_the_counts_in_the_message(pool: Pool) -> None:
    for _ in range(2):
        pool.acquire()
    with pytest.raises(PoolTimeoutError, match=r"no connection within 0\.2 s \(size 2, in use 2, waiting 1\)"):
        pool.acquire()
    assert pool.state().waiting == 0


def test_gives_back_even_when_the_block_fails(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError), pool.connection():
        _ = 1 / 0
    assert pool.state().in_use == 0


def test_serves_waiters_in_the_order_they_came(pool: Pool) -> None:
    held = [pool.acquire(), pool.acquire()]
    served: list[int] = []

    def take(number: int) -> None:
        with pool.connection():
            served.append(number)

    threads = []
    for number in range(2):
        thread = threading.Thread(target=take, args=(number,))
        thread.start()
        threads.append(thread)
        while pool.state().waiting <= number:
            time.sleep(0.001)
    pool.release(held[0])
    for thread in threads:
        thread.join()
    assert served == [0, 1]


def test_tells_of_saturation_once_and_of_its_end_once() -> None:
    news: list[bool] = []
    pool = Pool(_connect, size=1, timeout_s=0.02, on_saturation=lambda saturated, _state: news.append(saturated))
    held = pool.acquire()
    for _ in range(3):
        with pytest.raises(PoolTimeoutError):
            pool.acquire()
    pool.release(held)
    with pool.connection():
        pass
    assert news == [True, False]
    pool.close()
