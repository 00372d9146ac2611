"""What every scheme shares: its shape, the window, strict decoding, comparing in constant time."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.incident.errors import BadProof

Verify = Callable[[Mapping[str, str], bytes, Sequence[str], datetime], BadProof | None]
"""Headers (lower case), the body as received, the live secrets, now → None when proven, else why not."""

WINDOW = timedelta(minutes=5)
"""How far a signed time may be from now, in either direction; Slack's and Standard Webhooks' own figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way of proving who sent a delivery."""

    name: str
    title: str
    verify: Verify
    timestamped: bool = False
    """Whether the sender's time is part of what is signed, so that an old delivery is refused by itself."""
    delivery_header: str = ""
    """Where there is no time: the header whose value must not be taken twice."""


def live(secrets: Sequence[str]) -> tuple[str, ...]:
    """The secrets that are some."""
    return tuple(s for s in secrets if s)


def header(headers: Mapping[str, str], name: str) -> str | BadProof:
    """The value of a header that has to be there."""
    value = headers.get(name.lower(), "").strip()
    return value or BadProof(f"no {name}")


def raw(text: str) -> bytes:
    """Text from a header as bytes; nothing in a header can make this fail or two texts one."""
    return text.encode("utf-8", "surrogatepass")


def mac(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC of *message*."""
    return hmac.new(raw(secret) if isinstance(secret, str) else secret, message, algorithm).digest()


def any_same(expected: Iterable[bytes], given: Iterable[bytes]) -> bool:
    """Whether one of each are the same. All are compared, so that the time taken tells nothing."""
    wanted = tuple(expected)
    matches = [hmac.compare_digest(e, g) for g in given for e in wanted]
    return any(matches)


def any_same_text(expected: Iterable[str], given: str) -> bool:
    """The same for secrets themselves; digests are compared, so that not even a length is told."""
    wanted = [hashlib.sha256(raw(e)).digest() for e in expected]
    return any_same(wanted, [hashlib.sha256(raw(given)).digest()])


def unhex(text: str, size: int = 32) -> bytes | None:
    """Bytes from exactly *size* pairs of hexadecimal digits."""
    fits = len(text) == 2 * size and re.fullmatch(r"[0-9A-Fa-f]*", text, re.ASCII)
    return bytes.fromhex(text) if fits else None


def unbase64(text: str) -> bytes | None:
    """Bytes from canonical base64 with padding."""
    try:
        found = base64.b64decode(raw(text), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.b64encode(found) == raw(text) else None


def stale(timestamp: str, now: datetime, where: str) -> BadProof | None:
    """Why a time in whole seconds is not one of now."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII):
        return BadProof(f"{where}: not a time in seconds")
    apart = abs(now.timestamp() - int(timestamp))
    if apart > WINDOW.total_seconds():
        return BadProof(f"{where}: {apart:.0f} s from now; at most {WINDOW.total_seconds():.0f} s are accepted")
    return None


SNS, GOOGLE, ENTRA = "sns", "gcp_oidc", "entra"
"""Schemes whose libraries are loaded only where a source is proven by one."""

SNS_SUBSCRIPTION = "SubscriptionConfirmation"
NO_SECRET = "there is no live secret to check it with"  # noqa: S105  # says that there is none
WRONG = "the signature is not one of ours"
