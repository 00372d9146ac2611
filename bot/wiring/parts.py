"""What each process holds. Nothing that is not listed can be reached from its steps.

The receiver reads this too, and diagnoses nothing: what only a triage worker needs is named here and not loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from actions.action import Action
from actions.policy import People, Policy
from agents.incident.catalogue import Catalogue
from agents.incident.ids import IncidentId
from agents.ports import Probe
from bot.grouping import Grouping
from bot.journal import evidence
from bot.journal.journal import Journal
from bot.receiver.sources import Sender

if TYPE_CHECKING:
    from agents.triage import Knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveParts:
    """The receiver: webhook secrets, no credential to read or change a system."""

    journal: Journal
    senders: Mapping[str, Sender]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideParts:
    """Whoever takes presses of buttons."""

    journal: Journal
    people: People


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """Whoever takes presses and commands: the journal, who is who, which places are known; no credential.

    ``places`` holds, for each chat, the channels in which the bot may be used; a surface that is not in it (the
    terminal) is one place. ``login`` makes a private link to the page.
    """

    journal: Journal
    people: Callable[[], People]
    catalogue: Callable[[], Catalogue]
    log: Any
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    link: Callable[[IncidentId], str] = lambda _: ""
    login: Callable[[str], str] = lambda _: ""
    prefix: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageParts:
    """The triage worker: probes that read, and no way to change anything."""

    journal: Journal
    senders: Mapping[str, Sender]
    grouping: Grouping
    knowledge: "Knowledge"
    probes: Sequence[Probe]
    budget: timedelta
    catalogue: Mapping[str, Action]
    policy: Policy
    log: Any

    def read_blob(self, digest: str) -> bytes:
        """Stored bytes by hash."""
        with self.journal.read() as tx:
            return evidence.blob(tx, digest)
