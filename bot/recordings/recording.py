"""A recorded incident: what was known of it, what was answered about it, and what was the matter.

Answers are kept as the probes gave them; nothing in them has been judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agents.incident.catalogue import Catalogue
from agents.incident.evidence import Answer, QuestionKind, Window
from agents.incident.finding import FindingState
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert

SCHEMA = 1
INCIDENT, SERVICES, TRUTH, LATER, LOOK = "incident.yaml", "services.yaml", "truth.yaml", "later", "look.yaml"
METRICS, LOGS, TRACES, CHANGES = "metrics.jsonl", "logs.jsonl", "traces.jsonl", "changes.jsonl"
KINDS: Mapping[str, tuple[QuestionKind, ...]] = {
    METRICS: (QuestionKind.QUANTITY,),
    LOGS: (QuestionKind.LOG,),
    TRACES: (QuestionKind.QUANTITY, QuestionKind.SPANS),
    CHANGES: (QuestionKind.CHANGES, QuestionKind.EVENTS),
}
"""What the lines of each file answer; the first is meant where a line does not say. Quantities that were told from
spans are in traces.jsonl, others in metrics.jsonl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One answer and the probe that gave it; its window is always stated."""

    probe: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that was answered for one look, and the moment at which it was judged.

    The answers stand in the order in which their probes were asked.
    """

    at: datetime
    window: Window
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something that really broke; ``signature`` is empty where the library has none for it."""

    what: str
    signature: str = ""
    entity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is to be found without a model: one of *states*, and the cause that is named, or none.

    ``suspects`` are signatures that are to be suspected, ``fired`` refuters that are to be shown as fired.
    """

    states: tuple[FindingState, ...]
    signature: str | None = None
    entity: str | None = None
    suspects: tuple[str, ...] = ()
    fired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was the matter, and how that is known.

    ``cause`` is ``None`` where nobody has said, empty where nothing broke. ``miss`` is what is found today instead
    of what is expected, for as long as that is so.
    """

    cause: tuple[Broken, ...] | None
    expected: Expected | None = None
    miss: Expected | None = None
    made: Mapping[str, object] = field(default_factory=dict)
    licence: str = ""
    half: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One incident as it was seen from outside. ``looks`` has one entry at least; further ones came later."""

    id: IncidentId
    title: str
    service: str | None
    environment: str | None
    alerts: tuple[Alert, ...]
    catalogue: Catalogue
    looks: tuple[Look, ...]
    truth: Truth
