"""What a busy sender posts: signed bodies of 1 to 4 kB made of the samples, each with a delivery id of its own."""

import hashlib
import hmac
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"
SECRET = "a-long-secret-of-the-bench"
BODIES = 256
"""Distinct bodies a source; ids are never used twice."""

SMALLEST, LARGEST = 1000, 4000
"""Bytes of a body."""

WORDS = (
    "checkout",
    "waits",
    "for",
    "its",
    "stock",
    "to",
    "be",
    "counted",
    "and",
    "answers",
    "late",
    "under",
    "load",
)
MARK = b"@@delivery-id@@@@@@@@@@@"
ID = re.compile(rb"bench-[0-9a-z-]{18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request, ready to be written to a connection; ``key`` is what the journal must hold once."""

    key: str
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """How one system posts: its sample, its proof, and where its delivery id stands (nowhere: in the body)."""

    system: str
    sample: str
    proof: Callable[[bytes], Mapping[str, str]]
    id_header: str | None


def _mac(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _github(body: bytes) -> Mapping[str, str]:
    return {"X-GitHub-Event": "deployment_status", "X-Hub-Signature-256": f"sha256={_mac(body)}"}


def _sentry(body: bytes) -> Mapping[str, str]:
    return {"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": _mac(body)}


def _alertmanager(_: bytes) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {SECRET}"}


SENDERS: Mapping[str, Sender] = {
    sender.system: sender
    for sender in (
        Sender(system="github", sample="github.json", proof=_github, id_header="X-GitHub-Delivery"),
        Sender(system="sentry", sample="sentry_event_alert.json", proof=_sentry, id_header="Request-ID"),
        Sender(system="alertmanager", sample="alertmanager.json", proof=_alertmanager, id_header=None),
    )
}


def bodies(sender: Sender, seed: int) -> list[bytes]:
    """``BODIES`` bodies of this sender, no two alike, within the sizes above."""
    dice = random.Random(seed)
    sample = json.loads((SAMPLES / sender.sample).read_text())
    return [_grown(sender, sample, number, dice) for number in range(BODIES)]


def _grown(sender: Sender, sample: Any, number: int, dice: random.Random) -> bytes:
    document = json.loads(json.dumps(sample))
    match sender.system:
        case "github":
            document["deployment"]["id"] = 1_000_000 + number
        case "sentry":
            document["data"]["event"]["event_id"] = f"{number:032x}"
        case _:
            for alert in document["alerts"]:
                alert["labels"]["instance"] = f"checkout-{number}"
                alert["fingerprint"] = f"{number:016x}"
            document["notification_reason"] = MARK.decode()
    text, wanted = "", dice.randint(SMALLEST, LARGEST)
    while len(body := json.dumps({**document, "notes": text}).encode()) < wanted:
        text += " ".join(dice.choices(WORDS, k=8)) + " "
    return body[: -len('"}')][: wanted - 2] + b'"}' if len(body) > wanted and text else body


def deliveries(system: str, sources: list[str], run: int) -> Iterator[Delivery]:
    """Deliveries without end, to each source in turn. Ids begin with ``bench-`` and are 24 characters long."""
    sender = SENDERS[system]
    made = [[_request(sender, source, body) for body in bodies(sender, at)] for at, source in enumerate(sources)]
    number = 0
    while True:
        key = f"bench-{run % 16**8:08x}-{number:09d}"
        of = made[number % len(sources)]
        yield Delivery(key=key, request=of[number // len(sources) % BODIES].replace(MARK, key.encode()))
        number += 1


def _request(sender: Sender, source: str, body: bytes) -> bytes:
    headers = {
        "Host": "127.0.0.1",
        "User-Agent": "bench",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **sender.proof(body),
    }
    if sender.id_header is not None:
        headers[sender.id_header] = MARK.decode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/webhooks/{source} HTTP/1.1\r\n{lines}\r\n".encode() + body
