"""The edge: takes orders and passes each to the next checkout replica, once."""

import threading
from collections.abc import Mapping

from tests.playground import options
from tests.playground.httpd import Handler, Reply, Request, json_reply
from tests.playground.options import Options
from tests.playground.service import Business, Service
from tests.playground.tracing import Span

CHECKOUT_TIMEOUT_S = 0.8
ROUTE = "/orders"


class Rotation:
    """Whose turn it is. A replica can be taken out while it is being replaced on purpose."""

    def __init__(self, instances: list[str]) -> None:
        """All instances start in rotation."""
        self._instances = instances
        self._out: set[str] = set()
        self._turn = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """The next instance; when all are out, out or not makes no difference."""
        with self._lock:
            able = [each for each in self._instances if each not in self._out] or self._instances
            self._turn += 1
            return able[self._turn % len(able)]

    def set(self, instance: str, *, in_rotation: bool) -> None:
        """Take an instance out or put it back; ValueError when there is no such instance."""
        if instance not in self._instances:
            raise ValueError(f"no instance {instance}")
        with self._lock:
            (self._out.discard if in_rotation else self._out.add)(instance)


class Gateway(Service):
    """Answers 201, 504 (checkout too slow), 502 (no checkout there) or 500 (checkout failed)."""

    def __init__(self, given: Options) -> None:
        """Prepare the rotation over the checkout replicas."""
        super().__init__(given)
        self._rotation = Rotation(list(given.upstreams))
        self.metrics.expect(route=ROUTE, codes=(201, 500, 502, 504))
        self.metrics.expect_upstream(upstream="checkout", instances=given.upstreams)

    def business(self) -> Mapping[tuple[str, str], Business]:
        """Orders only."""
        return {("POST", ROUTE): self._order}

    def control(self) -> Mapping[tuple[str, str], Handler]:
        """The orchestrator takes replicas out of rotation here."""
        return {("POST", "/rotation"): self._rotate}

    def _rotate(self, request: Request) -> Reply:
        body = request.json()
        self._rotation.set(str(body["instance"]), in_rotation=bool(body["in_rotation"]))
        return json_reply(200, {"ok": True})

    def _order(self, request: Request, span: Span) -> Reply:
        instance = self._rotation.next()
        answer = self.call_upstream(
            span,
            "POST",
            ROUTE,
            upstream="checkout",
            instance=instance,
            timeout_s=CHECKOUT_TIMEOUT_S,
            body=request.body,
        )
        if answer.outcome == "ok":
            return json_reply(201, answer.json())
        if answer.outcome == "timeout":
            text, status = f"{instance} did not answer within {CHECKOUT_TIMEOUT_S} s", 504
        elif answer.outcome == "refused":
            text, status = f"{instance} refused the connection", 502
        elif answer.status == 0:
            text, status = f"{instance} closed the connection ({answer.error_type})", 502
        elif answer.status < 500:
            return json_reply(answer.status, answer.json())
        else:
            text = f"{instance} answered {answer.status}: {answer.json().get('error', '')}"
            status = 500
        self.journal.error(text, span=span, upstream_instance=instance, status=status)
        return json_reply(status, {"error": text})


if __name__ == "__main__":
    Gateway(options.parse()).run()
