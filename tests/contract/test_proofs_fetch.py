"""The fetcher itself, against a server: what it takes, what it refuses, what it says about it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from agents.incident.errors import Refused, Transient
from bot.receiver.proofs.fetch import Fetcher

MOST = 1000
SECRET = "token-in-the-address"


class Server:
    """A server on loopback that answers each path from a table and keeps what it was asked."""

    def __init__(self, address: str, asked: list[tuple[str, dict[str, str]]]) -> None:
        self.address = address
        self.asked = asked


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[Server]:
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = answers[self.path.partition("?")[0]]
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def fetcher(**options) -> Iterator[Callable[[str], bytes]]:
    made = Fetcher(**{"most_bytes": MOST, **options})
    try:
        yield made
    finally:
        made.close()


def fetched(answer: Answer) -> bytes:
    with serving({"/": answer}) as server, fetcher() as fetch:
        return fetch(f"{server.address}/?Token={SECRET}")


def test_bytes_are_fetched_as_they_are_and_not_asked_for_compressed():
    with serving({"/x.pem": (200, {}, b"\x00certificate\r\n")}) as server, fetcher() as fetch:
        assert fetch(f"{server.address}/x.pem") == b"\x00certificate\r\n"
    ((path, headers),) = server.asked
    assert path == "/x.pem"
    assert headers["accept-encoding"] == "identity"


def test_as_much_as_is_allowed_is_fetched_and_not_a_byte_more():
    assert fetched((200, {}, b"x" * MOST)) == b"x" * MOST
    with pytest.raises(Refused, match="more than 1000 bytes"):
        fetched((200, {}, b"x" * (MOST + 1)))


def test_an_endless_answer_is_not_read_to_its_end():
    given = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                given.append(100)
                yield b"x" * 100

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    with fetcher(transport=transport) as fetch, pytest.raises(Refused):
        fetch("https://peer.example/")
    assert sum(given) == MOST + 100


def test_an_answer_that_trickles_is_given_up():
    seconds = iter(range(1000))

    class Trickle(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x"

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Trickle()))
    options = {
        "transport": transport,
        "clock": lambda: float(next(seconds)),
        "most_time": timedelta(seconds=3),
    }
    with fetcher(**options) as fetch, pytest.raises(Transient, match="longer than 3 s"):
        fetch("https://peer.example/")
    assert next(seconds) == 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status):
    with serving({"/x.pem": (200, {}, b"there")}) as other:
        answers: dict[str, Answer] = {"/x.pem": (status, {"Location": f"{other.address}/x.pem"}, b"")}
        with (
            serving(answers) as server,
            fetcher() as fetch,
            pytest.raises(Refused, match="redirects are not followed"),
        ):
            fetch(f"{server.address}/x.pem")
    assert other.asked == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_peer_that_does_not_serve_now_is_asked_again_later(status):
    with pytest.raises(Transient, match=str(status)):
        fetched((status, {}, b""))


@pytest.mark.parametrize("status", [201, 206, 400, 403, 404, 410])
def test_any_other_answer_is_a_no(status):
    with pytest.raises(Refused, match=str(status)):
        fetched((status, {}, b"body"))


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.ConnectTimeout("x"), httpx.RemoteProtocolError("x")],
)
def test_a_peer_that_cannot_be_reached_is_asked_again_later(error):
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    with fetcher(transport=httpx.MockTransport(fail)) as fetch, pytest.raises(Transient):
        fetch("https://peer.example/")


def test_nobody_listening_is_told_as_such():
    with serving({}) as server:
        pass
    with fetcher() as fetch, pytest.raises(Transient, match=r"127\.0\.0\.1 did not serve"):
        fetch(f"{server.address}/")


@pytest.mark.parametrize("url", ["", "x.pem", "file:///etc/passwd", "ftp://peer.example/", "http://[", "https://"])
def test_what_is_no_address_is_refused(url):
    with fetcher() as fetch, pytest.raises(Refused):
        fetch(url)


@pytest.mark.parametrize("answer", [(500, {}, b""), (404, {}, b""), (302, {}, b""), (200, {}, b"x" * 2000)])
def test_what_goes_wrong_does_not_tell_the_address(answer):
    with pytest.raises((Refused, Transient)) as caught:
        fetched(answer)
    assert SECRET not in str(caught.value)


def test_every_step_has_a_limit_in_time():
    limits = []

    def look(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"])
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    with fetcher(transport=httpx.MockTransport(look), patience=timedelta(seconds=1.5)) as fetch:
        fetch("https://peer.example/")
    assert limits == [dict.fromkeys(("connect", "read", "write", "pool"), 1.5)]
