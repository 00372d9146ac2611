"""What a delivery can be."""

import hashlib
from dataclasses import dataclass

from agents.incident.incident import Alert, Change
from agents.incident.redaction import redact

MAX_KEY = 200


def short(identity: str) -> str:
    """*identity* as it is, or its hash where it is too long for a key."""
    return identity if len(identity) <= MAX_KEY else hashlib.sha256(identity.encode()).hexdigest()


def plain(text: str) -> str:
    """*text* without secrets, and without the one character that databases refuse."""
    return redact(text.replace("\x00", "\ufffd"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Alerts, each with its own status."""

    items: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Change records."""

    items: tuple[Change, ...]
