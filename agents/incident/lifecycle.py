"""Which state may follow which, for incidents, actions and approvals.

Order is on the pair (attempt, state): inside one attempt no arrow points back; the states in ``REOPENS`` open
the next attempt. A terminal state never changes.
"""

from enum import StrEnum


class IncidentState(StrEnum):
    """Where an incident stands."""

    RECEIVED = "RECEIVED"
    TRIAGING = "TRIAGING"
    WAITING_ON = "WAITING_ON"
    REPORTED = "REPORTED"
    PROPOSED = "PROPOSED"
    MITIGATING = "MITIGATING"
    VERIFYING = "VERIFYING"
    MITIGATED = "MITIGATED"
    NEEDS_HUMAN = "NEEDS_HUMAN"
    RESOLVED = "RESOLVED"
    REOPENED = "REOPENED"
    SUPPRESSED = "SUPPRESSED"
    MERGED = "MERGED"
    CLOSED = "CLOSED"


class ActionState(StrEnum):
    """Where one execution of one proposal stands."""

    DRAFT = "DRAFT"
    POLICY_DENIED = "POLICY_DENIED"
    MANUAL_ONLY = "MANUAL_ONLY"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    HELD = "HELD"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    APPROVED = "APPROVED"
    STALE = "STALE"
    READY = "READY"
    RESERVED = "RESERVED"
    PREFLIGHT = "PREFLIGHT"
    ABORTED = "ABORTED"
    EXECUTING = "EXECUTING"
    EXECUTED = "EXECUTED"
    UNKNOWN = "UNKNOWN"
    NOT_APPLIED = "NOT_APPLIED"
    PARTIAL = "PARTIAL"
    VERIFYING = "VERIFYING"
    SUCCEEDED = "SUCCEEDED"
    INEFFECTIVE = "INEFFECTIVE"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNDOING = "UNDOING"
    UNDONE = "UNDONE"
    UNDO_FAILED = "UNDO_FAILED"
    ESCALATED = "ESCALATED"
    HALTED = "HALTED"


I, A = IncidentState, ActionState  # noqa: E741  # the tables below read as tables

INCIDENT_MOVES: dict[IncidentState, frozenset[IncidentState]] = {
    I.RECEIVED: frozenset({I.SUPPRESSED, I.MERGED, I.TRIAGING, I.WAITING_ON, I.RESOLVED, I.NEEDS_HUMAN}),
    I.TRIAGING: frozenset({I.REPORTED, I.WAITING_ON, I.NEEDS_HUMAN, I.RESOLVED, I.MERGED}),
    I.WAITING_ON: frozenset({I.TRIAGING, I.NEEDS_HUMAN, I.RESOLVED, I.MERGED}),
    I.REPORTED: frozenset({I.PROPOSED, I.WAITING_ON, I.NEEDS_HUMAN, I.RESOLVED, I.MERGED}),
    I.PROPOSED: frozenset({I.MITIGATING, I.NEEDS_HUMAN, I.RESOLVED, I.MERGED}),
    I.MITIGATING: frozenset({I.VERIFYING, I.PROPOSED, I.NEEDS_HUMAN}),
    I.VERIFYING: frozenset({I.MITIGATED, I.PROPOSED, I.NEEDS_HUMAN}),
    I.MITIGATED: frozenset({I.RESOLVED, I.REOPENED}),
    I.NEEDS_HUMAN: frozenset({I.RESOLVED, I.CLOSED, I.MERGED}),
    I.RESOLVED: frozenset({I.REOPENED, I.CLOSED}),
    I.REOPENED: frozenset({I.TRIAGING, I.RESOLVED}),
    I.SUPPRESSED: frozenset(),
    I.MERGED: frozenset(),
    I.CLOSED: frozenset(),
}

REOPENS: frozenset[tuple[IncidentState, IncidentState]] = frozenset(
    {
        (I.WAITING_ON, I.TRIAGING),
        (I.MITIGATING, I.PROPOSED),
        (I.VERIFYING, I.PROPOSED),
        (I.MITIGATED, I.REOPENED),
        (I.RESOLVED, I.REOPENED),
    }
)
"""The moves that open the next attempt."""

ACTION_TERMINAL = frozenset(
    {
        A.POLICY_DENIED,
        A.MANUAL_ONLY,
        A.REJECTED,
        A.EXPIRED,
        A.CANCELLED,
        A.STALE,
        A.ABORTED,
        A.NOT_APPLIED,
        A.SUCCEEDED,
        A.UNDONE,
        A.ESCALATED,
        A.HALTED,
    }
)

_ACTION_MOVES: dict[ActionState, frozenset[ActionState]] = {
    A.DRAFT: frozenset({A.POLICY_DENIED, A.MANUAL_ONLY, A.AWAITING_APPROVAL, A.READY}),
    A.AWAITING_APPROVAL: frozenset({A.APPROVED, A.REJECTED, A.EXPIRED, A.CANCELLED, A.HELD}),
    A.HELD: frozenset({A.AWAITING_APPROVAL, A.REJECTED, A.CANCELLED}),
    A.APPROVED: frozenset({A.READY, A.STALE, A.CANCELLED}),
    A.READY: frozenset({A.RESERVED, A.STALE, A.CANCELLED}),
    A.RESERVED: frozenset({A.READY, A.PREFLIGHT, A.CANCELLED}),
    A.PREFLIGHT: frozenset({A.EXECUTING, A.ABORTED}),
    A.EXECUTING: frozenset({A.EXECUTED, A.UNKNOWN}),
    A.UNKNOWN: frozenset({A.EXECUTED, A.NOT_APPLIED, A.PARTIAL, A.UNDONE, A.UNDO_FAILED, A.ESCALATED}),
    A.EXECUTED: frozenset({A.VERIFYING}),
    A.VERIFYING: frozenset({A.SUCCEEDED, A.INEFFECTIVE, A.REGRESSED, A.INCONCLUSIVE}),
    A.INEFFECTIVE: frozenset({A.UNDOING}),
    A.REGRESSED: frozenset({A.UNDOING}),
    A.PARTIAL: frozenset({A.UNDOING, A.ESCALATED}),
    A.UNDOING: frozenset({A.UNDONE, A.UNDO_FAILED, A.UNKNOWN}),
    A.INCONCLUSIVE: frozenset({A.ESCALATED}),
    A.UNDO_FAILED: frozenset({A.ESCALATED}),
}

ACTION_MOVES: dict[ActionState, frozenset[ActionState]] = {
    state: _ACTION_MOVES.get(state, frozenset())
    | (frozenset() if state in ACTION_TERMINAL else frozenset({A.HALTED}))
    for state in ActionState
}

HOLDS_LEASE = frozenset(
    {
        A.RESERVED,
        A.PREFLIGHT,
        A.EXECUTING,
        A.EXECUTED,
        A.UNKNOWN,
        A.PARTIAL,
        A.VERIFYING,
        A.REGRESSED,
        A.INEFFECTIVE,
        A.UNDOING,
    }
)
"""From reservation through verification and undo; never while waiting for a person."""


def incident_may(before: IncidentState, after: IncidentState) -> bool:
    """Whether a machine may move an incident so."""
    return after in INCIDENT_MOVES[before]


def action_may(before: ActionState, after: ActionState) -> bool:
    """Whether an action run may move so."""
    return after in ACTION_MOVES[before]
