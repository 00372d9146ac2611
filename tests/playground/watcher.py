"""Stands in for Prometheus and Alertmanager: reads the gateway's metrics and posts the alert."""

import argparse
import os
import re
import threading
import time
from dataclasses import replace

from tests.playground.alerts import LABELS, Alert, EdgeRule, message
from tests.playground.client import call, send_json
from tests.playground.options import ENV_PARENT
from tests.playground.osproc import die_with_parent, now, stop_event

ENV_ALERT_TOKEN = "PLAYGROUND_ALERT_TOKEN"
EVERY_S = 0.5
REPEAT_S = 5.0
_SAMPLE = re.compile(r"^http_server_requests_total\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def edge_counts(exposition: str) -> tuple[float, float]:
    """All completed requests of the gateway, and those of them that ended in a 5xx."""
    total = errors = 0.0
    for labels_text, value in _SAMPLE.findall(exposition):
        labels = dict(_LABEL.findall(labels_text))
        if labels.get("service") == LABELS["service"]:
            total += float(value)
            errors += float(value) if labels.get("code", "").startswith("5") else 0.0
    return total, errors


class Delivery:
    """Decides what is due to be posted: every change, and what still fires every 5 s.

    As with Alertmanager, nobody hears of the end of an alert whose beginning never arrived.
    """

    def __init__(self) -> None:
        """Nothing has been delivered."""
        self._told: Alert | None = None
        self._told_at_s = 0.0

    def due(self, alert: Alert | None, at_s: float) -> bool:
        """Whether `alert` is to be posted at this instant (monotonic seconds)."""
        if alert is None or (alert.ended_at is not None and self._told is None):
            return False
        if alert != self._told:
            return alert.ended_at is None or self._told == replace(alert, ended_at=None)
        return alert.ended_at is None and at_s - self._told_at_s >= REPEAT_S

    def delivered(self, alert: Alert, at_s: float) -> None:
        """Remember what the receiver has accepted."""
        self._told, self._told_at_s = alert, at_s


class Watcher:
    """One thread evaluates, another posts, so that a receiver that hangs delays no evaluation."""

    def __init__(self, *, gateway: str, receiver: str, token: str) -> None:
        """`gateway` is host:port, `receiver` the base URL of the receiver."""
        self._gateway = gateway
        self._url = f"{receiver}/v1/webhooks/alertmanager"
        self._token = token
        self._alert: Alert | None = None
        self._changed = threading.Event()

    def evaluate(self, stop: threading.Event) -> None:
        """Read and judge every half second until `stop`."""
        rule = EdgeRule()
        while not stop.wait(EVERY_S):
            answer = call("GET", self._gateway, "/metrics", timeout_s=1.0)
            if not answer.accepted:
                continue
            total, errors = edge_counts(answer.body.decode())
            before = rule.firing
            firing = rule.observe(time.monotonic(), total=total, errors=errors)
            if firing and not before:
                self._alert = Alert(started_at=now())
                self._changed.set()
            elif before and not firing and self._alert is not None:
                self._alert = replace(self._alert, ended_at=now())
                self._changed.set()

    def post(self) -> None:
        """Post what is due, again and again, until the process ends."""
        delivery = Delivery()
        while True:
            self._changed.wait(EVERY_S)
            self._changed.clear()
            alert = self._alert
            if alert is None or not delivery.due(alert, time.monotonic()):
                continue
            body = message(
                alert,
                generator_url=f"http://{self._gateway}/metrics",
                external_url="http://watcher.playground",
            )
            if send_json("POST", self._url, body, token=self._token).accepted:
                delivery.delivered(alert, time.monotonic())


def main() -> None:
    """Watch until SIGTERM."""
    parser = argparse.ArgumentParser(description="The playground's alerting.")
    parser.add_argument("--gateway", required=True, help="host:port")
    parser.add_argument("--receiver", required=True, help="base URL")
    given = parser.parse_args()
    die_with_parent(int(os.environ.get(ENV_PARENT, os.getppid())))
    stop = stop_event()
    token = os.environ.get(ENV_ALERT_TOKEN, "")
    watcher = Watcher(gateway=given.gateway, receiver=given.receiver, token=token)
    threading.Thread(target=watcher.post, daemon=True).start()
    watcher.evaluate(stop)


if __name__ == "__main__":
    main()
