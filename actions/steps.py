"""The effects that exist. An executor carries out these and nothing else; there is no shell text anywhere."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agents.incident.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartReplica:
    """Stop one replica and start it anew. ``uid`` names the very process meant, so twice is once."""

    service: str
    replica: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRevision:
    """Run one named revision instead of another; refused when the present one is not ``from_revision``."""

    service: str
    from_revision: int
    to_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadSchema:
    """Have an API read its database's schema again."""

    service: str


Step = RestartReplica | SetRevision | ReloadSchema

_KINDS: dict[str, type[RestartReplica | SetRevision | ReloadSchema]] = {
    kind.__name__: kind for kind in (RestartReplica, SetRevision, ReloadSchema)
}


def dump(step: Step) -> dict[str, Any]:
    """*step* as JSON, its kind by name."""
    return {"kind": type(step).__name__, **asdict(step)}


def load(data: Mapping[str, Any]) -> Step:
    """The step that ``dump`` wrote."""
    rest = {k: v for k, v in data.items() if k != "kind"}
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        raise BadInput(f"unknown step {data.get('kind')!r}")
    return kind(**rest)
