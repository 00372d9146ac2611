"""Fences only rise, a key has one effect, and both outlive the supervisor."""

from pathlib import Path

import pytest

from tests.playground.ledger import FenceError, Ledger


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "operations.jsonl"


def _accept(ledger: Ledger, key: str, *, fence: int = 0) -> bool:
    made = ledger.accept(service="checkout", fence=fence, key=key, kind="restart", check=lambda: None)
    return made is not None


def test_a_claim_must_not_be_lower_than_the_highest(path: Path) -> None:
    ledger = Ledger(path)
    ledger.claim("checkout", 5)
    ledger.claim("checkout", 5)
    with pytest.raises(FenceError) as raised:
        ledger.claim("checkout", 4)
    assert raised.value.highest == 5
    assert (ledger.fence("checkout"), ledger.fence("gateway")) == (5, 0)


@pytest.mark.parametrize("fence", [4, 6])
def test_an_operation_needs_exactly_the_claimed_fence(path: Path, fence: int) -> None:
    ledger = Ledger(path)
    ledger.claim("checkout", 5)
    with pytest.raises(FenceError):
        _accept(ledger, "k", fence=fence)
    assert ledger.operation("k") is None
    assert _accept(ledger, "k", fence=5)


def test_the_same_key_is_accepted_once_whatever_the_state_is_by_then(path: Path) -> None:
    ledger = Ledger(path)
    assert _accept(ledger, "k")

    def refuse() -> None:
        raise AssertionError("a known key must not be checked against the present state")

    assert ledger.accept(service="checkout", fence=0, key="k", kind="restart", check=refuse) is None


def test_what_does_not_fit_is_not_remembered(path: Path) -> None:
    ledger = Ledger(path)

    def refuse() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        ledger.accept(service="checkout", fence=0, key="k", kind="restart", check=refuse)
    assert ledger.operation("k") is None


def test_all_of_it_outlives_the_supervisor(path: Path) -> None:
    ledger = Ledger(path)
    ledger.claim("checkout", 7)
    for key in ("done", "broken", "open"):
        assert _accept(ledger, key, fence=7)
    ledger.effect("restart")
    ledger.finish("done", None)
    ledger.finish("broken", "no luck")
    again = Ledger(path)
    assert again.fence("checkout") == 7
    assert again.effects() == {"restart": 1, "rollback": 0, "reload-schema": 0}
    assert not _accept(again, "done", fence=7)
    found = [again.operation(key) for key in ("done", "broken", "open")]
    assert [(each.state, each.error) for each in found if each] == [
        ("applied", None),
        ("failed", "no luck"),
        ("failed", "the supervisor ended while this ran"),
    ]
