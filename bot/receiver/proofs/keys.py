"""The public keys that an issuer of tokens publishes (JWKS), read when needed and kept for a while."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from agents.incident.errors import BadInput, Refused, Transient
from bot.receiver.proofs.fetch import Fetcher

Keys = Callable[[str, datetime], RSAPublicKey | None]
"""A key's id, now → the issuer's key; None where it has none; Transient where it cannot be asked."""

MOST_BYTES = 256 * 1024
LEAST_BITS = 2048
PAUSE = timedelta(minutes=1)
"""Between two readings at least, however many unknown ids are named and whether or not the issuer served."""
FRESH = timedelta(hours=1)
"""After this the keys are read again, so that a withdrawn one goes."""
OLDEST = timedelta(hours=24)
"""How long keys are still good while the issuer does not serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    at: datetime
    keys: Mapping[str, RSAPublicKey] = field(default_factory=dict)

    def within(self, now: datetime, limit: timedelta) -> bool:
        return now - self.at <= limit


_NEVER = _Held(at=datetime.min.replace(tzinfo=UTC))


class KeySet:
    """The keys at *url*, a fixed address of the issuer's. May be shared by threads; one reads at a time."""

    def __init__(self, url: str, fetch: Callable[[str], bytes] | None = None) -> None:
        self._url = url
        self._fetch = fetch or Fetcher(most_bytes=MOST_BYTES)
        self._lock = Lock()
        self._held = _NEVER
        self._asked_at: datetime | None = None
        self._failed: Transient | None = None

    def __call__(self, kid: str, now: datetime) -> RSAPublicKey | None:
        """The key called *kid*, None when the issuer has none; Transient when that cannot be known now."""
        held = self._held
        if kid in held.keys and held.within(now, FRESH):
            return held.keys[kid]
        with self._lock:
            known = kid in self._held.keys and self._held.within(now, FRESH)
            if not known and (self._asked_at is None or abs(now - self._asked_at) >= PAUSE):
                self._ask(now)
            if kid in self._held.keys and self._held.within(now, OLDEST):
                return self._held.keys[kid]
            if self._failed is not None:
                raise Transient(str(self._failed), retry_after=PAUSE) from self._failed
            return None

    def _ask(self, now: datetime) -> None:
        self._asked_at = now
        try:
            self._held = _Held(at=now, keys=read(self._fetch(self._url)))
            self._failed = None
        except (Transient, Refused, BadInput) as error:
            # The address is ours, not the sender's: whatever is wrong with it is no fault of this delivery.
            self._failed = Transient(f"the issuer's keys cannot be read: {error}")


def read(body: bytes) -> Mapping[str, RSAPublicKey]:
    """The RSA keys for signatures in a JWKS, by id; others are passed over. BadInput when there are none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("a JWKS is needed, and this is not JSON") from error
    listed = found.get("keys") if isinstance(found, dict) else None
    keys = {}
    for entry in listed if isinstance(listed, list) else ():
        key = _key(entry)
        if key is not None:
            keys[str(entry["kid"])] = key
    if not keys:
        raise BadInput(f"a JWKS is needed, and there is no RSA key of {LEAST_BITS} bits or more with an id in it")
    return keys


def _key(entry: object) -> RSAPublicKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAAlgorithm.from_jwk(entry)
    except (InvalidKeyError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_BITS else None
