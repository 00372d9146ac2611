"""The only way a probe's request leaves: to one system, about a service that it holds, for whoever may ask."""

import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from agents.canonical import fingerprint
from agents.incident.catalogue import Scope, Service
from agents.incident.errors import Refused
from agents.probes.reach import Reach


class Backend:
    """A client for one API (*base_url*), or, without one, for the addresses of the replicas that *reach* holds."""

    def __init__(
        self,
        reach: Reach,
        *,
        timeout: timedelta,
        tls: ssl.SSLContext,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.reach = reach
        self._base_url = base_url
        self.fingerprint = fingerprint("http", base_url) if base_url else ""
        self._client = httpx.Client(
            base_url=base_url,
            timeout=timeout.total_seconds(),
            verify=tls,
            headers=dict(headers or {}),
            follow_redirects=False,  # elsewhere is out of reach
        )

    def send(self, method: str, address: str, *, about: Service, scope: Scope, **sent: Any) -> httpx.Response:
        """One request about one service, for an incident of *scope*.

        Args:
            address: A path of the API, or one of the service's own addresses.

        Raises:
            Refused: The service is not this system's, or not this incident's; nothing was sent.
            httpx.HTTPError: No answer came.
        """
        why = self.reach.refusal(about, scope)
        if not why and not self._may_go_to(address, about):
            why = f"the address asked for is none of {about.id} in config/services.yaml"
        if why:
            raise Refused(f"{why}; nothing was sent")
        return self._client.request(method, address, **sent)

    def _may_go_to(self, address: str, about: Service) -> bool:
        if self._base_url:
            return address.startswith("/")
        return any(address in replica.addresses for replica in about.replicas)
