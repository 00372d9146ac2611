"""A plan too long for a card: what stands there instead, and how whoever read it whole approves it.

Whether a plan is too long follows from the proposal alone, so that the card and the desk never differ.
"""

import re
from collections.abc import Sequence

from actions.approval import Approval, button
from actions.proposal import Proposal
from bot.surfaces.accounted import Accounted
from bot.surfaces.cutting import cost, words, wrapped
from bot.surfaces.outcome import expected
from bot.surfaces.ports import Brief, Button

MOST, HEADLINE = 1_000, 500
"""What a plan, and its effect in one sentence, may cost so that every chat shows them whole on a card."""

READ, PIECE = 3_000, 700
"""What a plan may cost so that one private answer of any chat holds it; and one line of that answer."""

SHOW_WHOLE = frozenset({"console"})
"""Surfaces on which nothing is ever cut."""

SAYS_WHY = "This card does not show the whole plan, so it cannot be approved from here."
_WORD = re.compile(r"[0-9a-f]{8}")


def plan(proposal: Proposal, told: Accounted) -> Sequence[str]:
    """Everything a person says yes to, line by line."""
    named = "; ".join(f"{k} {told.name(str(v))}" for k, v in sorted(proposal.parameters.items()))
    return (
        told.words(f"Effect: {proposal.effect}"),
        f"Action: {told.name(proposal.action)} on {told.name(proposal.service)}; {named}",
        *(told.words(f"Needs: {each}") for each in proposal.requires),
        *(f"Expect: {expected(target, told)}" for target in proposal.check.targets),
        told.words(f"Undo: {proposal.undo}"),
    )


def is_short(proposal: Proposal) -> bool:
    """Whether the card of *proposal* cannot show the whole of it."""
    whole = plan(proposal, Accounted())
    return sum(map(cost, whole)) > MOST or cost(proposal.effect) > HEADLINE


def readable(proposal: Proposal, told: Accounted) -> Sequence[str]:
    """The whole plan as lines of one answer; none when no chat could show them all."""
    whole = plan(proposal, told)
    if sum(map(cost, whole)) > READ:
        return ()
    return [told.words(piece) for line in whole for piece in wrapped(line, PIECE)]


def word(approval: Approval) -> str:
    """What stands at the end of the whole plan and nowhere else: whoever names it has had it before them."""
    return approval.plan_hash[8:16]


def names(approval: Approval, said: Sequence[str]) -> bool:
    """Whether the plan's word is among the words that were *said*."""
    return any(_WORD.fullmatch(each.lower()) and each.lower() == word(approval) for each in said)


def of(proposal: Proposal, approval: Approval, question: Sequence[str], told: Accounted) -> Brief | None:
    """What a chat shows of a plan that is too long, with no way to approve it; ``None`` when it shows all."""
    if not is_short(proposal):
        return None
    counts = (
        f"Left out: {told.count(len(proposal.parameters))} parameter(s), "
        f"{told.count(len(proposal.requires))} precondition(s), "
        f"{told.count(len(proposal.check.targets))} recovery criteria, the undo, the effect in full."
    )
    return Brief(
        headline=f"Too long for a card: {told.name(proposal.action)} on {told.name(words(proposal.service, 80))}",
        lines=(
            SAYS_WHY,
            "Press Details to read it whole; its last line says how to approve it. The page has it too.",
            counts,
            *question,
        ),
        buttons=(
            Button(label="Details", data=button("w", approval.id, approval.plan_hash), style="primary"),
            Button(label="Reject", data=button("r", approval.id, approval.plan_hash), style="danger"),
        ),
    )
