"""Nothing leaves that a stored fact does not account for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.accounting import claim_tokens
from agents.facts import Reader
from agents.incident.finding import Said
from agents.render import allowed, leaks, number, quoted, render, say, tokens
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.ports import Button, Card, Lane, Message
from bot.surfaces.speaker import parsed
from tests.unit.agents import world
from tests.unit.agents.test_gates import Told, court


def readers(store):
    return {e.id: Reader(e, store.blobs[e.blob_sha256]) for e in store.items}


STORE = world.pool_leak()
TRUE, TRUE_READERS = STORE.finding(), readers(STORE)
CARD = Card(
    incident_id=world.INC,
    version=1,
    headline="h",
    state="",
    summary=(),
    finding_id=None,
    finding=(),
    actions=(),
    outcome=(),
    reason="",
    chart=None,
    asks=(),
    plea=None,
    buttons=(),
    link="",
    accounted=frozenset(),
    reported=False,
    over=False,
    loud=False,
)


@pytest.mark.parametrize("build", [world.pool_leak, world.hung_replica, world.stale_schema, world.surge])
def test_a_true_finding_leaves_whole(build):
    store = build()
    finding = store.finding()
    assert leaks(finding.text, allowed(finding, readers(store))) == []
    assert "RENDER_LEAK" not in {d.code for d in finding.dropped}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("up to 7", "up to 8"),
        ("checkout", "payments"),
        ("n 60", "n 61"),
        ("[ev_", "[ev_aaaaaaaaaaaaaaaaaaaa] [ev_"),
    ],
)
def test_a_changed_number_name_or_citation_is_caught(old, new):
    store = world.pool_leak()
    finding = store.finding()
    assert old in finding.text
    assert leaks(finding.text.replace(old, new), allowed(finding, readers(store)))


@pytest.mark.parametrize("more", ["12ms", "3x", "p95", "1e5", "F12"])
def test_a_number_with_letters_on_it_is_still_a_number(more):
    store = world.pool_leak()
    finding = store.finding()
    assert leaks(f"{finding.text} and {more}", allowed(finding, readers(store))) == [more]


def test_a_changed_quote_is_caught():
    store = world.stale_schema()
    finding = store.finding()
    assert leaks(finding.text.replace("updated_at", "created_at"), allowed(finding, readers(store)))


def test_a_claim_whose_words_lie_about_its_value_is_withheld(monkeypatch):
    store = world.pool_leak()
    true = store.finding()

    def lying(finding):
        said = tuple(Said(claim=s.claim, text=s.text.replace("up to 7", "up to 700")) for s in finding.claims)
        return render(replace(finding, claims=said))

    monkeypatch.setattr("agents.triage.render", lying)
    finding = store.finding()
    assert "700" not in finding.text
    assert "withheld" in finding.text
    assert "RENDER_LEAK" in {d.code for d in finding.dropped}
    assert finding.signature == true.signature
    monkeypatch.setattr("agents.triage.leaks", lambda *_: ())
    assert "up to 700" in store.finding().text, "without G14 the lie leaves: it is G14 that stops it"


def test_a_sentence_that_lies_is_withheld_wherever_it_stands_by_itself(monkeypatch):
    store = world.pool_leak()
    true = store.finding()
    assert true.refuters

    def lying(finding):
        said = tuple(Said(claim=s.claim, text=s.text.replace("up to 7", "up to 700")) for s in finding.claims)
        ruled = tuple(replace(r, text=f"{r.text} (it was 777 yesterday)") for r in finding.refuters)
        return replace(render(finding), claims=said, refuters=ruled)

    monkeypatch.setattr("agents.triage.render", lying)
    finding = store.finding()
    assert "withheld" in finding.text
    assert "RENDER_LEAK" in {d.code for d in finding.dropped}
    kept = [(s.text, was.text) for s, was in zip(finding.claims, true.claims, strict=True)]
    assert {text for text, was in kept if "up to 7" not in was} == {was for _, was in kept if "up to 7" not in was}
    assert all(text.startswith("withheld") for text, was in kept if "up to 7" in was)
    assert all(r.text.startswith("withheld") for r in finding.refuters)


@given(st.text(max_size=200))
def test_a_quote_cannot_end_early(text):
    assert tokens(f"x {quoted(text)} y") == {quoted(text)[1:-1]}


HOSTILE = st.text(
    alphabet=st.characters(codec="utf-8") | st.sampled_from('0123456789`“”"[]{}_-/.:\n\u200b\u202e²½٣ⅧＡ'),
    max_size=60,
)


@given(HOSTILE)
def test_whatever_is_added_to_a_message_its_numerals_names_and_quotes_are_caught(text):
    known = allowed(TRUE, TRUE_READERS)
    escaped = leaks(f"{TRUE.text}\n{text}", known)
    unseen = tokens(text) - known
    assert set(escaped) >= {t for t in unseen if t in tokens(f"{TRUE.text}\n{text}")}


@given(st.sampled_from("0123456789²³½¾٣५９Ⅷ①"), st.text(alphabet="abcxyz -", max_size=6))
def test_no_numeral_of_any_script_leaves_unaccounted(numeral, around):
    assert leaks(f"{around} {numeral}{numeral}7 {around}", allowed(TRUE, TRUE_READERS))


@given(st.integers(min_value=101, max_value=10**12), st.sampled_from(["\u200b", "\u2060", "\u200d", "\ufeff"]))
def test_a_number_in_pieces_that_cannot_be_seen_apart_is_one_number(number_, joint):
    hidden = joint.join(str(number_))
    assert str(number_) in tokens(f"x {hidden} y")


@given(HOSTILE)
def test_hostile_telemetry_cannot_change_what_a_finding_says(text):
    store = world.stale_schema()
    pattern = next(e.question.name for e in store.items if e.question.kind == "log")
    store.items = [e for e in store.items if e.question.kind != "log"]
    store.log(world.INVENTORY, pattern, f"{text} {world.STALE} {text}")
    finding = store.finding()
    accounted = allowed(finding, readers(store))
    assert leaks(finding.text, accounted) == []
    plain = world.stale_schema().finding()
    assert [type(s.claim) for s in finding.claims] == [type(s.claim) for s in plain.claims]


@given(HOSTILE)
def test_buttons_and_captions_are_parsed_like_everything_else(text):
    seen = Message(key="k", lane=Lane.ROOT, headline="h", lines=(), buttons=(Button(label=text, data="d"),))
    shown = parsed(seen, CARD)
    if tokens(text):
        assert shown.buttons == ()
        assert shown.headline == WITHHELD
    else:
        assert shown == seen


@pytest.mark.parametrize(
    "more",
    ["http://evil.example/x", "tg://user?id=1", "see “nothing”", "`payments`", "[ev_aaaaaaaaaaaaaaaaaaaa]", "70"],
)
def test_a_link_a_quote_a_name_a_citation_and_a_numeral_are_each_stopped(more):
    assert leaks(f"{TRUE.text} {more}", allowed(TRUE, TRUE_READERS))


def test_every_type_of_claim_is_accounted_for_by_itself_alone():
    told = Told()
    held = court(told.store).readers
    for claim in told.truths:
        text = say(claim, held)
        assert leaks(text, claim_tokens(claim, held)) == [], claim.type
        assert leaks(f"{text} 4711", claim_tokens(claim, held)) == ["4711"]


def test_numbers_have_their_units():
    assert number(0.224, "server_error_ratio") == "22.4%"
    assert number(16.0, "request_rate") == "16.00/s"
    assert number(7.0, "pool_waiters") == "7"
    assert number(0.0042, "query_time") == "4.2 ms"
    assert number(1.25, "query_time") == "1.25 s"
