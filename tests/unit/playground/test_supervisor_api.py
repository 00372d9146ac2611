"""The supervisor's API: roles, fences, preconditions and answers, over a fleet without processes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.playground import database
from tests.playground.changes import Feed
from tests.playground.fleet import Deployment, Fleet, proven
from tests.playground.httpd import Request
from tests.playground.ledger import Ledger
from tests.playground.logs import Log
from tests.playground.replica import Place, Replica
from tests.playground.supervisor import Supervisor
from tests.playground.supervisor_api import Api, Tokens


class _StillFleet(Fleet):
    """Replaces replicas on paper only."""

    def put(self, deployment: Deployment, replica: Replica) -> None:
        replica.uid += "+"
        replica.revision = deployment.current


class _SilentFeed(Feed):
    """Keeps what would be posted."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def post(self, event: dict[str, object]) -> None:
        self.events.append(event)


class _Client:
    """Calls the API and reads its JSON."""

    def __init__(self, api: Api, feed: _SilentFeed) -> None:
        self._api = api
        self.feed = feed

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "w",
        fence: int | None = None,
        key: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {role}"}
        if fence is not None:
            headers["x-fence-token"] = str(fence)
        if key is not None:
            headers["idempotency-key"] = key
        sent = b"" if body is None else json.dumps(body).encode()
        reply = self._api.answer(Request(method=method, path=path, query={}, headers=headers, body=sent))
        return reply.status, json.loads(reply.body)

    def ended(self, key: str) -> dict[str, Any]:
        """Wait until an operation has ended."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            _, found = self("GET", f"/v1/operations/{key}")
            if found["state"] != "running":
                return found
            time.sleep(0.005)
        raise AssertionError("the operation did not end")

    def until_revision(self, revision: int) -> None:
        """Wait until a deployment has come through."""
        deadline = time.monotonic() + 5
        while not self.feed.events and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self("GET", "/v1/services/checkout")[1]["revision"] == revision


def _never(_place: Place, _version: str, _revision: int) -> Any:
    raise AssertionError("no process may start here")


@pytest.fixture(name="client")
def _client(tmp_path: Path) -> Iterator[_Client]:
    database.create(tmp_path / "shop.db")
    log = Log(tmp_path, service="supervisor", instance="supervisor")
    replicas = []
    for number in (1, 2):
        place = Place(name=f"checkout-{number}", service="checkout", port=number, control_port=10 + number)
        replicas.append(Replica(place, _never))
        replicas[-1].uid = f"u{number}"
    revisions = [proven("checkout", 40, days_ago=9), proven("checkout", 41, days_ago=2)]
    fleet = _StillFleet([Deployment("checkout", replicas, revisions)], rotate=lambda _replica, _in: None, log=log)
    feed = _SilentFeed()
    supervisor = Supervisor(
        fleet,
        Ledger(tmp_path / "operations.jsonl"),
        feed,
        database_path=tmp_path / "shop.db",
        control_token="c",
    )
    yield _Client(Api(supervisor, Tokens(read="r", write="w", deploy="d", chaos="c")), feed)
    log.close()


RESTART = "/v1/services/checkout/replicas/checkout-2/restart"
ROLLBACK = "/v1/services/checkout/rollback"


def test_each_token_may_do_its_own_thing_only(client: _Client) -> None:
    assert client("GET", "/v1/services", role="x") == (401, {"error": "unauthorized"})
    assert client("GET", "/v1/services", role="r") == (200, {"services": ["checkout"]})
    assert client("GET", "/v1/services", role="w")[0] == 200
    claim = "/v1/services/checkout/claim"
    assert client("POST", claim, role="r", fence=1)[0] == 403
    assert client("POST", RESTART, {"uid": "u2"}, role="d", fence=0, key="k")[0] == 403
    assert client("POST", "/v1/services/checkout/deploy", {"version": "2"}, role="w")[0] == 403
    assert client("POST", "/v1/services/checkout/restore", {}, role="w")[0] == 403


def test_describes_a_service(client: _Client) -> None:
    status, found = client("GET", "/v1/services/checkout", role="r")
    assert status == 200
    assert {key: found[key] for key in ("service", "revision", "rollout_in_progress", "fence")} == {
        "service": "checkout",
        "revision": 41,
        "rollout_in_progress": False,
        "fence": 0,
    }
    assert [(each["revision"], each["artifact"], each["ran_healthy"]) for each in found["revisions"]] == [
        (40, "pkg:oci/checkout@1", True),
        (41, "pkg:oci/checkout@1", True),
    ]
    assert found["replicas"][1]["uid"] == "u2"
    assert client("GET", "/v1/services/none")[0] == 404


def test_a_restart_happens_once_and_only_to_the_process_that_was_meant(client: _Client) -> None:
    accepted = (202, {"operation": "k1", "state": "running"})
    assert client("POST", RESTART, {"uid": "u2"}, fence=0, key="k1") == accepted
    assert client.ended("k1")["state"] == "applied"
    assert client("POST", RESTART, {"uid": "u2"}, fence=0, key="k1") == accepted
    assert client("POST", RESTART, {"uid": "u2"}, fence=0, key="k2") == (409, {"error": "uid", "uid": "u2+"})
    assert client("GET", "/v1/operations/k2") == (404, {"error": "unknown"})
    assert client("GET", "/v1/effects")[1] == {"restart": 1, "rollback": 0, "reload-schema": 0}


def test_an_old_fence_is_turned_away(client: _Client) -> None:
    claim = "/v1/services/checkout/claim"
    assert client("POST", claim, fence=3) == (200, {"fence": 3})
    assert client("POST", claim, fence=2) == (409, {"error": "fence", "fence": 3})
    assert client("POST", RESTART, {"uid": "u2"}, fence=2, key="k") == (409, {"error": "fence", "fence": 3})
    assert client("POST", RESTART, {"uid": "u2"}, fence=3, key="k")[0] == 202


def test_headers_and_bodies_are_checked(client: _Client) -> None:
    assert client("POST", RESTART, {"uid": "u2"}, key="k")[0] == 400
    assert client("POST", RESTART, {"uid": "u2"}, fence=0)[0] == 400
    assert client("POST", RESTART, {}, fence=0, key="k")[0] == 400
    assert client("POST", RESTART, ["uid"], fence=0, key="k")[0] == 400
    assert client("POST", "/v1/services/checkout/nothing", {}, fence=0, key="k")[0] == 404
    assert client("POST", "/v1/services/checkout/reload-schema", {}, fence=0, key="k")[0] == 404


def test_deploy_roll_back_and_forward_again(client: _Client) -> None:
    status, made = client("POST", "/v1/services/checkout/deploy", {"version": "2"}, role="d")
    assert (status, made) == (202, {"service": "checkout", "revision": 42, "previous_revision": 41})
    client.until_revision(42)
    (event,) = client.feed.events
    assert event["customData"] == {"revision": 42, "previous_revision": 41, "schema_version": 1}

    stale = {"from_revision": 41, "to_revision": 40}
    assert client("POST", ROLLBACK, stale, fence=0, key="a") == (409, {"error": "revision", "revision": 42})
    back = {"from_revision": 42, "to_revision": 41}
    assert client("POST", ROLLBACK, back, fence=0, key="b")[0] == 202
    assert client.ended("b")["state"] == "applied"
    forward = {"from_revision": 41, "to_revision": 42}
    assert client("POST", ROLLBACK, forward, fence=0, key="c")[0] == 202
    assert client.ended("c")["kind"] == "rollback"
    _, found = client("GET", "/v1/services/checkout")
    assert (found["revision"], len(found["revisions"])) == (42, 3)
    assert client("POST", ROLLBACK, {"from_revision": 42, "to_revision": 99}, fence=0, key="d")[0] == 404
