"""Commands and presses at the desk: who may, what happens, what is answered. On both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from actions.approval import ApprovalState, button
from agents.incident.errors import PreconditionFailed, Refused
from agents.incident.ids import IncidentId, PersonId
from agents.incident.lifecycle import ActionState, IncidentState
from bot.desk import commands, desk
from bot.journal import access, approvals, escalations, incidents, runs, stops
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces.cards import card
from bot.surfaces.layout import messages
from bot.surfaces.ports import Asker, Pressed, Reasoned, Reply, Typed
from bot.surfaces.speaker import Speech, hold, parsed, speak
from tests.builders import PEOPLE, a_person, ask, desk_parts, open_incident
from tests.unit.agents.secrets import SHAPED

S, A = IncidentState, ActionState
EVERYBODY = replace(
    PEOPLE,
    people=(
        *PEOPLE.people,
        a_person("rob", "responder", slack="U-ROB"),
        a_person("lea", "lead", slack="U-LEA"),
        a_person("vic", "viewer", slack="U-VIC"),
        replace(a_person("pat", "approver", slack="U-PAT"), scopes=("demo/billing",)),
    ),
)


@pytest.fixture
def parts(journal: Journal):
    return desk_parts(
        journal,
        people=lambda: EVERYBODY,
        places={"slack": frozenset({"C1"})},
        link=lambda i: f"https://page/incidents/{i}",
        login=lambda p: f"https://page/login/{p}",
    )


def slack(account: str, **named) -> Asker:
    usual: dict[str, Any] = {"surface": "slack", "account": account, "place": "C1", "private": False}
    return Asker(**(usual | named))


def say(parts, text: str, account: str = "U-ANA", **named) -> Reply:
    return desk.take(Typed(asker=slack(account, **named), text=text), parts)


def press(parts, data: str, account: str = "U-ANA", **named) -> Reply:
    return desk.take(Pressed(asker=slack(account, **named), data=data), parts)


# Who may


@pytest.mark.parametrize(
    ("asker", "says"),
    [
        (slack("U-NOBODY"), "do not know you"),
        (slack("U-ANA", place="C-OTHER"), "not among those configured"),
        (slack("U-ANA", trusted=False, why_not="a bot cannot decide"), "a bot cannot decide"),
    ],
)
def test_strangers_strange_places_and_untrusted_accounts_are_refused_with_the_reason(journal, parts, asker, says):
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert says in desk.take(Pressed(asker=asker, data=data), parts).text
    assert says in desk.take(Typed(asker=asker, text="incidents"), parts).text
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.AWAITING_APPROVAL


def test_whoever_presses_is_answered_even_by_a_bug_and_told_that_nothing_was_decided(journal, parts, monkeypatch):
    question = ask(journal)

    def broken(*_):
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("bot.walk.decide", broken)
    reply = press(parts, button("a", question.approval_id, question.proposal.plan_hash))
    assert "nothing was decided" in reply.text
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.AWAITING_APPROVAL


def test_an_empty_directory_means_nobody(journal, parts):
    nobody = replace(parts, people=lambda: replace(PEOPLE, people=()))
    assert "do not know you" in say(nobody, "incidents").text


def test_an_approver_of_another_service_may_not_approve_this_one(journal, parts):
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    reply = press(parts, data, "U-PAT")
    assert "may not decide" in reply.text
    assert "Pat" not in reply.text.partition("Approvers are")[2]


def test_whoever_asked_for_the_incident_does_not_approve_what_comes_of_it(journal, parts):
    question = ask(journal, proposed_by="ana")
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "proposed this yourself" in press(parts, data, "U-ANA").text
    assert "Approved by you" in press(parts, data, "U-BEN").text


@pytest.mark.parametrize("verb", ["diagnose checkout", "stop", "takeover", "feedback right", "approve", "resume"])
def test_a_viewer_may_look_and_nothing_else(journal, parts, verb):
    ask(journal)
    assert "You may not do this" in say(parts, verb, "U-VIC").text
    assert "incident(s)" in say(parts, "incidents", "U-VIC").text


def test_in_a_private_chat_what_others_should_see_is_not_done(journal, parts):
    ask(journal)
    assert "in the channels" in say(parts, "stop", place="D1", private=True).text
    assert "incident(s)" in say(parts, "incidents", place="D1", private=True).text


# Words


@pytest.mark.parametrize(
    ("text", "verb", "words"),
    [
        ("/diagnose checkout 1h", "diagnose", ("checkout", "1h")),
        ("/fr why INC_1", "why", ("INC_1",)),
        ("/why@OurBot", "why", ()),
        ("/fr@OurBot stop billing", "stop", ("billing",)),
        ("  ", "help", ()),
        ("/fr", "help", ()),
    ],
)
def test_a_verb_is_understood_by_its_own_name_and_under_the_common_one(text, verb, words):
    assert commands.verb_of(text) == (verb, words)


def test_an_unknown_verb_is_answered_with_the_nearest(parts):
    assert "incidents" in say(parts, "/fr incidnts").text


@pytest.mark.parametrize("kind", SHAPED)
@pytest.mark.parametrize("written", ["{}", "/fr {} what is that", "/{}"])
def test_a_secret_where_a_verb_should_be_is_not_said_again(parts, kind, written):
    secret = SHAPED[kind](Random(4))
    said = say(parts, written.format(secret)).text
    assert "I do not know '<SECRET" in said
    assert secret.lower()[:20] not in said.lower()


def test_every_verb_answers_something_whatever_it_is_given(journal, parts):
    ask(journal)
    for verb in commands.VERBS:
        for words in ("", "x", "INC_" + "0" * 26, "“quote” <b>&", "\u202e" * 50):
            for private in (False, True):
                assert say(parts, f"{verb} {words}", "U-LEA", private=private).text


def test_help_says_what_this_person_may(parts):
    lines = "\n".join(say(parts, "help", "U-VIC").lines)
    assert "/stop [SERVICE]: nothing more is run, everywhere or for one service (needs responder)" in lines
    assert "/incidents" in lines


# Asking


def test_asking_opens_an_incident_and_asking_again_joins_it(journal, parts):
    first = say(parts, "diagnose checkout since 2h", "U-ROB")
    assert "first word within" in first.text
    again = say(parts, "diagnose demo/checkout", "U-ANA")
    assert again.incident_id == first.incident_id
    with journal.read() as tx:
        incident = incidents.load(tx, IncidentId(first.incident_id or ""))
    assert incident.asked_by == "rob"
    assert incident.window == timedelta(hours=2)
    assert (incident.service, incident.environment) == ("checkout", "demo")


def test_free_words_reach_only_a_service_that_is_known(parts):
    assert "Looking at checkout" in say(parts, "diagnose why is checkout so slow 30m").text
    assert "no service" in say(parts, "diagnose rm -rf / now").text
    assert "at most 24 h" in say(parts, "diagnose checkout 90d").text


@pytest.mark.parametrize(
    ("said", "read_as"),
    [
        ("checkout since 1.5h", "Read as demo/checkout, the last 90 min. Looking at checkout in demo"),
        ("checkout takes 2 seconds since 3 hours", "Read as demo/checkout, the last 180 min. Looking at"),
        ("checkout last 3 days", "Read as demo/checkout, the last 1440 min. Looking at"),
        ("checkout throws 500s", "Read as demo/checkout, "),
        ("checkout", "Looking at checkout in demo"),
    ],
)
def test_what_was_taken_from_free_words_is_said(journal, parts, said, read_as):
    reply = say(parts, f"diagnose {said}")
    assert reply.text.startswith(read_as)
    with journal.read() as tx:
        window = incidents.load(tx, IncidentId(reply.incident_id or "")).window
    assert (window is None) == ("the last" not in read_as)


def test_nothing_is_read_as_anything_for_whoever_may_not_ask(parts):
    assert say(parts, "diagnose checkout 1h", "U-PAT").text.startswith("You may not do this")


def test_words_that_are_too_many_are_read_in_part_and_that_is_said(parts):
    many = "please " * 100
    assert say(parts, f"diagnose checkout {many}").text.startswith("Only the first 500 characters of your words")
    unplaced = say(parts, f"diagnose {many} checkout").text
    assert "no service" in unplaced
    assert "Only the first 500 characters of your words were read" in unplaced
    asked = say(parts, f"diagnose https://grafana.example/d/{'x' * 600}")
    assert asked.text == "Whom shall I look at?"
    assert "no word longer than 125" in asked.lines[0]


def test_an_incident_is_found_behind_words_of_any_length(parts):
    opened = say(parts, "diagnose checkout").incident_id
    again = say(parts, f"diagnose https://grafana.example/d/{'x' * 600} {opened}")
    assert again.text == say(parts, f"diagnose {opened}").text


def test_one_person_asks_about_one_service_six_times_an_hour(journal, parts):
    for _ in range(6):
        opened = say(parts, "diagnose billing", "U-ROB").incident_id
        assert "ended" in say(parts, f"close {opened}", "U-ROB").text
    assert "6 times within the hour" in say(parts, "diagnose billing", "U-ROB").text
    assert "Looking at" in say(parts, "diagnose billing", "U-ANA").text


def test_an_incident_that_an_alert_opened_ends_with_its_alert(journal, parts):
    question = ask(journal)
    assert "ends when the alert does" in say(parts, f"close {question.incident_id}", "U-ROB").text


# Steering


def test_while_everything_is_stopped_nothing_is_approved_and_nothing_begins(journal, parts):
    question, other = ask(journal), ask(journal)
    assert "nothing more is run" in say(parts, "stop", "U-ROB").text
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "Stopped by Rob" in press(parts, data).text
    assert "Rejected by you" in press(parts, "r" + data[1:]).text  # a no is always welcome
    assert "needs the role lead" in say(parts, "resume", "U-ROB").text
    assert "may run again" in say(parts, "resume", "U-LEA").text
    data = button("a", other.approval_id, other.proposal.plan_hash)
    assert "Approved by you" in press(parts, data).text


def test_a_stop_of_one_service_leaves_the_others(journal, parts):
    assert "demo/billing is stopped" in say(parts, "stop billing", "U-ROB").text
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "Approved by you" in press(parts, data).text


@pytest.mark.parametrize("how", ["stop", "takeover"])
def test_what_was_approved_before_a_stop_or_a_takeover_does_not_begin_after_it(journal, parts, how):
    from actions.ports import Token
    from bot.journal.ledger import JournalLedger
    from tests.builders import a_policy

    question = ask(journal)
    press(parts, button("a", question.approval_id, question.proposal.plan_hash))
    with journal.write("test.redis") as tx:
        tx.run(t.lock_service.insert().values(id=1, generation=1, run_id="r", since=tx.now))
    ledger = JournalLedger(journal, EVERYBODY, a_policy())
    run = ledger.move(ledger.reserve(ledger.run(question.run_id), Token(generation=1, counter=1), {}), A.PREFLIGHT)
    if how == "stop":
        say(parts, "stop", "U-ROB")
    else:
        say(parts, f"takeover {question.incident_id}", "U-ROB")
    with pytest.raises(PreconditionFailed):
        ledger.begin(run, [])
    assert ledger.run(question.run_id).state is A.PREFLIGHT


def test_taking_over_withdraws_the_question_and_tells_everybody_who_has_it(journal, parts):
    question = ask(journal)
    reply = press(parts, f"t:{question.incident_id}", "U-ROB")
    assert "It is yours, Rob" in reply.text
    assert "Rob already has it" in press(parts, f"t:{question.incident_id}", "U-ANA").text
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "Too late" in press(parts, data).text
    with journal.read() as tx:
        shown = card(tx, question.incident_id, EVERYBODY)
        called = escalations.standing(tx, question.incident_id)
    assert "“Rob” has taken over" in shown.state
    assert called is not None
    assert called.acked_by == "rob"


def test_a_held_question_stands_longer_and_at_most_four_times(journal, parts):
    question = ask(journal)
    data = button("h", question.approval_id, question.proposal.plan_hash)
    with journal.read() as tx:
        before = approvals.find(tx, question.approval_id)
    assert [press(parts, data, "U-ROB").text[:4] for _ in range(5)] == ["Held"] * 5
    with journal.read() as tx:
        after = approvals.find(tx, question.approval_id)
    assert before is not None
    assert after is not None
    assert after.deadline - before.deadline == timedelta(minutes=60)
    assert after.state is ApprovalState.AWAITING


def test_feedback_is_kept_with_the_finding_it_is_about(journal, parts):
    question = ask(journal)
    said = f"feedback {question.incident_id} wrong the database was full"
    with journal.read() as tx:
        known = tx.one(select(t.findings.c.id).where(t.findings.c.incident_id == question.incident_id))
    reply = say(parts, said, "U-ROB")
    with journal.read() as tx:
        kept = tx.all(select(t.feedback))
    if known is None:
        assert "no finding" in reply.text
    else:
        assert [(k["verdict"], k["cause"]) for k in kept] == [("wrong", "the database was full")]


# Accounts


def test_a_code_links_an_account_once_and_privately(journal, parts):
    with journal.write("test.code") as tx:
        code = access.make_code(tx, PersonId("ana"), "link", timedelta(minutes=10))
    assert "you are Ana" in say(parts, f"link {code}", "U-NEW", place="D1", private=True).text
    assert "not good" in say(parts, f"link {code}", "U-OTHER", place="D2", private=True).text
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "Approved by you" in press(parts, data, "U-NEW").text
    assert "Already approved" in press(parts, data, "U-ANA").text  # one person, one vote


def test_a_link_to_the_page_is_given_privately_alone(parts):
    assert say(parts, "login").link == ""
    assert say(parts, "login", place="D1", private=True).link == "https://page/login/ana"


# Calling people


def test_a_person_is_called_again_until_somebody_has_it(journal):
    with journal.write("test.needs") as tx:
        incident = open_incident(tx, S.NEEDS_HUMAN)
        call = escalations.standing(tx, incident.id)
        assert call is not None
        tx.run(t.escalations.update().values(next_at=tx.now))
        assert [e.id for e in escalations.due(tx)] == [call.id]
        assert escalations.again(tx, call)
        assert not escalations.again(tx, call)  # another clock, the same round
        assert escalations.due(tx) == []
        escalations.acknowledge(tx, incident.id, "ana")
        tx.run(t.escalations.update().values(next_at=tx.now))
        assert escalations.due(tx) == []


def test_a_pager_is_told_each_call_then_that_it_was_answered_then_that_it_is_over(journal):
    told = []

    def tell(tx) -> None:
        for owed in escalations.owed(tx, "pagerduty"):
            told.append(owed.event)
            escalations.paged(tx, owed, "pagerduty")

    with journal.write("test.pager") as tx:
        incident = open_incident(tx, S.NEEDS_HUMAN)
        tell(tx)
        tell(tx)
        call = escalations.standing(tx, incident.id)
        assert call is not None
        escalations.again(tx, call)
        tell(tx)
        escalations.acknowledge(tx, incident.id, "ana")
        tell(tx)
        escalations.close(tx, incident.id)
        tell(tx)
        tell(tx)
    assert told == ["trigger", "trigger", "acknowledge", "resolve"]


def test_a_stop_shows_on_every_open_card(journal, parts):
    question = ask(journal)
    with journal.read() as tx:
        before = card(tx, question.incident_id, EVERYBODY).version
    say(parts, "stop", "U-ROB")
    with journal.read() as tx:
        after = card(tx, question.incident_id, EVERYBODY)
    assert after.version > before
    assert "stopped by “Rob”" in after.state
    with journal.read() as tx:
        assert [s.scope for s in stops.all_standing(tx)] == ["*"]


# Speaking


class Recorder:
    """A chat that keeps what it is told, in one place."""

    def __init__(self, name="slack", budget=None):
        from bot.surfaces.limits import Budget

        self.name, self.patient = name, False
        self.budget = budget or Budget({}, lambda: 0.0)
        self.said: list[tuple[str, str]] = []
        self.fails: Exception | None = None
        self.lose_answer = False
        self.at: dict[str, str] = {}
        self.buttons: dict[str, list[str]] = {}

    def layout(self, card_):
        return messages(card_)

    async def post(self, message, root):
        if self.fails is not None:
            raise self.fails
        self.said.append(("post", message.key.partition("/")[2]))
        self.at[message.key] = message.key
        self.buttons[message.key] = [b.label for b in message.buttons]
        if self.lose_answer:
            raise KeyboardInterrupt
        return message.key

    async def find(self, key, root):
        return self.at.get(key)

    async def edit(self, ref, message):
        self.said.append(("edit", ref.partition("/")[2]))
        self.buttons[ref] = [b.label for b in message.buttons]

    async def detail(self, root, lines, link=""):
        self.said.append(("detail", str(len(lines))))

    async def answer(self, asker, reply):
        self.said.append(("answer", reply.text))


def spoken(journal, surface):
    return asyncio.run(speak(Speech(journal=journal, people=lambda: EVERYBODY), surface))


def test_a_question_has_a_message_of_its_own_that_turns_when_it_is_decided(journal, parts):
    surface = Recorder()
    question = ask(journal)
    spoken(journal, surface)
    assert ("post", "root") in surface.said
    asked = next(key for what, key in surface.said if key.startswith("ask:"))
    surface.said.clear()
    press(parts, button("r", question.approval_id, question.proposal.plan_hash))
    spoken(journal, surface)
    assert ("edit", asked) in surface.said
    assert ("edit", "root") in surface.said
    assert not any(what == "post" for what, _ in surface.said)


def test_questions_go_first_when_there_is_room_for_little(journal):
    from bot.surfaces.limits import Budget, Rate
    from bot.surfaces.ports import Kind

    with journal.write("test.storm") as tx:
        for _ in range(20):
            open_incident(tx)
    question = ask(journal)
    surface = Recorder(budget=Budget({Kind.POST: (Rate(most=4, seconds=60, reserved=2),)}, lambda: 0.0))
    spoken(journal, surface)
    posted = [key for what, key in surface.said if what == "post"]
    assert any(key.startswith("ask:") for key in posted)
    assert len(surface.said) <= 4
    with journal.read() as tx:
        rows = tx.all(select(t.messages.c.incident_id, t.messages.c.ref))
    assert question.incident_id in {r["incident_id"] for r in rows}


def test_a_post_whose_answer_was_lost_is_found_again_and_not_posted_twice(journal):
    surface = Recorder()
    with journal.write("test.one") as tx:
        open_incident(tx)
    surface.lose_answer = True
    with pytest.raises(KeyboardInterrupt):
        spoken(journal, surface)
    surface.lose_answer = False
    spoken(journal, surface)
    assert [said for said in surface.said if said == ("post", "root")] == [("post", "root")]


def test_a_question_whose_answer_was_lost_loses_its_buttons_when_it_was_decided_meanwhile(journal, parts):
    surface = Recorder()
    question = ask(journal)
    surface.lose_answer = True
    with pytest.raises(KeyboardInterrupt):
        spoken(journal, surface)
    surface.lose_answer = False
    asked = f"{question.incident_id}/ask:{question.run_id}"
    assert surface.buttons[asked] == ["Approve", "Reject"]
    press(parts, button("r", question.approval_id, question.proposal.plan_hash))
    spoken(journal, surface)
    assert surface.buttons[asked] == []
    assert [what for what, key in surface.said if key == f"ask:{question.run_id}"] == ["post", "edit"]


def test_a_surface_that_was_down_is_brought_up_to_date_without_a_message_for_each_step(journal, parts):
    from agents.incident.errors import Transient

    surface = Recorder()
    surface.fails = Transient("the platform is down")
    question = ask(journal)
    with pytest.raises(Transient):
        spoken(journal, surface)
    press(parts, button("r", question.approval_id, question.proposal.plan_hash))
    surface.fails = None
    spoken(journal, surface)
    assert [key for what, key in surface.said if what == "post" and key == "root"] == ["root"]
    assert spoken(journal, surface) == []


def test_a_surface_that_is_down_until_the_deadline_is_no_consent(journal):
    from agents.incident.errors import Transient

    surface = Recorder()
    surface.fails = Transient("the platform is down")
    question = ask(journal)
    for _ in range(3):
        with pytest.raises(Transient):
            spoken(journal, surface)
    with journal.write("test.ten_minutes") as tx:
        tx.run(t.approvals.update().values(deadline=tx.now))
    with journal.write("test.expired") as tx:
        assert approvals.expire_due(tx) == 1
        assert runs.view(tx, question.run_id).state is A.EXPIRED
    surface.fails = None
    spoken(journal, surface)
    with journal.read() as tx:
        shown = card(tx, question.incident_id, EVERYBODY)
    assert any("Expired" in text for text in shown.asks[-1].lines)
    assert not any(key.startswith("ask:") for what, key in surface.said)  # nobody is asked any more
    assert ("post", "root") in surface.said


def test_of_several_processes_one_speaks_and_another_takes_its_place(journal):
    assert hold(journal, "slack", "one", timedelta(seconds=30))
    assert not hold(journal, "slack", "two", timedelta(seconds=30))
    assert hold(journal, "slack", "one", timedelta(seconds=-1))
    assert hold(journal, "slack", "two", timedelta(seconds=30))


# What must not be taken for something else


def test_a_code_told_in_public_is_not_good_any_more(journal, parts):
    with journal.write("test.code") as tx:
        code = access.make_code(tx, PersonId("lea"), "link", timedelta(minutes=10))
    assert "not good any more" in say(parts, f"link {code}", "U-NEW").text
    assert "not good" in say(parts, f"link {code}", "U-THIEF", place="D1", private=True).text


@pytest.mark.parametrize("words", ["approve", "approve AP_01ABC", "approve checkout", "reject too risky"])
def test_a_question_is_decided_by_its_whole_id_alone(journal, parts, words):
    question = ask(journal)
    assert "question(s) wait" in say(parts, words).text
    with journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.AWAITING_APPROVAL


def test_a_typed_approval_that_is_not_enough_says_so(journal, parts):
    question = ask(journal, quorum=2)
    assert "Your approval counts: 1 of 2" in say(parts, f"approve {question.approval_id}").text


@pytest.mark.parametrize(
    "words", ["takeover INC_01ABC", "takeover billing", "why INC_01ABC", "feedback INC_0 right"]
)
def test_words_that_name_no_incident_never_mean_the_newest_one(journal, parts, words):
    question = ask(journal)
    assert "names no incident" in say(parts, words).text
    with journal.read() as tx:
        assert incidents.owner(tx, question.incident_id) is None


def test_roles_are_held_against_what_is_acted_on_and_not_what_the_alert_is_about(journal, parts):
    question = ask(journal, service="demo/billing")
    data = button("a", question.approval_id, question.proposal.plan_hash)
    checkout = replace(a_person("cho", "approver", slack="U-CHO"), scopes=("demo/checkout",))
    parts = replace(parts, people=lambda: replace(EVERYBODY, people=(*EVERYBODY.people, checkout)))
    assert "may not decide" in press(parts, data, "U-CHO").text
    assert "Approved by you" in press(parts, data, "U-PAT").text


def test_a_stop_of_everything_is_lifted_by_whoever_leads_everything(journal, parts):
    some = replace(a_person("lou", "lead", slack="U-LOU"), scopes=("demo/billing",))
    parts = replace(parts, people=lambda: replace(EVERYBODY, people=(*EVERYBODY.people, some)))
    say(parts, "stop")
    assert "may not do this" in say(parts, "resume", "U-LOU").text
    assert "may run again" in say(parts, "resume", "U-LEA").text


def test_a_button_pressed_in_a_private_chat_decides_nothing(journal, parts):
    question = ask(journal)
    data = button("a", question.approval_id, question.proposal.plan_hash)
    assert "not among those configured" in press(parts, data, place="D1", private=True).text


def test_two_people_of_one_name_are_two_people(journal, parts):
    twin = replace(a_person("ana2", "approver", slack="U-ANA2"), name="Ana")
    parts = replace(parts, people=lambda: replace(EVERYBODY, people=(*EVERYBODY.people, twin)))
    question = ask(journal)
    press(parts, button("r", question.approval_id, question.proposal.plan_hash))
    told = Reasoned(asker=slack("U-ANA2"), approval_id=question.approval_id, text="because I say so")
    assert "only whoever rejected it" in desk.take(told, parts).text


def test_what_is_given_back_is_asked_for_again(journal, parts):
    question = ask(journal)
    press(parts, f"t:{question.incident_id}", "U-ROB")
    assert "nobody's now" in say(parts, f"release {question.incident_id}", "U-ROB").text
    with journal.read() as tx:
        assert [e.incident_id for e in escalations.due(tx)] == [question.incident_id]


def test_whoever_had_it_before_it_came_back_is_called_and_may_be_relieved(journal, parts):
    with journal.write("test.back") as tx:
        incident = open_incident(tx, S.PROPOSED)
        incidents.take_over(tx, incident.id, "rob", "Rob")
        incident = incidents.move(tx, incidents.load(tx, incident.id), S.RESOLVED, actor="test")
        for step in (S.REOPENED, S.TRIAGING, S.NEEDS_HUMAN):
            incident = incidents.move(tx, incident, step, actor="test")
        called = escalations.standing(tx, incident.id)
        assert called is not None
        assert called.acked_by is None
    assert "It is yours, Ana" in press(parts, f"t:{incident.id}").text
    assert "Ana already has it" in press(parts, f"t:{incident.id}", "U-ROB").text


def test_the_message_of_a_call_that_is_over_says_so(journal):
    with journal.write("test.over") as tx:
        incident = open_incident(tx, S.NEEDS_HUMAN)
        incidents.move(tx, incident, S.RESOLVED, actor="test")
    with journal.read() as tx:
        plea = next(m for m in messages(card(tx, incident.id, EVERYBODY)) if m.key.startswith("plea:"))
    assert "It is over: nobody need come any more." in plea.lines
    assert not any(line.startswith("Why") for line in plea.lines)  # no reason was given
    assert (plea.buttons, plea.mention, plea.late) == ((), (), True)


@pytest.mark.parametrize("title", ["[ev_aaaaaaaaaaaaaaaaaaaa]", "“open 5", "a `b` 7", "“`”`", "1. x\n2. y"])
def test_a_title_keeps_no_question_back(journal, title):
    question = ask(journal)
    with journal.write("test.title") as tx:
        tx.run(t.incidents.update().values(title=title))
    with journal.read() as tx:
        made = card(tx, question.incident_id, EVERYBODY)
    assert [m.key for m in messages(made) if parsed(m, made) is not m] == []


def test_a_message_that_is_not_taken_keeps_no_question_back_and_is_left_alone(journal):
    question = ask(journal)
    tried = []

    class Picky(Recorder):
        async def post(self, message, root):
            if message.key.endswith("/root"):
                tried.append(message.key)
                raise Refused("too long")
            return await super().post(message, root)

    surface = Picky()
    speech = Speech(journal=journal, people=lambda: EVERYBODY)
    for _ in range(3):
        asyncio.run(speak(speech, surface))
    assert ("post", f"ask:{question.run_id}") in surface.said
    assert len(tried) == 1


def test_an_incident_that_cannot_be_laid_out_silences_no_other(journal):
    broken, well = ask(journal), ask(journal)

    class Clumsy(Recorder):
        def layout(self, card_):
            if card_.incident_id == broken.incident_id:
                raise ValueError("nobody can read this")
            return super().layout(card_)

    surface = Clumsy()
    speech = Speech(journal=journal, people=lambda: EVERYBODY, log=structlog.get_logger())
    for _ in range(3):  # on a slow machine a round may end before the second incident has its turn
        asyncio.run(speak(speech, surface))
    assert ("post", f"ask:{well.run_id}") in surface.said
