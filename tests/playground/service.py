"""What gateway, checkout and inventory share: ports, telemetry, the wrapping of a request, an orderly end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from tests.playground import tracing
from tests.playground.client import Answer, call
from tests.playground.httpd import Handler, Reply, Request, Server, guarded, json_reply, routed
from tests.playground.logs import Log
from tests.playground.metrics import Metrics
from tests.playground.options import Options
from tests.playground.osproc import allow_many_connections, die_with_parent
from tests.playground.tracing import Exporter, Kind, Span

# A forgotten hang must not eat the machine: about four minutes of load on one replica.
IN_FLIGHT_LIMIT = 2000
# The supervisor kills 0.5 s after it asked; both waits together stay below that.
FINISH_S = 0.3
FLUSH_S = 0.1

Business = Callable[[Request, Span], Reply]


class Service:
    """One running instance. Subclasses add their routes and what `/healthz` says."""

    def __init__(self, options: Options) -> None:
        """Prepare telemetry; nothing listens before `run`."""
        self.options = options
        self.journal = Log(options.directory, service=options.service, instance=options.instance)
        self.metrics = Metrics(service=options.service, instance=options.instance)
        self.exporter = Exporter(
            url=options.otlp_url,
            token=options.otlp_token,
            service=options.service,
            instance=options.instance,
        )
        self._in_flight = 0
        self._lock = threading.Lock()
        self.metrics.gauge("http_server_active_requests", "Business requests in flight.", lambda: self._in_flight)

    def business(self) -> Mapping[tuple[str, str], Business]:
        """The routes that are counted and traced."""
        raise NotImplementedError

    def control(self) -> Mapping[tuple[str, str], Handler]:
        """The routes of the control port; each needs the control token."""
        return {}

    def health(self) -> Reply:
        """The answer of `/healthz`."""
        return json_reply(
            200, {"status": "ok", "version": self.options.version, "revision": self.options.revision}
        )

    def call_upstream(
        self,
        span: Span,
        method: str,
        path: str,
        *,
        upstream: str,
        instance: str,
        timeout_s: float,
        body: bytes | None = None,
    ) -> Answer:
        """Call one instance of another service once, with a client span and a count."""
        child = tracing.begin(f"{method} {upstream}", Kind.CLIENT, parent=span)
        headers = {"traceparent": child.traceparent, "Content-Type": "application/json"}
        address = self.options.upstreams[instance]
        answer = call(method, address, path, timeout_s=timeout_s, body=body, headers=headers)
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": upstream,
            "server.instance": instance,
        }
        if answer.status:
            attributes["http.response.status_code"] = answer.status
        if answer.error_type:
            attributes["error.type"] = answer.error_type
        self.exporter.end(child, attributes, failed=answer.outcome != "ok")
        self.metrics.called(upstream=upstream, upstream_instance=instance, outcome=answer.outcome)
        return answer

    def run(self) -> NoReturn:
        """Serve until SIGTERM, then let requests in flight finish for a moment and end."""
        die_with_parent(self.options.parent_pid)
        allow_many_connections()
        threading.stack_size(256 * 1024)
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/healthz"): lambda _request: self.health(),
            ("GET", "/metrics"): lambda _request: self.metrics.exposition(),
        }
        for (method, path), handler in self.business().items():
            routes[(method, path)] = self._counted(path, handler)
        guards = {key: guarded(self.options.control_token, each) for key, each in self.control().items()}
        Server(self.options.control_port, routed(guards)).start()
        Server(self.options.port, routed(routes)).start()
        self.journal.info("started", version=self.options.version, revision=self.options.revision, pid=os.getpid())
        stop.wait()
        deadline = time.monotonic() + FINISH_S
        while self._in_flight and time.monotonic() < deadline:
            time.sleep(0.01)
        self.journal.info("stopped", version=self.options.version, in_flight=self._in_flight)
        self.exporter.flush(FLUSH_S)
        # A hung replica has threads that never end; only leaving without them is sure to leave.
        os._exit(0)

    def _counted(self, route: str, handler: Business) -> Handler:
        def handle(request: Request) -> Reply:
            started = time.monotonic()
            span = tracing.begin(
                f"{request.method} {route}", Kind.SERVER, traceparent=request.headers.get("traceparent", "")
            )
            with self._lock:
                self._in_flight += 1
            try:
                reply = self._guarded(request, span, handler)
            finally:
                with self._lock:
                    self._in_flight -= 1
            self.metrics.completed(route=route, code=reply.status, seconds=time.monotonic() - started)
            attributes: dict[str, str | int] = {
                "http.request.method": request.method,
                "http.route": route,
                "http.response.status_code": reply.status,
            }
            if reply.status >= 500:
                attributes["error.type"] = str(reply.status)
            self.exporter.end(span, attributes, failed=reply.status >= 500)
            return reply

        return handle

    def _guarded(self, request: Request, span: Span, handler: Business) -> Reply:
        if self._in_flight > IN_FLIGHT_LIMIT:
            return json_reply(503, {"error": f"more than {IN_FLIGHT_LIMIT} requests in flight"})
        try:
            return handler(request, span)
        except (ValueError, KeyError, TypeError) as error:
            return json_reply(400, {"error": f"bad request: {error}"})
        except Exception as error:  # noqa: BLE001 - the edge of the process: whatever is raised becomes a 500
            self.journal.error(f"{type(error).__name__}: {error}", span=span)
            return json_reply(500, {"error": f"{type(error).__name__}: {error}"})
