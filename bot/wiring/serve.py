"""The receiver: webhook secrets and the journal; no credential to read or change a system."""

from bot import configuration
from bot.queue import connect_briefly
from bot.receiver.app import Rim, create
from bot.settings import ReceiverSettings, span
from bot.spans import SpanStore
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
    log.info("receiver.listening", host=settings.host, port=settings.port)
    uvicorn.run(
        create(rim),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=5,
    )
