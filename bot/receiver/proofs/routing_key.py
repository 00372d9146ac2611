"""The door shaped like PagerDuty's Events API v2: the body says a ``routing_key``, which is the secret.

It says nothing about the rest of the body nor when it was sent: it needs TLS and a source of its own.
developer.pagerduty.com/docs/events-api-v2-overview
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import NO_SECRET, any_same_text, live

NAME = "routing_key"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """The key in the JSON body is one of *secrets*. Nothing in a delivery tells it from its repetition."""
    del headers, now
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return BadProof("the body is not JSON, so it says no routing_key")
    given = found.get(NAME) if isinstance(found, dict) else None
    if not isinstance(given, str) or not given:
        return BadProof("no routing_key in the body")
    usable = live(secrets)
    if not usable:
        return BadProof(NO_SECRET)
    return None if any_same_text(usable, given) else BadProof("routing_key: not one of ours")
