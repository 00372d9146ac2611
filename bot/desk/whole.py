"""A plan that its card does not show whole is approved by whoever read it whole, and by nobody else."""

from collections.abc import Sequence

from actions.approval import ApprovalState
from bot.desk import tell
from bot.journal import approvals, runs
from bot.surfaces import brief
from bot.surfaces.accounted import Accounted
from bot.surfaces.ports import Reply
from bot.wiring.parts import DeskParts


def unread(approval_id: str, surface: str, said: Sequence[str], parts: DeskParts) -> bool:
    """Whether the card left something of the plan out that whoever approves it has not read.

    Args:
        said: The words of whoever approves; the plan's own word is among them once they read it.
    """
    if surface in brief.SHOW_WHOLE:
        return False
    with parts.journal.read() as tx:
        asked = approvals.find(tx, approval_id)
        if asked is None or asked.state is not ApprovalState.AWAITING:
            return False  # the decision itself has words for these
        run = runs.view(tx, asked.run_id)
    return brief.is_short(run.proposal) and not brief.names(asked, said)


def refusal(approval_id: str, parts: DeskParts) -> Reply:
    """What whoever pressed Approve on such a card is told."""
    how = f"Press Details on it, or send {parts.prefix}approve {approval_id}, to read it whole."
    return Reply(text=f"{brief.SAYS_WHY} {how}")


def plan(approval_id: str, hash8: str, parts: DeskParts) -> Reply:
    """The whole plan, and at its end the word by which it is approved."""
    told = Accounted()
    with parts.journal.read() as tx:
        asked = approvals.find(tx, approval_id)
        if asked is None:
            return Reply(text="I know no question by that id.")
        run = runs.view(tx, asked.run_id)
    link = parts.link(run.incident_id)
    if hash8 and asked.plan_hash[:8] != hash8:
        return Reply(text="This card is out of date: the plan behind it changed. Use the newest card.", link=link)
    lines = brief.readable(run.proposal, told)
    if not lines:
        return Reply(
            text="This plan is too long for any chat: read it on the page, and approve it at a terminal "
            "(firstresponder console), which shows all of it.",
            link=link,
        )
    how = f"To approve exactly this: {parts.prefix}approve {approval_id} {brief.word(asked)}"
    return tell.reply(told, f"The whole plan of {told.name(approval_id)}:", (*lines, told.words(how)), link)
