"""The fourth step of the walk: act. It runs in the action worker, which alone holds write credentials."""

from dataclasses import dataclass
from typing import Any

from actions import runner
from actions.runner import Tools
from agents.incident.ids import RunId
from agents.incident.lifecycle import ActionState
from bot.journal.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionParts:
    """Locks and the one executor with write credentials."""

    journal: Journal
    tools: Tools
    log: Any


def act(run_id: RunId, parts: ActionParts) -> ActionState:
    """Carry out, settle or undo one run, as its state asks. Safe to run twice."""
    state = runner.run(run_id, parts.tools)
    parts.log.info("action.stepped", run=run_id, state=state.value)
    return state
