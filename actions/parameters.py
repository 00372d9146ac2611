"""Reading typed parameters: present, of the right type, and never empty."""

from actions.action import Parameters
from agents.incident.errors import BadInput


def text(parameters: Parameters, name: str, action: str) -> str:
    """A text parameter. An empty one is an error at every layer: it must never read as "everything"."""
    value = parameters.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{action}: parameter {name!r} must name something, got {value!r}")
    return value


def whole(parameters: Parameters, name: str, action: str) -> int:
    """A whole-number parameter."""
    value = parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{action}: parameter {name!r} must be a whole number, got {value!r}")
    return value


def only(parameters: Parameters, names: set[str], action: str) -> None:
    """Refuse parameters nobody asked for."""
    extra = set(parameters) - names
    if extra:
        raise BadInput(f"{action}: unknown parameters {', '.join(sorted(extra))}")
