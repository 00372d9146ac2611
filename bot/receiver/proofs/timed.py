"""Signatures that cover the sender's time: an old delivery is refused by itself, ±5 minutes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import (
    NO_SECRET,
    WRONG,
    Verify,
    any_same,
    header,
    live,
    mac,
    raw,
    stale,
    unbase64,
    unhex,
)
from bot.receiver.proofs.signatures import MOST_SIGNATURES


def slack(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """``v0=hex`` over ``v0:{timestamp}:{body}``. docs.slack.dev/authentication/verifying-requests-from-slack"""
    at = header(headers, "X-Slack-Request-Timestamp")
    value = header(headers, "X-Slack-Signature")
    if isinstance(at, BadProof):
        return at
    if isinstance(value, BadProof):
        return value
    given = unhex(value.removeprefix("v0=")) if value.startswith("v0=") else None
    return _decide("X-Slack-Request-Timestamp", at, now, secrets, b"v0:" + raw(at) + b":" + body, given)


def grafana_timed(timestamp_header: str, signature_header: str = "X-Grafana-Alerting-Signature") -> Verify:
    """Hex over ``{timestamp}:{body}``, once a timestamp header is configured there."""

    def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
        at, value = header(headers, timestamp_header), header(headers, signature_header)
        if isinstance(at, BadProof):
            return at
        if isinstance(value, BadProof):
            return value
        return _decide(timestamp_header, at, now, secrets, raw(at) + b":" + body, unhex(value))

    return verify


def rootly(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """``t=…,v1=hex`` over timestamp and body with nothing between them."""
    value = header(headers, "X-Rootly-Signature")
    if isinstance(value, BadProof):
        return value
    parts = [part.strip().partition("=") for part in value.split(",", MOST_SIGNATURES)]
    times = [text for key, _, text in parts if key == "t"]
    signatures = [text for key, _, text in parts if key == "v1"]
    if len(times) != 1 or len(signatures) != 1:
        return BadProof("X-Rootly-Signature: not written as t=…,v1=…")
    return _decide("X-Rootly-Signature", times[0], now, secrets, raw(times[0]) + body, unhex(signatures[0]))


def standard_webhooks(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> BadProof | None:
    """``v1,base64`` over ``{id}.{timestamp}.{body}``; the secret is base64 behind ``whsec_``."""
    found = [header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature")]
    missing = next((value for value in found if isinstance(value, BadProof)), None)
    if missing is not None:
        return missing
    delivery, at, value = (str(text) for text in found)
    refused = stale(at, now, "webhook-timestamp")
    if refused is not None:
        return refused
    keys = [unbase64(secret.removeprefix("whsec_")) for secret in live(secrets)]
    usable = [key for key in keys if key]
    if not usable:
        return BadProof(NO_SECRET if not keys else "the configured secret is not base64 behind whsec_")
    # Several, separated by blanks, while a secret is being changed; v1a and later are other algorithms.
    signatures = [part.removeprefix("v1,") for part in value.split()[:MOST_SIGNATURES] if part.startswith("v1,")]
    given = [sign for text in signatures if (sign := unbase64(text)) is not None and len(sign) == 32]
    if not given:
        return BadProof("webhook-signature: not written as v1,base64")
    message = raw(delivery) + b"." + raw(at) + b"." + body
    return None if any_same([mac(key, message) for key in usable], given) else BadProof(WRONG)


def _decide(
    where: str, at: str, now: datetime, secrets: Sequence[str], message: bytes, given: bytes | None
) -> BadProof | None:
    refused = stale(at, now, where)
    if refused is not None:
        return refused
    usable = live(secrets)
    if not usable:
        return BadProof(NO_SECRET)
    if given is None:
        return BadProof("the signature is not written as this sender writes it")
    return None if any_same([mac(s, message) for s in usable], [given]) else BadProof(WRONG)
