"""Open-loop load: sends orders at a set rate whether or not earlier ones were answered."""

import argparse
import json
import os
import random
import threading
import time

from tests.playground import database
from tests.playground.client import call
from tests.playground.httpd import Handler, Reply, Request, Server, guarded, json_reply, routed
from tests.playground.options import ENV_CONTROL_TOKEN, ENV_PARENT
from tests.playground.osproc import allow_many_connections, die_with_parent, stop_event

PATIENCE_S = 3.0
COUPON_SHARE = 0.25


class Load:
    """The rate in orders a second, times a multiplier that may last for a while only."""

    def __init__(self, *, gateway: str, rate: float, seed: int) -> None:
        """`gateway` is host:port."""
        self._gateway = gateway
        self._rate = rate
        self._random = random.Random(seed)
        self._multiplier = 1.0
        self._until = float("inf")
        self._lock = threading.Lock()

    @property
    def multiplier(self) -> float:
        """The multiplier in force now."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._multiplier, self._until = 1.0, float("inf")
            return self._multiplier

    def set(self, multiplier: float, seconds: float | None) -> None:
        """Multiply the rate, for `seconds` when given, else until told otherwise."""
        if not 0.0 < multiplier <= 20.0:
            raise ValueError("the multiplier must be above 0 and at most 20")
        with self._lock:
            self._multiplier = multiplier
            self._until = float("inf") if seconds is None else time.monotonic() + seconds

    def run(self, stop: threading.Event) -> None:
        """Send until `stop`; the pause between two orders is jittered by half either way."""
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            threading.Thread(target=self._send, args=(self._order(),), daemon=True).start()
            due += self._random.uniform(0.5, 1.5) / (self._rate * self.multiplier)
            # After a stall of the whole machine, go on from now: a burst would be a fault of its own.
            due = max(due, time.monotonic() - 0.5)

    def routes(self) -> dict[tuple[str, str], Handler]:
        """The control port."""
        return {("POST", "/load"): self._post, ("GET", "/load"): self._get}

    def _order(self) -> bytes:
        coupon = self._random.choice(tuple(database.COUPONS))
        order = {
            "sku": self._random.choice(database.SKUS),
            "quantity": self._random.randint(1, 3),
            "coupon": coupon if self._random.random() < COUPON_SHARE else None,
        }
        return json.dumps(order).encode()

    def _send(self, order: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        call("POST", self._gateway, "/orders", timeout_s=PATIENCE_S, body=order, headers=headers)

    def _post(self, request: Request) -> Reply:
        body = request.json()
        seconds = body.get("seconds")
        self.set(float(body["multiplier"]), None if seconds is None else float(seconds))
        return self._get(request)

    def _get(self, _request: Request) -> Reply:
        return json_reply(200, {"multiplier": self.multiplier, "rate": self._rate})


def main() -> None:
    """Run the generator until SIGTERM."""
    parser = argparse.ArgumentParser(description="The playground's load.")
    parser.add_argument("--gateway", required=True, help="host:port")
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=16.0, help="orders a second")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    die_with_parent(int(os.environ.get(ENV_PARENT, os.getppid())))
    allow_many_connections()
    threading.stack_size(256 * 1024)
    stop = stop_event()
    load = Load(gateway=given.gateway, rate=given.rate, seed=given.seed)
    token = os.environ.get(ENV_CONTROL_TOKEN, "")
    guards = {key: guarded(token, handler) for key, handler in load.routes().items()}
    Server(given.control_port, routed(guards)).start()
    load.run(stop)


if __name__ == "__main__":
    main()
