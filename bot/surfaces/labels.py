"""The words that begin a line of a card and say what it is about: set in bold wherever a platform can.

Only these are, so that nothing that came from outside can dress itself up as one.
"""

import re

LABELS = (
    "Action",
    "Against",
    "Because",
    "Conflicts",
    "Could not be checked",
    "Could not be read",
    "Effect",
    "Evidence",
    "Expect",
    "For a person",
    "How sure",
    "Incident",
    "Left out",
    "Needs",
    "Not checked",
    "Plan",
    "Proposed",
    "Ruled out",
    "Run",
    "Seen before",
    "State",
    "Suspects",
    "Tried before",
    "Undo",
    "Verification",
    "Why",
    "Why it stands here",
)

_LABEL = re.compile(rf"(?:(?:{'|'.join(LABELS)})(?: within \d+ (?:s|min))?:|Until)(?= |$)")


def label(line: str) -> int:
    """How many characters of *line*, from its beginning, are its label; 0 when it has none."""
    found = _LABEL.match(line)
    return found.end() if found is not None else 0
