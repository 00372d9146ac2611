"""The door shaped like PagerDuty's Events API v2: what it refuses, and how it answers. Pure functions.

developer.pagerduty.com/docs/events-api-v2-overview
"""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

SYSTEM = "pagerduty_events_v2"
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
LONGEST_KEY = 255

Event = Mapping[str, object]


def opened(body: bytes) -> Event | None:
    """The event that *body* is; ``None`` when it is no JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def alert_errors(event: Event) -> Sequence[str]:
    """Why PagerDuty would refuse an alert event; empty when it would take it."""
    errors = _common(event)
    action = event.get("event_action")
    if action not in ACTIONS:
        errors.append(f"'event_action' must be one of {', '.join(ACTIONS)}")
    key = event.get("dedup_key")
    if key is not None and (not isinstance(key, str) or len(key) > LONGEST_KEY):
        errors.append(f"'dedup_key' must be text of at most {LONGEST_KEY} characters")
    if action in ACTIONS[1:] and not key:
        errors.append(f"'dedup_key' is missing or blank; {action} needs it")
    if action == ACTIONS[0]:
        payload = event.get("payload")
        if not isinstance(payload, Mapping):
            return [*errors, "'payload' is missing or not an object"]
        errors += [
            f"'payload.{n}' is missing or blank" for n in ("summary", "source") if not _text(payload.get(n))
        ]
        if payload.get("severity") not in SEVERITIES:
            errors.append(f"'payload.severity' must be one of {', '.join(SEVERITIES)}")
    return errors


def change_errors(event: Event) -> Sequence[str]:
    """Why PagerDuty would refuse a change event; empty when it would take it."""
    errors = _common(event)
    payload = event.get("payload")
    if not isinstance(payload, Mapping):
        return [*errors, "'payload' is missing or not an object"]
    if not _text(payload.get("summary")):
        errors.append("'payload.summary' is missing or blank")
    return errors


def keyed(event: Event, made: UUID) -> tuple[str, bytes | None]:
    """The event's ``dedup_key``; and where it had none the body with *made* in it, for a later resolve to name."""
    key = event.get("dedup_key")
    if isinstance(key, str) and key:
        return key, None
    return made.hex, json.dumps({**event, "dedup_key": made.hex}).encode()


def took_alert(key: str, warning: str) -> Mapping[str, object]:
    """The answer to an alert event that is stored."""
    said: dict[str, object] = {"status": "success", "message": "Event processed", "dedup_key": key}
    return {**said, "warning": warning} if warning else said


def took_change(warning: str) -> Mapping[str, object]:
    """The answer to a change event that is stored."""
    said: dict[str, object] = {"status": "success", "message": "Change event processed"}
    return {**said, "warning": warning} if warning else said


def refused(errors: Sequence[str]) -> Mapping[str, object]:
    """The answer to an event that PagerDuty would refuse."""
    return {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}


def _common(event: Event) -> list[str]:
    return [] if _text(event.get("routing_key")) else ["'routing_key' is missing or blank"]


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
