"""What a card may say: everything it does say is noted here as it is said."""

from dataclasses import dataclass, field
from datetime import datetime

from actions.policy import People
from agents.incident.finding import Finding
from agents.incident.quantities import QUANTITIES
from agents.render import clock, number, quoted, tokens
from bot.surfaces.cutting import MARK, OUTSIDE, words

WITHHELD = "This message was withheld: it said something no stored fact accounts for."
"""What stands in the place of a message that says more than is accounted for."""

_SAFE = {ord("`"): "'", ord("“"): '"', ord("”"): '"'}
"""A name with these would end early, or begin a quote."""


@dataclass(slots=True)
class Accounted:
    """What may be said, collected beside what is said."""

    known: set[str] = field(default_factory=set)
    most: int = OUTSIDE
    was_cut: bool = False

    def text(self, value: str) -> str:
        """Somebody's own words, in quotes."""
        self.known |= tokens(quoted(value))
        return quoted(value)

    def cut(self, value: str) -> str:
        """Somebody's own words, in quotes, cut at a word with a mark where they are longer than ``most``."""
        short = words(value, self.most)
        self.was_cut |= short.endswith(MARK) and not value.rstrip().endswith(MARK)
        return self.text(short)

    def person(self, people: People, person_id: str) -> str:
        """Who somebody is, in quotes; by id when the directory does not have them any more."""
        found = people.by_id(person_id)
        return self.text(found.name if found is not None else person_id)

    def finding(self, finding: Finding) -> Finding:
        """*finding*, whose words were held against its facts when it was made."""
        self.known |= tokens(finding.text) | tokens(finding.title)
        texts = (s.text for each in (finding.claims, finding.refuters) for s in each)
        for text in (*texts, *finding.not_checked):
            self.known |= tokens(text)
        return finding

    def name(self, value: str) -> str:
        """A name of data, in backticks."""
        safe = f"`{value.translate(_SAFE)}`"
        self.known |= tokens(safe)
        return safe

    def at(self, value: datetime) -> str:
        """A time of day."""
        self.known.add(clock(value))
        return clock(value)

    def count(self, value: int) -> str:
        """A whole number."""
        self.known.add(str(value))
        return str(value)

    def reading(self, value: float | None, quantity: str) -> str:
        """A measured value with its unit."""
        if value is None:
            return "not read"
        self.known |= tokens(number(value, quantity))
        return number(value, quantity)

    def title(self, quantity: str) -> str:
        """A quantity's own title."""
        self.known |= tokens(QUANTITIES[quantity].title)
        return QUANTITIES[quantity].title

    def words(self, value: str) -> str:
        """A sentence made by code from typed values."""
        self.known |= tokens(value)
        return value
