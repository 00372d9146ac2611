"""OTLP/HTTP trace requests (opentelemetry.io/docs/specs/otlp/#otlphttp), JSON or protobuf, to compact spans."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agents.incident.errors import BadInput
from agents.incident.redaction import redact
from agents.spans import Span
from bot.receiver.packed import unpacked

CLIENT_KINDS = {3, "SPAN_KIND_CLIENT"}
SERVER_KINDS = {2, "SPAN_KIND_SERVER"}
ERROR_CODES = {2, "STATUS_CODE_ERROR"}
WRONG = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, StopIteration)


def decode(body: bytes, content_type: str, encoding: str, max_bytes: int, environment: str = "") -> list[Span]:
    """The server and client spans of one export request, of *environment* if given. BadInput otherwise."""
    body = unpacked(body, encoding, max_bytes)
    if content_type.startswith("application/json"):
        try:
            return list(_spans(json.loads(body), environment))
        except WRONG as error:
            raise BadInput(f"not an OTLP JSON trace request: {type(error).__name__}") from error
    if content_type.startswith("application/x-protobuf"):
        try:
            return list(_spans(_from_protobuf(body), environment))
        except WRONG as error:
            raise BadInput(f"not an OTLP protobuf trace request: {type(error).__name__}") from error
    raise BadInput(f"content type {content_type!r}; send application/json or application/x-protobuf")


def _from_protobuf(body: bytes) -> Mapping[str, Any]:
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise BadInput(f"not an OTLP protobuf trace request: {error}") from error
    data: Mapping[str, Any] = MessageToDict(request)
    return data


def _spans(data: Mapping[str, Any], environment: str) -> Iterator[Span]:
    for resource in data.get("resourceSpans", ()):
        about = _attributes(resource.get("resource", {}))
        service = str(about.get("service.name", ""))
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                client = span.get("kind") in CLIENT_KINDS
                if not service or not (client or span.get("kind") in SERVER_KINDS):
                    continue
                own = _attributes(span)
                start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
                status = int(own.get("http.response.status_code") or own.get("http.status_code") or 0)
                failed = span.get("status", {}).get("code") in ERROR_CODES
                yield Span(
                    service=service,
                    instance=str(about.get("service.instance.id", service)),
                    # What the operator said of the source counts before what the sender says of itself.
                    environment=environment
                    or str(about.get("deployment.environment.name") or about.get("deployment.environment") or ""),
                    client=client,
                    end_ms=end / 1e6,
                    duration_ms=(end - start) / 1e6,
                    failed=failed,
                    status=status or (500 if failed else 0),
                    upstream=str(own.get("server.address") or own.get("peer.service") or "") if client else "",
                    upstream_instance=str(own.get("server.instance") or "") if client else "",
                )


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {a["key"]: _clean(next(iter(a["value"].values()), None)) for a in holder.get("attributes", ())}


def _clean(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value
