"""Somebody pressed or typed → an answer for them, always. Who they are and where they stand is judged first."""

from dataclasses import replace

from actions.policy import Person
from agents.incident.errors import BadInput, JournalUnavailable, Refused
from agents.render import leaks
from bot.desk import commands, presses
from bot.journal import approvals, directory
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.ports import Asker, Incoming, Pressed, Reasoned, Reply, Typed
from bot.wiring.parts import DeskParts


def take(incoming: Incoming, parts: DeskParts) -> Reply:
    """The answer to whatever came; the effect of it, if it has one, is in the journal when this returns.

    Raises JournalUnavailable: what could not be read or written is not answered as if it had been.
    """
    asker = incoming.asker
    person = _who(asker, parts)
    refused = _refused(incoming, person, parts)
    if refused is not None and not _opens_a_door(incoming):
        parts.log.info("desk.refused", surface=asker.surface, account=asker.account, why=refused)
        return Reply(text=refused)
    try:
        return _gated(_answered(incoming, person, parts), parts)
    except (BadInput, Refused) as error:
        return Reply(text=f"That could not be done: {error}")
    except JournalUnavailable:
        raise
    except Exception:  # the top: whoever pressed is answered whatever happened
        parts.log.exception("desk.failed", surface=asker.surface, account=asker.account)
        return Reply(text="Something failed here; nothing was decided. It is in the log. Please press again.")


def _answered(incoming: Incoming, person: Person | None, parts: DeskParts) -> Reply:
    match incoming:
        case Pressed():
            return presses.press(incoming, person, parts)
        case Typed():
            return commands.run(incoming, person, parts)
        case Reasoned():
            return _reason(incoming, parts)


def _gated(reply: Reply, parts: DeskParts) -> Reply:
    """G14 on an answer that speaks of a finding or a plan: what is not accounted for does not leave."""
    if reply.accounted is None:
        return reply
    leaked = leaks("\n".join([reply.text, *reply.lines]), reply.accounted)
    if not leaked:
        return replace(reply, accounted=None)
    parts.log.warning("desk.withheld", incident_id=reply.incident_id, unaccounted=leaked[:5])
    return Reply(text=WITHHELD, link=reply.link, incident_id=reply.incident_id)


def _who(asker: Asker, parts: DeskParts) -> Person | None:
    if not asker.trusted:
        return None
    with parts.journal.read() as tx:
        return directory.known(tx, parts.people()).by_account(asker.surface, asker.account)


def _refused(incoming: Incoming, person: Person | None, parts: DeskParts) -> str | None:
    """Why nothing may be done from here, if so. An empty directory or list means nobody and nowhere."""
    asker = incoming.asker
    if not asker.trusted:
        return f"Refused: {asker.why_not or 'this account has no usable identity'}."
    known = parts.places.get(asker.surface)
    # Cards stand in configured places alone: a press from a private chat is of a card that was never there.
    private = asker.private and not isinstance(incoming, Pressed)
    if known is not None and not private and asker.place not in known:
        return f"Refused: this place ({asker.place}) is not among those configured for {asker.surface}."
    if person is None:
        return (
            f"I do not know you ({asker.surface} account {asker.account}). Ask an operator to add you to "
            f"config/people.yaml, or for a one-time code and send me privately: {parts.prefix}link CODE"
        )
    return None


def _opens_a_door(incoming: Incoming) -> bool:
    """Linking an account is what somebody unknown may do; a code told in public is only made useless."""
    asker = incoming.asker
    return isinstance(incoming, Typed) and asker.trusted and commands.verb_of(incoming.text)[0] == "link"


def _reason(incoming: Reasoned, parts: DeskParts) -> Reply:
    """Why it was rejected; the rejection itself counted at the press. Only whoever rejected is heard."""
    with parts.journal.write("decision.reason") as tx:
        people = directory.known(tx, parts.people())
        person = people.by_account(incoming.asker.surface, incoming.asker.account)
        assert person is not None  # noqa: S101  # refused above
        approvals.add_reason(tx, incoming.approval_id, person.id, incoming.text[:500])
    return Reply(text="Noted; thank you.")
