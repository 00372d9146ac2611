"""What was proposed, who answered, what was run, and whether it helped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actions.approval import ApprovalState, Verdict
from actions.policy import People
from actions.ports import Run
from actions.verification import Outcome, Sample
from agents.incident.lifecycle import ActionState
from bot.page import words
from bot.page.case import Case
from bot.page.checks import Criterion, Reading, criterion, reading

A = ActionState
GOOD = frozenset({A.SUCCEEDED})
BAD = frozenset({A.REGRESSED, A.UNDO_FAILED, A.ESCALATED, A.PARTIAL, A.UNKNOWN, A.HALTED, A.INEFFECTIVE})
WAITS = frozenset({A.AWAITING_APPROVAL, A.HELD, A.MANUAL_ONLY, A.INCONCLUSIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's word."""

    name: str
    says: str
    at: datetime
    surface: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question to people and how it went."""

    says: str
    waiting: bool
    quorum: int
    yes: int
    deadline: datetime
    decided_by: str
    decided_at: datetime | None
    reason: str
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One effect, written down before it was begun."""

    undo: bool
    number: int
    what: str
    state: str
    intended_at: datetime
    done_at: datetime | None
    key: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One proposal with all that followed from it."""

    number: int
    effect: str
    action: str
    tier: str
    mode: str
    trusted: bool
    parameters: tuple[tuple[str, str], ...]
    requires: tuple[str, ...]
    undo: str
    runbook: tuple[str, ...]
    hash: str
    policy: str
    made_at: datetime
    state: str
    tone: str
    reason: str
    asked: tuple[Asked, ...]
    done: tuple[Done, ...]
    undo_written: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    readings: tuple[Reading, ...]
    outcome: str
    outcome_tone: str


def plans(case: Case, people: People) -> tuple[Plan, ...]:
    """Every proposal of the incident, newest first."""
    return tuple(_plan(case, run, people) for run in reversed(case.runs))


def _plan(case: Case, run: Run, people: People) -> Plan:
    proposal = run.proposal
    found = case.checks.get(run.id)
    samples: Sequence[Sample] = found[2] if found is not None else ()
    outcome = Outcome(found[0]["outcome"]) if found is not None and found[0]["outcome"] else None
    check = found[1] if found is not None else proposal.check
    tone = "good" if run.state in GOOD else "bad" if run.state in BAD else "wait" if run.state in WAITS else "calm"
    return Plan(
        number=proposal.number,
        effect=proposal.effect,
        action=proposal.action,
        tier=words.TIERS.get(proposal.tier, f"Tier {proposal.tier}"),
        mode=words.MODES[proposal.mode],
        trusted=proposal.trusted,
        parameters=tuple((k, str(v)) for k, v in sorted(proposal.parameters.items())),
        requires=proposal.requires,
        undo=proposal.undo,
        runbook=proposal.runbook,
        hash=proposal.plan_hash,
        policy=proposal.policy_version,
        made_at=proposal.made_at,
        state=words.RUNS[run.state],
        tone=tone,
        reason=run.reason,
        asked=tuple(_asked(q, case.votes.get(q["id"], ()), people) for q in case.questions.get(run.id, ())),
        done=tuple(_done(s) for s in case.steps.get(run.id, ())),
        undo_written=tuple(_undo(u) for u in case.undo.get(run.id, ())),
        criteria=tuple(criterion(i, x, samples) for i, x in enumerate(check.targets)),
        readings=tuple(reading(n, s, check) for n, s in enumerate(samples, 1)),
        outcome=words.OUTCOMES[outcome] if outcome is not None else "",
        outcome_tone="good" if outcome is Outcome.SUCCEEDED else "bad",
    )


def named(people: People, person_id: str) -> str:
    """How a person is called, where they are still known."""
    person = people.by_id(person_id)
    return person.name if person is not None else person_id


def _asked(question: Mapping[str, Any], votes: Sequence[Mapping[str, Any]], people: People) -> Asked:
    state = ApprovalState(question["state"])
    return Asked(
        says=words.QUESTIONS[state],
        waiting=state is ApprovalState.AWAITING,
        quorum=question["quorum"],
        yes=sum(v["verdict"] == Verdict.APPROVE.value for v in votes),
        deadline=question["deadline"],
        decided_by=question["decided_by"] or "",
        decided_at=question["decided_at"],
        reason=question["reason"],
        votes=tuple(
            Vote(
                name=named(people, v["person_id"]),
                says="approves" if v["verdict"] == Verdict.APPROVE.value else "rejects",
                at=v["at"],
                surface=v["surface"],
                reason=v["reason"],
            )
            for v in votes
        ),
    )


def _done(row: Mapping[str, Any]) -> Done:
    return Done(
        undo=row["kind"] == "undo",
        number=row["number"],
        what=_request(row["request"]),
        state={"done": "done", "failed": "failed"}.get(row["state"], "begun, not confirmed"),
        intended_at=row["intended_at"],
        done_at=row["done_at"],
        key=row["key"],
        answer=json.dumps(row["answer"], ensure_ascii=False) if row["answer"] else "",
    )


def _request(request: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in request.items() if k != "kind")
    return f"{request.get('kind', 'step')} ({rest})"


def _undo(row: Mapping[str, Any]) -> str:
    captured = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in row["captured"].items()) or "nothing"
    step = _request(row["request"]) if row["request"] else "nothing to undo"
    return f"{step}; captured before: {captured}"
