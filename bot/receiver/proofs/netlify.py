"""Netlify's JSON Web Signature: HS256, issued by netlify, over the SHA-256 of the body."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import NO_SECRET, WRONG, any_same, header, live, mac, raw, unbase64

NAME = "X-Webhook-Signature"
_MALFORMED = f"{NAME}: not a JSON Web Signature of Netlify's"


def _part(text: str) -> bytes | None:
    if "+" in text or "/" in text or "=" in text:
        return None
    return unbase64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _object(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(_part(text) or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """The signature first, then what it says about the body."""
    del now  # Netlify signs no time
    value = header(headers, NAME)
    if isinstance(value, BadProof):
        return value
    usable = live(secrets)
    if not usable:
        return BadProof(NO_SECRET)
    parts = value.split(".", 3)
    given = _part(parts[2]) if len(parts) == 3 else None
    # The algorithm is ours to name, never the token's: "none" and the others are refused.
    if given is None or len(given) != 32 or _object(parts[0]).get("alg") != "HS256":
        return BadProof(_MALFORMED)
    signed = raw(f"{parts[0]}.{parts[1]}")
    if not any_same([mac(s, signed) for s in usable], [given]):
        return BadProof(WRONG)
    says = _object(parts[1])
    digest = says.get("sha256")
    if says.get("iss") != "netlify" or not isinstance(digest, str):
        return BadProof(_MALFORMED)
    same = any_same([raw(hashlib.sha256(body).hexdigest())], [raw(digest)])
    return None if same else BadProof(f"{NAME}: signed for another body")
