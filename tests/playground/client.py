"""One HTTP call on a connection of its own, with the outcome named the way the metrics name it."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

Outcome = Literal["ok", "error", "timeout", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended. `status` is 0 when no answer came; `error_type` is empty when all went well."""

    outcome: Outcome
    status: int = 0
    body: bytes = b""
    error_type: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the peer answered 2xx."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, or an empty one when it is something else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


def call(
    method: str,
    address: str,
    path: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call `address` (host:port) once; `timeout_s` bounds connecting and each wait for the peer.

    The connection is not kept: a kept one to a replica that was restarted would fail for a reason
    that has nothing to do with the replica.
    """
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
    except TimeoutError:
        return Answer(outcome="timeout", error_type="timeout")
    except ConnectionRefusedError:
        return Answer(outcome="refused", error_type="refused")
    except (OSError, http.client.HTTPException) as error:
        return Answer(outcome="error", error_type=type(error).__name__)
    finally:
        connection.close()
    if response.status >= 400:
        return Answer(outcome="error", status=response.status, body=content, error_type=str(response.status))
    return Answer(outcome="ok", status=response.status, body=content)


def send_json(
    method: str,
    url: str,
    value: object | None,
    *,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 2.0,
) -> Answer:
    """Call a whole URL with a JSON body and a bearer token."""
    parts = urlsplit(url)
    sent = {"Content-Type": "application/json", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    body = None if value is None else json.dumps(value).encode()
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return call(method, parts.netloc, path, timeout_s=timeout_s, body=body, headers=sent)
