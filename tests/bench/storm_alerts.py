"""Ten thousand alerts of one Alertmanager: groups that fire, half of which ends, and a few that cannot decide."""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.deliveries import Delivery
from tests.playground.alerts import NOT_ENDED, RECEIVER, fingerprint
from tests.playground.osproc import rfc3339

ENVIRONMENT = "storm"
MOST_IN_GROUP = 50
NAMES = ("ErrorRatioHigh", "LatencyHigh", "QueueGrows", "RestartsOften")
SEVERITIES = ("critical", "warning", "warning", "info")


@dataclass(slots=True)
class Member:
    """One alert as Alertmanager holds it; it may fire again, and then began anew."""

    labels: dict[str, str]
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def identity(self) -> str:
        return fingerprint(self.labels)

    def turn(self) -> None:
        """Firing becomes resolved, resolved becomes firing; each turn is a second after the last."""
        if self.ended_at is None:
            self.ended_at = self.started_at + timedelta(seconds=1)
        else:
            self.started_at, self.ended_at = self.ended_at + timedelta(seconds=1), None

    def written(self) -> dict[str, Any]:
        return {
            "status": "firing" if self.ended_at is None else "resolved",
            "labels": self.labels,
            "annotations": {"summary": f"{self.labels['alertname']} at {self.labels['service']}"},
            "startsAt": rfc3339(self.started_at),
            "endsAt": NOT_ENDED if self.ended_at is None else rfc3339(self.ended_at),
            "generatorURL": "http://prometheus.example.com/graph",
            "fingerprint": self.identity,
        }


@dataclass(slots=True)
class Group:
    """What one notification tells of: the alerts of one name at one service."""

    labels: dict[str, str]
    members: list[Member] = field(default_factory=list)

    def message(self) -> bytes:
        firing = any(m.ended_at is None for m in self.members)
        key = ", ".join(f'{k}="{v}"' for k, v in self.labels.items())
        return json.dumps(
            {
                "version": "4",
                "groupKey": "{}:{" + key + "}",
                "truncatedAlerts": 0,
                "status": "firing" if firing else "resolved",
                "receiver": RECEIVER,
                "groupLabels": self.labels,
                "commonLabels": self.labels,
                "commonAnnotations": {},
                "externalURL": "http://alertmanager.example.com",
                "alerts": [m.written() for m in self.members],
            }
        ).encode()


def service_names(count: int) -> list[str]:
    """The services, as a catalogue names them."""
    return [f"service-{number:03d}" for number in range(count)]


def groups(alerts: int, services: int, seed: int) -> list[Group]:
    """*alerts* identities spread evenly over *services*, in groups of at most fifty, all firing."""
    dice = random.Random(seed)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    made: list[Group] = []
    for at, service in enumerate(service_names(services)):
        left = alerts // services + (at < alerts % services)
        names = itertools.cycle(dice.sample(NAMES, dice.randint(1, len(NAMES))))
        for number in itertools.count():
            if not left:
                break
            size = min(left, dice.randint(MOST_IN_GROUP // 5, MOST_IN_GROUP))
            labels = {"alertname": f"{next(names)}{number}", "service": service, "environment": ENVIRONMENT}
            more = {"severity": dice.choice(SEVERITIES)}
            members = [
                Member(
                    {**labels, **more, "instance": f"{service}-{n}"},
                    began + timedelta(seconds=dice.randint(0, 60)),
                )
                for n in range(size)
            ]
            made.append(Group(labels, members))
            left -= size
    dice.shuffle(made)
    return made


def half_ends(of: Sequence[Group]) -> list[Group]:
    """Every second alert of each group ends; the groups that have news."""
    for group in of:
        for member in group.members[1::2]:
            member.turn()
    return [group for group in of if len(group.members) > 1]


def flappers(of: Sequence[Group], count: int) -> list[tuple[Group, Member]]:
    """*count* alerts that still fire, each in a group of its own."""
    return [(group, group.members[0]) for group in of[:count]]


def notifications(of: Sequence[Group], source: str, token: str) -> Iterator[Delivery]:
    """One delivery a group, as it stands now."""
    for group in of:
        body = group.message()
        head = (
            f"POST /v1/webhooks/{source} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield Delivery(key=f"{group.labels['alertname']}/{group.labels['service']}", request=head.encode() + body)
