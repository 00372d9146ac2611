"""The edge alert: its rule, its fingerprint and the Alertmanager webhook message, version 4."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.playground.osproc import rfc3339

NAME = "EdgeErrorRatioHigh"
LABELS = {
    "alertname": NAME,
    "environment": "playground",
    "service": "gateway",
    "severity": "critical",
}
ANNOTATIONS = {
    "summary": "The edge fails more than one order in ten",
    "description": "At least 10 % of the orders at the gateway have ended in a 5xx over the last seconds.",
}
RECEIVER = "firstresponder"
RATIO = 0.10
WINDOW_S = 4.0
ENOUGH_REQUESTS = 5
FIRING_AFTER = 2
CALM_S = 4.0
NOT_ENDED = "0001-01-01T00:00:00Z"

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity Alertmanager gives a label set: FNV-1a, 64 bits, 16 hex digits."""
    value = _OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            value = ((value ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


class EdgeRule:
    """Decides from two counters, read again and again, whether the alert fires."""

    def __init__(self) -> None:
        """Nothing seen, nothing firing."""
        self.firing = False
        self._samples: deque[tuple[float, float, float]] = deque()
        self._bad = 0
        self._calm_since: float | None = None

    def observe(self, at_s: float, *, total: float, errors: float) -> bool:
        """Take one reading (monotonic seconds, counters) and return whether the alert fires after it."""
        if self._samples and total < self._samples[-1][1]:
            # The counters began again with a new process, so what they show has all happened since.
            self._samples = deque([(self._samples[-1][0], 0.0, 0.0)])
        self._samples.append((at_s, total, errors))
        while len(self._samples) > 2 and self._samples[1][0] <= at_s - WINDOW_S:
            self._samples.popleft()
        _, total_then, errors_then = self._samples[0]
        requests = total - total_then
        high = requests >= ENOUGH_REQUESTS and (errors - errors_then) / requests >= RATIO
        if high:
            self._bad += 1
            self._calm_since = None
        else:
            self._bad = 0
            self._calm_since = at_s if self._calm_since is None else self._calm_since
        if not self.firing and self._bad >= FIRING_AFTER:
            self.firing = True
        elif self.firing and self._calm_since is not None and at_s - self._calm_since >= CALM_S:
            self.firing = False
        return self.firing


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The alert with its times; `ended_at` is None while it fires."""

    started_at: datetime
    ended_at: datetime | None = None

    @property
    def status(self) -> str:
        """As the webhook calls it."""
        return "firing" if self.ended_at is None else "resolved"


def message(alert: Alert, *, generator_url: str, external_url: str) -> dict[str, Any]:
    """The webhook message Alertmanager would send for a group with this one alert."""
    group = {"alertname": NAME, "service": LABELS["service"]}
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f'{key}="{value}"' for key, value in group.items()) + "}",
        "truncatedAlerts": 0,
        "status": alert.status,
        "receiver": RECEIVER,
        "groupLabels": group,
        "commonLabels": LABELS,
        "commonAnnotations": ANNOTATIONS,
        "externalURL": external_url,
        "alerts": [
            {
                "status": alert.status,
                "labels": LABELS,
                "annotations": ANNOTATIONS,
                "startsAt": rfc3339(alert.started_at),
                "endsAt": NOT_ENDED if alert.ended_at is None else rfc3339(alert.ended_at),
                "generatorURL": generator_url,
                "fingerprint": fingerprint(LABELS),
            }
        ],
    }
