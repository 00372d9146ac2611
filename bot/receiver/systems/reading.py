"""What one delivery says, in the words of senders: nothing is invented, a missing field stays missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("critical", "crit", "page", "fatal", "emergency", "disaster", "blocker"), "critical"),
    **dict.fromkeys(("high", "error", "major"), "high"),
    **dict.fromkeys(("warning", "warn", "medium", "moderate", "average", "minor"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "notice", "none", "low", "debug"), "info"),
    **{
        f"{scale}{number}": level
        for scale in ("p", "sev", "sev-")
        for number, level in enumerate(("critical", "critical", "high", "warning", "info", "info"))
    },
}
"""What most senders' words stand for, on the four levels; a system adds its own."""

UNSET = "unset"
"""The level of a word that no table knows, and of none."""


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

    Of a change, ``kind`` is what kind of one it is where its category does not say, and ``change`` what this one
    is known by where ``dedup_key`` names a thing that is changed again and again (a service, a flag). ``level`` is
    what ``severity_raw`` stands for by the operator's own mapping; elsewhere the system's table says it.
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
    level: str | None = None
    kind: str | None = None
    change: str | None = None
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
    """From the sender's word (lower case) to critical, high, warning, info; an unknown word stays unset."""
    proof: str = "bearer"
    """The scheme that a source of this system has to pass where its row names none."""
    refusable: bool = False
    """Whether its senders neither retry nor switch off on a 4xx: a template left unrendered is told by one."""


def level(word: str | None, table: Mapping[str, str]) -> str:
    """critical, high, warning or info by a system's *table*; "unset" for any other word."""
    return table.get((word or "").strip().lower(), UNSET)


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
