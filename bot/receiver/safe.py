"""What senders say, made safe to keep: no secrets, nothing that a database refuses, nothing without an end."""

import hashlib
from collections.abc import Mapping

from agents.incident.redaction import redact, redact_key, redact_tree

MOST_IN_KEY = 200
MOST_IN_GROUP = 400
MOST_IN_TEXT = 2000
_HASH = 32


def plain(text: str, most: int = MOST_IN_TEXT) -> str:
    """*text* without secrets, without what databases refuse, and no longer than *most* characters."""
    return storable(redact(text[: 4 * most]))[:most]


def key(text: str, most: int = MOST_IN_KEY) -> str:
    """*text* as an identity of at most *most* characters: what had to be cut or replaced is told by a hash.

    It is the same for a text from which the secrets were taken before.
    """
    told = redact_key(text)
    kept = storable(told)
    if kept == told and len(told) <= most:
        return told
    whole = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{kept[: most - _HASH - 1]}~{whole}"


def labels(given: object) -> dict[str, str]:
    """Labels as they were sent, if they are names and texts at all; secrets are taken out of them."""
    if not isinstance(given, Mapping):
        return {}
    texts = {str(k): v for k, v in given.items() if isinstance(v, str)}
    redacted = redact_tree(texts)
    assert isinstance(redacted, dict)  # noqa: S101  # a mapping comes back as one
    return {storable(name): storable(value) for name, value in redacted.items()}


def storable(text: str) -> str:
    """*text* without NUL, which PostgreSQL refuses, and without half a surrogate pair, which UTF-8 cannot hold."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
