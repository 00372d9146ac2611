"""The web rim: which address leads where, and what runs beside the doors while the process lives."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import redis
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agents.incident.clock import now
from agents.incident.errors import Transient
from bot import metrics
from bot.journal import tables as t
from bot.receiver import answers
from bot.receiver.bell import Bell
from bot.receiver.checkpoints import Checkpoints
from bot.receiver.commits import Commits
from bot.receiver.confirmations import Confirm, Confirmations
from bot.receiver.door import Door
from bot.receiver.lines import Lines
from bot.receiver.load import Overload, Rates
from bot.receiver.refused import Refused
from bot.receiver.sources import OTLP
from bot.receiver.traces import Traces
from bot.spans import SpanStore
from bot.wiring.parts import ReceiveParts

if TYPE_CHECKING:
    from bot.chats import Chats

OPENAPI = Path(__file__).with_name("openapi.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """What the routes need."""

    parts: ReceiveParts
    spans: SpanStore
    redis: redis.Redis
    ring: Callable[[str, str], None]
    confirm: Confirm
    max_body_bytes: int
    source_limit: int
    oldest: timedelta
    log: Any


def create(rim: Rim, *, more: Sequence[BaseRoute] = (), chats: "Chats | None" = None) -> Starlette:
    """The receiver's application, with the page and the chats' own ways in where there are any."""
    log, senders, journal = rim.log, rim.parts.senders, rim.parts.journal
    commits = Commits(journal, log=log)
    bell = Bell(rim.ring, also=commits.also, log=log)
    commits.rung = bell.wanted
    overload = Overload(journal, oldest=rim.oldest, slow=commits.slow_for, log=log)
    refused = Refused(now=now, also=commits.also, log=log)
    checkpoints = Checkpoints(journal.engine, log=log)
    confirmations = Confirmations(senders, journal=journal, confirm=rim.confirm, also=commits.also, log=log)
    lines = Lines(log=log)
    door = Door(
        senders,
        commits=commits,
        overload=overload,
        rates=Rates(rim.source_limit),
        refused=refused,
        confirmations=confirmations,
        lines=lines,
        max_body_bytes=rim.max_body_bytes,
        log=log,
    )
    spans = next((s for s in senders.values() if s.row.system == OTLP), None)
    traces = Traces(spans, rim.spans, door=door, max_body_bytes=rim.max_body_bytes)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for part in (commits, bell, overload, refused, confirmations, checkpoints):
            part.start()
        try:
            if chats is not None:
                await chats.start()
            yield
        finally:
            if chats is not None:
                await chats.stop()
            # The commits last: the others may still have something to be written.
            for part in (checkpoints, confirmations, refused, overload, bell, commits):
                await part.stop()
            lines.write()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        return await anyio.to_thread.run_sync(_ready, rim)

    async def measured(_: Request) -> Response:
        try:
            return Response(await anyio.to_thread.run_sync(metrics.text, journal), media_type=metrics.CONTENT_TYPE)
        except Transient as error:
            return answers.busy(str(error))

    document = json.dumps(yaml.safe_load(OPENAPI.read_text(encoding="utf-8")), ensure_ascii=False).encode()

    async def openapi(_: Request) -> Response:
        return Response(document, media_type="application/json")

    return Starlette(
        routes=[
            Route("/v1/webhooks/{source}", door.webhook, methods=["POST"]),
            Route("/v1/webhooks/{source}", door.challenge, methods=["GET"]),
            Route("/v1/changes", door.changes, methods=["POST"]),
            Route("/v1/traces", traces.take, methods=["POST"]),
            Route("/v2/enqueue", door.enqueue, methods=["POST"]),
            Route("/v2/change/enqueue", door.enqueue_change, methods=["POST"]),
            Route("/openapi.json", openapi),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", measured),
            *more,
            *(chats.routes() if chats is not None else ()),
        ],
        lifespan=lifespan,
    )


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
