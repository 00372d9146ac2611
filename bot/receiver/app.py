"""The web rim: sizes, sources, proofs and answers. Everything else happens in the walk, off this loop."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import redis
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agents.incident.errors import BadInput, BadProof, Transient
from bot import walk
from bot.configuration import Source
from bot.journal import tables as t
from bot.receiver import otlp, proof
from bot.spans import SpanStore
from bot.wiring.parts import ReceiveParts

if TYPE_CHECKING:
    from bot.chats import Chats


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """What the routes need."""

    parts: ReceiveParts
    spans: SpanStore
    redis: redis.Redis
    max_body_bytes: int
    log: Any


BODY_PATIENCE_S = 10.0


class _TooLarge(Exception):
    pass


def create(rim: Rim, *, more: Sequence[BaseRoute] = (), chats: "Chats | None" = None) -> Starlette:
    """The receiver's application, with the page and the chats' own ways in where there are any."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if chats is not None:
            await chats.start()
        try:
            yield
        finally:
            if chats is not None:
                await chats.stop()

    async def webhook(request: Request) -> Response:
        return await _take(rim, request, request.path_params["source"], {"alertmanager"})

    async def changes(request: Request) -> Response:
        return await _take(rim, request, "changes", {"cdevents"})

    async def traces(request: Request) -> Response:
        return await _traces(rim, request)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        return await anyio.to_thread.run_sync(_ready, rim)

    return Starlette(
        routes=[
            Route("/v1/webhooks/{source}", webhook, methods=["POST"]),
            Route("/v1/changes", changes, methods=["POST"]),
            Route("/v1/traces", traces, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *more,
            *(chats.routes() if chats is not None else ()),
        ],
        lifespan=lifespan,
    )


def _no(status: int, error: str, **headers: str) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def _busy(error: str) -> Response:
    # Never 429: Alertmanager retries 5xx only, and would lose the page.
    return _no(503, error, **{"Retry-After": "5"})


async def _body(request: Request, most: int) -> bytes:
    """The body, read no further than it may be long."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise _TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


async def _read(rim: Rim, request: Request) -> bytes | Response:
    try:
        with anyio.fail_after(BODY_PATIENCE_S):
            return await _body(request, rim.max_body_bytes)
    except TimeoutError:
        return _no(408, f"the body did not come within {BODY_PATIENCE_S:g} s", Connection="close")
    except _TooLarge:
        return _no(413, f"the body is larger than {rim.max_body_bytes} bytes", Connection="close")
    except ClientDisconnect:
        return _no(400, "the connection closed before the body was whole")


async def _take(rim: Rim, request: Request, source: str, systems: set[str]) -> Response:
    configured: Source | None = rim.parts.sources.get(source)
    if configured is None or configured.system not in systems:
        return _no(404, f"no source {source[:80]!r} is configured here; see config/sources.yaml")
    headers = {k.lower(): v for k, v in request.headers.items()}
    try:
        # The bearer is proven before the body is read: nobody unknown makes us hold a megabyte.
        proof.bearer(source, configured, headers, rim.parts.tokens)
    except BadProof as error:
        rim.log.warning("receive.refused", source=source, error=str(error))
        return _no(401, str(error), **{"WWW-Authenticate": "Bearer"})
    body = await _read(rim, request)
    if isinstance(body, Response):
        return body
    try:
        stored, new = await anyio.to_thread.run_sync(walk.receive, source, headers, body, rim.parts)
    except Transient as error:
        rim.log.warning("receive.unavailable", source=source, error=str(error))
        return _busy(str(error))
    answer: dict[str, object] = {"id": stored, "duplicate": not new}
    note = _looks_wrong(body)
    if note:
        rim.log.warning("receive.unreadable", source=source, inbox_id=stored, error=note)
        answer["warning"] = f"stored as it came, but {note}"
    return JSONResponse(answer, status_code=202)


def _looks_wrong(body: bytes) -> str:
    try:
        data = json.loads(body)
    except ValueError as error:
        return f"it is not JSON: {error}"
    except RecursionError:
        return "it is JSON nested too deep to read"
    return "" if isinstance(data, Mapping) else "it is not a JSON object"


async def _traces(rim: Rim, request: Request) -> Response:
    source, configured = next(((s, c) for s, c in rim.parts.sources.items() if c.system == "otlp"), ("", None))
    if configured is None:
        return _no(404, "no source of system otlp is configured; add one to config/sources.yaml")
    headers = {k.lower(): v for k, v in request.headers.items()}
    try:
        proof.bearer(source, configured, headers, rim.parts.tokens)
    except BadProof as error:
        return _no(401, str(error), **{"WWW-Authenticate": "Bearer"})
    body = await _read(rim, request)
    if isinstance(body, Response):
        return body
    content_type = headers.get("content-type", "")
    try:
        spans = otlp.decode(body, content_type, headers.get("content-encoding", ""), 8 * rim.max_body_bytes)
        await anyio.to_thread.run_sync(rim.spans.add, spans)
    except BadInput as error:
        return _no(400, str(error))
    except Transient as error:
        return _busy(str(error))
    if content_type.startswith("application/json"):
        return JSONResponse({})
    return Response(b"", media_type="application/x-protobuf")


def _ready(rim: Rim) -> Response:
    """Whether the things this process depends on answer; the process itself is /healthz."""
    checks: dict[str, str] = {}
    try:
        with rim.parts.journal.write("readyz") as tx:
            tx.run(t.inbox.update().where(t.inbox.c.id == "").values(error=""))  # touches no row
        checks["journal"] = "ok"
    except Transient as error:
        rim.log.warning("readyz.journal", error=str(error))
        checks["journal"] = "cannot be written"
    try:
        rim.redis.ping()
        checks["redis"] = "ok"
    except redis.RedisError as error:
        rim.log.warning("readyz.redis", error=str(error))
        checks["redis"] = "does not answer"
    ready = set(checks.values()) == {"ok"}
    return JSONResponse({"ready": ready, "checks": checks}, status_code=200 if ready else 503)
