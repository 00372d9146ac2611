"""A supervisor with an HTTP API: list, restart, set a revision, reload a schema.

Every effect carries an idempotency key and a fencing token; both are the supervisor's to keep.
"""

import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from actions.ports import Deployment, Progress, Revision, RunningReplica
from actions.steps import ReloadSchema, RestartReplica, SetRevision, Step
from agents.incident.errors import FenceRefused, OutcomeUnknown, ProbeUnreachable, Refused
from agents.incident.redaction import redact

SAID = 240
"""Characters of a failing answer that are kept."""


class HttpSupervisor:
    """Workloads behind one supervisor of one environment. Entities are ``environment/service``."""

    def __init__(
        self,
        url: str,
        token: str,
        environment: str,
        *,
        tls: ssl.SSLContext,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._environment = environment
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout.total_seconds(),
            verify=tls,
            follow_redirects=False,
        )

    def deployment(self, service: str) -> Deployment:
        """What runs now."""
        data = self._get(f"/v1/services/{self._name(service)}")
        if data is None:
            raise Refused(f"the supervisor knows no service {service!r}")
        return Deployment(
            service=service,
            revision=data["revision"],
            rollout_in_progress=data["rollout_in_progress"],
            revisions=tuple(
                Revision(
                    number=r["revision"],
                    artifact=r["artifact"],
                    schema_version=r.get("schema_version"),
                    ran_healthy=r["ran_healthy"],
                )
                for r in data["revisions"]
            ),
            replicas=tuple(
                RunningReplica(
                    name=r["name"],
                    uid=r["uid"],
                    ready=r["ready"],
                    started_at=datetime.fromisoformat(r["started_at"]) if r.get("started_at") else None,
                )
                for r in data["replicas"]
            ),
        )

    def claim(self, service: str, token: int) -> None:
        """Make older tokens useless."""
        try:
            response = self._client.post(
                f"/v1/services/{self._name(service)}/claim", headers={"X-Fence-Token": str(token)}
            )
        except httpx.HTTPError as error:
            raise ProbeUnreachable(f"the supervisor did not answer: {type(error).__name__}") from error
        if response.status_code == 409:
            raise FenceRefused(f"{service}: a newer token holds the target")
        if response.is_error:
            raise ProbeUnreachable(f"the supervisor answered {_said(response)} to a claim")

    def start(self, step: Step, key: str, token: int) -> None:
        """Begin one effect; nothing is ever sent twice under another key."""
        name = self._name(step.service)
        body: Mapping[str, Any]
        match step:
            case RestartReplica():
                path = f"/v1/services/{name}/replicas/{quote(step.replica, safe='')}/restart"
                body = {"uid": step.uid}
            case SetRevision():
                path = f"/v1/services/{name}/rollback"
                body = {"from_revision": step.from_revision, "to_revision": step.to_revision}
            case ReloadSchema():
                path = f"/v1/services/{name}/reload-schema"
                body = {}
        try:
            response = self._client.post(
                path, json=body, headers={"X-Fence-Token": str(token), "Idempotency-Key": key}
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Refused(f"the supervisor could not be reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"no answer from the supervisor: {type(error).__name__}") from error
        if response.status_code == 409 and '"fence"' in response.text:
            raise FenceRefused(f"{step.service}: a newer token holds the target")
        if response.is_server_error:
            raise OutcomeUnknown(f"the supervisor answered {_said(response)}")
        if response.is_error:
            raise Refused(f"the supervisor refused with {_said(response)}")

    def progress(self, key: str) -> Progress:
        """How far the effect is."""
        data = self._get(f"/v1/operations/{quote(key, safe='')}")
        return Progress.NOT_APPLIED if data is None else Progress(data["state"])

    def _get(self, path: str) -> Mapping[str, Any] | None:
        try:
            response = self._client.get(path)
        except httpx.HTTPError as error:
            raise ProbeUnreachable(f"the supervisor did not answer: {type(error).__name__}") from error
        if response.status_code == 404:
            return None
        if response.is_error:
            raise ProbeUnreachable(f"the supervisor answered {_said(response)}")
        try:
            data: Mapping[str, Any] = response.json()
        except ValueError as error:
            raise ProbeUnreachable("the supervisor did not answer in JSON") from error
        return data

    def _name(self, service: str) -> str:
        environment, _, name = service.partition("/")
        if environment != self._environment or not name:
            raise Refused(f"{service!r} is not of environment {self._environment!r}")
        return quote(name, safe="")


def _said(response: httpx.Response) -> str:
    """The status and the first words of the answer, without secrets: whoever pressed wants to know what failed."""
    words = " ".join(response.text[:2000].split())
    return f"{response.status_code}: {redact(words)[:SAID]}" if words else str(response.status_code)
