"""The history of an incident in lines: one sentence an event, rendered from the journal."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Event = Mapping[str, Any]


def _because(event: Event) -> str:
    reason = event["data"].get("reason")
    return f": {reason}" if reason else ""


def _readings(event: Event) -> str:
    found = event["data"].get("readings", {})
    return "looked: " + ", ".join(f"{n} × {what}" for what, n in sorted(found.items()))


def _step(event: Event) -> str:
    step = event["data"].get("step", {})
    named = ", ".join(f"{k} {v}" for k, v in step.items() if k not in {"kind", "uid"})
    return f"{'undone' if event['data'].get('part') == 'undo' else 'done'}: {step.get('kind')} ({named})"


WORDS: Mapping[str, Callable[[Event], str]] = {
    "alert.firing": lambda e: (
        f"alert “{e['data'].get('title')}” fires: {e['data'].get('summary') or 'no summary'}"
    ),
    "alert.resolved": lambda _: "the alert resolved",
    "incident.triaging": lambda _: "looking",
    "evidence.gathered": _readings,
    "triage.look_again": lambda e: f"nothing certain yet; looking again in {e['data'].get('after_s'):g} s",
    "incident.reported": lambda e: f"finding: {e['data'].get('finding_state')}",
    "incident.proposed": lambda e: "looking for an action" + _because(e),
    "proposal.made": lambda e: f"proposed (Tier {e['data'].get('tier')}): {e['data'].get('effect')}",
    "approval.approved": lambda e: f"approved by {e['actor']}" + _because(e),
    "approval.voted": lambda e: f"{e['actor']} approves; more votes are needed",
    "approval.rejected": lambda e: f"rejected by {e['actor']}" + _because(e),
    "approval.reason": lambda e: f"reason given by {e['actor']}" + _because(e),
    "approval.expired": lambda _: "nobody answered in time: the question expired, nothing was run",
    "approval.cancelled": lambda e: "the question was withdrawn" + _because(e),
    "run.reserved": lambda _: "took the lock",
    "run.preflight": lambda _: "reading the preconditions again",
    "run.executing": lambda _: "the undo is written down; acting now",
    "step.done": _step,
    "run.executed": lambda e: "the platform confirms the effect" + _because(e),
    "run.verifying": lambda _: "watching whether it helped",
    "verification.sample": lambda e: f"sample {e['data'].get('number')}: {e['data'].get('mark')}",
    "run.succeeded": lambda _: "verified: every recovery criterion holds",
    "run.ineffective": lambda _: "it did not help",
    "run.regressed": lambda _: "it made things worse: undoing",
    "run.inconclusive": lambda _: "whether it helped could not be read: that is never a success",
    "approval.held": lambda e: f"held by {e['actor']}: the deadline moved 15 min",
    "incident.asked": lambda e: f"asked for by {e['actor']}",
    "incident.taken": lambda e: f"{e['actor']} took it over; the bot begins nothing here",
    "incident.given_back": lambda e: f"{e['actor']} gave it back",
    "feedback.given": lambda e: f"{e['actor']} says the finding was {e['data'].get('verdict')}",
    "escalation.again": lambda e: f"asked for a person again, call {e['data'].get('times')}",
    "incident.mitigated": lambda _: "mitigated",
    "incident.resolved": lambda e: "resolved" + _because(e),
    "incident.needs_human": lambda e: "a person is needed" + _because(e),
    "incident.closed": lambda e: f"closed by {e['actor']}",
    "incident.reopened": lambda _: "opened again: the same alert fires",
}


MINOR = frozenset(
    {
        "incident.mitigating",
        "incident.verifying",
        "run.awaiting_approval",
        "run.preflight",
        "run.ready",
        "run.reserved",
        "run.verifying",
        "triage.look_again",
        "verification.sample",
    }
)
"""What is told below a card together with what comes after it, and is worth no message of its own."""


def line(event: Event) -> str:
    """One event in words, with its time of day (UTC)."""
    at: datetime = event["at"]
    words = WORDS.get(event["kind"])
    said = words(event) if words is not None else event["kind"].replace(".", " ") + _because(event)
    return f"{at:%H:%M:%S}  {said}"
