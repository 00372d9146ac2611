"""A secret that is sent along. It says nothing about the body, so it needs TLS and a source of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from agents.incident.errors import BadProof
from bot.receiver.proofs.proof import NO_SECRET, Verify, any_same_text, header, live, unbase64

URL_TOKEN = ":token"  # noqa: S105  # a name
"""Where the receiver puts the token of a URL: no header of HTTP can be called that."""


def in_header(name: str) -> Verify:
    """The secret is the header's value."""

    def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
        del body, now
        value = header(headers, name)
        return value if isinstance(value, BadProof) else _same(secrets, value, name)

    return verify


def _authorization(scheme: str, headers: Mapping[str, str]) -> str | BadProof:
    value = header(headers, "Authorization")
    if isinstance(value, BadProof):
        return value
    said, _, rest = value.partition(" ")
    if said.lower() != scheme.lower() or not rest.strip():
        return BadProof(f"Authorization: {scheme} is needed")
    return rest.strip()


def bearer(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """``Authorization: Bearer secret``."""
    del body, now
    value = _authorization("Bearer", headers)
    return value if isinstance(value, BadProof) else _same(secrets, value, "Authorization")


def basic(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """``Authorization: Basic base64``; a secret is ``user:password``."""
    del body, now
    value = _authorization("Basic", headers)
    if isinstance(value, BadProof):
        return value
    decoded = unbase64(value)
    if decoded is None:
        return BadProof("Authorization: not base64")
    try:
        return _same(secrets, decoded.decode(), "Authorization")
    except UnicodeDecodeError:
        return BadProof("Authorization: not text in UTF-8")


def url(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """The last resort: the secret is in the URL, and so in every proxy's log."""
    del body, now
    value = headers.get(URL_TOKEN, "")
    return _same(secrets, value, "the URL") if value else BadProof("no token in the URL")


def statuscake_token(secret: str) -> str:
    """What StatusCake sends of user name and API key, joined."""
    return hashlib.md5(secret.encode(), usedforsecurity=False).hexdigest()


def statuscake(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
    """The form's field ``Token`` is md5 over user name and API key; a secret is the two joined. Weak."""
    del headers, now
    try:
        tokens = parse_qs(body.decode(), max_num_fields=100).get("Token", [])
    except ValueError:
        return BadProof("the body is not a form")
    if len(tokens) != 1:
        return BadProof("no Token in the form")
    wanted = [statuscake_token(s) for s in live(secrets)]
    return _same(wanted, tokens[0].lower(), "Token")


def _same(secrets: Sequence[str], given: str, where: str) -> BadProof | None:
    usable = live(secrets)
    if not usable:
        return BadProof(NO_SECRET)
    return None if any_same_text(usable, given) else BadProof(f"{where}: not one of ours")


gitlab_token = in_header("X-Gitlab-Token")
telegram = in_header("X-Telegram-Bot-Api-Secret-Token")
