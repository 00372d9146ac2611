"""A question to people, their votes, and the rules by which one vote counts. Silence is never consent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from actions.policy import People, Person
from agents.incident.ids import ApprovalId, PersonId, RunId


class ApprovalState(StrEnum):
    """Where a question stands."""

    AWAITING = "AWAITING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Verdict(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One question as the journal has it. ``deadline`` is half open: at it, it is over."""

    id: ApprovalId
    run_id: RunId
    state: ApprovalState
    quorum: int
    plan_hash: str
    deadline: datetime
    proposed_by: PersonId
    votes: Mapping[str, Verdict]
    decided_by: str | None
    decided_at: datetime | None
    reason: str
    subject: str = ""
    holds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button pressed: an opaque id, eight digits of the plan's hash, and the account that pressed."""

    surface: str
    account: str
    verdict: Verdict
    approval_id: ApprovalId
    hash8: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a press did not count, in words for the person who pressed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a press did: the vote counts, and the question may now be decided."""

    person: Person
    state: ApprovalState
    votes: int


def button(letter: str, approval_id: ApprovalId, plan_hash: str) -> str:
    """What a button carries: at most 64 bytes, no authority."""
    return f"{letter}:{approval_id}:{plan_hash[:8]}"


def may_decide(approval: Approval, person: Person | None, people: People) -> Rejection | None:
    """Why this person may not decide this question, if so."""
    if person is None or not person.may("approver", approval.subject):
        names = (
            ", ".join(p.name for p in people.approvers(approval.subject)) or "nobody yet; see config/people.yaml"
        )
        return Rejection(reason=f"You may not decide this. Approvers are: {names}.")
    if person.id == approval.proposed_by:
        return Rejection(reason="You proposed this yourself; somebody else has to approve it.")
    return None


def decide(
    approval: Approval, press: Press, person: Person | None, people: People, *, now: datetime
) -> Decision | Rejection:
    """Whether a press counts, and what the question becomes by it. One person is one vote."""
    refused = may_decide(approval, person, people)
    if refused is not None or person is None:
        return refused or Rejection(reason="You may not decide this.")
    if approval.plan_hash[:8] != press.hash8 or len(press.hash8) != 8:
        return Rejection(reason="This card is out of date: the plan behind it changed. Use the newest card.")
    match approval.state:
        case ApprovalState.APPROVED | ApprovalState.REJECTED:
            at = f" at {approval.decided_at:%H:%M:%S}" if approval.decided_at else ""
            return Rejection(reason=f"Already {approval.state.lower()} by {approval.decided_by}{at}.")
        case ApprovalState.EXPIRED | ApprovalState.CANCELLED:
            why = f": {approval.reason}" if approval.reason else ""
            return Rejection(reason=f"Too late, this question is {approval.state.lower()}{why}. Nothing was run.")
        case ApprovalState.AWAITING:
            pass
    if now >= approval.deadline:
        return Rejection(reason=f"Too late: the deadline was {approval.deadline:%H:%M:%S}. Nothing was run.")
    if person.id in approval.votes:
        return Rejection(reason="You have already voted.")
    if press.verdict is Verdict.REJECT:
        return Decision(person=person, state=ApprovalState.REJECTED, votes=len(approval.votes))
    count = sum(1 for v in approval.votes.values() if v is Verdict.APPROVE) + 1
    state = ApprovalState.APPROVED if count >= approval.quorum else ApprovalState.AWAITING
    return Decision(person=person, state=state, votes=count)
