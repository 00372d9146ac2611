"""A page over a journal of this test alone, and visitors of every kind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest
import structlog
from starlette.applications import Starlette

from agents.incident.ids import PersonId
from bot.journal import access
from bot.journal.journal import Journal, open_engine
from bot.page.app import routes
from bot.page.parts import PageParts
from tests.builders import PEOPLE


class Browser:
    """Asks an application in this process, and keeps its cookies. ``peer`` is where it seems to call from."""

    def __init__(self, app: Starlette, peer: str, base_url: str = "http://page") -> None:
        self.cookies = httpx.Cookies()
        self.base_url = base_url
        self._transport = httpx.ASGITransport(app=app, client=(peer, 4000))

    def request(self, method: str, path: str, **named: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url=self.base_url, cookies=self.cookies
            ) as client:
                got = await client.request(method, path, **named)
                self.cookies = client.cookies
                return got

        return anyio.run(ask)

    def get(self, path: str, **named: Any) -> httpx.Response:
        return self.request("GET", path, **named)

    def head(self, path: str) -> httpx.Response:
        return self.request("HEAD", path)

    def post(self, path: str, **named: Any) -> httpx.Response:
        return self.request("POST", path, **named)


Serve = Callable[..., Browser]


@pytest.fixture(name="book")
def _book(sqlite_url: str) -> Iterator[Journal]:
    """A journal on SQLite; what differs between databases is tested in test_access.py."""
    journal = Journal(open_engine(sqlite_url))
    yield journal
    journal.close()


@pytest.fixture(name="parts")
def _parts(book: Journal) -> PageParts:
    return PageParts(journal=book, people=lambda: PEOPLE, url="", log=structlog.get_logger(), poll_s=0.02)


@pytest.fixture(name="serve")
def _serve(parts: PageParts) -> Serve:
    def serve(peer: str = "127.0.0.1", **named: Any) -> Browser:
        app = Starlette(routes=routes(replace(parts, **named)))
        return Browser(app, peer)

    return serve


def link(journal: Journal, person: str = "dora", ttl: timedelta = timedelta(minutes=5)) -> str:
    with journal.write("test.code") as tx:
        return access.make_code(tx, PersonId(person), access.LOGIN, ttl)


def press(client: Browser, code: str, to: str = "") -> httpx.Response:
    """Open a one-time link and press its button, as a browser would."""
    shown = client.get(f"/login/{code}", params={"to": to} if to else {})
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown.text))
    return client.post(f"/login/{code}", data=fields)


@pytest.fixture(name="page")
def _page(serve: Serve, book: Journal) -> Browser:
    """Dora, who may only look, with a session."""
    client = serve()
    assert press(client, link(book)).status_code == 303
    return client
