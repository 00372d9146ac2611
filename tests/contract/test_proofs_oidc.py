"""Google's and Entra's tokens: good, expired, foreign, of another audience, forged; and how keys are read."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from agents.incident.errors import BadInput, BadProof, Refused, Transient
from bot.receiver import proofs
from bot.receiver.proofs import keys, oidc
from bot.receiver.proofs.keys import KeySet
from bot.receiver.systems import gcp_monitoring

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
BODY = b'{"message":{"messageId":"42"}}'
TENANT, OTHER_TENANT = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
CALLER = "461e8683-5575-4561-ac7f-899cc907d62a"
AUDIENCE = "https://bot.example/v1/webhooks/gcp"
EMAIL = "push@project.iam.gserviceaccount.com"
OLD, NEW, FOREIGN = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))


def entry(kid: str, key: Any, **more) -> dict[str, object]:
    made: dict[str, object] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return made | {"kid": kid, "use": "sig"} | more


def published(**held) -> bytes:
    return json.dumps({"keys": [entry(kid, key) for kid, key in held.items()]}).encode()


JWKS = published(old=OLD, new=NEW)


class Issuer:
    """A JWKS by address; whatever is asked for is kept."""

    def __init__(self, served: bytes | Exception = JWKS) -> None:
        self.served = served
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.served, Exception):
            raise self.served
        return self.served


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def timely(now: datetime) -> dict[str, object]:
    return {"iat": seconds(now), "exp": seconds(now + timedelta(hours=1))}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scheme that asks an issuer, and what that issuer says of the caller that is meant."""

    name: str
    make: Callable[[keys.Keys], proofs.Scheme]
    says: Mapping[str, object]
    wrong: Mapping[str, tuple[object, ...]]


def google_scheme(held: keys.Keys) -> proofs.Scheme:
    return oidc.google(audience=AUDIENCE, email=EMAIL, keys=held)


def entra_scheme(held: keys.Keys) -> proofs.Scheme:
    return oidc.entra(tenant=TENANT, audience="api://bot", caller=CALLER, keys=held)


WRONG_AUDIENCE: tuple[object, ...] = (
    None,
    "",
    "https://elsewhere.example",
    AUDIENCE + "/",
    "api://bot2",
    [],
    [AUDIENCE, "api://bot"],
)
GOOGLE_SAYS = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": EMAIL, "email_verified": True}
GOOGLE_WRONG = {
    "iss": (None, "", "http://accounts.google.com", "https://accounts.google.com/", "evil.example", ["x"], {}),
    "aud": WRONG_AUDIENCE,
    "email": (None, "", "other@project.iam.gserviceaccount.com", EMAIL.upper(), [EMAIL]),
    "email_verified": (None, False, "true", 1),
}
V1 = {"iss": f"https://sts.windows.net/{TENANT}/", "aud": "api://bot", "appid": CALLER, "ver": "1.0"}
V2 = {
    "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "aud": "api://bot",
    "azp": CALLER,
    "ver": "2.0",
}
ENTRA_ISSUERS: tuple[object, ...] = (
    None,
    "",
    f"https://sts.windows.net/{OTHER_TENANT}/",
    f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0",
    "https://login.microsoftonline.com/common/v2.0",
    f"https://sts.windows.net/{TENANT}",
    [V1["iss"]],
    {},
)
CALLERS = (None, "", "00000000-0000-0000-0000-000000000000", [CALLER])
CASES = [
    Case(name="google", make=google_scheme, says=GOOGLE_SAYS, wrong=GOOGLE_WRONG),
    Case(
        name="google, short issuer",
        make=google_scheme,
        says=GOOGLE_SAYS | {"iss": "accounts.google.com"},
        wrong=GOOGLE_WRONG,
    ),
    Case(
        name="entra v1",
        make=entra_scheme,
        says=V1,
        wrong={"iss": ENTRA_ISSUERS, "aud": WRONG_AUDIENCE, "appid": CALLERS},
    ),
    Case(
        name="entra v2",
        make=entra_scheme,
        says=V2,
        wrong={"iss": ENTRA_ISSUERS, "aud": WRONG_AUDIENCE, "azp": CALLERS},
    ),
]
NO_TIME: tuple[object, ...] = (None, "1772625600", True, [], 1.5, float("inf"))
ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def claims(case: Case, **more) -> dict[str, object]:
    said = {**timely(NOW), **case.says, **more}
    return {name: value for name, value in said.items() if value is not None}


def token(said: object, key: Any = OLD, kid: str | None = "old", algorithm: str = "RS256", **head) -> str:
    named = {**({} if kid is None else {"kid": kid}), **head}
    return jwt.PyJWS().encode(json.dumps(said).encode(), key, algorithm=algorithm, headers=named)


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def ask(case: Case, text: str, *, issuer: Issuer | None = None, now=NOW, body=BODY):
    used = case.make(KeySet("https://issuer.example/keys", issuer or Issuer()))
    return used.verify({"authorization": f"Bearer {text}"}, body, (), now)


def refused(answer, about: str = "") -> None:
    assert isinstance(answer, BadProof)
    assert about in str(answer)
    assert "eyJ" not in str(answer)


@ALL
def test_good(case):
    assert ask(case, token(claims(case))) is None


@ALL
def test_the_proof_is_named_by_the_scheme_since_no_secret_is_shared(case):
    used = case.make(KeySet("https://issuer.example/keys", Issuer()))
    good = {"authorization": f"Bearer {token(claims(case))}"}
    bad = {"authorization": f"Bearer {token(claims(case), FOREIGN)}"}
    for secrets in ({}, {"left-over": "a-secret"}):
        assert proofs.prove(used, good, BODY, secrets, NOW) == used.name
        with pytest.raises(BadProof):
            proofs.prove(used, bad, BODY, secrets, NOW)
    assert used.name in proofs.SELF_PROVING


@ALL
def test_a_token_that_is_tampered_with_is_refused(case):
    head, said, signature = token(claims(case)).split(".")
    moved = part(claims(case, exp=seconds(NOW + timedelta(days=9))))
    refused(ask(case, f"{head}.{moved}.{signature}"), "signature")
    refused(ask(case, f"{head}.{said}.{signature[:-4]}AAAA"))
    refused(ask(case, f"{part({'alg': 'RS256', 'kid': 'new'})}.{said}.{signature}"), "signature")


@ALL
def test_a_foreign_key_under_a_known_name_is_refused(case):
    refused(ask(case, token(claims(case), FOREIGN)), "signature")


@ALL
def test_both_keys_are_good_while_they_change(case):
    for kid, key in (("old", OLD), ("new", NEW)):
        assert ask(case, token(claims(case), key, kid)) is None
    refused(ask(case, token(claims(case), OLD, "new")), "signature")
    refused(ask(case, token(claims(case)), issuer=Issuer(published(new=NEW))), "kid")


@ALL
def test_an_unknown_or_missing_key_id_is_refused(case):
    refused(ask(case, token(claims(case), OLD, "unknown")), "kid")
    issuer = Issuer()
    refused(ask(case, token(claims(case), OLD, None), issuer=issuer), "named key")
    for kid in (7, None, ["old"]):
        refused(ask(case, f"{part({'alg': 'RS256', 'kid': kid})}.{part(claims(case))}.AAAA", issuer=issuer))
    assert issuer.asked == []


@ALL
def test_no_algorithm_but_rs256_is_taken(case):
    said, issuer = claims(case), Issuer()
    for algorithm in ("RS384", "RS512", "PS256"):
        refused(ask(case, token(said, OLD, "old", algorithm), issuer=issuer), "RS256")
    elliptic = ec.generate_private_key(ec.SECP256R1())
    refused(ask(case, token(said, elliptic, "old", "ES256"), issuer=issuer), "RS256")
    for alg in ("none", "None", "", "rs256", None, 7):
        for signature in ("", "AAAA", token(said).split(".")[2]):
            refused(ask(case, f"{part({'alg': alg, 'kid': 'old'})}.{part(said)}.{signature}", issuer=issuer))
    assert issuer.asked == []


@ALL
def test_the_public_key_is_no_secret_for_hs256(case):
    public = OLD.public_key()
    shapes = [
        public.public_bytes(encoding, shape)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
        for shape in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1)
    ]
    for secret in (*shapes, shapes[0].strip(), JWKS):
        for alg in ("HS256", "RS256"):
            signed = f"{part({'alg': alg, 'kid': 'old', 'typ': 'JWT'})}.{part(claims(case))}"
            mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            refused(ask(case, f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"))


@ALL
def test_a_key_that_the_token_brings_along_is_not_used(case):
    brought: dict[str, Any] = {
        "jwk": entry("old", FOREIGN),
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/x",
    }
    issuer = Issuer()
    refused(ask(case, token(claims(case), FOREIGN, **brought), issuer=issuer), "signature")
    assert issuer.asked == ["https://issuer.example/keys"]


@ALL
def test_an_unknown_critical_extension_is_refused(case):
    refused(ask(case, token(claims(case), crit=["b64"], b64=True)))
    refused(ask(case, f"{part({'alg': 'RS256', 'kid': 'old', 'crit': ['x'], 'x': 1})}.{part(claims(case))}.AAAA"))


@ALL
def test_anybody_else_is_refused(case):
    for name, values in case.wrong.items():
        for value in values:
            about = "email" if name == "email_verified" else name
            refused(ask(case, token(claims(case, **{name: value}))), f"{about}: ")


@ALL
def test_an_expired_token_is_refused_and_so_is_one_of_the_future(case):
    for name, apart in (("exp", -61), ("exp", -60), ("iat", 61), ("nbf", 61), ("exp", -86_400)):
        moved = claims(case, **{name: seconds(NOW) + apart})
        refused(ask(case, token(moved)), f"{name}: ")


@ALL
def test_clocks_may_be_a_minute_apart(case):
    for name, apart in (("exp", -59), ("iat", 60), ("nbf", 60), ("nbf", -9999)):
        assert ask(case, token(claims(case, **{name: seconds(NOW) + apart}))) is None


@ALL
def test_a_time_that_is_missing_or_none_is_refused(case):
    for name in ("exp", "iat"):
        for value in NO_TIME:
            refused(ask(case, token(claims(case, **{name: value}))), f"{name}: ")
    for wrong in ("1772625600", True, float("nan")):
        refused(ask(case, token(claims(case, nbf=wrong))), "nbf: ")
    refused(ask(case, token({**claims(case), "nbf": None})), "nbf: ")


@ALL
def test_a_replayed_token_is_good_until_it_expires_whatever_the_body_and_then_no_more(case):
    text = token(claims(case))
    assert ask(case, text, now=NOW + timedelta(minutes=60)) is None
    assert ask(case, text, body=b"another body") is None
    refused(ask(case, text, now=NOW + timedelta(minutes=61)), "exp: ")


def test_a_replayed_delivery_of_pubsub_has_the_same_key():
    test_incident = {"version": "test", "incident": {}}
    data = base64.b64encode(json.dumps(test_incident).encode()).decode()
    body = json.dumps({"message": {"messageId": "42", "data": data}, "subscription": "s"}).encode()
    assert {gcp_monitoring.SYSTEM.read({}, body).delivery_key for _ in range(2)} == {"42"}


@ALL
def test_a_missing_or_malformed_header_is_refused(case):
    text, issuer = token(claims(case)), Issuer()
    used = case.make(KeySet("https://issuer.example/keys", issuer))
    refused(used.verify({}, BODY, (), NOW), "Authorization")
    for wrong in (
        "",
        " ",
        text,
        "Bearer",
        "Bearer ",
        f"Basic {text}",
        f"Bearer {text}.x",
        f"Bearer {text}=",
        f"Bearer {text} {text}",
        f"Bearer é{text}",
        "Bearer \udcff",
        "Bearer ..",
        "Bearer a.b.c",
        f"Bearer {'a' * 9000}.b.c",
        f"Bearer {part([])}.{part({})}.AAAA",
    ):
        refused(used.verify({"authorization": wrong}, BODY, (), NOW))
    assert issuer.asked == []
    assert used.verify({"authorization": f"bearer  {text} "}, BODY, (), NOW) is None


@ALL
def test_a_token_longer_than_any_issuers_is_refused(case):
    assert ask(case, token(claims(case, more="x" * 3000))) is None
    refused(ask(case, token(claims(case, more="x" * 9000))), "Authorization")


@ALL
def test_a_signed_token_that_says_nothing_readable_is_refused(case):
    for said in (b"[]", b"null", b"{", b"\xff", b"[" * 3000):
        text = jwt.PyJWS().encode(said, OLD, algorithm="RS256", headers={"kid": "old"})
        refused(ask(case, text))


@ALL
def test_an_issuer_that_is_down_is_not_a_bad_proof(case):
    for served in (Transient("down"), Refused("404"), b"", b"<html>", b"{}", b'{"keys": []}'):
        with pytest.raises(Transient, match="keys cannot be read"):
            ask(case, token(claims(case)), issuer=Issuer(served))


def test_without_a_named_caller_every_application_of_the_tenant_may_call():
    used = oidc.entra(tenant=TENANT, audience="api://bot", keys=KeySet("https://issuer.example/keys", Issuer()))
    said = timely(NOW) | {name: value for name, value in V2.items() if name != "azp"}
    assert used.verify({"authorization": f"Bearer {token(said)}"}, BODY, (), NOW) is None
    refused(used.verify({"authorization": f"Bearer {token(said | {'aud': 'api://other'})}"}, BODY, (), NOW), "aud")


def test_the_caller_of_one_version_is_not_taken_from_the_field_of_the_other():
    v1 = {name: value for name, value in V1.items() if name != "appid"} | {"azp": CALLER}
    v2 = {name: value for name, value in V2.items() if name != "azp"} | {"appid": CALLER}
    case = CASES[2]
    refused(ask(case, token(timely(NOW) | v1)), "appid")
    refused(ask(case, token(timely(NOW) | v2)), "azp")


@pytest.mark.parametrize("tenant", ["", "common", "organizations", "contoso.com", f"{TENANT}/../x", f"{TENANT}\n"])
def test_a_tenant_that_is_no_id_cannot_be(tenant):
    with pytest.raises(BadInput, match="tenant"):
        oidc.entra_keys(tenant)
    with pytest.raises(BadInput, match="tenant"):
        oidc.entra(tenant=tenant, audience="a", keys=KeySet("https://issuer.example/keys", Issuer()))


@pytest.mark.parametrize("blank", ["", " "])
def test_a_source_without_audience_or_email_cannot_be(blank):
    held = KeySet("https://issuer.example/keys", Issuer())
    for make in (
        lambda: oidc.google(audience=blank, email=EMAIL, keys=held),
        lambda: oidc.google(audience=AUDIENCE, email=blank, keys=held),
        lambda: oidc.entra(tenant=TENANT, audience=blank, keys=held),
    ):
        with pytest.raises(BadInput):
            make()


def test_keys_are_at_the_issuers_own_addresses():
    assert oidc.GOOGLE_KEYS == "https://www.googleapis.com/oauth2/v3/certs"
    assert oidc.entra_keys(TENANT) == f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"


def test_no_scheme_that_proves_itself_is_made_by_name_alone():
    for name in proofs.SELF_PROVING:
        with pytest.raises(BadInput, match="is made by"):
            proofs.scheme(name)


def numbers(key: rsa.RSAPublicKey | None) -> rsa.RSAPublicNumbers:
    assert key is not None
    return key.public_numbers()


def test_keys_are_read_once_and_known_ones_are_good_for_an_hour():
    issuer = Issuer()
    held = KeySet("https://issuer.example/keys", issuer)
    for minutes in (0, 1, 30, 60):
        assert numbers(held("old", NOW + timedelta(minutes=minutes))) == OLD.public_key().public_numbers()
        assert numbers(held("new", NOW + timedelta(minutes=minutes))) == NEW.public_key().public_numbers()
    assert len(issuer.asked) == 1
    issuer.served = published(new=NEW)
    assert held("old", NOW + timedelta(minutes=61)) is None
    assert len(issuer.asked) == 2


def test_an_unknown_key_is_looked_for_at_most_once_a_minute():
    issuer = Issuer(published(old=OLD))
    held = KeySet("https://issuer.example/keys", issuer)
    assert held("old", NOW) is not None
    issuer.served = JWKS
    for second in range(60):
        assert held(f"made-up-{second}", NOW + timedelta(seconds=second)) is None
    assert len(issuer.asked) == 1
    assert numbers(held("new", NOW + timedelta(seconds=60))) == NEW.public_key().public_numbers()
    assert len(issuer.asked) == 2


def test_a_failed_reading_is_not_repeated_within_the_minute_and_nothing_is_refused_for_it():
    issuer = Issuer(Transient("down"))
    held = KeySet("https://issuer.example/keys", issuer)
    for second in (0, 1, 59):
        with pytest.raises(Transient) as caught:
            held("old", NOW + timedelta(seconds=second))
        assert caught.value.retry_after == keys.PAUSE
    assert len(issuer.asked) == 1
    issuer.served = JWKS
    assert held("old", NOW + timedelta(seconds=60)) is not None
    assert held("unknown", NOW + timedelta(seconds=61)) is None


def test_known_keys_serve_for_a_day_while_the_issuer_does_not():
    issuer = Issuer()
    held = KeySet("https://issuer.example/keys", issuer)
    assert held("old", NOW) is not None
    issuer.served = Transient("down")
    assert held("old", NOW + timedelta(hours=24)) is not None
    with pytest.raises(Transient):
        held("unknown", NOW + timedelta(hours=24))
    with pytest.raises(Transient):
        held("old", NOW + timedelta(hours=24, seconds=1))


def test_keys_that_are_not_for_rs256_signatures_are_passed_over():
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # so it is passed over
    private = json.loads(RSAAlgorithm.to_jwk(FOREIGN)) | {"kid": "private"}
    listed = [
        entry("good", OLD, alg="RS256"),
        entry("encrypts", OLD, use="enc"),
        entry("other", OLD, alg="RS512"),
        entry("short", short),
        private,
        {"kid": "symmetric", "kty": "oct", "k": "c2VjcmV0"},
        {"kid": "half", "kty": "RSA", "n": "AQAB"},
        {"kid": "garbage", "kty": "RSA", "n": "é", "e": "AQAB"},
        {"kid": "numbers", "kty": "RSA", "n": 7, "e": 7},
        {"kid": "nought", "kty": "RSA", "n": "", "e": ""},
        {"kid": 7, **{k: v for k, v in entry("", OLD).items() if k != "kid"}},
        "text",
        None,
    ]
    assert set(keys.read(json.dumps({"keys": listed}).encode())) == {"good"}


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b'{"keys": {}}', b'{"keys": [1]}', b"[" * 100_000])
def test_what_is_no_jwks_is_refused(body):
    with pytest.raises(BadInput, match="JWKS"):
        keys.read(body)


def test_a_thread_that_needs_a_key_while_it_is_being_read_waits_for_it():
    asked, found = [], []

    def look() -> None:
        found.append(held("old", NOW))

    second = threading.Thread(target=look)

    def fetch(url: str) -> bytes:
        asked.append(url)
        second.start()
        second.join(timeout=0.05)
        return JWKS

    held = KeySet("https://issuer.example/keys", fetch)
    look()
    second.join()
    assert [numbers(key) for key in found] == [OLD.public_key().public_numbers()] * 2
    assert len(asked) == 1
