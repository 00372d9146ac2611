"""The compare-and-set every move of an action run goes through."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from agents.incident.errors import BadInput, Refused
from agents.incident.lifecycle import ActionState, action_may
from bot.journal import tables as t
from bot.journal.journal import Tx

A = ActionState


def row_of(tx: Tx, run_id: str) -> Mapping[str, Any]:
    """The row of one run."""
    row = tx.one(select(t.action_runs).where(t.action_runs.c.id == run_id))
    if row is None:
        raise BadInput(f"there is no action run {run_id!r}")
    return row


def cas(tx: Tx, row: Mapping[str, Any], to: ActionState, *, reason: str = "", **values: Any) -> None:
    """Move a run if nobody else did since *row* was read."""
    before = ActionState(row["state"])
    if not action_may(before, to):
        raise Refused(f"run {row['id']} cannot go from {before} to {to}")
    changed = tx.changed(
        t.action_runs.update()
        .where(
            t.action_runs.c.id == row["id"],
            t.action_runs.c.state == before.value,
            t.action_runs.c.version == row["version"],
        )
        .values(state=to.value, version=row["version"] + 1, state_since=tx.now, reason=reason, **values)
    )
    if changed != 1:
        raise Refused(f"run {row['id']} was moved by somebody else")
