"""What a card may say: everything it does say is noted here as it is said."""

from dataclasses import dataclass, field
from datetime import datetime

from agents.incident.quantities import QUANTITIES
from agents.render import clock, number, quoted, tokens

_SAFE = {ord("`"): "'", ord("“"): '"', ord("”"): '"'}
"""A name with these would end early, or begin a quote."""


@dataclass(slots=True)
class Accounted:
    """What may be said, collected beside what is said."""

    known: set[str] = field(default_factory=set)

    def text(self, value: str) -> str:
        """Somebody's own words, in quotes."""
        self.known |= tokens(quoted(value))
        return quoted(value)

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
