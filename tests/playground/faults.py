"""Breaks a running playground and puts it right again: `python -m tests.playground.faults NAME --dir DIR`."""

import argparse
import contextlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.playground import database
from tests.playground.assembly import FILE
from tests.playground.checkout import SELECT_AFTER, SELECT_BEFORE, config_path
from tests.playground.client import Answer, send_json
from tests.playground.osproc import write_json

CALM_S = 10.0
SURGE_MULTIPLIER = 5.0
SURGE_S = 14.0


class BenchError(Exception):
    """The playground did not do what was asked of it."""


class Bench:
    """A running playground as the one who breaks it sees it."""

    def __init__(self, at: Path, *, seed: int = 0, seconds: float = SURGE_S) -> None:
        """Read `playground.json` in the directory `at`; `seconds` is how long a surge lasts."""
        file = at / FILE if at.is_dir() else at
        self.directory = file.parent
        self._file: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        self._seed = seed
        self._seconds = seconds

    def pool_leak(self) -> None:
        """Deploy version 2 of checkout, which loses a connection with every coupon."""
        self._supervisor("POST", "/v1/services/checkout/deploy", {"version": "2"}, token="deploy")

    def hung_replica(self) -> None:
        """Have one checkout replica hold its catalogue lock for good."""
        self._control(self._replica("checkout-2"), "/chaos/hang", {})

    def stale_schema(self) -> None:
        """Migrate the database, announce it, and have checkout read the new column."""
        database.migrate(Path(self._file["db"]))
        migration = {"migration": database.SECOND_MIGRATION}
        self._supervisor("POST", "/v1/services/inventory/migrated", migration, token="deploy")
        self._select(SELECT_AFTER)

    def surge(self) -> None:
        """Send five times the orders for a while."""
        self._control("load", "/load", {"multiplier": SURGE_MULTIPLIER, "seconds": self._seconds})

    def self_clearing(self) -> None:
        """Kill one checkout replica; the supervisor starts it again."""
        # The process cannot both die and answer, so no answer is the good answer.
        url = self._file["control"][self._replica("checkout-1")] + "/chaos/kill"
        if send_json("POST", url, {}, token=self._file["tokens"]["chaos"]).status:
            raise BenchError("the replica answered where it should have died")

    def restore(self) -> None:
        """Undo everything any fault does, and wait until all is as it was at the start."""
        self._control("load", "/load", {"multiplier": 1})
        self._select(SELECT_BEFORE)
        database.unmigrate(Path(self._file["db"]))
        for service in self._file["services"]:
            self._supervisor("POST", f"/v1/services/{service}/restore", {}, token="chaos")
        # A replica that was replaced just before may have read the old configuration.
        self._select(SELECT_BEFORE)
        self._wait_ready()

    def _replica(self, usual: str) -> str:
        if self._seed == 0:
            return usual
        names: list[str] = sorted(self._file["services"]["checkout"]["replicas"])
        return random.Random(self._seed).choice(names)

    def _select(self, columns: tuple[str, ...]) -> None:
        write_json(config_path(self.directory), {"stock_select": list(columns)})
        for name in self._file["services"]["checkout"]["replicas"]:
            # One that is down or hung reads the file when it starts.
            with contextlib.suppress(BenchError):
                self._control(name, "/config/reload", {})

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + CALM_S
        while time.monotonic() < deadline:
            found = [
                self._supervisor("GET", f"/v1/services/{service}", None, token="read")
                for service in self._file["services"]
            ]
            if all(each["ready"] for answer in found for each in answer.json()["replicas"]):
                return
            time.sleep(0.1)
        raise BenchError(f"some replica was not ready within {CALM_S:.0f} s")

    def _control(self, name: str, path: str, body: object) -> Answer:
        return _good(send_json("POST", self._file["control"][name] + path, body, token=self._token("chaos")))

    def _supervisor(self, method: str, path: str, body: object | None, *, token: str) -> Answer:
        url = self._file["supervisor"] + path
        return _good(send_json(method, url, body, token=self._token(token), timeout_s=30.0))

    def _token(self, role: str) -> str:
        return str(self._file["tokens"][role])


FAULTS: dict[str, Callable[[Bench], None]] = {
    "pool-leak": Bench.pool_leak,
    "hung-replica": Bench.hung_replica,
    "stale-schema": Bench.stale_schema,
    "surge": Bench.surge,
    "self-clearing": Bench.self_clearing,
}


def inject(name: str, at: Path, *, seed: int = 0, seconds: float = SURGE_S) -> None:
    """Inject a fault into the playground in directory `at` and return as soon as it is under way."""
    FAULTS[name](Bench(at, seed=seed, seconds=seconds))


def reset(name: str, at: Path) -> None:
    """Bring the playground back to its initial state after a fault, whoever has repaired what so far."""
    if name not in FAULTS:
        raise KeyError(name)
    Bench(at).restore()


def _good(answer: Answer) -> Answer:
    if not answer.accepted:
        raise BenchError(f"{answer.error_type}: {answer.body.decode(errors='replace')}")
    return answer


def main() -> None:
    """Inject or reset the fault the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.playground.faults", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=sorted(FAULTS))
    which.add_argument("--reset", choices=sorted(FAULTS))
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="0 takes the usual replica")
    parser.add_argument("--seconds", type=float, default=SURGE_S, help="how long a surge lasts")
    given = parser.parse_args()
    try:
        if given.reset:
            reset(given.reset, given.dir)
        else:
            inject(given.name, given.dir, seed=given.seed, seconds=given.seconds)
    except BenchError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
