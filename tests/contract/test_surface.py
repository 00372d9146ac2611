"""What every surface must do, run on each there is; and what the console answers to every press."""

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from actions.approval import button
from agents.incident.ids import ApprovalId
from agents.incident.lifecycle import ActionState
from bot.journal import runs
from bot.journal.journal import Journal
from bot.surfaces.cards import card
from bot.surfaces.console import listener
from bot.surfaces.console.surface import LineSurface, LiveSurface
from bot.surfaces.ports import Surface
from bot.surfaces.speaker import speak
from bot.wiring.parts import DecideParts
from tests.builders import PEOPLE, ask, open_incident

Made = tuple[Surface, Callable[[], str]]


def lines() -> Made:
    out = io.StringIO()
    return LineSurface(out), out.getvalue


def live() -> Made:
    out = io.StringIO()
    surface = LiveSurface(Console(file=out, width=120, force_terminal=False))
    surface.__enter__()

    def said() -> str:
        surface.__exit__()
        return out.getvalue()

    return surface, said


@pytest.fixture(params=[lines, live], ids=["lines", "live"])
def made(request) -> Made:
    built: Made = request.param()
    return built


def test_one_root_an_incident_edited_in_place_with_detail_below(made: Made, journal: Journal):
    surface, said = made
    question = ask(journal)
    assert speak(journal, surface, PEOPLE) == [question.incident_id]
    assert speak(journal, surface, PEOPLE) == []  # nothing new, nothing said
    with journal.write("test") as tx:
        tx.event(question.incident_id, "test", "alert.resolved")
    assert speak(journal, surface, PEOPLE) == [question.incident_id]
    text = said()
    assert text.count("the alert resolved") == 1
    assert "proposed (Tier" in text


def test_a_surface_that_was_away_catches_up_without_saying_it_twice(made: Made, journal: Journal):
    question = ask(journal)
    first = LineSurface(io.StringIO())
    speak(journal, first, PEOPLE)
    with journal.write("test") as tx:
        tx.event(question.incident_id, "test", "alert.resolved")
    surface, said = made
    speak(journal, surface, PEOPLE)
    text = said()
    assert "the alert resolved" in text
    assert "proposed (Tier" not in text  # said before it was away


def test_text_from_outside_never_drives_the_surface(made: Made, journal: Journal):
    hostile = "x\x1b[2J\x07[red]y[/red]\u202e “quote” `name` 99% [ev_aaaaaaaaaaaaaaaaaaaa] " + "z" * 5000
    with journal.write("test") as tx:
        open_incident(tx, title=hostile, summary=hostile)
    surface, said = made
    speak(journal, surface, PEOPLE)
    text = said()
    assert not set(text) & set("\x1b\x07\u202e")
    assert "[red]" in text  # shown, not obeyed


def test_a_button_is_opaque_and_fits_sixty_four_bytes(journal: Journal):
    question = ask(journal)
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    assert [b.label for b in shown.buttons] == ["Approve", "Reject", "Details"]
    for b in shown.buttons:
        assert len(b.data.encode()) <= 64
        assert question.proposal.service not in b.data


def test_a_card_that_says_what_nothing_accounts_for_is_withheld(journal: Journal, monkeypatch):
    question = ask(journal)
    monkeypatch.setattr("bot.surfaces.cards._proposal_lines", lambda *_: ["Restarts 999 replicas of `billing`"])
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    text = "\n".join(shown.lines)
    assert "999" not in text
    assert "withheld" in text
    assert shown.buttons == ()


def data(question, letter="a"):
    return button(letter, question.approval_id, question.proposal.plan_hash)


def test_every_press_is_answered(journal: Journal):
    parts = DecideParts(journal=journal, people=PEOPLE)
    question = ask(journal)
    assert "may not decide" in listener.press(data(question), "nobody", parts)
    assert "out of date" in listener.press(data(question)[:-8] + "00000000", "ana", parts)
    assert "nothing I know" in listener.press(f"a:{ApprovalId('AP_X')}:00000000", "ana", parts)
    assert listener.press("z:x:y", "ana", parts) == "That button does nothing."
    assert listener.press("", "ana", parts) == "That button does nothing."
    assert "Approved by you" in listener.press(data(question), "ana", parts)
    assert "Already approved by Ana" in listener.press(data(question), "ben", parts)
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.READY


def test_a_rejection_counts_at_the_press_and_its_reason_comes_after(journal: Journal):
    parts = DecideParts(journal=journal, people=PEOPLE)
    question = ask(journal)
    assert "Rejected by you" in listener.press(data(question, "r"), "ana", parts)
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.REJECTED
    listener.give_reason(question.approval_id, "not at peak hours", parts)
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    assert any("Rejected by" in text for text in shown.lines)


def test_the_real_console_on_a_real_terminal(journal_url: str, journal: Journal, tmp_path):
    """Keys are typed into a pseudo terminal; what counts is what the journal says afterwards."""
    question = ask(journal)
    people = {
        "schema": 1,
        "people": {"ana": {"name": "Ana", "roles": ["approver"], "accounts": {"console": ["ana"]}}},
    }
    (tmp_path / "people.yaml").write_text(json.dumps(people))
    env = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "FIRSTRESPONDER_JOURNAL_URL": journal_url,
        "FIRSTRESPONDER_REDIS_URL": "unix:///nowhere/redis.sock",
        "FIRSTRESPONDER_CONFIG": str(tmp_path),
        "FIRSTRESPONDER_ACCOUNT": "ana",
    }
    controller, terminal = pty.openpty()
    console = subprocess.Popen(
        [sys.executable, "-m", "bot", "console"], env=env, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    try:
        _until(controller, "a approve")
        os.write(controller, b"d")
        _until(controller, "No finding yet")
        os.write(controller, b"r")
        _until(controller, "Why?")
        os.write(controller, b"too risky\n")
        _until(controller, "too risky")
        os.write(controller, b"q")
        _drain_until_ended(controller, console)
    finally:
        console.kill()
        console.wait(5)
        os.close(controller)
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.REJECTED


def _until(controller: int, wanted: str, seconds: float = 20) -> None:
    seen, deadline = "", time.monotonic() + seconds
    while wanted not in seen:
        assert time.monotonic() < deadline, f"{wanted!r} never came:\n{seen[-3000:]}"
        ready, _, _ = select.select([controller], [], [], 0.1)
        if ready:
            seen += os.read(controller, 65536).decode(errors="replace")


def _drain_until_ended(controller: int, console: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while console.poll() is None and time.monotonic() < deadline:
        if select.select([controller], [], [], 0.1)[0]:
            try:
                os.read(controller, 65536)
            except OSError:
                break
    console.wait(5)
    assert console.returncode == 0
