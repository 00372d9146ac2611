"""The model's part on the incident page: what it asked, said and took, what was dropped; and that it is text."""

import re
from typing import Any

import pytest
from markupsafe import escape

from agents.deliberation.budgets import Off, Spent
from agents.deliberation.record import Flag
from bot.journal import incidents, spending
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.page import thought, words
from tests.page import scenes
from tests.page.conftest import Browser
from tests.page.test_pages import HOSTILE, KNOWN_TAGS, text_of


def section(page: Browser, scene: scenes.Scene) -> str:
    text = text_of(page, f"/incidents/{scene.incident_id}")
    found = re.search(r'<section class="card" id="model">(.*?)</section>', text, re.S)
    assert found is not None
    return found.group(1)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_what_it_took_is_what_the_ledger_has(page: Browser, book: Journal):
    said = plain(section(page, scenes.deliberated(book)))
    for fact in (
        "Rounds 2",
        "Calls 4",
        "Queries run 3",
        "Tokens 12,345 in, 678 out",
        "Time 9.2 s",
        "Cost $0.0123",
    ):
        assert fact in said, fact
    assert "All turns of this incident" not in said


def test_what_it_suggested_and_what_a_gate_dropped_stand_apart(page: Browser, book: Journal):
    said = section(page, scenes.deliberated(book))
    suggested, _, dropped = said.partition("Dropped of what it said")
    assert "a hung replica in <code>shop/inventory</code> (F14)" in suggested
    assert "database connections in use" in suggested
    assert "<strong>G7</strong>: the evidence is about something else" in dropped
    assert "<strong>G5</strong>: the number did not come out again" in dropped
    assert "(F14)" not in dropped


def test_what_was_asked_in_its_turn_leads_to_the_answers_and_what_the_engine_asked_does_not(page, book):
    scene = scenes.deliberated(book)
    said = section(page, scene)
    links = re.findall(r'href="(/evidence/[^"]+)"', said.partition("Asked in its turn")[2])
    assert len(links) == 1
    assert page.get(links[0]).status_code == 200
    assert "quantity in flight of <code>shop/inventory</code>" in said
    assert "already answered: 2 queries" in said
    assert "unknown entity: 1 query" in said


@pytest.mark.parametrize("off", list(Off))
def test_a_model_that_is_off_says_why(page: Browser, book: Journal, off: Off):
    said = plain(section(page, scenes.deliberated(book, off=off, suspects=(), facts=(), settle=())))
    assert "model: off" in said
    assert off.value in said
    assert "model: on" not in said


def test_a_suspected_injection_names_the_rule(page: Browser, book: Journal):
    flags = (Flag(rule="hidden_characters", where="ev_x"),)
    said = section(page, scenes.deliberated(book, off=Off.INJECTION, flags=flags))
    assert "Suspected injection" in said
    assert "(hidden characters)" in said


def test_a_price_that_nobody_knows_is_not_called_nothing(page: Browser, book: Journal):
    said = section(page, scenes.deliberated(book, spent=Spent(calls=1, input_tokens=10)))
    assert "no price is known" in said
    assert "$0" not in said


def test_a_model_that_abstained_says_so(page: Browser, book: Journal):
    scene = scenes.deliberated(book, suspects=(), facts=(), settle=(), dropped=(), abstained="no_known_fault_fits")
    said = section(page, scene)
    assert "It abstained: no known fault fits." in said
    assert "Nothing was dropped." in said


def test_without_a_model_the_page_says_that_none_was_asked(page: Browser, book: Journal):
    assert thought.NONE.replace("'", "&#39;") in section(page, scenes.asked(book))


@pytest.mark.parametrize(("begun", "says"), [(False, thought.WAITS), (True, thought.THINKS)])
def test_a_turn_that_is_not_over_is_said_to_be_under_way(page: Browser, book: Journal, begun: bool, says: str):
    scene = scenes.asked(book)
    with book.write("test.due") as tx:
        incident = incidents.load(tx, scene.incident_id)
        spending.order(tx, incident)
        if begun:
            tx.run(t.deliberations.update().values(state=spending.BEGUN))
    assert says.replace("'", "&#39;") in section(page, scene)


def test_what_earlier_attempts_took_is_added_up(page: Browser, book: Journal):
    scene = scenes.deliberated(book)
    with book.write("test.earlier") as tx:
        row: dict[str, Any] = {"incident_id": scene.incident_id, "attempt": 0, "look": 2, "state": spending.DONE}
        tx.run(t.deliberations.insert().values(**row, calls=3, input_tokens=1000, took_ms=1000, due_at=tx.now))
    assert "All turns of this incident together: 7 calls, 14,023 tokens, 10.2 s" in section(page, scene)


def test_nothing_of_it_is_shown_before_there_is_a_finding(page: Browser, book: Journal):
    incident = scenes.opened(book)
    assert 'id="model"' not in text_of(page, f"/incidents/{incident.id}")


@pytest.mark.parametrize("bad", HOSTILE)
def test_text_from_outside_stays_text(page: Browser, book: Journal, bad: str):
    said = section(page, scenes.deliberated(book, bad=bad, model=bad, settle=(bad,)))
    assert str(escape(bad[:8])) in said or bad.startswith("`")
    assert set(re.findall(r"<([a-z][a-z0-9]*)", said)) <= KNOWN_TAGS
    assert not re.search(r"<[a-z][^>]*\son[a-z]+\s*=", said)
    assert 'href="javascript' not in said


@pytest.mark.parametrize("code", ["SCHEMA", "UNBROKERED", "SINGLE_SIGNAL", "REFUTED", "NO_PATH", "UNSUPPORTED"])
def test_every_code_that_drops_a_suggestion_has_words(code: str):
    assert words.GATES[code][1]
