"""Jobs of the action worker."""

from agents.incident.errors import ResponderError
from agents.incident.ids import RunId
from bot import acting
from bot.queue import die_with_worker
from bot.wiring import actions as wiring


def act(run_id: str) -> None:
    """Do what one run's state asks for."""
    die_with_worker()
    with wiring.open_parts() as parts:
        try:
            acting.act(RunId(run_id), parts)
        except ResponderError as error:
            # The run stays where it was; the reconciler settles it once its lease is over.
            parts.log.warning("act.stopped", subject=run_id, error=str(error), kind=type(error).__name__)
