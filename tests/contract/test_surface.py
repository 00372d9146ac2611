"""What every surface must do, run on each there is; and what the console answers to every press."""

import asyncio
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from rich.console import Console

from actions.approval import ApprovalState, button
from agents.incident.errors import Transient
from agents.incident.ids import ApprovalId
from agents.incident.lifecycle import ActionState
from agents.render import leaks
from bot.desk import desk
from bot.journal import runs
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.cards import card
from bot.surfaces.console import listener
from bot.surfaces.console.surface import LineSurface, LiveSurface
from bot.surfaces.layout import messages
from bot.surfaces.limits import Budget, Rate
from bot.surfaces.ports import Busy, Kind, Lane, Message, Reasoned, Surface
from bot.surfaces.speaker import Speech, parsed, speak
from tests.builders import PEOPLE, ask, desk_parts, open_incident
from tests.contract.test_storm_cards import Wall

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


def told(journal: Journal, surface: Surface):
    return asyncio.run(speak(Speech(journal=journal, people=lambda: PEOPLE), surface))


@pytest.fixture(params=[lines, live], ids=["lines", "live"])
def made(request) -> Made:
    built: Made = request.param()
    return built


def test_one_root_an_incident_edited_in_place_with_detail_below(made: Made, journal: Journal):
    surface, said = made
    question = ask(journal)
    assert told(journal, surface) == [question.incident_id]
    assert told(journal, surface) == []  # nothing new, nothing said
    with journal.write("test") as tx:
        tx.event(question.incident_id, "test", "alert.resolved")
    assert told(journal, surface) == [question.incident_id]
    text = said()
    assert text.count("the alert resolved") == 1
    assert "proposed (Tier" in text


def test_a_surface_that_was_away_catches_up_without_saying_it_twice(made: Made, journal: Journal):
    question = ask(journal)
    first = LineSurface(io.StringIO())
    told(journal, first)
    with journal.write("test") as tx:
        tx.event(question.incident_id, "test", "alert.resolved")
    surface, said = made
    told(journal, surface)
    text = said()
    assert "the alert resolved" in text
    assert "proposed (Tier" not in text  # said before it was away


def test_text_from_outside_never_drives_the_surface(made: Made, journal: Journal):
    hostile = "x\x1b[2J\x07[red]y[/red]\u202e “quote” `name` 99% [ev_aaaaaaaaaaaaaaaaaaaa] " + "z" * 5000
    with journal.write("test") as tx:
        open_incident(tx, title=hostile, summary=hostile)
    surface, said = made
    told(journal, surface)
    text = said()
    assert not set(text) & set("\x1b\x07\u202e")
    assert "[red]" in text  # shown, not obeyed


def test_a_button_is_opaque_and_fits_sixty_four_bytes(journal: Journal):
    question = ask(journal)
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    ask_ = shown.asks[-1]
    assert [b.label for b in ask_.buttons] == ["Approve", "Reject"]
    assert [b.label for b in ask_.more] == ["Hold +15 min", "Details", "Stop all"]
    for b in (*ask_.buttons, *ask_.more, *shown.buttons):
        assert len(b.data.encode()) <= 64
        assert question.proposal.service not in b.data


def test_what_is_true_leaves_whole_buttons_and_all(journal: Journal):
    question = ask(journal)
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    for message in messages(shown):
        assert parsed(message, shown) == message, leaks(message.text(), shown.accounted)


def test_a_message_that_says_what_nothing_accounts_for_is_withheld(journal: Journal, monkeypatch):
    question = ask(journal)
    monkeypatch.setattr("bot.surfaces.asks._conflicts", lambda *_: ["Restarts 999 replicas of `billing`"])
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    left = [parsed(m, shown) for m in messages(shown)]
    assert not any("999" in m.text() for m in left)
    assert [m.headline for m in left if m.key.startswith("ask:")] == [WITHHELD]
    assert [m.buttons for m in left if m.key.startswith("ask:")] == [()]
    assert left[0].headline != WITHHELD  # the root said nothing of it


def data(question, letter="a"):
    return button(letter, question.approval_id, question.proposal.plan_hash)


def test_every_press_is_answered(journal: Journal):
    parts = desk_parts(journal)
    question = ask(journal)

    def press(data: str, who: str) -> str:
        return desk.take(listener.incoming(data, who), parts).text

    assert "do not know you" in press(data(question), "nobody")
    assert "may not decide" in press(data(question), "dora")
    assert "out of date" in press(data(question)[:-8] + "00000000", "ana")
    assert "nothing I know" in press(f"a:{ApprovalId('AP_X')}:00000000", "ana")
    assert press("z:x:y", "ana") == "That button does nothing."
    assert press("", "ana") == "That button does nothing."
    assert "Approved by you" in press(data(question), "ana")
    assert "Already approved by Ana" in press(data(question), "ben")
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.READY


def test_a_rejection_counts_at_the_press_and_its_reason_comes_after(journal: Journal):
    parts = desk_parts(journal)
    question = ask(journal)
    reply = desk.take(listener.incoming(data(question, "r"), "ana"), parts)
    assert "Rejected by you" in reply.text
    assert reply.wants_reason == question.approval_id
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is ActionState.REJECTED
    for who, heard in (("ben", "only whoever rejected"), ("ana", "Noted")):
        told_why = Reasoned(asker=listener.asker(who), approval_id=question.approval_id, text="not at peak hours")
        assert heard in desk.take(told_why, parts).text
    with journal.read() as tx:
        shown = card(tx, question.incident_id, PEOPLE)
    assert any("Rejected by" in text and "not at peak hours" in text for text in shown.asks[-1].lines)


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


class Moody(Wall):
    """A wall whose next calls fail as it is told; what it lost was posted, or was not."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0
        self.budget = Budget({}, lambda: self.at)
        self.moods: list[Exception] = []
        self.lost: str | None = None

    async def post(self, message: Message, root: str | None) -> str:
        self.calls.append(f"try {message.key.partition('/')[2]}")
        if self.moods:
            raise self.moods.pop(0)
        return await super().post(message, root)

    async def find(self, key: str, root: str | None) -> str | None:
        self.calls.append("find")
        if self.moods:
            raise self.moods.pop(0)
        return self.lost


def rounds(journal: Journal, wall: Moody, count: int) -> list[str]:
    """What *wall* was called with in so many rounds."""
    wall.calls.clear()
    for _ in range(count):
        with suppress(Transient):
            told(journal, wall)
    return [call for call in wall.calls if call.partition(" ")[0] in {"try", "find", "post"}]


def test_a_chat_that_asks_to_wait_is_not_called_until_then(journal: Journal):
    ask(journal)
    wall = Moody()
    wall.moods = [Busy("wait", retry_after=timedelta(seconds=60))]
    assert len(rounds(journal, wall, 1)) == 1
    assert rounds(journal, wall, 20) == []
    wall.at = 61.0
    said = rounds(journal, wall, 1)
    assert "find" not in said  # it said no, so there is nothing of ours to look for
    assert said.count("post root") == 1


def test_what_may_have_been_said_is_looked_for_once_and_not_said_twice(journal: Journal):
    ask(journal)
    wall = Moody()
    wall.moods = [Transient("no answer")]
    (lost,) = rounds(journal, wall, 1)
    wall.lost = "here"
    said = rounds(journal, wall, 5)
    assert said.count("find") == 1
    assert lost not in said


def test_a_chat_that_asks_to_wait_while_it_is_searched_is_left_alone(journal: Journal):
    ask(journal)
    wall = Moody()
    wall.moods = [Transient("no answer"), Busy("wait", retry_after=timedelta(seconds=60))]
    rounds(journal, wall, 1)
    assert rounds(journal, wall, 1)[0] == "find"
    assert "find" not in rounds(journal, wall, 20)
    wall.at = 61.0
    assert "find" in rounds(journal, wall, 1)


def test_nothing_is_searched_while_nothing_could_be_said(journal: Journal):
    ask(journal)
    wall = Moody()
    wall.moods = [Transient("no answer")]
    rounds(journal, wall, 1)
    wall.budget.hold(Kind.EDIT, 60)
    wall.budget.hold(Kind.POST, 60)
    assert rounds(journal, wall, 20) == []


def test_a_question_that_was_answered_before_it_was_seen_is_searched_once(journal: Journal):
    question = ask(journal)
    wall = Moody()
    wall.moods = [Transient("no answer")]
    assert rounds(journal, wall, 1)[0].startswith("try ask:")
    with journal.write("test") as tx:
        tx.run(t.approvals.update().values(state=ApprovalState.REJECTED))
    assert "find" in rounds(journal, wall, 1)
    with journal.write("test") as tx:
        tx.event(question.incident_id, "test", "alert.resolved")
    assert "find" not in rounds(journal, wall, 3)


def test_what_came_of_an_action_is_told_when_nothing_but_what_is_reserved_is_left(journal: Journal):
    question = ask(journal)
    wall = Moody()
    own = (Rate(most=20, seconds=60, reserved=5),)
    wall.budget = Budget({Kind.POST: own, Kind.EDIT: own}, lambda: wall.at)
    rounds(journal, wall, 2)
    while any(wall.budget.may(kind, Lane.EDIT) for kind in (Kind.POST, Kind.EDIT)):
        pass
    with journal.write("test") as tx:
        tx.run(t.approvals.update().values(state=ApprovalState.APPROVED))
        tx.run(t.action_runs.update().values(state=ActionState.SUCCEEDED, state_since=tx.now))
        tx.event(question.incident_id, "test", "run.succeeded")
    rounds(journal, wall, 1)
    assert [call for call in wall.calls if call.startswith("edit ask:")]
