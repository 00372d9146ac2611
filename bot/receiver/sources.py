"""A configured source made ready: which system it is, how it proves itself, with which secrets, how it is read."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from agents.incident.errors import BadInput, Transient
from bot.receiver import proofs, systems
from bot.receiver.packed import ENCODING, unpacked
from bot.receiver.proofs import Scheme, tokens
from bot.receiver.systems import generic
from bot.receiver.systems.reading import Reading, System

if TYPE_CHECKING:
    from bot.configuration import Source
    from bot.receiver.proofs import keys, sns_certificates

OTLP = "otlp"
"""The one system that sends no deliveries but spans; they have a door of their own, /v1/traces."""

CHATS = ("slack", "telegram")
HEADER_PROOFS = frozenset({"bearer", "basic", "header", "url", "gitlab_token"})
"""Proofs that say nothing about the body, and are checked before any of it is read."""

WEAK = frozenset({"url", "statuscake"})
UNSIGNED = "allow_unsigned"
TAKES: Mapping[str, Collection[str]] = {
    "sns": ("topics",),
    "gcp_oidc": ("audience", "email"),
    "entra": ("issuer", "audience", "caller"),
}
"""What a row says for one proof alone. ``issuer`` is the id of Entra's tenant."""

_TRACES = ("bearer", "basic", "header")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One configured source. ``secrets`` are the live ones by the names that logs may say."""

    name: str
    row: "Source"
    scheme: Scheme
    system: System | None = None
    rules: generic.Rules | None = None
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def unsigned(self) -> bool:
        """Whether anybody may send: said in its row, and there is no secret."""
        return self.row.allow_unsigned and not self.secrets and self.scheme.name not in proofs.SELF_PROVING

    @property
    def proven_first(self) -> bool:
        """Whether its proof needs no body."""
        return self.scheme.name in HEADER_PROOFS

    def prove(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        """The name of the secret that proves a delivery; BadProof when none does.

        Raises:
            Transient: the proof needs a key of the vendor's, which cannot be had now.
        """
        if self.unsigned:
            return UNSIGNED
        return proofs.prove(self.scheme, headers, body, self.secrets, now)

    def to_keep(self, body: bytes) -> bytes:
        """*body* without the secret that proves it, where that stands in it."""
        for secret in self.secrets.values():
            match self.scheme.name:
                case "routing_key":
                    body = body.replace(secret.encode(), b"not-kept")
                case "statuscake":
                    body = body.replace(tokens.statuscake_token(secret).encode(), b"not-kept")
        return body

    def read(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """What a delivery says. BadInput when it is not what this source claims to send."""
        if self.system is None:
            raise BadInput(f"{self.name}: spans are taken by /v1/traces")
        body = unpacked(body, headers.get(ENCODING, ""))
        if self.rules is not None:
            return generic.read_with(self.name, self.rules, headers, body)
        return systems.read(self.system.name, headers, body)


def ready(
    rows: Mapping[str, "Source"],
    secrets: Mapping[str, Mapping[str, str]],
    mappings: Mapping[str, generic.Rules],
    *,
    fetching: bool = True,
) -> Mapping[str, Sender]:
    """Every source by its name; the rows have been checked. *fetching* as for ``scheme_of``."""
    return {
        name: Sender(
            name=name,
            row=row,
            scheme=scheme_of(row, fetching=fetching),
            system=systems.systems().get(row.system),
            rules=mappings[row.mapping] if row.mapping else None,
            secrets={k: v for k, v in secrets.get(name, {}).items() if v},
        )
        for name, row in rows.items()
    }


def proof_of(row: "Source") -> str:
    """The proof a row names, or its system's own."""
    system = systems.systems().get(row.system)
    return row.proof or (system.proof if system is not None else "bearer")


def scheme_of(row: "Source", *, fetching: bool = False) -> Scheme:
    """How deliveries of a source prove themselves. BadInput says what its row lacks or has too much.

    Args:
        fetching: Whether keys of vendors may be fetched; else such a proof fails for want of them.
    """
    used = proof_of(row)
    for name in sorted({n for names in TAKES.values() for n in names} - set(TAKES.get(used, ()))):
        if getattr(row, name):
            raise BadInput(f"{name} says nothing to proof {used[:60]!r}; take it out, or name the proof it is for")
    if used not in proofs.SELF_PROVING:
        return proofs.scheme(used, header=row.header, timestamp_header=row.timestamp_header)
    if row.header or row.timestamp_header:
        raise BadInput(f"proof {used} takes no name of a header")
    match used:
        case "sns":
            from bot.receiver.proofs import sns

            return sns.scheme(topics=row.topics, fetch=certificates() if fetching else _unfetched)
        case "gcp_oidc":
            from bot.receiver.proofs import oidc

            return oidc.google(
                audience=row.audience, email=row.email, keys=_keys(oidc.GOOGLE_KEYS) if fetching else _no_keys
            )
        case _:
            from bot.receiver.proofs import oidc

            at = oidc.entra_keys(row.issuer)
            return oidc.entra(
                tenant=row.issuer,
                audience=row.audience,
                caller=row.caller,
                keys=_keys(at) if fetching else _no_keys,
            )


def check(name: str, row: "Source", mappings: Collection[str]) -> None:
    """Raise BadInput, naming the source, when its row does not hold together."""
    known = (systems.systems().keys() - set(CHATS)) | {OTLP}
    where = f"sources.yaml: {name}"
    if row.system in CHATS:
        raise BadInput(
            f"{where}: system {row.system} is a chat, no source: FIRSTRESPONDER_{row.system.upper()}__ sets it up"
        )
    if row.system not in known:
        raise BadInput(f"{where}: unknown system {row.system[:60]!r}; {_near(row.system, known)}")
    if row.mapping and row.system != "generic":
        raise BadInput(f"{where}: a mapping is for system generic; {row.system} is read as it is")
    if row.mapping and row.mapping not in mappings:
        raise BadInput(
            f"{where}: mapping {row.mapping[:60]!r} is not in mappings.yaml; {_near(row.mapping, mappings)}"
        )
    used = proof_of(row)
    if used in CHATS:
        raise BadInput(f"{where}: proof {used} is that of the chat, whose deliveries come in elsewhere")
    if row.system == OTLP and used not in _TRACES:
        raise BadInput(f"{where}: spans are proven by {', '.join(_TRACES)}, not by {used[:60]!r}")
    try:
        scheme_of(row)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def weakness(sender: Sender) -> str:
    """What is weak or missing about how a source proves itself; "" when nothing is."""
    if sender.unsigned:
        return f"takes anything ({UNSIGNED})"
    if sender.scheme.name not in proofs.SELF_PROVING and not sender.secrets:
        return "has no token: refused"
    if sender.scheme.name in WEAK:
        return f"has a token, but proof {sender.scheme.name} is weak: others can read it on its way"
    return ""


@cache
def certificates() -> "sns_certificates.Certificates":
    """SNS's certificates, kept for all sources of this process."""
    from bot.receiver.proofs import sns_certificates

    return sns_certificates.Certificates()


@cache
def _keys(url: str) -> "keys.KeySet":
    from bot.receiver.proofs import keys

    return keys.KeySet(url)


def _no_keys(kid: str, now: datetime) -> None:
    del kid, now
    raise Transient("keys are not fetched here")


def _unfetched(url: str) -> bytes:
    del url
    raise Transient("certificates are not fetched here")


def _near(name: str, known: Collection[str]) -> str:
    low = name.lower().replace("-", "_")
    close = [k for k in sorted(known) if low and (low in k.lower() or k.lower() in low)]
    close += [k for k in difflib.get_close_matches(low, sorted(known), n=3, cutoff=0.5) if k not in close]
    if close:
        return f"nearest: {', '.join(close[:5])}"
    return f"known: {', '.join(sorted(known))}" if known else "there are none"
