"""What the desk answers: nothing that is not accounted for, nothing approved unread, nothing held twice."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from structlog.testing import capture_logs

from actions.approval import Approval, ApprovalState, button
from agents.incident.evidence import Status
from agents.incident.finding import Dropped, FindingState, Suspect
from agents.incident.lifecycle import ActionState, IncidentState
from bot.desk import desk, presses, tell
from bot.journal import approvals, evidence, runs
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces import brief, timeline
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.cards import card
from bot.surfaces.layout import messages
from bot.surfaces.ports import Pressed, Reply, Typed
from bot.surfaces.slack import render as slack
from bot.surfaces.speaker import Speech, parsed, speak
from bot.surfaces.telegram import render as telegram
from tests.builders import Asked, a_finding, a_person, ask, desk_parts, open_incident, some_evidence
from tests.contract.test_desk import EVERYBODY, Recorder, press, say
from tests.contract.test_desk import slack as an_asker
from tests.stubs.slack.blocks import mentions, slips, texts
from tests.unit.surfaces.test_telegram_render import read

S = IncidentState
HOSTILE = "<!channel> <@U1> @ana 99% /stop *x* <https://evil.example|go> evil.example “q” `n` " + "word " * 60
TEXT = "Cause: One replica is bad in `checkout-1` (F34) · p 0.90, low 0.80, n 20 · 2 independent signals"
LONG = "restart `checkout-1` " + "and what hangs on it " * 60


@pytest.fixture
def parts(journal: Journal):
    return desk_parts(
        journal,
        people=lambda: EVERYBODY,
        places={"slack": frozenset({"C1"}), "telegram": frozenset({"C1"})},
        link=lambda i: f"https://page/incidents/{i}",
    )


def found(tx, incident_id, **named: Any) -> None:
    """A finding of an incident, in the journal."""
    tx.run(t.findings.delete().where(t.findings.c.incident_id == incident_id))
    evidence.save_finding(tx, a_finding(**({"incident_id": incident_id, "text": TEXT} | named)))


def of(journal: Journal, question: Asked) -> Approval:
    with journal.read() as tx:
        asked = approvals.find(tx, question.approval_id)
    assert asked is not None
    return asked


# G14


@pytest.mark.parametrize(
    "verb", ["incidents", "incident", "why", "history", "approvals", "audit", "status", "help"]
)
def test_an_answer_says_text_from_outside_as_data_alone(journal, parts, verb):
    question = ask(journal, effect="restart `checkout-1`")
    with journal.write("test.hostile") as tx:
        values = {"title": HOSTILE, "service": "<!here> x.evil.example", "reason": HOSTILE}
        tx.run(t.incidents.update().values(**values))
        dropped = (Dropped(code="QUOTE_MISMATCH", what=HOSTILE),)
        suspects = (Suspect(signature="F1", title="A leak", entity="demo/@ana", score=0.5),)
        found(tx, question.incident_id, dropped=dropped, suspects=suspects)
        tx.event(question.incident_id, HOSTILE[:80], "alert.resolved")
    subject = "" if verb in {"incidents", "approvals", "status", "help"} else str(question.incident_id)
    reply = say(parts, f"{verb} {subject}", "U-ANA")
    assert reply.text != WITHHELD
    made = slack.reply(reply, "n")
    shown = [made["text"], *texts(made["blocks"])]
    assert [s for text in shown for s in slips(text)] == []
    assert [m for text in shown for m in mentions(text)] == []
    assert read(telegram.reply(replace(reply, link="")).html).linked() == []
    if "word word" in "".join(reply.lines):
        assert "…”" in "".join(reply.lines)  # cut, and it shows
    bare = re.sub(r"“[^”]*”|`[^`]*`", "", "\n".join([reply.text, *reply.lines]))
    assert "channel" not in bare
    assert "evil" not in bare


@pytest.mark.parametrize("verb", ["incidents", "incident", "why", "history checkout", "approvals", "audit"])
def test_every_answer_that_speaks_of_a_finding_or_a_plan_notes_what_it_may_say(journal, parts, monkeypatch, verb):
    question = ask(journal)
    with journal.write("test.found") as tx:
        found(tx, question.incident_id)
    given: list[Reply] = []

    def kept(reply: Reply, _: Any) -> Reply:
        given.append(reply)
        return reply

    monkeypatch.setattr(desk, "_gated", kept)
    subject = question.incident_id if verb in {"incident", "why", "audit"} else ""
    say(parts, f"{verb} {subject}")
    assert given[0].accounted is not None
    assert given[0].lines


def test_an_answer_with_a_number_that_nothing_accounts_for_is_withheld_and_said_so(journal, parts, monkeypatch):
    question = ask(journal)
    with journal.write("test.found") as tx:
        found(tx, question.incident_id)
    assert say(parts, f"why {question.incident_id}").text != WITHHELD
    monkeypatch.setattr(tell, "_reasons", lambda *_: ["Errors are at 73%"])
    with capture_logs() as logs:
        reply = say(parts, f"why {question.incident_id}")
    assert (reply.text, reply.lines) == (WITHHELD, ())
    assert reply.link.endswith(question.incident_id)
    assert [e["unaccounted"] for e in logs if e["event"] == "desk.withheld"] == [["73"]]


def test_a_line_of_history_with_a_number_that_is_not_stored_is_withheld_and_the_others_are_told(
    journal, monkeypatch
):
    told: list[str] = []

    class Reader(Recorder):
        async def detail(self, root, lines, link=""):
            told.extend(lines)

    monkeypatch.setitem(timeline.WORDS, "alert.resolved", lambda _, __: "it fell by 73%")
    with journal.write("test.events") as tx:
        incident = open_incident(tx)
        tx.event(incident.id, "test", "alert.resolved")
    with capture_logs() as logs:
        speech = Speech(journal=journal, people=lambda: EVERYBODY, log=structlog.get_logger())
        asyncio.run(speak(speech, Reader()))
    assert told[-1] == WITHHELD
    assert "“Checkout fails” fires" in told[0]
    assert [e["unaccounted"] for e in logs if e["event"] == "surface.withheld"] == [["73"]]


def test_history_that_was_cut_carries_the_way_to_all_of_it(journal):
    links: list[str] = []

    class Reader(Recorder):
        async def detail(self, root, lines, link=""):
            links.append(link)

    with journal.write("test.events") as tx:
        open_incident(tx, title="short")
        open_incident(tx, title="short", summary="the disk is full " * 30)
    speech = Speech(journal=journal, people=lambda: EVERYBODY, link=lambda i: f"https://page/{i}")
    asyncio.run(speak(speech, Reader()))
    assert sorted(bool(link) for link in links) == [False, True]


# A plan that its card cannot show


def test_a_card_that_cannot_show_its_plan_has_no_button_that_approves(journal):
    question = ask(journal, effect=LONG)
    with journal.read() as tx:
        made = card(tx, question.incident_id, EVERYBODY, link="https://page/1")
    (shown,) = [m for m in messages(made) if m.key.startswith("ask:")]
    assert parsed(shown, made) is shown
    assert [b.label for b in (*shown.buttons, *shown.more)] == ["Details", "Reject", "Hold +15 min", "Stop all"]
    assert not any(b.data.startswith("a:") for b in (*shown.buttons, *shown.more))
    assert brief.SAYS_WHY in shown.lines
    assert shown.link == "https://page/1"
    assert brief.word(of(journal, question)) not in shown.text()
    assert made.asks[-1].headline == f"Approve? {LONG}"  # the terminal shows all of it, and may approve


@pytest.mark.parametrize("surface", ["slack", "telegram"])
def test_an_unread_plan_is_approved_by_neither_an_old_button_nor_a_command(journal, parts, surface):
    parts = replace(
        parts, people=lambda: replace(EVERYBODY, people=(a_person("ana", "approver", **{surface: "A"}),))
    )
    question = ask(journal, effect=LONG)
    asker = replace(an_asker("A"), surface=surface)
    old = desk.take(
        Pressed(asker=asker, data=button("a", question.approval_id, question.proposal.plan_hash)), parts
    )
    assert old.text.startswith(brief.SAYS_WHY)
    assert len(old.text) <= 200  # a pop-up of Telegram holds no more
    words = f"approve {question.approval_id}"
    typed = desk.take(Typed(asker=asker, text=words), parts)
    assert "The whole plan" in typed.text
    wrong = desk.take(Typed(asker=asker, text=f"{words} {question.proposal.plan_hash[:8]}"), parts)
    assert "The whole plan" in wrong.text
    assert of(journal, question).state is ApprovalState.AWAITING
    assert of(journal, question).votes == {}


@pytest.mark.parametrize("surface", ["slack", "telegram"])
def test_whoever_read_the_whole_plan_approves_it_by_its_last_words(journal, parts, surface):
    parts = replace(
        parts, people=lambda: replace(EVERYBODY, people=(a_person("ana", "approver", **{surface: "A"}),))
    )
    question = ask(journal, effect=LONG)
    asker = replace(an_asker("A"), surface=surface)
    data = button("w", question.approval_id, question.proposal.plan_hash)
    whole = desk.take(Pressed(asker=asker, data=data), parts)
    said = " ".join(whole.lines)
    assert LONG.strip() in said.replace("  ", " ")
    for each in (*question.proposal.requires, question.proposal.undo):
        assert each in said
    made = slack.reply(whole, "n") if surface == "slack" else telegram.reply(whole).plain
    assert "…" not in str(made)
    command = whole.lines[-1].partition("/")[2]
    assert "Approved by you" in desk.take(Typed(asker=asker, text=command), parts).text
    assert of(journal, question).state is ApprovalState.APPROVED


def test_the_terminal_shows_all_and_approves_by_its_key(journal, parts):
    question = ask(journal, effect=LONG)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    asker = replace(an_asker("ana"), surface="console", place="terminal")
    assert "Approved by you" in desk.take(Pressed(asker=asker, data=data), parts).text


def test_a_plan_that_no_chat_can_show_is_left_to_the_terminal(journal, parts):
    question = ask(journal, effect=LONG * 4)
    reply = press(parts, button("w", question.approval_id, question.proposal.plan_hash))
    assert "at a terminal" in reply.text
    assert brief.word(of(journal, question)) not in "".join([reply.text, *reply.lines])
    assert reply.link


def test_a_plan_that_changed_is_not_read_from_an_old_card(journal, parts):
    question = ask(journal, effect=LONG)
    assert "out of date" in press(parts, button("w", question.approval_id, "0" * 64)).text
    assert "no question by that id" in press(parts, f"w:AP_{'0' * 26}:12345678").text


def test_an_ordinary_plan_is_approved_by_its_button(journal, parts):
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "Approved by you" in press(parts, data).text


# Once is once


def test_the_same_stored_press_holds_once_however_often_it_is_worked_on(journal, parts):
    question = ask(journal)
    data = button("h", question.approval_id, question.proposal.plan_hash)
    before = of(journal, question).deadline
    pressed = Pressed(asker=an_asker("U-ROB"), data=data, delivery="IN_1")
    first = desk.take(pressed, parts)
    again = desk.take(pressed, parts)
    assert first == again
    assert (of(journal, question).holds, of(journal, question).deadline - before) == (1, timedelta(minutes=15))
    desk.take(replace(pressed, delivery="IN_2"), parts)
    assert of(journal, question).holds == 2
    desk.take(pressed, parts)  # older than the last one that counted
    assert of(journal, question).holds == 2


def test_a_press_of_a_terminal_which_has_no_delivery_holds_each_time(journal, parts):
    question = ask(journal)
    data = button("h", question.approval_id, question.proposal.plan_hash)
    for _ in range(2):
        press(parts, data, "U-ROB")
    assert of(journal, question).holds == 2


def test_a_hold_that_was_worked_out_twice_is_answered_the_same_after_the_question_is_over(journal, parts):
    question = ask(journal)
    pressed = Pressed(
        asker=an_asker("U-ROB"),
        data=button("h", question.approval_id, question.proposal.plan_hash),
        delivery="IN_1",
    )
    assert "Held" in desk.take(pressed, parts).text
    press(parts, button("r", question.approval_id, question.proposal.plan_hash))
    assert "Held" in desk.take(pressed, parts).text


# Who is called


def a_call(journal: Journal, people) -> Any:
    with journal.write("test.needs") as tx:
        incident = open_incident(tx, S.NEEDS_HUMAN)
    with journal.read() as tx:
        made = card(tx, incident.id, people)
    (plea,) = [m for m in messages(made) if m.key.startswith("plea:")]
    assert parsed(plea, made) is plea
    return plea


def scoped(name: str, role: str, scope: str):
    return replace(a_person(name, role), scopes=(scope,))


def test_of_those_on_call_only_who_may_respond_there_are_called(journal):
    people = replace(
        EVERYBODY,
        people=(scoped("near", "responder", "demo/*"), scoped("far", "responder", "prod/*"), a_person("idle")),
        on_call=("near", "far", "idle"),
    )
    assert a_call(journal, people).mention == ("near",)


def test_when_everybody_on_call_is_out_of_scope_all_who_may_respond_there_are_called(journal):
    people = replace(
        EVERYBODY,
        people=(
            scoped("far", "responder", "prod/*"),
            scoped("rob", "responder", "demo/checkout"),
            scoped("ann", "approver", "demo/*"),
            scoped("lea", "lead", "*"),
            scoped("vic", "viewer", "*"),
        ),
        on_call=("far",),
    )
    assert a_call(journal, people).mention == ("rob", "ann", "lea")


def test_when_nobody_may_respond_there_the_call_says_so_and_what_to_change(journal):
    people = replace(EVERYBODY, people=(scoped("far", "responder", "prod/*"),), on_call=("far",))
    plea = a_call(journal, people)
    assert plea.mention == ()
    assert "Nobody may respond for `demo/checkout`: give somebody that role in config/people.yaml." in plea.lines


# What a card says


def test_a_finding_that_sees_nothing_names_what_could_not_be_read(journal):
    item, blob = some_evidence("down", status=Status.ERROR, reason="connection refused")
    with journal.write("test.blind") as tx:
        said, empty = open_incident(tx, S.REPORTED), open_incident(tx, S.REPORTED)
        blind = {"state": FindingState.BLIND, "signature": None, "text": "Could not see enough to say anything"}
        gap = "`server_error_ratio` of `demo/checkout`: no probe answers"
        found(tx, said.id, **blind, not_checked=(gap,))
        item = replace(item, incident_id=empty.id)
        evidence.keep(tx, [item], {item.blob_sha256: blob}, attempt=1, look=1, purpose=evidence.TRIAGE)
        found(tx, empty.id, **blind)
    with journal.read() as tx:
        for incident, says in ((said, gap), (empty, "`pool_waiters` of `demo/checkout` by `prometheus`")):
            made = card(tx, incident.id, EVERYBODY)
            assert f"Could not be read: {says}" in made.summary
            root = messages(made)[0]
            assert parsed(root, made) is root


def test_a_long_reason_is_cut_on_the_card_and_keeps_no_message_back(journal):
    question = ask(journal)
    with journal.write("test.reason") as tx:
        tx.run(t.incidents.update().values(reason=HOSTILE))
        tx.run(t.action_runs.update().values(state=ActionState.ESCALATED.value, reason=HOSTILE))
        tx.run(t.approvals.update().values(state=ApprovalState.REJECTED.value, decided_by="Ana", reason=HOSTILE))
    with journal.read() as tx:
        made = card(tx, question.incident_id, EVERYBODY)
        assert runs.view(tx, question.run_id).reason == HOSTILE
    assert made.reason.endswith("…”")
    assert [m.key for m in messages(made) if parsed(m, made) is not m] == []
    with journal.read() as tx:
        assert tx.all(select(t.events.c.number))


def test_every_letter_of_a_button_on_a_card_is_one_the_desk_knows(journal):
    for question in (ask(journal), ask(journal, effect=LONG)):
        with journal.read() as tx:
            made = card(tx, question.incident_id, EVERYBODY)
        for message in messages(made):
            for each in (*message.buttons, *message.more):
                assert each.data[0] in presses._BUTTONS
                assert len(each.data.encode()) <= 64
