"""Who gets in, who does not, and what every answer carries."""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest

from actions.policy import People
from agents.incident.ids import PersonId
from bot.journal import access
from bot.journal.journal import Journal
from tests.builders import PEOPLE
from tests.page import scenes
from tests.page.conftest import Browser, Serve, link, press


def addresses(incident: str, evidence: str) -> Sequence[str]:
    return (
        "/",
        "/incidents",
        "/incidents?state=open&fragment=1",
        f"/incidents/{incident}",
        f"/incidents/{incident}/events",
        f"/incidents/{incident}/chart/main/light.svg",
        f"/incidents/{incident}/chart/main/dark.svg",
        f"/evidence/{incident}/{evidence}",
        "/approvals",
        "/events",
    )


def test_nobody_sees_anything_without_a_session(serve: Serve, book: Journal):
    scene = scenes.asked(book)
    assert scene.finding is not None
    assert scene.finding.chart is not None
    answers = set()
    for client in (serve(), serve(proxy_header="X-Person")):
        for path in (*addresses(scene.incident_id, scene.finding.chart), *addresses("INC_NONE", "ev_none")):
            for method in ("GET", "HEAD"):
                got = client.request(method, path)
                assert got.status_code == 401, path
                if method == "GET":
                    answers.add(got.text)
        assert client.post("/logout").status_code == 401
    assert len(answers) == 1  # whether an incident exists cannot be told
    told = answers.pop()
    assert "/login" in told
    assert scene.incident_id not in told
    assert "EdgeErrorRatioHigh" not in told


@pytest.mark.parametrize("token", ["", "x", "a" * 5000, "%00", "../.."])
def test_a_made_up_session_is_none(serve: Serve, token: str):
    assert serve().get("/incidents", headers={"Cookie": f"firstresponder={token}"}).status_code == 401


def test_looking_at_a_link_uses_nothing_up_and_pressing_does(serve: Serve, book: Journal):
    code = link(book)
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        got = serve().request(method, f"/login/{code}")  # as a chat's preview would
        assert got.status_code in {200, 204}
        assert "firstresponder=" not in got.headers.get("set-cookie", "")
    first, second = serve(), serve()
    entered = press(first, code, "/incidents/INC_1")
    assert (entered.status_code, entered.headers["location"]) == (303, "/incidents/INC_1")
    given = [c for c in entered.headers.get_list("set-cookie") if c.startswith("firstresponder=")]
    assert "httponly" in given[0].lower()
    assert "samesite=lax" in given[0].lower()
    assert "secure" not in given[0].lower()
    assert first.get("/incidents").status_code == 200
    assert press(second, code).status_code == 403
    assert second.get("/incidents").status_code == 401


def test_over_tls_cookies_are_bound_to_it(serve: Serve, book: Journal):
    client = serve(url="https://incidents.example")
    client.base_url = "https://page"
    given = press(client, link(book)).headers.get_list("set-cookie")
    session = next(c for c in given if c.startswith("__Host-firstresponder="))
    assert "secure" in session.lower()
    assert "path=/" in session.lower()
    assert "domain" not in session.lower()


def test_an_expired_link_and_one_of_somebody_unknown_open_nothing(serve: Serve, book: Journal):
    assert press(serve(), link(book, ttl=timedelta(0))).status_code == 403
    assert press(serve(), link(book, "mallory")).status_code == 403


def test_the_button_cannot_be_pressed_from_elsewhere(serve: Serve, book: Journal):
    code = link(book)
    client = serve()
    assert client.post(f"/login/{code}", data={"to": "/incidents"}).status_code == 403
    client.get(f"/login/{code}")
    assert client.post(f"/login/{code}", data={"token": "guessed"}).status_code == 403
    held = client.cookies["firstresponder-form"]
    foreign = client.post(f"/login/{code}", data={"token": held}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert client.post(f"/login/{code}", content=b"x" * 9000).status_code == 413
    assert press(client, code).status_code == 303  # none of this used it up


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/incidents/../../evil",
        "/incidents//evil.example",
        "javascript:alert(1)",
        "/logout",
        "/incidents/x\r\nSet-Cookie: a=b",
        "/incidents/“",
        " /incidents",
    ],
)
def test_a_link_leads_nowhere_but_here(serve: Serve, book: Journal, to: str):
    assert press(serve(), link(book), to).headers["location"] == "/incidents"


def test_a_session_ends_when_it_is_ended_or_its_person_is_not_known_any_more(
    page: Browser, serve: Serve, book: Journal
):
    assert page.get("/incidents").status_code == 200
    without = serve(people=lambda: People(people=tuple(p for p in PEOPLE.people if p.id != "dora")))
    without.cookies = page.cookies
    assert without.get("/incidents").status_code == 401
    assert page.post("/logout", headers={"Origin": "https://evil.example"}).status_code == 403
    assert page.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert page.get("/incidents").status_code == 200
    kept = dict(page.cookies)
    assert page.post("/logout").status_code == 200
    assert "firstresponder" not in page.cookies
    page.cookies = httpx.Cookies(kept)
    assert page.get("/incidents").status_code == 401
    press(page, link(book))
    with book.write("test") as tx:
        access.end_sessions(tx, PersonId("dora"))
    assert page.get("/incidents").status_code == 401


def test_a_proxy_is_believed_where_it_is_trusted_and_nowhere_else(serve: Serve):
    ana = {"X-Person": "ana"}
    assert serve().get("/incidents", headers=ana).status_code == 401  # not configured
    assert serve(proxy_header="X-Person").get("/incidents", headers=ana).status_code == 200
    assert serve("::1", proxy_header="X-Person").get("/incidents", headers=ana).status_code == 200
    assert serve("::ffff:127.0.0.1", proxy_header="X-Person").get("/incidents", headers=ana).status_code == 200
    assert serve("10.0.0.9", proxy_header="X-Person").get("/incidents", headers=ana).status_code == 401
    assert serve("not an address", proxy_header="X-Person").get("/incidents", headers=ana).status_code == 401
    there = serve("10.0.0.9", proxy_header="X-Person", proxy_from=(ip_network("10.0.0.0/24"),))
    assert there.get("/incidents", headers=ana).status_code == 200
    assert there.get("/incidents", headers={"X-Person": "mallory"}).status_code == 401
    assert there.get("/incidents", headers=[("X-Person", "ana"), ("X-Person", "ben")]).status_code == 401


def test_every_answer_is_locked_down(page: Browser, serve: Serve, book: Journal):
    scene = scenes.asked(book)
    assert scene.finding is not None
    assert scene.finding.chart is not None
    paths = addresses(scene.incident_id, scene.finding.chart)
    streams = [p for p in paths if p.endswith("/events")]
    answers = [page.get(p) for p in paths if p not in streams] + [page.head(p) for p in streams]
    answers += [page.get("/incidents/INC_NONE"), serve().get("/incidents"), serve().get("/login/abc")]
    answers += [page.request("OPTIONS", "/incidents"), page.request("DELETE", "/incidents")]
    for got in answers:
        assert "default-src 'none'" in got.headers["content-security-policy"], got.request.url
        assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"
        assert got.headers["cache-control"] == "no-store"
        if got.headers.get("content-type", "").startswith("text/html"):
            assert "script-src 'self'" in got.headers["content-security-policy"]
            assert "unsafe" not in got.headers["content-security-policy"]
            assert "style=" not in got.text
            assert " on" + "click" not in got.text


def test_methods_without_a_use_are_refused(page: Browser):
    got = page.request("OPTIONS", "/incidents")
    assert (got.status_code, got.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert page.post("/incidents").status_code == 405
    assert page.get("/logout").status_code == 405
    assert page.head("/incidents").status_code == 200


def test_files_are_served_by_their_content(serve: Serve):
    from bot.page.render import ASSETS

    for name, asset in ASSETS.items():
        got = serve().get(f"/static/{asset.version}/{name}")
        assert (got.status_code, got.content) == (200, asset.body)
        assert "immutable" in got.headers["cache-control"]
    assert serve().get("/static/0000/page.css").status_code == 404
    assert serve().get("/static/x/..%2fapp.py").status_code == 404
