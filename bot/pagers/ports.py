"""What a pager must be able to do."""

from dataclasses import dataclass
from typing import Protocol

from agents.incident.ids import IncidentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing to tell: ``trigger``, ``acknowledge`` or ``resolve``, always under the same key."""

    event: str
    key: str
    incident_id: IncidentId
    summary: str
    reason: str
    severity: str
    service: str
    link: str
    times: int


class Pager(Protocol):
    """One pager. Telling the same twice does no harm: the key makes it one."""

    @property
    def name(self) -> str:
        """As it is filed under in the journal."""

    async def tell(self, call: Call) -> None:
        """Raises Transient when it could not be told now, Refused when it will not take it."""

    async def close(self) -> None:
        """Give the connections back."""
