"""The receiver: webhook secrets, chat tokens, the journal; no credential to read or change a system."""

from dataclasses import replace

from bot import configuration
from bot.page.app import routes
from bot.queue import connect_briefly
from bot.receiver.app import Rim, create
from bot.settings import ReceiverSettings, span
from bot.spans import SpanStore
from bot.wiring.chats import build
from bot.wiring.common import open_journal, start
from bot.wiring.parts import ReceiveParts


def serve(settings: ReceiverSettings) -> None:
    """Listen until told to stop."""
    import uvicorn

    log = start(settings, "receiver")
    journal = open_journal(settings, log)
    connection = connect_briefly(settings.redis)
    rim = Rim(
        parts=ReceiveParts(
            journal=journal,
            sources=configuration.sources(settings.config),
            tokens={
                name: [t.get_secret_value() for t in tokens] for name, tokens in settings.webhook_tokens.items()
            },
        ),
        spans=SpanStore(connection, span(settings.spans_window_s)),
        redis=connection,
        max_body_bytes=settings.max_body_bytes,
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
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=5,
    )
    servers.append(uvicorn.Server(config))
    servers[0].run()
