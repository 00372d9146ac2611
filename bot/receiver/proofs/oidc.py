"""Tokens of identity in ``Authorization: Bearer``: Google's for Pub/Sub push, Entra's for Azure's secure webhook.

A token says who calls, not what is sent, and is accepted until it expires, an hour or so after its making. Whoever
has caught one may send any body with it until then, so it needs TLS. That a delivery comes again is known by its
id alone, as long as ids are remembered: Pub/Sub's ``message.messageId``, which a retry keeps. Azure sends none;
there the rules of an episode make a repeat harmless.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from jwt import PyJWS
from jwt.exceptions import InvalidTokenError

from agents.incident.errors import BadInput, BadProof
from bot.receiver.proofs.keys import Keys
from bot.receiver.proofs.proof import ENTRA, GOOGLE, WRONG, Scheme, Verify, header

GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
LEEWAY = timedelta(seconds=60)
"""How far the issuer's clock and ours may be apart."""
MOST_CHARACTERS = 8192

_RS256 = PyJWS(algorithms=["RS256"])
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TENANT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)

Claims = Mapping[str, object]
Wrong = Callable[[Claims], str]
"""What a token says → what is wrong with it for this source; empty when nothing is."""


def google(*, audience: str, email: str, keys: Keys) -> Scheme:
    """Pub/Sub push: a token for *audience* of the service account *email*. *keys* are those at ``GOOGLE_KEYS``.

    cloud.google.com/pubsub/docs/authenticate-push-subscriptions
    """
    _named(audience=audience, email=email)

    def wrong(said: Claims) -> str:
        if said.get("iss") not in GOOGLE_ISSUERS:
            return "iss: not Google"
        if said.get("aud") != audience:
            return "aud: for another audience"
        if said.get("email") != email or said.get("email_verified") is not True:
            return "email: not the service account of this source, or not verified"
        return ""

    return Scheme(name=GOOGLE, title="Google Pub/Sub push, OIDC token", verify=_verify(keys, wrong))


def entra_keys(tenant: str) -> str:
    """Where the tenant's keys are; BadInput when *tenant* is not the id of one."""
    return f"https://login.microsoftonline.com/{_tenant(tenant)}/discovery/v2.0/keys"


def entra(*, tenant: str, audience: str, caller: str = "", keys: Keys) -> Scheme:
    """Azure's secure webhook: a token of *tenant* for *audience*. *keys* are those at ``entra_keys(tenant)``.

    Without *caller*, the id of the application that calls, every application of the tenant may call.
    Tokens of version 1 (issuer sts.windows.net, ``appid``) and of version 2 (``azp``) are taken.
    learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
    _named(audience=audience)
    callers = {
        f"https://sts.windows.net/{_tenant(tenant)}/": "appid",
        f"https://login.microsoftonline.com/{tenant}/v2.0": "azp",
    }

    def wrong(said: Claims) -> str:
        issuer = said.get("iss")
        if not isinstance(issuer, str) or issuer not in callers:
            return "iss: not the tenant of this source"
        if said.get("aud") != audience:
            return "aud: for another audience"
        if caller and said.get(callers[issuer]) != caller:
            return f"{callers[issuer]}: not the application that may call this source"
        return ""

    return Scheme(name=ENTRA, title="Azure secure webhook, Entra token", verify=_verify(keys, wrong))


def _named(**given: str) -> None:
    for name, value in given.items():
        if not value.strip():
            raise BadInput(f"a source proven by tokens needs its {name}: without it anybody's token would do")


def _tenant(tenant: str) -> str:
    if not _TENANT.fullmatch(tenant):
        raise BadInput(f"{tenant[:60]!r} is not the id of a tenant: 36 characters, lower case, not its name")
    return tenant


def _verify(keys: Keys, wrong: Wrong) -> Verify:
    def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
        del body, secrets  # a token signs neither
        value = header(headers, "Authorization")
        if isinstance(value, BadProof):
            return value
        said, _, token = value.partition(" ")
        token = token.strip()
        if said.lower() != "bearer" or len(token) > MOST_CHARACTERS or not _TOKEN.fullmatch(token):
            return BadProof("Authorization: Bearer with a signed token is needed")
        try:
            claims = _claims(token, keys, now)
            _timely(claims, now)
        except BadProof as error:
            return error
        met = wrong(claims)
        return BadProof(met) if met else None

    return verify


def _claims(token: str, keys: Keys, now: datetime) -> Claims:
    """What a token says whose signature holds. The algorithm is ours to name, never the token's."""
    try:
        head = _RS256.get_unverified_header(token)
    except InvalidTokenError:
        raise BadProof("Authorization: not a JSON Web Token") from None
    kid = head.get("kid")
    if head.get("alg") != "RS256" or not isinstance(kid, str):
        raise BadProof("Authorization: a token signed with RS256 by a named key is needed")
    key = keys(kid, now)
    if key is None:
        raise BadProof("kid: not a key of the issuer's")
    try:
        said = json.loads(_RS256.decode(token, key, algorithms=["RS256"]))
    except InvalidTokenError:
        raise BadProof(WRONG) from None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise BadProof("Authorization: the token says nothing that can be read")
    return said


def _timely(said: Claims, now: datetime) -> None:
    def seconds(name: str) -> int:
        value = said.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadProof(f"{name}: missing, or not a time in seconds")
        return value

    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    if seconds("exp") <= at - leeway:
        raise BadProof("exp: the token has expired")
    for name in ("iat", "nbf") if "nbf" in said else ("iat",):
        if seconds(name) > at + leeway:
            raise BadProof(f"{name}: the token is not good yet")
