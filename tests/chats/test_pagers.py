"""Pagers outside chat, over HTTP in the vendors' own shapes: called, called again, acknowledged, resolved.

PagerDuty Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview
Opsgenie Alert API: https://docs.opsgenie.com/docs/alert-api
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.incident.lifecycle import IncidentState
from bot.journal import escalations, incidents
from bot.journal import tables as t
from tests.builders import open_incident
from tests.chats.conftest import Receiver, a_receiver, until
from tests.chats.platforms import PREFIX


class Vendors:
    """Both vendors on one port: what they were sent, and what they answer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.answers.pop(0) if outer.answers else 202
                if status == 202:
                    outer.sent.append((self.path, self.headers.get("Authorization", ""), body))
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def to(self, vendor: str) -> list[tuple[str, str, dict[str, Any]]]:
        """What one vendor was sent."""
        return [s for s in self.sent if (s[0] == "/v2/enqueue") == (vendor == "pagerduty")]


@pytest.fixture(name="vendors")
def _vendors() -> Iterator[Vendors]:
    made = Vendors()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(name="paging")
def _paging(vendors: Vendors, sqlite_url: str, tmp_path: Path) -> Iterator[Receiver]:
    made = a_receiver(tmp_path, sqlite_url)
    made.start(
        **{
            PREFIX + "PAGERDUTY__ROUTING_KEY": "R0UTING",
            PREFIX + "PAGERDUTY__API_URL": vendors.url,
            PREFIX + "OPSGENIE__API_KEY": "G3NIE",
            PREFIX + "OPSGENIE__API_URL": vendors.url,
        }
    )
    yield made
    made.stop()


def test_a_call_is_made_made_again_answered_and_ended(paging: Receiver, vendors: Vendors):
    vendors.answers[:] = [429, 503]  # tried again
    with paging.journal.write("test.needs") as tx:
        incident = open_incident(tx, IncidentState.NEEDS_HUMAN)
    until(lambda: vendors.to("pagerduty") and vendors.to("opsgenie"), paging.logged())
    path, _, event = vendors.to("pagerduty")[0]
    assert (event["routing_key"], event["event_action"]) == ("R0UTING", "trigger")
    assert event["payload"]["severity"] == "critical"
    assert set(event["payload"]) >= {"summary", "source", "severity"}
    assert incident.id in event["dedup_key"]
    path, authorization, alert = vendors.to("opsgenie")[0]
    assert (path, authorization) == ("/v2/alerts", "GenieKey G3NIE")
    assert alert["priority"] == "P1"
    with paging.journal.write("test.again") as tx:
        tx.run(t.escalations.update().values(next_at=tx.now))
        for due in escalations.due(tx):
            escalations.again(tx, due)
    until(lambda: len(vendors.to("pagerduty")) == 2, paging.logged())
    with paging.journal.write("test.taken") as tx:
        incidents.take_over(tx, incident.id, "ana", "Ana")
        escalations.acknowledge(tx, incident.id, "ana")
    until(lambda: len(vendors.to("pagerduty")) == 3, paging.logged())
    with paging.journal.write("test.over") as tx:
        incidents.move(tx, incidents.load(tx, incident.id), IncidentState.RESOLVED, actor="test")
    until(lambda: len(vendors.to("pagerduty")) == 4 and len(vendors.to("opsgenie")) == 4, paging.logged())
    assert [e["event_action"] for _, _, e in vendors.to("pagerduty")] == [
        "trigger",
        "trigger",
        "acknowledge",
        "resolve",
    ]
    assert len({e["dedup_key"] for _, _, e in vendors.to("pagerduty")}) == 1
    paths = [p.rpartition("/")[2] for p, _, _ in vendors.to("opsgenie")]
    assert paths == ["alerts", "alerts", "acknowledge?identifierType=alias", "close?identifierType=alias"]
    assert "R0UTING" not in paging.logged()
    assert "G3NIE" not in paging.logged()


def test_a_key_that_is_refused_is_told_once_and_stops_nothing(paging: Receiver, vendors: Vendors):
    vendors.answers[:] = [400] * 2
    with paging.journal.write("test.needs") as tx:
        open_incident(tx, IncidentState.NEEDS_HUMAN)
    until(lambda: "pager.refused" in paging.logged(), "it was not logged")
    assert "ROUTING_KEY" in paging.logged() or "API_KEY" in paging.logged()
    with paging.journal.write("test.needs") as tx:
        open_incident(tx, IncidentState.NEEDS_HUMAN)
    until(lambda: vendors.to("pagerduty") and vendors.to("opsgenie"), paging.logged())
