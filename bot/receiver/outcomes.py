"""How far a change came, from its sender's own word; a word that nobody here knows is ``UNKNOWN``."""

import re
from collections.abc import Mapping

from agents.incident.incident import ChangeOutcome
from bot.receiver.systems.reading import Category

C = ChangeOutcome

WAITING = frozenset(
    {"created", "queued", "enqueued", "pending", "waiting", "requested", "scheduled", "submitted", "new"}
    | {"manual", "blocked", "waiting_for_resource", "pending_review", "action_required"}
    | {"opened", "open", "reopened"}
)
"""Asked for, and not begun."""

_WORDS: Mapping[str, ChangeOutcome] = {
    **dict.fromkeys(WAITING, C.STARTED),
    **dict.fromkeys(
        ("start", "started", "in_progress", "running", "building", "progressing", "preparing"), C.STARTED
    ),
    **dict.fromkeys(("prepared", "processing", "uploading", "uploaded", "deploying", "retrying"), C.STARTED),
    **dict.fromkeys(("success", "succeeded", "successful", "passed", "ok", "ready", "promoted"), C.SUCCEEDED),
    **dict.fromkeys(("deployed", "upgraded", "removed", "published", "released", "create"), C.SUCCEEDED),
    **dict.fromkeys(("changed", "pushed", "merged", "complete", "completed", "done"), C.SUCCEEDED),
    **dict.fromkeys(("failure", "failed", "fail", "error", "errored", "fault", "faulted", "broken"), C.FAILED),
    **dict.fromkeys(
        ("canceled", "cancelled", "cancel", "aborted", "stopped", "stop", "rejected", "killed"), C.FAILED
    ),
    **dict.fromkeys(("timed_out", "timeout", "timedout", "startup_failure", "failed_with_retry"), C.FAILED),
    **dict.fromkeys(("rollback", "rolledback", "rolled_back", "reverted"), C.ROLLED_BACK),
}

_OF_SYSTEM: Mapping[tuple[str, str], ChangeOutcome] = {
    ("aws_eventbridge", "ready"): C.STARTED,  # CodeDeploy: the new instances wait for the traffic
    ("aws_sns", "ready"): C.STARTED,
    ("cdevents", "finished"): C.UNKNOWN,  # how, stands in its outcome
}

_ENDINGS: tuple[tuple[str, ChangeOutcome], ...] = (
    ("rollback_complete", C.ROLLED_BACK),
    ("rollback_completed", C.ROLLED_BACK),
    ("rollback_succeeded", C.ROLLED_BACK),
    ("_succeeded", C.SUCCEEDED),
    ("_success", C.SUCCEEDED),
    ("_complete", C.SUCCEEDED),
    ("_completed", C.SUCCEEDED),
    ("_failed", C.FAILED),
    ("_failure", C.FAILED),
    ("_error", C.FAILED),
    ("_in_progress", C.STARTED),
    ("_started", C.STARTED),
)
"""Compound words: ``SERVICE_DEPLOYMENT_FAILED`` (ECS), ``UpgradeSucceeded`` and ``RollbackSucceeded`` (Flux)."""

_HAPPENED = frozenset({Category.SERVICE_CHANGE})
"""What is only told once it has happened, whatever the word."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def normal(word: str) -> str:
    """*word* in lower case, its parts joined by underscores; of ``trigger/status`` the status."""
    last = word.strip().rpartition("/")[2]
    return re.sub(r"[\s_.-]+", "_", _CAMEL.sub("_", last).strip()).lower()


def outcome(system: str, category: Category, word: str, stated: str | None = None) -> ChangeOutcome:
    """What *word* means for a change of *system*; an outcome *stated* beside the word counts first."""
    if stated:
        return _known(system, normal(stated))
    if category in _HAPPENED or (system == "cdevents" and category is Category.CHANGE):
        return C.SUCCEEDED
    return _known(system, normal(word))


def _known(system: str, word: str) -> ChangeOutcome:
    found = _OF_SYSTEM.get((system, word)) or _WORDS.get(word)
    if found is not None:
        return found
    return next((o for ending, o in _ENDINGS if word.endswith(ending) or word == ending.lstrip("_")), C.UNKNOWN)
