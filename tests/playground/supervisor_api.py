"""The supervisor's HTTP API: who may do what, and which answer each case gets."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from tests.playground.fleet import Deployment
from tests.playground.httpd import Reply, Request, json_reply
from tests.playground.ledger import FenceError
from tests.playground.osproc import rfc3339
from tests.playground.supervisor import ConflictError, Supervisor, UnknownError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One token a role. `write` may also read; the others may do one thing each."""

    read: str
    write: str
    deploy: str
    chaos: str


class HeaderError(Exception):
    """A header that the operation needs is missing or makes no sense."""


class Api:
    """Answers the requests of executor, CD system and test bench."""

    def __init__(self, supervisor: Supervisor, tokens: Tokens) -> None:
        """The tokens decide the role of a caller."""
        self._supervisor = supervisor
        self._roles: Mapping[str, frozenset[str]] = {
            tokens.read: frozenset({"read"}),
            tokens.write: frozenset({"read", "write"}),
            tokens.deploy: frozenset({"deploy"}),
            tokens.chaos: frozenset({"chaos"}),
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        roles = self._roles_of(request.bearer())
        if roles is None:
            return json_reply(401, {"error": "unauthorized"})
        parts = request.path.strip("/").split("/")
        try:
            return self._routed(request, parts, roles)
        except FenceError as error:
            return json_reply(409, {"error": "fence", "fence": error.highest})
        except ConflictError as error:
            return json_reply(409, {"error": error.what, error.what: error.found})
        except UnknownError as error:
            return json_reply(404, {"error": f"unknown: {error}"})
        except PermissionError:
            return json_reply(403, {"error": "forbidden"})
        except HeaderError as error:
            return json_reply(400, {"error": str(error)})
        except (KeyError, TypeError, ValueError) as error:
            return json_reply(400, {"error": f"bad request: {error}"})

    def _roles_of(self, token: str) -> frozenset[str] | None:
        found = None
        for known, roles in self._roles.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = roles
        return found

    def _routed(self, request: Request, parts: list[str], roles: frozenset[str]) -> Reply:
        if request.method == "GET":
            _need("read", roles)
            return self._get(parts)
        match parts:
            case ["v1", "services", service, "claim"]:
                _need("write", roles)
                return self._claim(service, request)
            case ["v1", "services", _, "replicas", _, "restart"] | [
                "v1",
                "services",
                _,
                "rollback" | "reload-schema",
            ]:
                _need("write", roles)
                return self._effect(parts, request)
            case ["v1", "services", service, "deploy"]:
                _need("deploy", roles)
                made, previous = self._supervisor.deploy(service, str(request.json()["version"]))
                return json_reply(
                    202, {"service": service, "revision": made.revision, "previous_revision": previous}
                )
            case ["v1", "services", service, "migrated"]:
                _need("deploy", roles)
                self._supervisor.announce_migration(service, migration=str(request.json()["migration"]))
                return json_reply(202, {"service": service})
            case ["v1", "services", service, "restore"]:
                _need("chaos", roles)
                self._supervisor.restore(service)
                return json_reply(200, {"service": service})
        return json_reply(404, {"error": "not found"})

    def _get(self, parts: list[str]) -> Reply:
        match parts:
            case ["v1", "services"]:
                return json_reply(200, {"services": list(self._supervisor.fleet.deployments)})
            case ["v1", "services", service]:
                return json_reply(200, self._described(self._supervisor.deployment(service)))
            case ["v1", "operations", key]:
                operation = self._supervisor.ledger.operation(key)
                if operation is None:
                    return json_reply(404, {"error": "unknown"})
                found = {
                    "operation": operation.key,
                    "kind": operation.kind,
                    "state": operation.state,
                    "error": operation.error,
                    "at": rfc3339(operation.at),
                }
                return json_reply(200, found)
            case ["v1", "effects"]:
                return json_reply(200, self._supervisor.ledger.effects())
        return json_reply(404, {"error": "not found"})

    def _claim(self, service: str, request: Request) -> Reply:
        self._supervisor.deployment(service)
        fence = _fence(request)
        self._supervisor.ledger.claim(service, fence)
        return json_reply(200, {"fence": fence})

    def _effect(self, parts: list[str], request: Request) -> Reply:
        fence, key, body = _fence(request), _key(request), request.json()
        match parts[2:]:
            case [service, "replicas", name, "restart"]:
                self._supervisor.restart(service, name, uid=str(body["uid"]), fence=fence, key=key)
            case [service, "rollback"]:
                self._supervisor.rollback(
                    service,
                    from_revision=int(body["from_revision"]),
                    to_revision=int(body["to_revision"]),
                    fence=fence,
                    key=key,
                )
            case [service, _]:
                self._supervisor.reload_schema(service, fence=fence, key=key)
        return json_reply(202, {"operation": key, "state": "running"})

    def _described(self, deployment: Deployment) -> dict[str, object]:
        return {
            "service": deployment.name,
            "revision": deployment.current,
            "rollout_in_progress": deployment.rolling,
            "fence": self._supervisor.ledger.fence(deployment.name),
            "revisions": [
                {
                    "revision": each.revision,
                    "version": each.version,
                    "artifact": each.artifact,
                    "deployed_at": rfc3339(each.deployed_at),
                    "schema_version": each.schema_version,
                    "ran_healthy": each.ran_healthy,
                }
                for each in deployment.revisions.values()
            ],
            "replicas": [
                {
                    "name": each.place.name,
                    "uid": each.uid,
                    "address": each.place.address,
                    "ready": each.ready,
                    "started_at": rfc3339(each.started_at),
                }
                for each in deployment.replicas
            ],
        }


def _need(role: str, roles: frozenset[str]) -> None:
    if role not in roles:
        raise PermissionError(role)


def _fence(request: Request) -> int:
    text = request.headers.get("x-fence-token", "")
    if not text.isdecimal():
        raise HeaderError("X-Fence-Token must be a whole number")
    return int(text)


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= 200 or "/" in key:
        raise HeaderError("Idempotency-Key must have 1 to 200 characters and no slash")
    return key
