"""Log events with fields: pretty on a terminal, JSON elsewhere, secrets taken out of both."""

import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from agents.incident.redaction import redact_tree


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {k: redact_tree({k: v})[k] if isinstance(v, str | dict | list) else v for k, v in event.items()}  # type: ignore[index]  # a mapping in, a mapping out


def configure(*, process: str, as_json: bool | None) -> None:
    """Send events of *process* to standard error."""
    json_wanted = not sys.stderr.isatty() if as_json is None else as_json
    render: Any = structlog.processors.JSONRenderer() if json_wanted else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get() -> Any:
    """The logger."""
    return structlog.get_logger()
