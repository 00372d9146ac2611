"""The page in a real browser: enter, open a claim, see news come. Needs chromium, chromium-driver and selenium."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import structlog
from selenium import webdriver
from sqlalchemy import select
from starlette.applications import Starlette

from agents.incident.ids import IncidentId, PersonId
from bot.journal import access
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.page.app import routes
from bot.page.parts import PageParts
from tests.builders import PEOPLE
from tests.page import scenes

pytestmark = pytest.mark.live

DRIVER = shutil.which("chromedriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The page, served on loopback."""

    url: str
    journal: Journal
    incident_id: IncidentId

    def link(self, to: str) -> str:
        with self.journal.write("test.code") as tx:
            code = access.make_code(tx, PersonId("dora"), access.LOGIN, timedelta(minutes=5))
        return f"{self.url}/login/{code}?to={to}"


@pytest.fixture(name="site")
def _site(sqlite_url: str) -> Iterator[Site]:
    import uvicorn

    journal = Journal(open_engine(sqlite_url))
    scene = scenes.asked(journal)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server: uvicorn.Server
    parts = PageParts(
        journal=journal,
        people=lambda: PEOPLE,
        url="",
        log=structlog.get_logger(),
        poll_s=0.1,
        stopping=lambda: server.should_exit,
    )
    app = Starlette(routes=routes(parts))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", proxy_headers=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    soon(lambda: server.started)
    yield Site(url=f"http://127.0.0.1:{port}", journal=journal, incident_id=scene.incident_id)
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()  # open streams end with the server
    journal.close()


@pytest.fixture(name="browse")
def _browse() -> Iterator[Callable[..., Any]]:
    if DRIVER is None or CHROMIUM is None:
        pytest.fail("chromium and chromedriver are not installed; make live says which packages it needs")
    with contextlib.ExitStack() as ends:

        def browse(*, scripts: bool = True) -> Any:
            options = webdriver.ChromeOptions()
            options.binary_location = CHROMIUM
            for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
                options.add_argument(argument)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            if not scripts:
                options.add_experimental_option(
                    "prefs", {"profile.managed_default_content_settings.javascript": 2}
                )
            browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
            ends.callback(browser.quit)
            return browser

        yield browse


def soon(holds: Callable[[], Any], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text(browser: Any) -> str:
    # By one call: an element found first may be gone when it is asked, because the page has moved on.
    return str(browser.execute_script("return document.body ? document.body.innerText : ''"))


def test_enter_by_link_open_a_claim_and_see_news_come(site: Site, browse: Callable[..., Any]):
    browser = browse()
    path = f"/incidents/{site.incident_id}"
    browser.get(site.url + path)
    assert "Sign in to go on" in text(browser)
    browser.get(site.link(path))
    browser.find_element("css selector", "button").click()
    soon(lambda: browser.current_url == site.url + path)
    soon(lambda: browser.find_element("id", "live").text.endswith("Live"))

    claim = browser.find_element("id", "claim-2")
    assert not claim.find_element("css selector", "mark").is_displayed()
    claim.find_element("tag name", "summary").click()
    assert claim.find_element("css selector", ".bytes mark").is_displayed()
    picture = browser.find_element("css selector", "#finding figure img")
    soon(lambda: browser.execute_script("return arguments[0].naturalWidth", picture) > 0)

    with site.journal.write("test.news") as tx:
        tx.event(site.incident_id, "test", "note", reason="<b>something new</b>")
    soon(lambda: "<b>something new</b>" in text(browser))
    assert browser.find_element("css selector", "#claim-2 .bytes mark").is_displayed()  # it stayed open
    refused = [m for m in browser.get_log("browser") if "Content Security Policy" in m["message"]]
    assert refused == []

    with site.journal.write("test.ended") as tx:
        access.end_sessions(tx, PersonId("dora"))
    soon(lambda: "Signed out" in browser.find_element("id", "live").text)
    browser.get(site.url + path)
    assert "Sign in to go on" in text(browser)


def test_without_scripts_everything_is_there(site: Site, browse: Callable[..., Any]):
    browser = browse(scripts=False)
    path = f"/incidents/{site.incident_id}"
    browser.get(site.link(path))
    browser.find_element("css selector", "button").click()
    soon(lambda: browser.current_url == site.url + path)
    assert browser.find_element("id", "live").text == ""
    browser.find_element("css selector", "#claim-2 summary").click()
    assert browser.find_element("css selector", "#claim-2 .bytes mark").is_displayed()
    browser.find_element("css selector", "#claim-2 dl a").click()
    soon(lambda: "/evidence/" in browser.current_url)
    assert browser.find_element("id", "mark-1").is_displayed()


def test_a_link_that_was_used_opens_nothing_in_another_browser(site: Site, browse: Callable[..., Any]):
    link = site.link("/approvals")
    first, second = browse(), browse()
    for browser in (first, second):
        browser.get(link)
    first.find_element("css selector", "button").click()
    soon(lambda: first.current_url == site.url + "/approvals")
    second.find_element("css selector", "button").click()
    soon(lambda: "opens nothing any more" in text(second))
    with site.journal.read() as tx:
        assert len(tx.all(select(t.sessions))) == 1
