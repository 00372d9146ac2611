"""Signatures over the body alone: one HMAC in one header, written in one of a few ways. No time is signed."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import NO_SECRET, WRONG, Verify, any_same, header, live, mac, unhex

SIZES = {"sha1": 20, "sha256": 32}
MOST_SIGNATURES = 16


def hexadecimal(value: str) -> Sequence[str]:
    """``hex``."""
    return (value,)


def prefixed(prefix: str) -> Callable[[str], Sequence[str]]:
    """``sha256=hex``."""
    return lambda value: (value.removeprefix(prefix),) if value.startswith(prefix) else ()


def versions(version: str) -> Callable[[str], Sequence[str]]:
    """``v1=hex,v1=hex``: several while a secret is being changed; other versions are passed over."""

    def split(value: str) -> Sequence[str]:
        parts = [p.strip() for p in value.split(",", MOST_SIGNATURES)][:MOST_SIGNATURES]
        return [p.removeprefix(version) for p in parts if p.startswith(version)]

    return split


def body(name: str, written: Callable[[str], Sequence[str]] = hexadecimal, algorithm: str = "sha256") -> Verify:
    """HMAC over the body as received, in header *name*."""

    def verify(headers: Mapping[str, str], sent: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
        del now  # nothing that is signed says when
        value = header(headers, name)
        if isinstance(value, BadProof):
            return value
        usable = live(secrets)
        if not usable:
            return BadProof(NO_SECRET)
        given = [found for text in written(value) if (found := unhex(text, SIZES[algorithm])) is not None]
        if not given:
            return BadProof(f"{name}: not written as this sender writes it")
        return None if any_same([mac(s, sent, algorithm) for s in usable], given) else BadProof(WRONG)

    return verify


pagerduty_v3 = body("X-PagerDuty-Signature", versions("v1="))
grafana = body("X-Grafana-Alerting-Signature")
github = body("X-Hub-Signature-256", prefixed("sha256="))
sentry = body("Sentry-Hook-Signature")
firehydrant = body("fh-signature")
vercel = body("x-vercel-signature", algorithm="sha1")
flux = body("X-Signature", prefixed("sha256="))
launchdarkly = body("X-LD-Signature")
circleci = body("circleci-signature", versions("v1="))


def is_header_name(name: str) -> bool:
    """Whether *name* can be a header's."""
    return re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name, re.ASCII) is not None
