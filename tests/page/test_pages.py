"""What the pages show, and that nothing from outside becomes part of them."""

import re
from dataclasses import replace

import pytest
from markupsafe import escape
from sqlalchemy import select

from actions.approval import Verdict
from agents.incident.claims import LogPresent, cites
from agents.incident.incident import Severity
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.page import case, lists
from bot.page.view import view
from tests.builders import PEOPLE
from tests.page import scenes
from tests.page.conftest import Browser
from tests.unit.agents import world

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></textarea></title><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% include 'x' %}",
    "javascript:alert(1)",
    "`</code><b>`“</q><i>”[ev_aaaaaaaaaaaaaaaaaaaa]",
)


def text_of(page: Browser, path: str) -> str:
    got = page.get(path)
    assert got.status_code == 200, path
    return got.text


def test_an_incident_from_alert_to_verified_fix(page: Browser, book: Journal):
    scene = scenes.verified(book)
    text = text_of(page, f"/incidents/{scene.incident_id}")
    for said in (
        "Mitigated and verified",
        "connection pool exhausted in <code>checkout</code>",
        "Scores like this one were right in",
        "traffic rose at the edge",
        "no reading of database connections in use",
        "<strong>G7</strong>: the evidence is about something else",
        "goes from revision 42 to 41",
        "approves",
        "SetRevision (service shop/checkout",
        "Undo as written down",
        "Verified: every criterion held",
        "1 not yet",
        "2 not read",
        "7 good",
        "What was run",
        "verified: every recovery criterion holds",
    ):
        assert said in text, said
    assert scene.proposal is not None
    assert scene.proposal.plan_hash in text


def test_every_claim_opens_the_bytes_it_rests_on(page: Browser, book: Journal):
    scene = scenes.asked(book, store=world.stale_schema())
    text = text_of(page, f"/incidents/{scene.incident_id}")
    assert scene.finding is not None
    for number, said in enumerate(scene.finding.claims, 1):
        if said.claim.type == "CAUSE":
            continue
        opened = re.search(rf'<details class="claim" id="claim-{number}">.*?</details>', text, re.S)
        assert opened is not None, said.text
        assert "<mark>" in opened.group(), said.text
    log = next(s.claim for s in scene.finding.claims if isinstance(s.claim, LogPresent))
    quoted = text.count(f"<mark>{log.quote.replace(chr(39), '&#39;')}</mark>")
    assert quoted == 4  # two stored lines, as lines and as bytes


def test_the_whole_of_an_answer_is_shown_as_it_is_kept(page: Browser, book: Journal):
    scene = scenes.asked(book)
    assert scene.finding is not None
    claim = next(s.claim for s in scene.finding.claims if s.claim.type == "METRIC_VALUE")
    cited = cites(claim)[0]
    text = text_of(page, f"/evidence/{scene.incident_id}/{cited}")
    shown = re.search(r'<pre class="bytes".*?>(.*?)</pre>', text, re.S)
    assert shown is not None
    plain = re.sub(r"</?mark[^>]*>", "", shown.group(1)).replace("&#34;", '"')
    with book.read() as tx:
        row = tx.one(
            select(t.blobs.c.bytes)
            .join(t.evidence, t.evidence.c.blob_sha256 == t.blobs.c.sha256)
            .where(t.evidence.c.id == cited)
        )
    assert row is not None
    assert plain == row["bytes"].decode()
    assert 'id="mark-1"' in text
    assert ", matches" in text


def test_a_large_answer_is_cut_where_it_can_be_seen_and_goes_on(page: Browser, book: Journal):
    store = world.pool_leak()
    store.log(world.INVENTORY, "x", *(f"line {n} " + "ü" * 300 for n in range(300)))
    scene = scenes.asked(book, store=store)
    large = max(store.items, key=lambda e: e.size_bytes)
    text = text_of(page, f"/evidence/{scene.incident_id}/{large.id}")
    assert "Cut here" in text
    assert len(text) < 200_000
    assert "Begins at byte 65,536" in text_of(page, f"/evidence/{scene.incident_id}/{large.id}?from=65536")
    text_of(page, f"/evidence/{scene.incident_id}/{large.id}?from=99999999999")


def test_evidence_and_pictures_are_found_under_their_own_incident_only(page: Browser, book: Journal):
    scene, other = scenes.asked(book), scenes.asked(book)
    assert scene.finding is not None
    chart = scene.finding.chart
    assert page.get(f"/evidence/{other.incident_id}/{chart}").status_code == 404
    assert page.get(f"/evidence/{scene.incident_id}/{str(chart)[:10]}").status_code == 404
    for path in ("/incidents/INC_NONE", "/incidents/INC_NONE/events", "/incidents/%2e%2e", "/evidence/a/b"):
        assert page.get(path).status_code == 404, path
    at = f"/incidents/{scene.incident_id}/chart"
    assert page.get(f"{at}/main/dark.svg").headers["content-type"] == "image/svg+xml"
    assert page.get(f"{at}/main/pink.svg").status_code == 404
    assert page.get(f"{at}/none/dark.svg").status_code == 404


def test_the_picture_shows_onset_deploy_action_and_what_came_after(page: Browser, book: Journal):
    scene = scenes.verified(book)
    text = text_of(page, f"/incidents/{scene.incident_id}")
    said = re.search(r'alt="(checkout pool waiters[^"]*)"', text)
    assert said is not None
    assert "became abnormal between" in said.group(1)
    assert "deploy at" in said.group(1)
    assert "rollback at" in said.group(1)
    assert "from 0 to 0, between 0 and 10" in said.group(1)  # the last points are those of the samples


@pytest.mark.parametrize("bad", HOSTILE)
def test_text_from_outside_never_becomes_markup(page: Browser, book: Journal, bad: str):
    store = world.pool_leak()
    item = store.log(world.INVENTORY, "order", f"order {bad}")
    scene = scenes.asked(book, store=store, title=bad, summary=bad, service=bad, quorum=2)
    scenes.vote(book, scene, "ana", Verdict.REJECT, reason=bad)
    with book.write("test") as tx:
        tx.event(scene.incident_id, bad, bad, reason=bad)
        tx.run(t.incidents.update().values(reason=bad))
    kept = next(e for e in store.items if e.question == item.question)
    for path in (
        "/incidents",
        f"/incidents/{scene.incident_id}",
        f"/evidence/{scene.incident_id}/{kept.id}",
        "/approvals",
    ):
        text = text_of(page, path)
        if path != "/approvals":  # it was rejected
            assert str(escape(bad[:8])) in text or bad.startswith("`")
        for tag in ("<script>", "<img src=x", "<svg", "<b>", "<i>"):
            assert tag not in text, (path, tag)
        assert 'href="javascript' not in text
        assert set(re.findall(r"<([a-z][a-z0-9]*)", text)) <= KNOWN_TAGS, path
        assert not re.search(r"<[a-z][^>]*\son[a-z]+\s*=", text), path


KNOWN_TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "main", "header", "footer", "section", "article"),
    *("nav", "div", "span", "p", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "pre", "figure", "picture"),
    *("source", "img", "a", "form", "button", "label", "select", "option", "time", "code", "q", "strong", "bdi"),
    *("br", "mark", "details", "summary", "table", "caption", "thead", "tr", "th", "td"),
}


def test_what_hides_or_reorders_text_is_written_out(page: Browser, book: Journal):
    scene = scenes.asked(book, title="pay\u202egnp.exe\x1b[31m\u200b", summary="")
    with book.write("test") as tx:
        tx.event(scene.incident_id, "test", "note", reason="half \ud83d a pair")
    text = text_of(page, f"/incidents/{scene.incident_id}")
    assert "pay⟨202E⟩gnp.exe⟨001B⟩[31m⟨200B⟩" in text
    assert "half ⟨D83D⟩ a pair" in text


def test_an_incident_of_which_nothing_is_known_yet(page: Browser, book: Journal):
    incident = scenes.opened(book, title="", service=None, environment=None, summary="")
    text = text_of(page, f"/incidents/{incident.id}")
    assert "no service named" in text
    assert "Nothing found yet." in text


def test_one_that_nobody_can_explain_asks_for_a_person(page: Browser, book: Journal):
    scene = scenes.unclear(book)
    text = text_of(page, f"/incidents/{scene.incident_id}")
    assert "A person is needed" in text
    assert "No known fault fits what was seen" in text
    assert "prometheus: no answer within 8 s" in text


def test_a_long_one_stays_readable(page: Browser, book: Journal):
    scene = scenes.long(book)
    text = text_of(page, f"/incidents/{scene.incident_id}")
    assert "earlier lines</summary>" in text
    assert "more characters)" in text
    assert "4 earlier findings" in text
    assert "1 of 3 approvals" in text


def test_bytes_that_no_longer_match_their_hash_are_called_out(page: Browser, book: Journal):
    scene = scenes.asked(book)
    assert scene.finding is not None
    with book.write("test") as tx:
        for row in tx.all(select(t.blobs)):
            spoiled = row["bytes"].replace(b",7]", b",8]")
            tx.run(t.blobs.update().where(t.blobs.c.sha256 == row["sha256"]).values(bytes=spoiled))
    assert "do not have the hash" in text_of(page, f"/incidents/{scene.incident_id}")


def test_the_overview_puts_first_what_needs_somebody_and_filters(page: Browser, book: Journal):
    assert "All quiet" in text_of(page, "/incidents")
    calm = scenes.opened(book, title="Calm", severity=Severity.CRITICAL)
    scene = scenes.asked(book, title="Asks", severity=Severity.INFO)
    over = scenes.opened(book, scenes.S.RESOLVED, title="Ended", service="search")
    text = text_of(page, "/incidents")
    assert text.index("Asks") < text.index("Calm") < text.index("Ended")
    assert "1 incident waits" in text
    assert calm.id in text
    opened = text_of(page, "/incidents?state=open")
    assert over.id not in opened
    assert scene.incident_id in opened
    searched = text_of(page, "/incidents?service=search")
    assert over.id in searched
    assert calm.id not in searched
    assert calm.id in text_of(page, "/incidents?state=triaging")
    assert "Nothing matches." in text_of(page, "/incidents?service=<b>&state=nonsense")


def test_the_storm_fits_on_one_page(page: Browser, book: Journal):
    ids = scenes.storm(book, 60)
    text = text_of(page, "/incidents")
    assert all(i in text for i in ids)


def test_pending_approvals_are_listed_until_they_are_answered(page: Browser, book: Journal):
    scene = scenes.asked(book, quorum=2)
    scenes.vote(book, scene, "ana")
    text = text_of(page, "/approvals")
    for said in ("goes from revision 42 to 41", "1 of 2 approvals", "(Ana)", "Approvers: Ana, Ben, Cleo"):
        assert said in text, said
    scenes.vote(book, replace(scene), "ben")
    assert "Nobody is being asked" in text_of(page, "/approvals")


def test_a_fragment_is_the_page_without_its_frame(page: Browser, book: Journal):
    scene = scenes.asked(book)
    text = text_of(page, f"/incidents/{scene.incident_id}?fragment=1")
    assert text.strip().startswith('<div id="page"')
    assert "<html" not in text


def test_what_is_read_is_the_same_on_either_database(journal: Journal):
    scene, waiting = scenes.verified(journal), scenes.asked(journal)
    with journal.read() as tx:
        assert view(case.read(tx, scene.incident_id), PEOPLE).state == "Mitigated and verified"
        found = lists.overview(tx, PEOPLE, state="", service="gateway")
        assert ([i.id for i in found.open], [i.id for i in found.recent]) == (
            [waiting.incident_id],
            [scene.incident_id],
        )
        assert [i.incident_id for i in lists.approvals(tx, PEOPLE).items] == [waiting.incident_id]
