"""Log events with fields: pretty on a terminal, JSON elsewhere, secrets taken out of both.

What libraries say, and what ends a process, goes the same way: no line reaches standard error unredacted.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

import structlog

from agents.incident.redaction import redact, redact_tree


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without secrets, in its fields' names as in their values."""
    found = redact_tree({name: _plain(value) for name, value in event.items()})
    assert isinstance(found, dict)  # noqa: S101  # a mapping comes back as one
    return found


def _plain(value: object) -> object:
    """*value* as JSON has it, so that nothing is turned into text after it was looked at."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


class Redacting(logging.Formatter):
    """Lines of libraries, with their tracebacks, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        return redact(super().format(record))


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends a process is said on standard error, without secrets."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


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
    _take_over()
    sys.excepthook = _last_words


def _take_over() -> None:
    """Libraries' warnings go through our formatter: the queue's brings a handler only where there is none."""
    root = logging.getLogger()
    if not any(isinstance(h.formatter, Redacting) for h in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(Redacting("%(levelname)s %(name)s: %(message)s"))
        handler.setLevel(logging.WARNING)
        root.addHandler(handler)


def get() -> Any:
    """The logger."""
    return structlog.get_logger()
