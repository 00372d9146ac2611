"""Spans with W3C trace context, exported as OTLP/HTTP JSON by one background thread."""

import contextlib
import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from tests.playground.client import send_json

EXPORT_EVERY_S = 0.4
QUEUE_LIMIT = 4096
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_ERROR = 2


class Kind(IntEnum):
    """Span kinds, numbered as OTLP numbers them."""

    SERVER = 2
    CLIENT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span that has begun; `started_ns` is nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    started_ns: int

    @property
    def traceparent(self) -> str:
        """The header that makes the callee's span a child of this one."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def begin(name: str, kind: Kind, *, parent: Span | None = None, traceparent: str = "") -> Span:
    """Begin a span: below `parent`, else below the caller's header, else at the root of a new trace."""
    if parent is not None:
        trace_id, parent_id = parent.trace_id, parent.span_id
    elif (match := _TRACEPARENT.fullmatch(traceparent)) is not None:
        trace_id, parent_id = match.group(1), match.group(2)
    else:
        trace_id, parent_id = secrets.token_hex(16), ""
    return Span(
        trace_id=trace_id,
        span_id=secrets.token_hex(8),
        parent_id=parent_id,
        name=name,
        kind=kind,
        started_ns=time.time_ns(),
    )


def encode_attributes(attributes: dict[str, str | int]) -> list[dict[str, object]]:
    """Attributes in the OTLP JSON encoding, where 64-bit integers travel as text."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]


def encode_span(span: Span, attributes: dict[str, str | int], *, failed: bool, ended_ns: int) -> dict[str, object]:
    """One ended span in the OTLP JSON encoding."""
    encoded: dict[str, object] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.started_ns),
        "endTimeUnixNano": str(ended_ns),
        "attributes": encode_attributes(attributes),
        "status": {"code": _ERROR} if failed else {},
    }
    if span.parent_id:
        encoded["parentSpanId"] = span.parent_id
    return encoded


class Exporter:
    """Sends ended spans in batches; what does not fit or does not arrive is dropped and counted."""

    def __init__(self, *, url: str, token: str, service: str, instance: str) -> None:
        """Start the thread; an empty `url` turns the export off."""
        self.dropped = 0
        self.failed_posts = 0
        self._url = f"{url}/v1/traces" if url else ""
        self._token = token
        self._resource = {
            "attributes": encode_attributes({"service.name": service, "service.instance.id": instance})
        }
        self._queue: deque[dict[str, object]] = deque(maxlen=QUEUE_LIMIT)
        self._wake = threading.Event()
        self._idle = threading.Event()
        if self._url:
            threading.Thread(target=self._run, name="otlp", daemon=True).start()

    def end(self, span: Span, attributes: dict[str, str | int], *, failed: bool) -> None:
        """End a span now and queue it."""
        if not self._url:
            return
        if len(self._queue) == QUEUE_LIMIT:
            self.dropped += 1
        self._queue.append(encode_span(span, attributes, failed=failed, ended_ns=time.time_ns()))

    def flush(self, timeout_s: float) -> None:
        """Send what is queued, waiting no longer than `timeout_s`."""
        if self._url:
            self._idle.clear()
            self._wake.set()
            self._idle.wait(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait(EXPORT_EVERY_S)
            self._wake.clear()
            self._post()
            self._idle.set()

    def _post(self) -> None:
        spans = []
        with contextlib.suppress(IndexError):
            while True:
                spans.append(self._queue.popleft())
        if not spans:
            return
        scope = {"scope": {"name": "playground"}, "spans": spans}
        payload = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}
        if not send_json("POST", self._url, payload, token=self._token).accepted:
            self.failed_posts += 1
            self.dropped += len(spans)
