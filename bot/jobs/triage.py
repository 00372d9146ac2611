"""Jobs of the triage worker. Each takes one id, and is safe to run twice."""

from collections.abc import Callable

from agents.incident.errors import ResponderError
from agents.incident.ids import IncidentId, VerificationId
from bot import taking, understanding, walk
from bot.queue import die_with_worker
from bot.wiring import triage as wiring
from bot.wiring.parts import TriageParts


def _job(name: str, subject: str, step: Callable[[TriageParts], object]) -> None:
    die_with_worker()
    with wiring.open_parts() as parts:
        try:
            step(parts)
        except ResponderError as error:
            # Nothing is lost: the journal holds what is still to be done, and the clock rings again.
            parts.log.warning(f"{name}.stopped", subject=subject, error=str(error), kind=type(error).__name__)


def intake(subject: str) -> None:
    """Read what is stored."""
    _job("intake", subject, taking.take_in)


def diagnose(incident_id: str) -> None:
    """Diagnose one incident, report, propose."""
    _job("diagnose", incident_id, lambda parts: walk.diagnose(IncidentId(incident_id), parts))


def words(inbox_id: str) -> None:
    """Have a model read the words of one command."""
    _job("words", inbox_id, lambda parts: understanding.read_words(inbox_id, parts))


def settle(incident_id: str) -> None:
    """Bring one incident to where its alert and its runs say it stands."""
    _job("settle", incident_id, lambda parts: walk.settle(IncidentId(incident_id), parts))


def verify(verification_id: str) -> None:
    """Take one sample of one verification window."""
    _job("verify", verification_id, lambda parts: walk.sample(VerificationId(verification_id), parts))
