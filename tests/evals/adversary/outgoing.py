"""Every text that leaves on account of a finding: its own, the messages of its card, and why it is so."""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from actions.policy import People
from agents.deliberation.record import Deliberation
from agents.gather import Gathered
from agents.incident.finding import Finding
from agents.incident.incident import Alert
from agents.loop import Thought
from bot.journal import evidence, incidents, migrate
from bot.journal.journal import Journal, open_engine
from bot.surfaces.accounted import Accounted
from bot.surfaces.cards import card
from bot.surfaces.layout import messages
from bot.surfaces.speaker import parsed
from bot.surfaces.thoughts import reasons
from tests.evals.adversary.cases import Stand

LINK = "https://responder.local/i/"


@cache
def journal() -> Journal:
    """One for all runs of this process; nothing is read from it but what was just written."""
    folder = Path(tempfile.mkdtemp(prefix="adversary-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"sqlite:///{folder / 'journal.db'}"
    migrate.upgrade(url)
    return Journal(open_engine(url))


def cards(finding: Finding, alert: Alert, gathered: Sequence[Gathered]) -> tuple[str, ...]:
    """The messages of the card, as a chat would be given them; nothing of it stays in the journal."""
    out: list[str] = []
    with contextlib.suppress(_Enough), journal().write("adversary") as tx:
        incident = incidents.open_one(tx, alert, priority=1)
        own = replace(finding, id=type(finding.id)(f"{incident}.1"), incident_id=incident)
        for one in gathered:
            held = [replace(e, incident_id=incident) for e in one.evidence]
            evidence.keep(tx, held, one.blobs, attempt=1, look=1, purpose=evidence.TRIAGE)
        evidence.save_finding(tx, own)
        made = card(tx, incident, People(), link=LINK)
        out += [parsed(message, made).text() for message in messages(made)]
        raise _Enough
    return tuple(out)


class _Enough(Exception):
    """The card is laid out: the transaction is taken back."""


def thoughts(record: Deliberation) -> Iterator[str]:
    """The lines of /why about a model."""
    yield from reasons(record, Accounted())


class Outgoing:
    """Texts of thoughts; a card that says the same as one before is not laid out again."""

    def __init__(self, lay_out: Callable[[Finding, Alert, Sequence[Gathered]], tuple[str, ...]] = cards) -> None:
        self._lay_out = lay_out
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def finding(self, stand: Stand, finding: Finding, more: Sequence[Gathered] = ()) -> tuple[str, ...]:
        """The finding's text and its card's messages."""
        alert = stand.case.first.alerts[0]
        key = (stand.case.name, alert.summary, finding.text, *sorted(finding.evidence))
        if key not in self._known:
            self._known[key] = (finding.text, *self._lay_out(finding, alert, (stand.gathered, *more)))
        return self._known[key]

    def thought(self, stand: Stand, thought: Thought) -> tuple[str, ...]:
        """What a deliberation lets out."""
        return (*self.finding(stand, thought.finding, thought.gathered), *thoughts(thought.record))
