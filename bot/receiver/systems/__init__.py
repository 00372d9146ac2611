"""One file a system that sends us something: which deliveries are its own, and what one says. Pure functions.

A new system is a new file here with a ``SYSTEM``; nothing else has to be touched.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from agents.incident.errors import BadInput
from bot.receiver.systems.reading import Category, Reading, System


@cache
def systems() -> Mapping[str, System]:
    """Every system by its name."""
    found = {}
    for module in sorted(iter_modules(__path__), key=lambda m: m.name):
        system = getattr(import_module(f"{__name__}.{module.name}"), "SYSTEM", None)
        if isinstance(system, System):
            found[system.name] = system
    return found


def read(name: str, headers: Mapping[str, str], body: bytes) -> Reading:
    """What one delivery of a system says. BadInput, in one clear line, when it is not what that system sends."""
    system = systems().get(name)
    if system is None:
        raise BadInput(f"no system {name!r} is known; known: {', '.join(systems())}")
    low = {k.lower(): v for k, v in headers.items()}
    try:
        return system.read(low, body)
    except BadInput:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(f"not a delivery of {name}: {type(error).__name__}: {str(error)[:200]}") from error


def recognise(headers: Mapping[str, str], body: bytes) -> Sequence[str]:
    """The systems whose delivery this looks like, the surest first. Headers and marks decide, never guesses."""
    low = {k.lower(): v for k, v in headers.items()}
    sure: list[tuple[int, str]] = []
    for name, system in systems().items():
        try:
            how = system.recognise(low, body)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
            how = 0
        if how:
            sure.append((-how, name))
    return [name for _, name in sorted(sure)]


__all__ = ["Category", "Reading", "System", "read", "recognise", "systems"]
