"""Looking again at what was already reported: a later look may take a finding back, and then nothing more is done.

A question that rests on a finding which no longer stands is withdrawn; what has begun is brought to its end.
"""

from agents.incident.errors import Refused
from agents.incident.finding import MAY_ACT, Finding, FindingState
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from bot.journal import approvals, evidence, incidents
from bot.journal import tables as t
from bot.journal.journal import Tx

S = IncidentState

OPEN = frozenset({S.REPORTED, S.PROPOSED, S.NEEDS_HUMAN})
"""Where another look may still change something: a finding is out, and nothing is being done about it."""

MAX_LOOKS = 20
"""Looks of one attempt, those of the machine included."""

TAKEN_BACK = "a later look contradicts the finding"
NO_LONGER = "a later look no longer names this cause"


def ask(tx: Tx, incident_id: IncidentId, actor: str) -> None:
    """Order another look at an incident that was reported.

    Raises:
        Refused: It cannot be looked at again now; the message says why.
    """
    incident = incidents.load(tx, incident_id, lock=True)
    if incident.state not in OPEN:
        raise Refused(f"{incident_id} is {incident.state.lower()}: no finding of it waits for another look")
    if due(tx, incident) is not None:
        return  # it is about to be looked at already
    if incident.look >= MAX_LOOKS:
        raise Refused(f"{incident_id} was looked at {incident.look} times in this attempt; read what was found")
    tx.run(t.incidents.update().where(t.incidents.c.id == incident_id).values(look=incident.look + 1))
    tx.event(incident_id, actor, "finding.asked_again")
    tx.ring("diagnose", incident_id)


def due(tx: Tx, incident: Incident) -> Finding | None:
    """The finding that another look was ordered at, if one was and it has not been made yet."""
    earlier = evidence.latest_finding(tx, incident.id)
    if earlier is None or incident.state not in OPEN or incident.look == 1:
        return None
    return earlier if (incident.attempt, incident.look) > (earlier.attempt, earlier.look) else None


def keep(tx: Tx, earlier: Finding, finding: Finding) -> None:
    """Store what another look found, and withdraw what rests on a finding that no longer stands.

    Nothing is kept when the incident has moved on meanwhile, or somebody else has looked.
    """
    incident = incidents.load(tx, finding.incident_id, lock=True)
    if incident.state not in OPEN or (incident.attempt, incident.look) != (finding.attempt, finding.look):
        return
    evidence.save_finding(tx, finding)
    reason = _fallen(earlier, finding)
    kind = "finding.contested" if finding.state is FindingState.CONTESTED else "finding.again"
    tx.event(incident.id, "triage", kind, reason=reason, state=finding.state.value, finding=finding.id)
    if reason and incident.state is not S.NEEDS_HUMAN:
        approvals.cancel_open(tx, incident.id, reason)
        tx.ring("settle", incident.id)


def _fallen(earlier: Finding, finding: Finding) -> str:
    """Why nothing may be done on *earlier* any more; empty while its cause is still named, or was never named."""
    if finding.state is FindingState.CONTESTED:
        return TAKEN_BACK
    same = (finding.signature, finding.entity) == (earlier.signature, earlier.entity)
    return NO_LONGER if earlier.state in MAY_ACT and not (finding.state in MAY_ACT and same) else ""
