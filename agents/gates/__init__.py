"""The checks every claim passes before it may be said. Each is a pure function over stored bytes.

G1 schema reads what somebody else points at (``schema.py``), and the engine states it (``stating.py``). G2 to G10
judge one claim (``existence.py``, ``readings.py``, ``bounds.py``), and what joins several pieces of evidence is
judged as such (``joined.py``, ``refuting.py``). G11 to G13 judge a hypothesis (``convictions.py``), G14 a message
(``agents/accounting.py``). Failure drops the claim, and the hypothesis is judged again
without it.
"""

from agents.gates.convictions import CONVICTION_GATES, Case, convict
from agents.gates.court import RELATIVE, Court, Gate, admit
from agents.gates.registry import CLAIM_GATES, judge
from agents.gates.schema import Offer, compared, parse
from agents.gates.stating import stated

__all__ = [
    "CLAIM_GATES",
    "CONVICTION_GATES",
    "RELATIVE",
    "Case",
    "Court",
    "Gate",
    "Offer",
    "admit",
    "compared",
    "convict",
    "judge",
    "parse",
    "stated",
]
