"""What a platform's own error words mean, and what to do about it: for whoever pressed and saw it fail."""

import re

_KNOWN = (
    (
        r"Could not find the .+ column of .+ in the schema cache",
        "Meaning: the platform's API serves from a stale schema cache (its database changed under it). "
        "Have its schema cache reloaded, then press Approve again.",
    ),
    (
        r"\b(401|403)\b|[Ff]orbidden|[Uu]nauthori[sz]ed|permission denied",
        "Meaning: the bot's credential may not do this there. Check the action worker's token and its role, "
        "then press Approve again.",
    ),
    (
        r"could not be reached|did not answer|[Cc]onnect(ion)?(Error|Timeout| refused)",
        "Meaning: the platform was not reachable; nothing was begun. Press Approve again once it is.",
    ),
    (r"\b(429|503)\b", "Meaning: the platform is too busy to serve now. Press Approve again in a while."),
    (r"\b5\d\d\b", "Meaning: the platform itself failed. Look at its log, then press Approve again."),
)


def explain(reason: str) -> str | None:
    """A sentence for the card, or ``None`` when the words are not known."""
    return next((says for pattern, says in _KNOWN if re.search(pattern, reason)), None)
