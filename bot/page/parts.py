"""What the page needs to be served."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from actions.policy import People
from bot.journal.journal import Journal

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _runs_on() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """The journal, who is known, and how they get in.

    ``url`` is the public base of every link; cookies are kept to TLS when it is https. ``proxy_header`` names the
    header in which a trusted proxy says who it let in (a person's id, or one of their ``proxy`` accounts); it is
    believed from peers in ``proxy_from`` alone. ``stopping`` lets live streams end with the server.
    """

    journal: Journal
    people: Callable[[], People]
    url: str
    log: Any
    session: timedelta = timedelta(hours=12)
    proxy_header: str = ""
    proxy_from: tuple[Network, ...] = LOOPBACK
    most_watchers: int = 50
    poll_s: float = 1.0
    stopping: Callable[[], bool] = field(default=_runs_on)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the page over TLS."""
        return self.url.startswith("https://")

    def trusts(self, peer: str) -> bool:
        """Whether the header is believed from this peer."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.proxy_from)
