"""The receiver: webhook secrets, chat tokens, the journal; no credential to read or change a system."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from agents.incident.clock import now
from bot import configuration
from bot.journal.journal import Journal
from bot.page.app import routes
from bot.queue import Doorbell, connect_briefly
from bot.receiver.app import Rim, create
from bot.receiver.confirmations import by_sns
from bot.receiver.proofs.fetch import Fetcher
from bot.receiver.sources import Sender, certificates, ready, weakness
from bot.settings import ReceiverSettings, span
from bot.spans import SpanStore
from bot.wiring.chats import build
from bot.wiring.common import open_journal, start
from bot.wiring.parts import ReceiveParts

MOST_OF_AN_ANSWER = 16 * 1024
"""What SNS may answer to a confirmation, in bytes."""


def serve(settings: ReceiverSettings) -> None:
    """Listen until told to stop."""
    import uvicorn

    log = start(settings, "receiver")
    journal = open_journal(settings, log)
    connection = connect_briefly(settings.redis)
    rim = Rim(
        # Its bells are rung by a thread of their own, never between two commits.
        parts=ReceiveParts(journal=Journal(journal.engine), senders=_senders(settings, log)),
        spans=SpanStore(connection, span(settings.spans_window_s)),
        redis=connection,
        ring=Doorbell(connect_briefly(settings.redis)).ring,
        confirm=by_sns(_certificate, _answer, now),
        max_body_bytes=settings.max_body_bytes,
        source_limit=settings.source_limit,
        oldest=span(settings.overload_s),
        log=log,
    )
    chats, page = build(settings, journal, log)
    log.info("receiver.listening", host=settings.host, port=settings.port)
    servers: list[uvicorn.Server] = []
    page = replace(page, stopping=lambda: bool(servers) and servers[0].should_exit)
    config = uvicorn.Config(
        create(rim, more=routes(page), chats=chats),
        host=settings.host,
        port=settings.port,
        log_config=None,  # its lines go where ours go, and lose their secrets there
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1000,
        timeout_graceful_shutdown=5,
    )
    servers.append(uvicorn.Server(config))
    _keep_what_is_loaded()
    servers[0].run()


def _keep_what_is_loaded() -> None:
    """Take what is loaded by now out of every later garbage collection; it lives as long as the process.

    A full collection walks all of it and holds every delivery up meanwhile, for 0.1 s and more.
    """
    gc.collect()
    gc.freeze()


@cache
def _sns() -> Fetcher:
    """Made when the first subscription is confirmed."""
    return Fetcher(most_bytes=MOST_OF_AN_ANSWER)


def _answer(url: str) -> bytes:
    return _sns()(url)


def _certificate(url: str) -> bytes:
    return certificates()(url)


def _senders(settings: ReceiverSettings, log: Any) -> Mapping[str, Sender]:
    """Every source ready to be proven; what is weak or missing about one is said once."""
    rows, secrets = configuration.sources(settings.config), settings.webhook_secrets()
    named = any(row.mapping for row in rows.values())
    senders = ready(rows, secrets, configuration.mappings(settings.config) if named else {})
    for sender in senders.values():
        if said := weakness(sender):
            log.warning("source.weak", source=sender.name, says=said)
    for name in sorted(secrets.keys() - senders.keys()):
        log.warning(
            "source.unknown", source=name[:80], says="has a token, and config/sources.yaml does not have it"
        )
    return senders
