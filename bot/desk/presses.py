"""A button was pressed. Its data is a letter and an opaque id; what it may do is read from the journal."""

from collections.abc import Callable, Mapping

from actions.approval import ApprovalState, Decision, Press, Rejection, Verdict
from actions.policy import Person
from agents.incident.ids import ApprovalId, IncidentId
from bot import walk
from bot.desk import steer, tell, whole
from bot.journal import approvals, selftests
from bot.surfaces.ports import Pressed, Reply
from bot.wiring.parts import DecideParts, DeskParts

LETTERS = {"a": Verdict.APPROVE, "r": Verdict.REJECT}


def press(pressed: Pressed, person: Person | None, parts: DeskParts) -> Reply:
    """One press, decided and answered. Never silent."""
    letter, _, rest = pressed.data.partition(":")
    subject, _, hash8 = rest.partition(":")
    does = _BUTTONS.get(letter)
    if does is None or not subject or person is None:
        return Reply(text="That button does nothing.")
    return does(pressed, person, subject, hash8, parts)


def _press(pressed: Pressed, verdict: Verdict, approval_id: str, hash8: str) -> Press:
    return Press(
        surface=pressed.asker.surface,
        account=pressed.asker.account,
        verdict=verdict,
        approval_id=ApprovalId(approval_id),
        hash8=hash8,
    )


def _decide(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    verdict = LETTERS[pressed.data[0]]
    if verdict is Verdict.APPROVE and whole.unread(subject, pressed.asker.surface, (), parts):
        return whole.refusal(subject, parts)
    answer = walk.decide(
        _press(pressed, verdict, subject, hash8), DecideParts(journal=parts.journal, people=parts.people())
    )
    if isinstance(answer, Rejection):
        return Reply(text=answer.reason)
    return decided(answer, ApprovalId(subject), parts)


def decided(decision: Decision, approval_id: ApprovalId, parts: DeskParts) -> Reply:
    """What whoever decided reads; after a rejection it asks why."""
    if decision.state is ApprovalState.AWAITING:
        with parts.journal.read() as tx:
            asked = approvals.find(tx, approval_id)
        until = f" until {asked.deadline:%H:%M}" if asked is not None else ""
        quorum = f" of {asked.quorum}" if asked is not None else ""
        return Reply(text=f"Your approval counts: {decision.votes}{quorum}. Waiting for more{until}.")
    if decision.state is ApprovalState.APPROVED:
        return Reply(text="Approved by you. The card will say when it runs.")
    return Reply(text="Rejected by you. Nothing is run.", wants_reason=approval_id)


def _hold(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    with parts.journal.write("decision.held") as tx:
        answer = approvals.hold(
            tx, _press(pressed, Verdict.APPROVE, subject, hash8), parts.people(), delivery=pressed.delivery
        )
    if isinstance(answer, Rejection):
        return Reply(text=answer.reason)
    held, _ = answer
    return Reply(text=f"Held: the question now stands until {held.deadline:%H:%M:%S}.")


def _stop(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    return steer.stop("*", person, parts)


def _details(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    return tell.why(IncidentId(subject), parts)


def _whole(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    return whole.plan(subject, hash8, parts)


def _take_over(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    return steer.take_over(IncidentId(subject), person, parts)


def _selftest(pressed: Pressed, person: Person, subject: str, hash8: str, parts: DeskParts) -> Reply:
    with parts.journal.write("selftest.pressed") as tx:
        took = selftests.pressed(tx, subject, pressed.asker.account)
    if took is None:
        return Reply(text="This test card was pressed before, or is not mine.")
    return Reply(text=f"It works: your press came back as {person.name} after {took.total_seconds():.1f} s.")


_BUTTONS: Mapping[str, Callable[[Pressed, Person, str, str, DeskParts], Reply]] = {
    "a": _decide,
    "r": _decide,
    "h": _hold,
    "s": _stop,
    "d": _details,
    "w": _whole,
    "t": _take_over,
    "p": _selftest,
}
