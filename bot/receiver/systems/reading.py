"""What one delivery says, in the words of senders: nothing is invented, a missing field stays missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("critical", "page", "fatal", "emergency", "disaster", "sev1", "p1", "high"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "average", "error", "sev2", "p2"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "none", "low", "p5"), "info"),
}
"""What most senders' words stand for; a system adds its own."""


class Category(StrEnum):
    """What kind of thing was delivered."""

    ALERT = "alert"
    INCIDENT = "incident"
    DEPLOY = "deploy"
    CI = "ci"
    CHANGE = "change"
    JOB = "job"
    PROVIDER_EVENT = "provider_event"
    SECURITY_FINDING = "security_finding"
    SERVICE_CHANGE = "service_change"
    MESSAGE = "message"
    HANDSHAKE = "handshake"
    CHAT_INTERACTION = "chat_interaction"
    CHAT_EVENT = "chat_event"
    CHAT_COMMAND = "chat_command"
    UNRENDERED_TEMPLATE = "unrendered_template"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One alert, incident, deploy …. ``status`` is one of ours for alerts and the sender's own word for the rest.

    Times are ISO 8601 in UTC, whole seconds (``2026-03-04T12:00:00Z``), with "(no tz in source)" behind them where
    the sender names no zone. ``severity_raw`` is as sent. ``dedup_key`` joins what is the same thing; how it was
    found is ``dedup_from``. ``extras`` holds further fields by the corpus's names (``sha``, ``ref``, ``actor`` …).
    """

    status: str
    title: str | None = None
    severity_raw: str | None = None
    service: str | None = None
    entity: str | None = None
    environment: str | None = None
    summary: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    event_at: str | None = None
    dedup_key: str | None = None
    dedup_from: str | None = None
    link: str | None = None
    extras: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one delivery says. ``about`` is about the whole of it; ``error`` why nothing could be made of it."""

    category: Category
    items: tuple[Item, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)
    delivery_key: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system. ``recognise`` says how surely a delivery is its own: 3 by a header or a mark of its own, 2 by a
    discriminating value, 1 by the keys that are there, 0 not. Header names are lower case in both functions.
    """

    name: str
    title: str
    read: Callable[[Mapping[str, str], bytes], Reading]
    recognise: Callable[[Mapping[str, str], bytes], int]
    severities: Mapping[str, str] = field(default_factory=dict)
    """From the sender's word (lower case) to critical, warning, info; an unknown word stays unset."""


def stated(**extras: object) -> dict[str, object]:
    """*extras* without what is missing."""
    return {k: v for k, v in extras.items() if v is not None and v not in ("", [], {}, ())}


def look(word: str | None, table: Mapping[str, str]) -> str:
    """The status that a sender's *word* stands for; "unknown" for any other."""
    return table.get((word or "").strip().lower(), "unknown")


def unused(what: str, kind: str | None, **about: object) -> Reading:
    """A kind that is understood to be nothing for us, or not understood."""
    said = (
        f"{what} kind {kind[:100]!r} is not read"
        if kind
        else f"this {what} notification names no kind that is read"
    )
    return Reading(category=Category.OTHER, about=stated(**about), error=said)
