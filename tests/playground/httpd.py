"""A loopback HTTP server: one daemon thread a connection, one function that answers."""

import contextlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from tests.playground.osproc import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as a handler sees it; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; TypeError or ValueError when it is anything else."""
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            raise TypeError("the body must be a JSON object")
        return value

    def bearer(self) -> str:
        """The bearer token, or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back: status, body and its media type."""

    status: int
    body: bytes
    content_type: str = "application/json"


Handler = Callable[[Request], Reply]


def json_reply(status: int, value: object) -> Reply:
    """A reply with a JSON body."""
    return Reply(status=status, body=json.dumps(value).encode())


def routed(routes: Mapping[tuple[str, str], Handler]) -> Handler:
    """A handler that looks the method and the exact path up in a table."""

    def handle(request: Request) -> Reply:
        handler = routes.get((request.method, request.path))
        if handler is None:
            return json_reply(404, {"error": "not found"})
        try:
            return handler(request)
        except (ValueError, KeyError, TypeError) as error:
            return json_reply(400, {"error": f"bad request: {error}"})

    return handle


def guarded(token: str, handler: Handler) -> Handler:
    """A handler that answers 401 unless the request carries the token."""

    def handle(request: Request) -> Reply:
        if not hmac.compare_digest(request.bearer().encode(), token.encode()):
            return json_reply(401, {"error": "unauthorized"})
        return handler(request)

    return handle


class _Connection(BaseHTTPRequestHandler):
    """Reads requests from one connection and writes what the server's function answers."""

    protocol_version = "HTTP/1.1"
    server_version = "playground"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 30
    # A whole answer in one write; two writes would wait for the peer's delayed acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
        reply = cast(Server, self.server).answer(request)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: services write their own logs."""


class Server(ThreadingHTTPServer):
    """Listens on a loopback port and answers every request with one function."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, port: int, answer: Handler) -> None:
        """Bind; a port its last owner has only just left is tried again for 2 s."""
        self.answer = answer
        deadline = time.monotonic() + 2.0
        while True:
            try:
                super().__init__((LOOPBACK, port), _Connection)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which can be slow."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a caller that gave up and hung up is daily business here."""

    def start(self) -> None:
        """Serve from a daemon thread of its own."""
        threading.Thread(target=self.serve_forever, name=f"http-{self.server_port}", daemon=True).start()

    def stop(self) -> None:
        """Stop serving and close the socket; for tests, processes simply end."""
        self.shutdown()
        with contextlib.suppress(OSError):
            self.server_close()
