"""The page's own words: states, tiers, gates and spans of time, each as a person would say it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from actions.approval import ApprovalState
from actions.verification import Mark, Outcome
from agents.incident.lifecycle import ActionState, IncidentState

S, A = IncidentState, ActionState

STATES: Mapping[IncidentState, str] = {
    S.RECEIVED: "Just received",
    S.TRIAGING: "Looking for the cause",
    S.WAITING_ON: "Waiting for another incident",
    S.REPORTED: "Finding made",
    S.PROPOSED: "Looking for an action",
    S.MITIGATING: "Acting now",
    S.VERIFYING: "Watching whether it helped",
    S.MITIGATED: "Mitigated and verified",
    S.NEEDS_HUMAN: "A person is needed",
    S.RESOLVED: "Resolved",
    S.REOPENED: "Opened again",
    S.SUPPRESSED: "Suppressed",
    S.MERGED: "Merged into another incident",
    S.CLOSED: "Closed",
}

OVER = frozenset({S.MITIGATED, S.RESOLVED, S.CLOSED, S.SUPPRESSED, S.MERGED})

RUNS: Mapping[ActionState, str] = {
    A.DRAFT: "being written",
    A.POLICY_DENIED: "denied by policy",
    A.MANUAL_ONLY: "for a person to do by hand",
    A.AWAITING_APPROVAL: "waiting for approval",
    A.HELD: "on hold",
    A.REJECTED: "rejected, nothing was run",
    A.EXPIRED: "expired, nothing was run",
    A.CANCELLED: "cancelled, nothing was run",
    A.APPROVED: "approved",
    A.STALE: "out of date, nothing was run",
    A.READY: "approved, about to begin",
    A.RESERVED: "has the lock",
    A.PREFLIGHT: "reading the preconditions again",
    A.ABORTED: "stopped before any effect",
    A.EXECUTING: "acting now",
    A.EXECUTED: "the effect is confirmed",
    A.UNKNOWN: "the answer was lost; finding out what happened",
    A.NOT_APPLIED: "never took effect",
    A.PARTIAL: "took effect in part",
    A.VERIFYING: "watching whether it helped",
    A.SUCCEEDED: "worked, and that was verified",
    A.INEFFECTIVE: "did not help",
    A.REGRESSED: "made things worse",
    A.INCONCLUSIVE: "whether it helped could not be read",
    A.UNDOING: "being undone",
    A.UNDONE: "undone",
    A.UNDO_FAILED: "the undo failed",
    A.ESCALATED: "handed to a person",
    A.HALTED: "stopped by a person",
}

TIERS: Mapping[int, str] = {1: "Tier 1, safe", 2: "Tier 2, supervised", 3: "Tier 3, never run by the bot"}

MODES: Mapping[str, str] = {
    "policy": "runs by policy",
    "ask": "asks first",
    "runbook": "written out for a person",
}

QUESTIONS: Mapping[ApprovalState, str] = {
    ApprovalState.AWAITING: "Waiting for an answer",
    ApprovalState.APPROVED: "Approved",
    ApprovalState.REJECTED: "Rejected",
    ApprovalState.EXPIRED: "Expired",
    ApprovalState.CANCELLED: "Withdrawn",
}

MARKS: Mapping[Mark, str] = {
    Mark.GOOD: "good",
    Mark.BAD: "not yet",
    Mark.WORSE: "worse",
    Mark.ERROR: "not read",
}

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SUCCEEDED: "Verified: every criterion held",
    Outcome.INEFFECTIVE: "It did not help",
    Outcome.REGRESSED: "It made things worse",
    Outcome.INCONCLUSIVE: "Whether it helped could not be read; that is never a success",
}

ROLES: Mapping[str, str] = {
    "mechanism": "what broke",
    "user_facing": "what users feel",
    "capacity": "work still gets done",
    "neighbour": "a neighbour stays well",
}

STATUSES: Mapping[str, str] = {
    "complete": "whole answer",
    "truncated": "answer cut short",
    "partial": "part of the answer",
    "empty": "saw nothing",
    "error": "could not look",
}

GATES: Mapping[str, tuple[str, str]] = {
    "SCHEMA": ("G1", "it was not in the form that is asked for"),
    "NO_SUCH_EVIDENCE": ("G2", "it cites evidence this incident does not hold"),
    "BLOB_MISMATCH": ("G2", "the stored bytes no longer have the hash they were stored under"),
    "UNBROKERED": ("G3", "the evidence did not come through the probes"),
    "QUOTE_MISMATCH": ("G4", "the quote is in no stored line"),
    "NUMBER_MISMATCH": ("G5", "the number did not come out again from the stored bytes"),
    "UNIT": ("G5", "the answer holds no such quantity"),
    "DIRECTION": ("G6", "the change is too small or goes the other way"),
    "ENTITY": ("G7", "the evidence is about something else"),
    "STALE": ("G8", "the evidence is too old"),
    "WINDOW": ("G8", "the evidence lies outside the time asked about"),
    "ORDER": ("G9", "the two overlap, so neither came first"),
    "INCOMPLETE": ("G10", "the answer was not whole enough to say this"),
    "SINGLE_SIGNAL": ("G11", "fewer than two independent signals carry it"),
    "REFUTER_SKIPPED": ("G12", "a look-alike was not ruled out"),
    "REFUTER_INVERTED": ("G12", "a look-alike was said to read other than it does"),
    "REFUTED": ("G12", "a look-alike speaks against it"),
    "NO_PATH": ("G13", "no known call leads there"),
    "UNSUPPORTED": ("", "nothing that was pointed at holds"),
    "RENDER_LEAK": ("G14", "the text said something no stored fact accounts for"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: ``text``, ``name``, ``quote`` or ``cite``."""

    kind: str
    text: str


_PIECE = re.compile(r" ?\[(?P<cite>ev_[a-z2-7]{20})\]|`(?P<name>[^`]*)`|(?P<quote>“[^”]*”)", re.S)


def pieces(text: str) -> tuple[Piece, ...]:
    """Text of a finding in its parts: names, quotes and citations apart from the words around them."""
    out, at = [], 0
    for found in _PIECE.finditer(text):
        if found.start() > at:
            out.append(Piece("text", text[at : found.start()]))
        kind = str(found.lastgroup)
        out.append(Piece(kind, found.group(kind)))
        at = found.end()
    if at < len(text):
        out.append(Piece("text", text[at:]))
    return tuple(out)


def span(length: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = max(int(length.total_seconds()), 0)
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        number, seconds = divmod(seconds, size)
        if number or (parts and unit != "s"):
            parts.append(f"{number} {unit}")
        if len(parts) == 2:
            break
    return " ".join(p for p in parts if not p.startswith("0 ")) or "0 s"


def count(number: int, one: str, many: str = "") -> str:
    """``3 votes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
