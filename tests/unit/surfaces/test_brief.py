"""A plan that a card cannot show whole, held against what the platforms really cut."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actions.approval import Approval, ApprovalState
from actions.policy import People
from actions.proposal import Proposal
from agents.incident.ids import ApprovalId, RunId
from bot.surfaces import brief
from bot.surfaces.accounted import Accounted
from bot.surfaces.asks import BECAUSE, TRIED
from bot.surfaces.cards import PLACE, TITLE
from bot.surfaces.cutting import cost, within
from bot.surfaces.ports import Lane, Message, Reply
from bot.surfaces.slack import render as slack
from bot.surfaces.telegram import render as telegram
from tests.builders import NOON, a_person, a_proposal

MANY = People(people=tuple(a_person(f"name{n}", "approver", slack=f"U{n}", telegram=str(n)) for n in range(20)))


def a_plan(length: int = 0, fill: str = "word ") -> Proposal:
    """A plan whose effect is about *length* characters long."""
    return a_proposal(effect="restart `checkout-1` " + (fill * length)[:length])


def approval_of(plan: Proposal) -> Approval:
    return Approval(
        id=ApprovalId("AP_01K9ZZZZZZZZZZZZZZZZZZZZZZ"),
        run_id=RunId("RU_1"),
        state=ApprovalState.AWAITING,
        quorum=1,
        plan_hash=plan.plan_hash,
        deadline=NOON + timedelta(minutes=30),
        proposed_by=plan.proposed_by,
        votes={},
        decided_by=None,
        decided_at=None,
        reason="",
    )


def test_an_ordinary_plan_fits_its_card_and_a_long_one_does_not():
    assert not brief.is_short(a_plan())
    assert brief.is_short(a_plan(600))
    assert brief.is_short(a_plan(200, fill="&"))  # dear to write out


def test_each_part_of_a_plan_counts():
    many = tuple(f"precondition {n} of the target holds" for n in range(40))
    assert brief.is_short(a_proposal(requires=many))
    assert brief.is_short(a_proposal(undo="put it back " * 90))
    assert brief.is_short(a_proposal(parameters={f"replica_{n}": f"checkout-{n}" for n in range(60)}))


def test_no_button_of_a_card_that_is_too_short_approves():
    plan = a_plan(2000)
    made = brief.of(plan, approval_of(plan), ("Until later.",), Accounted())
    assert made is not None
    assert [b.data[0] for b in made.buttons] == ["w", "r"]
    assert brief.SAYS_WHY in made.lines
    assert brief.of(a_plan(), approval_of(a_plan()), (), Accounted()) is None


def test_the_word_of_a_plan_stands_on_no_card_and_names_that_plan_alone():
    plan, other = a_plan(2000), a_plan(2001)
    asked = approval_of(plan)
    assert brief.word(asked) not in {b.data.rpartition(":")[2] for b in brief_buttons(plan)}
    assert brief.names(asked, ["approve", brief.word(asked).upper()])
    assert not brief.names(asked, [plan.plan_hash[:8], brief.word(approval_of(other)), ""])


def brief_buttons(plan: Proposal):
    made = brief.of(plan, approval_of(plan), (), Accounted())
    assert made is not None
    return made.buttons


@pytest.mark.parametrize("fill", ["word ", "&<> ", "*_~ ", "a.b/c:d@e#f ", "🧨", "`x` ", "x"])
def test_what_one_answer_may_hold_is_shown_whole_on_every_chat(fill):
    lengths = [n for n in range(0, 3200, 50) if brief.readable(a_plan(n, fill), Accounted())]
    plan = a_plan(max(lengths), fill)
    lines = tuple(brief.readable(plan, Accounted()))
    assert all(cost(line) <= brief.PIECE for line in lines)
    last = "To approve exactly this: /approve AP_01K9ZZZZZZZZZZZZZZZZZZZZZZ 0a1b2c3d"
    reply = Reply(text="The whole plan of `AP_01K9ZZZZZZZZZZZZZZZZZZZZZZ`:", lines=(*lines, last))
    sent = [b["text"]["text"] for b in slack.reply(reply, "n")["blocks"]]
    assert "…" not in "".join(sent)
    assert "…" not in telegram.reply(reply).plain


@pytest.mark.parametrize("fill", ["word ", "&<> ", "*_~ ", "a.b/c:d@e#f ", "🧨"])
def test_a_card_at_its_fullest_shows_its_plan_whole_on_every_chat(fill):
    lengths = [n for n in range(0, 800, 10) if not brief.is_short(a_plan(n, fill))]
    plan = a_plan(max(lengths), fill)
    card = Message(
        key="INC_1/ask:RU_1",
        lane=Lane.ASK,
        headline=f"Approve? {plan.effect}",
        lines=(
            "Incident: CRITICAL · `" + "e" * PLACE + "` · “" + "t " * (TITLE // 2) + "” · open 90 min",
            *within(["Tried before: aborted (“it did not answer”)"] * 30, TRIED),
            *within(["Because:", *["• `checkout-1` 5xx: 0.2% → 31%, onset 14:01:20–14:01:24"] * 30], BECAUSE),
            *brief.plan(plan, Accounted())[1:],
            "Conflicts: " + "; ".join(["`INC_01K9ZZZZZZZZZZZZZZZZZZZZZZ` is verifying there"] * 3),
            "Evidence: " + " ".join(["[ev_aaaaaaaaaaaaaaaaaaaa]"] * 4),
            "Plan: `0a1b2c3d` · Tier 2, asks first · votes 0 of 1 · approvers: “" + "n " * 80 + "”",
            "Until 14:38:00 (held 4 times). If nobody answers it EXPIRES and nothing is run.",
        ),
        link="http://localhost:8080/incidents/INC_01K9ZZZZZZZZZZZZZZZZZZZZZZ",
        mention=tuple(p.id for p in MANY.people),
    )
    cut = sum(line.endswith("…") for line in card.lines)
    sent = [b["text"]["text"] for b in slack.message(card, MANY, "n")["blocks"][1:] if "text" in b]
    assert "".join(sent).count("…") == cut + sum("the page has more" in line for line in card.lines)
    assert telegram.message(card, MANY).plain.count("…") == "".join(sent).count("…")


def test_a_plan_that_no_answer_holds_has_no_lines_to_approve_it_by():
    assert brief.readable(a_plan(4000), Accounted()) == ()


def test_two_plans_differ_in_the_words_that_are_read():
    told = Accounted()
    lines = brief.plan(replace(a_plan(), undo="put 41 back"), told)
    assert any(line == "Undo: put 41 back" for line in lines)
    assert any("`checkout-1`" in line for line in lines)
