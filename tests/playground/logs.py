"""JSON logs: one file an instance, appended to, one object a line."""

import json
import threading
from pathlib import Path
from typing import Protocol

from tests.playground.osproc import now, rfc3339


class Traced(Protocol):
    """Anything that has a place in a trace; both ids are lower-case hex."""

    @property
    def trace_id(self) -> str:
        """32 hex digits."""

    @property
    def span_id(self) -> str:
        """16 hex digits."""


class Log:
    """Appends to `DIR/logs/<instance>.jsonl`."""

    def __init__(self, directory: Path, *, service: str, instance: str) -> None:
        """Open the file; the directory is made when it is missing."""
        folder = directory / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{instance}.jsonl"
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self._service = service
        self._instance = instance

    def info(self, msg: str, *, span: Traced | None = None, **fields: object) -> None:
        """A change of state worth a line."""
        self._write("info", msg, span, fields)

    def warning(self, msg: str, *, span: Traced | None = None, **fields: object) -> None:
        """Something that may become an error."""
        self._write("warning", msg, span, fields)

    def error(self, msg: str, *, span: Traced | None = None, **fields: object) -> None:
        """Something that failed for a caller."""
        self._write("error", msg, span, fields)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, level: str, msg: str, span: Traced | None, fields: dict[str, object]) -> None:
        line = {
            "ts": rfc3339(now()),
            "level": level,
            "service": self._service,
            "instance": self._instance,
            "msg": msg,
            "trace_id": span.trace_id if span else None,
            "span_id": span.span_id if span else None,
            **fields,
        }
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
