"""Real HTTP servers on loopback, for what probes send."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answerer = Callable[[str, bytes], tuple[int, str, str]]
"""(path, body) → (status, content type, body)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that arrived."""

    path: str
    authorization: str | None


class Backend:
    """A Prometheus, the /metrics and the health of every replica behind one address; it counts what comes."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []

    @property
    def paths(self) -> set[str]:
        """Which paths were asked for."""
        return {s.path for s in self.seen}


@contextmanager
def counted() -> Iterator[Backend]:
    """A backend that answers everything a probe may ask."""
    backend = Backend()

    def answer(path: str, _body: bytes) -> tuple[int, str, str]:
        if path.startswith("/metrics"):
            return 200, "text/plain", 'http_server_requests_total{code="500"} 5\n'
        said = {"status": "success", "data": {"result": []}, "schema_cache": {"behind": 0}}
        return 200, "application/json", json.dumps(said)

    with _serving(answer, backend.seen.append) as backend.url:
        yield backend


@contextmanager
def serving(answer: Answerer) -> Iterator[str]:
    """The address of a server that answers so."""
    with _serving(answer, lambda _: None) as url:
        yield url


@contextmanager
def _serving(answer: Answerer, saw: Callable[[Seen], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            saw(Seen(path=self.path, authorization=self.headers.get("Authorization")))
            size = int(self.headers.get("Content-Length") or 0)
            status, kind, body = answer(self.path, self.rfile.read(size))
            self.send_response(status)
            self.send_header("Location" if status == 302 else "Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = _do  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
