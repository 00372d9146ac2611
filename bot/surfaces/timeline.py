"""The history of an incident in lines: one sentence an event, rendered from the journal.

A line is built from accounted parts, as cards are: what somebody else wrote stands in quotes, and a number that is
not in the event does not leave.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.surfaces.accounted import Accounted

Event = Mapping[str, Any]
Words = Callable[[Event, Accounted], str]

UNCUT = 100_000
"""Characters of a text from outside where there is room for all of it: the page, a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Events in words. ``accounted`` is what they may say; ``cut``: of a text from outside a part is missing."""

    lines: tuple[str, ...]
    accounted: frozenset[str]
    cut: bool


def _said(event: Event, key: str, told: Accounted) -> str:
    return told.cut(str(event["data"].get(key) or ""))


def _number(event: Event, key: str, told: Accounted) -> str:
    value = event["data"].get(key)
    return told.words(f"{value:g}") if isinstance(value, int | float) else "some"


def _because(event: Event, told: Accounted) -> str:
    reason = event["data"].get("reason")
    return f": {told.cut(str(reason))}" if reason else ""


def _fires(event: Event, told: Accounted) -> str:
    summary = event["data"].get("summary")
    said = f": {told.cut(str(summary))}" if summary else ""
    return f"alert {_said(event, 'title', told)} fires{said}"


def _readings(event: Event, told: Accounted) -> str:
    found = sorted(event["data"].get("readings", {}).items())
    return "looked: " + (", ".join(f"{told.words(str(n))} × {what}" for what, n in found) or "nobody answered")


def _step(event: Event, told: Accounted) -> str:
    step = event["data"].get("step", {})
    named = ", ".join(f"{k} {told.name(str(v))}" for k, v in step.items() if k not in {"kind", "uid"})
    done = "undone" if event["data"].get("part") == "undo" else "done"
    return f"{done}: {told.name(str(step.get('kind')))} ({named})"


def _other(words: str, key: str = "other") -> Words:
    """*words* and the other incident."""
    return lambda e, told: f"{words} {told.name(str(e['data'].get(key) or '?'))}{_because(e, told)}"


def _plain(words: str) -> Words:
    return lambda _, __: words


def _reasoned(words: str) -> Words:
    return lambda e, told: words + _because(e, told)


def _by(words: str, after: str = "") -> Words:
    """*words* and who did it."""
    return lambda e, told: f"{words} {told.cut(str(e['actor']))}{after}{_because(e, told)}"


def _who(words: str) -> Words:
    """Who did it and *words*."""
    return lambda e, told: f"{told.cut(str(e['actor']))} {words}{_because(e, told)}"


_ALERTS: Mapping[str, Words] = {
    "firing": _fires,
    "resolved": lambda e, _: (
        "every alert resolved; believed once that has lasted" if e["data"].get("held") else "the alert resolved"
    ),
    "acknowledged": _by("acknowledged at"),
    "noted": lambda e, told: f"the sender notes {_said(e, 'word', told)}",
    "again": lambda e, told: f"alert {_said(e, 'title', told)} fires again",
    "joined": lambda e, told: (
        f"alert {_said(e, 'title', told)} belongs here too, by the rule {_said(e, 'rule', told)}"
    ),
    "late": lambda e, told: f"an older word came late and changes nothing: {_said(e, 'status', told)}",
    "flapping": lambda e, told: (
        f"the alert flaps: {_number(e, 'turns', told)} turns in {_number(e, 'minutes', told)} min"
    ),
    "steady": lambda e, _: f"the alert flaps no more; it {'fires' if e['data'].get('firing') else 'is resolved'}",
}

_INCIDENTS: Mapping[str, Words] = {
    "received": _plain("received, about to look"),
    "triaging": _plain("looking"),
    "waiting_on": _reasoned("waiting for another incident"),
    "reported": lambda e, told: f"finding: {told.words(str(e['data'].get('finding_state') or 'made').lower())}",
    "proposed": _reasoned("looking for an action"),
    "mitigating": _plain("an action begins"),
    "verifying": _plain("the action is done; it is watched whether it helped"),
    "mitigated": _plain("mitigated"),
    "needs_human": _reasoned("a person is needed"),
    "resolved": _reasoned("resolved"),
    "reopened": _plain("opened again: the same alert fires"),
    "suppressed": _reasoned("suppressed"),
    "merged": _other("merged into", "into"),
    "closed": _by("closed by"),
    "asked": _by("asked for by"),
    "taken": _who("took it over; the bot begins nothing here"),
    "given_back": _who("gave it back"),
    "raised": lambda e, told: f"severity raised to {_said(e, 'severity', told)}",
    "placed": lambda e, told: f"found to be about the service {_said(e, 'service', told)}",
    "absorbed": _other("another incident was merged into this one:"),
    "follows": _other("the same alert was in"),
    "split": _other("part of it goes on as"),
    "split_off": _other("split off from"),
}

_QUESTIONS: Mapping[str, Words] = {
    "awaiting": _plain("waiting for an answer"),
    "approved": _by("approved by"),
    "voted": _who("approves; more votes are needed"),
    "rejected": _by("rejected by"),
    "reason": _by("reason given by"),
    "expired": _plain("nobody answered in time: the question expired, nothing was run"),
    "cancelled": _reasoned("the question was withdrawn"),
    "held": lambda e, told: f"held by {told.cut(str(e['actor']))}: the deadline moved {told.words('15 min')}",
}

_RUNS: Mapping[str, Words] = {
    "draft": _plain("a plan is written"),
    "policy_denied": _reasoned("policy does not allow it"),
    "manual_only": _plain("for a person to do by hand"),
    "awaiting_approval": _plain("waiting for an answer"),
    "held": _plain("the question stands longer"),
    "rejected": _reasoned("it was rejected"),
    "expired": _reasoned("it expired"),
    "cancelled": _reasoned("it was withdrawn; nothing was run"),
    "approved": _plain("it was approved"),
    "stale": _reasoned("the yes is too old to count; nothing was run"),
    "ready": _plain("about to begin"),
    "reserved": _plain("took the lock"),
    "preflight": _plain("reading the preconditions again"),
    "aborted": _reasoned("ended before any effect"),
    "executing": _plain("the undo is written down; acting now"),
    "executed": _reasoned("the platform confirms the effect"),
    "unknown": _reasoned("an answer was lost; finding out what happened"),
    "not_applied": _reasoned("it never took effect"),
    "partial": _reasoned("it took effect in part"),
    "verifying": _plain("watching whether it helped"),
    "succeeded": _plain("verified: every recovery criterion holds"),
    "ineffective": _plain("it did not help"),
    "regressed": _plain("it made things worse: undoing"),
    "inconclusive": _plain("whether it helped could not be read: that is never a success"),
    "undoing": _reasoned("undoing it"),
    "undone": _reasoned("it was undone"),
    "undo_failed": _reasoned("the undo failed"),
    "escalated": _reasoned("handed to a person"),
    "halted": _reasoned("stopped by a person"),
}

_OTHERS: Mapping[str, Words] = {
    "evidence.gathered": _readings,
    "triage.look_again": lambda e, told: f"nothing certain yet; looking again in {_number(e, 'after_s', told)} s",
    "finding.asked_again": _by("another look was asked for by"),
    "finding.contested": _reasoned("the finding is taken back; nothing is done about it"),
    "finding.again": lambda e, told: (
        f"looked again: {told.words(str(e['data'].get('state') or 'a finding').lower())}{_because(e, told)}"
    ),
    "proposal.made": lambda e, told: (
        f"proposed (Tier {_number(e, 'tier', told)}): {told.words(str(e['data'].get('effect')))}"
    ),
    "step.done": _step,
    "verification.sample": lambda e, told: (
        f"sample {_number(e, 'number', told)}: {told.words(str(e['data'].get('mark')))}"
    ),
    "feedback.given": lambda e, told: (
        f"{told.cut(str(e['actor']))} says the finding was {told.words(str(e['data'].get('verdict')))}"
    ),
    "selftest.step": lambda e, told: (
        f"self-test {_said(e, 'step', told)} {'is well' if e['data'].get('ok') else 'FAILED'}: "
        f"{_said(e, 'says', told)}"
    ),
    "model.heard": _plain("a model was heard; the finding is the engine's own"),
    "model.off": lambda e, told: f"without a model: {_said(e, 'reason', told)}",
    "storm.began": lambda e, told: (
        f"many alerts at once: {_number(e, 'incidents', told)} incidents go on in this one"
    ),
    "escalation.again": lambda e, told: f"asked for a person again, call {_number(e, 'times', told)}",
    "grouping.shadow": lambda e, told: (
        f"the rule {_said(e, 'rule', told)}, not in use yet, would have put {_said(e, 'title', told)} here"
    ),
}

WORDS: Mapping[str, Words] = {
    **{f"alert.{kind}": words for kind, words in _ALERTS.items()},
    **{f"incident.{kind}": words for kind, words in _INCIDENTS.items()},
    **{f"approval.{kind}": words for kind, words in _QUESTIONS.items()},
    **{f"run.{kind}": words for kind, words in _RUNS.items()},
    **_OTHERS,
}

MINOR = frozenset(
    {
        "alert.again",
        "alert.joined",
        "alert.late",
        "alert.noted",
        "grouping.shadow",
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


def named(kind: str) -> str:
    """A kind of event by its name, where there is no room for a sentence."""
    return kind.replace(".", " ").replace("_", " ")


def tell(events: Sequence[Event]) -> Told:
    """Events as they are told in a chat, with their time of day (UTC)."""
    told = Accounted()
    lines = tuple(_line(event, told) for event in events)
    return Told(lines=lines, accounted=frozenset(told.known), cut=told.was_cut)


def line(event: Event) -> str:
    """One event where there is room for all of it, with its time of day (UTC)."""
    return _line(event, Accounted(most=UNCUT))


def _line(event: Event, told: Accounted) -> str:
    at: datetime = event["at"]
    words = WORDS.get(event["kind"])
    said = words(event, told) if words is not None else named(event["kind"]) + _because(event, told)
    return f"{told.at(at)}  {said}"
