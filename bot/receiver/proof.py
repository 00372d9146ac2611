"""Who sent it, proven over what was received and before anything is parsed."""

import hmac
from collections.abc import Mapping, Sequence

from agents.incident.errors import BadProof
from bot.configuration import Source


def bearer(
    source: str, configured: Source, headers: Mapping[str, str], tokens: Mapping[str, Sequence[str]]
) -> None:
    """Accept one of the source's live tokens, in constant time; raise BadProof otherwise.

    A source without a token is refused unless its row says ``allow_unsigned``.
    """
    live = [t for t in tokens.get(source, ()) if t]
    if not live:
        if configured.allow_unsigned:
            return
        raise BadProof(
            f"source {source!r} has no token; add one to FIRSTRESPONDER_WEBHOOK_TOKENS"
            " or say allow_unsigned in config/sources.yaml"
        )
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Every live token is compared, so that the time taken says nothing about which one was close.
    matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in live]
    if scheme.lower() != "bearer" or not any(matches):
        raise BadProof("Authorization: Bearer with the source's token is needed")
