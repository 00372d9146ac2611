"""Finding → Proposal: what would be done, on what, under whose word, and how it will be checked.

Nothing else makes a proposal. The model has no say here: the signature names the remedies, the catalogue
knows what they are, policy sets who must say yes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import rfc8785

from actions.action import Action, Parameters, Tier, Unfit
from actions.policy import Policy
from actions.verification import Check, Target
from agents.incident.finding import Criterion, Finding, FindingState, Remedy
from agents.incident.ids import FindingId, IncidentId, PersonId, ProposalId


class Mode(StrEnum):
    """Under whose word it would run."""

    POLICY = "policy"
    ASK = "ask"
    RUNBOOK = "runbook"


ENGINE = PersonId("engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One typed action with its plan. ``plan_hash`` covers everything a person says yes to."""

    id: ProposalId
    incident_id: IncidentId
    finding_id: FindingId
    number: int
    signature: str
    action: str
    tier: int
    mode: Mode
    trusted: bool
    parameters: Mapping[str, str | int]
    service: str
    effect: str
    requires: tuple[str, ...]
    undo: str
    check: Check
    quorum: int
    policy_version: str
    proposed_by: PersonId
    runbook: tuple[str, ...]
    plan_hash: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProposal:
    """Why nothing is proposed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An action that was already proposed in this incident, and whether trying it again makes sense."""

    action: str
    parameters: Mapping[str, str | int]
    applied: bool


def propose(
    finding: Finding,
    *,
    proposal_id: ProposalId,
    number: int,
    remedies: Sequence[Remedy],
    criteria: Sequence[tuple[Criterion, float | None]],
    tried: Sequence[Tried],
    catalogue: Mapping[str, Action],
    policy: Policy,
    settle: timedelta,
    now: datetime,
    asked_by: PersonId | None = None,
) -> Proposal | NoProposal:
    """The first remedy that fits and was not tried, or why there is none.

    Args:
        asked_by: Whoever opened the incident by asking; nothing then runs alone, and their own yes does not count.
        criteria: Recovery criteria with the value of each as read for the finding, ``None`` where unread.
        tried: What this incident has already seen; what took effect is never tried again on the same target.
        settle: How long readings still reach back before the effect; no sample is taken earlier than that.
    """
    if policy.phase < 3:
        return NoProposal(reason=f"policy keeps this installation at phase {policy.phase}: findings only")
    if finding.state not in {FindingState.DIAGNOSED, FindingState.LIKELY}:
        return NoProposal(reason=f"no action is proposed on a finding that is {finding.state}")
    if sum(1 for t in tried if t.applied) >= policy.max_attempts or len(tried) >= 2 * policy.max_attempts:
        return NoProposal(reason=f"{len(tried)} attempts were made; a person decides what is next")
    reasons = []
    for remedy in remedies:
        action = catalogue.get(remedy.action)
        if action is None:
            reasons.append(f"{remedy.action}: not in the catalogue")
            continue
        if remedy.only_if and (finding.change is None or finding.change.kind != remedy.only_if):
            reasons.append(f"{remedy.action}: no {remedy.only_if} in the lookback")
            continue
        if finding.state is FindingState.LIKELY and action.tier > Tier.SAFE:
            reasons.append(f"{remedy.action}: tier {int(action.tier)} needs more than a likely cause")
            continue
        fitted = action.fit(finding)
        if isinstance(fitted, Unfit):
            reasons.append(f"{remedy.action}: {fitted.reason}")
            continue
        parameters = action.parse(fitted)
        if any(t.applied and t.action == action.name and t.parameters == parameters for t in tried):
            reasons.append(f"{remedy.action}: already proposed or tried on the same target")
            continue
        targets = _targets(criteria)
        if not targets:
            reasons.append(f"{remedy.action}: no recovery criterion with a baseline, so success could not be told")
            continue
        return _plan(
            finding, action, parameters, targets, proposal_id, number, len(tried), policy, settle, now, asked_by
        )
    return NoProposal(reason="; ".join(reasons) or "the signature names no action; a person decides")


def _targets(criteria: Sequence[tuple[Criterion, float | None]]) -> tuple[Target, ...] | None:
    targets = []
    for criterion, before in criteria:
        if criterion.of_baseline and before is None:
            return None
        threshold = criterion.threshold * (before or 0.0) if criterion.of_baseline else criterion.threshold
        targets.append(Target(criterion=criterion, threshold=threshold, before=before))
    return tuple(targets)


def _plan(
    finding: Finding,
    action: Action,
    parameters: Parameters,
    targets: tuple[Target, ...],
    proposal_id: ProposalId,
    number: int,
    earlier: int,
    policy: Policy,
    settle: timedelta,
    now: datetime,
    asked_by: PersonId | None,
) -> Proposal:
    windows = policy.windows
    trusted = action.tier is Tier.SAFE and action.name in policy.trusted
    # Only the first attempt of an incident may run without a person, and only on a cause that is named.
    alone = trusted and earlier == 0 and finding.state is FindingState.DIAGNOSED and asked_by is None
    mode = Mode.RUNBOOK if action.tier is Tier.NEVER_RUN else Mode.POLICY if alone else Mode.ASK
    check = Check(
        targets=targets,
        settle=max(windows.settle, settle),
        interval=windows.interval,
        horizon=windows.horizon,
        good_samples=windows.good_samples,
        give_up=windows.give_up,
    )
    assert finding.signature is not None  # noqa: S101  # only named causes come here
    proposal = Proposal(
        id=proposal_id,
        incident_id=finding.incident_id,
        finding_id=finding.id,
        number=number,
        signature=finding.signature,
        action=action.name,
        tier=int(action.tier),
        mode=mode,
        trusted=alone,
        parameters=dict(parameters),
        service=f"{finding.environment}/{finding.service}",
        effect=action.effect(parameters),
        requires=action.requires(parameters),
        undo=action.undo_says(parameters),
        check=check,
        quorum=policy.quorum.get(action.name, 1),
        policy_version=policy.version,
        proposed_by=asked_by or ENGINE,
        runbook=action.runbook(parameters) if mode is Mode.RUNBOOK else (),
        plan_hash="",
        made_at=now,
    )
    return replace(proposal, plan_hash=plan_hash(proposal))


def plan_hash(proposal: Proposal) -> str:
    """SHA-256 over everything a person says yes to; computed again before anything is run."""
    covered: dict[str, Any] = {
        f.name: repr(getattr(proposal, f.name))
        for f in fields(proposal)
        if f.name not in {"id", "made_at", "plan_hash", "parameters"}
    }
    covered["parameters"] = dict(proposal.parameters)
    return hashlib.sha256(rfc8785.dumps(covered)).hexdigest()
