"""Nothing leaves that a stored fact does not account for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.facts import Reader
from agents.incident.finding import Said
from agents.render import allowed, leaks, number, quoted, render, tokens
from tests.unit.agents import world


def readers(store):
    return {e.id: Reader(e, store.blobs[e.blob_sha256]) for e in store.items}


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


@given(st.text(max_size=200))
def test_a_quote_cannot_end_early(text):
    assert tokens(f"x {quoted(text)} y") == {quoted(text)[1:-1]}


def test_shares_are_percent_and_rates_are_per_second():
    assert number(0.224, "server_error_ratio") == "22.4%"
    assert number(16.0, "request_rate") == "16.00/s"
    assert number(7.0, "pool_waiters") == "7"
