"""Bytes from outside → values. Pure functions, one file a system, named in one table."""

from collections.abc import Callable, Mapping

from agents.incident.errors import BadInput
from bot.configuration import Source
from bot.receiver.parsers import alertmanager, cdevents
from bot.receiver.parsers.values import Alerts, Changes

Parser = Callable[[str, Source, bytes], Alerts | Changes]

PARSERS: Mapping[str, Parser] = {"alertmanager": alertmanager.parse, "cdevents": cdevents.parse}

KEYS: Mapping[str, Callable[[bytes], str | None]] = {"cdevents": cdevents.delivery_key}
"""Systems whose deliveries name themselves; where none does, nothing is dropped as a repeat."""


def parse(source: str, configured: Source | None, body: bytes) -> Alerts | Changes:
    """What one delivery says. BadInput when it is not what its source claims, or nobody knows the source now."""
    if configured is None:
        raise BadInput(f"source {source!r} is no longer configured")
    try:
        return PARSERS[configured.system](source, configured, body)
    except (OverflowError, RecursionError) as error:
        raise BadInput(f"a value is out of any range: {error}") from error


def delivery_key(system: str, body: bytes) -> str | None:
    """The sender's own id of this delivery, if it has one."""
    read = KEYS.get(system)
    try:
        return read(body) if read is not None else None
    except RecursionError:
        return None


__all__ = ["Alerts", "Changes", "delivery_key", "parse"]
