"""Spans of the one source of system otlp: proven, decoded, kept in Redis for a few minutes."""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agents.incident.clock import now
from agents.incident.errors import BadInput, BadProof, Transient
from bot.receiver import answers, otlp
from bot.receiver.door import Door, headers_of
from bot.receiver.sources import OTLP, Sender
from bot.spans import SpanStore

UNPACKED = 8
"""How many times longer than a body may be what it unpacks to."""


class Traces:
    """``POST /v1/traces``, as OTLP/HTTP has it."""

    def __init__(self, sender: Sender | None, spans: SpanStore, *, door: Door, max_body_bytes: int) -> None:
        self._sender = sender
        self._spans = spans
        self._door = door
        self._max_body_bytes = max_body_bytes

    async def take(self, request: Request) -> Response:
        """Keep the spans of one export request."""
        if self._sender is None:
            return answers.no(404, f"no source of system {OTLP} is configured; add one to config/sources.yaml")
        headers = headers_of(request)
        try:
            self._sender.prove(headers, b"", now())
        except BadProof as error:
            self._door.refused.count(self._sender.name, "unproven", str(error))
            return answers.unproven(self._sender.scheme)
        body = await self._door.read(request, self._sender.name)
        if isinstance(body, Response):
            return body
        content_type = headers.get("content-type", "")
        try:
            await anyio.to_thread.run_sync(self._keep, body, content_type, headers.get("content-encoding", ""))
        except BadInput as error:
            return answers.no(400, str(error))
        except Transient as error:
            return answers.busy(str(error), error.retry_after.total_seconds())
        self._door.refused.taken(self._sender.name)
        if content_type.startswith("application/json"):
            return JSONResponse({})
        return Response(b"", media_type="application/x-protobuf")

    def _keep(self, body: bytes, content_type: str, encoding: str) -> None:
        assert self._sender is not None  # noqa: S101  # asked in take
        environment = self._sender.row.environment or ""
        self._spans.add(otlp.decode(body, content_type, encoding, UNPACKED * self._max_body_bytes, environment))
