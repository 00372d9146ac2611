"""Every signature scheme: good, tampered body, wrong secret, old, replayed, rotated secret, missing header."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from agents.incident.errors import BadInput, BadProof
from bot.receiver import proofs
from bot.receiver.proofs import challenges

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
BODY = b'{"state":"firing",\r\n "title":"Zu sp\xc3\xa4t"}'
FIRST, SECOND, FOREIGN = "first-secret-of-ours", "second-secret-of-ours", "somebody-elses-secret"


def digest(secret, message, algorithm="sha256"):
    return hmac.new(secret if isinstance(secret, bytes) else secret.encode(), message, algorithm)


def hexed(name: str, prefix: str = "", algorithm: str = "sha256"):
    return lambda secret, body, at: {name: prefix + digest(secret, body, algorithm).hexdigest()}


def grafana_timed(secret, body, at):
    seconds = str(int(at.timestamp()))
    signed = digest(secret, seconds.encode() + b":" + body).hexdigest()
    return {"x-sent-at": seconds, "x-grafana-alerting-signature": signed}


def slack(secret, body, at):
    seconds = str(int(at.timestamp()))
    signed = digest(secret, b"v0:" + seconds.encode() + b":" + body).hexdigest()
    return {"x-slack-request-timestamp": seconds, "x-slack-signature": f"v0={signed}"}


def rootly(secret, body, at):
    seconds = str(int(at.timestamp()))
    return {"x-rootly-signature": f"t={seconds},v1={digest(secret, seconds.encode() + body).hexdigest()}"}


def whsec(secret: str) -> str:
    return "whsec_" + base64.b64encode(secret.encode()).decode()


def standard(secret, body, at):
    seconds = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = base64.b64encode(digest(key, b"msg_1." + seconds.encode() + b"." + body).digest()).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": seconds, "webhook-signature": f"v1,{signed}"}


def netlify(secret, body, at, **claims):
    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    said = {"iss": "netlify", "sha256": hashlib.sha256(body).hexdigest()} | claims
    head = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(said)}"
    signed = base64.urlsafe_b64encode(digest(secret, head.encode()).digest()).decode().rstrip("=")
    return {"x-webhook-signature": f"{head}.{signed}"}


def token(name: str, prefix: str = ""):
    return lambda secret, body, at: {name: prefix + secret}


def basic(secret, body, at):
    return {"authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a sender of this scheme signs."""

    scheme: proofs.Scheme
    sign: Callable[[str, bytes, datetime], Mapping[str, str]]
    signs_body: bool = True
    shape: Callable[[str], str] = field(default=str)


CASES = [
    Case(scheme=proofs.SCHEMES["pagerduty_v3"], sign=hexed("x-pagerduty-signature", "v1=")),
    Case(scheme=proofs.SCHEMES["grafana"], sign=hexed("x-grafana-alerting-signature")),
    Case(scheme=proofs.scheme("grafana", header="X-Mine"), sign=hexed("x-mine")),
    Case(scheme=proofs.scheme("grafana_timed", timestamp_header="X-Sent-At"), sign=grafana_timed),
    Case(scheme=proofs.SCHEMES["github"], sign=hexed("x-hub-signature-256", "sha256=")),
    Case(scheme=proofs.SCHEMES["gitlab_token"], sign=token("x-gitlab-token"), signs_body=False),
    Case(scheme=proofs.SCHEMES["gitlab_signed"], sign=standard, shape=whsec),
    Case(scheme=proofs.SCHEMES["sentry"], sign=hexed("sentry-hook-signature")),
    Case(scheme=proofs.SCHEMES["rootly"], sign=rootly),
    Case(scheme=proofs.SCHEMES["firehydrant"], sign=hexed("fh-signature")),
    Case(scheme=proofs.SCHEMES["standard_webhooks"], sign=standard, shape=whsec),
    Case(scheme=proofs.SCHEMES["vercel"], sign=hexed("x-vercel-signature", "", "sha1")),
    Case(scheme=proofs.SCHEMES["netlify"], sign=netlify),
    Case(scheme=proofs.SCHEMES["flux"], sign=hexed("x-signature", "sha256=")),
    Case(scheme=proofs.SCHEMES["launchdarkly"], sign=hexed("x-ld-signature")),
    Case(scheme=proofs.SCHEMES["circleci"], sign=hexed("circleci-signature", "v1=")),
    Case(scheme=proofs.SCHEMES["slack"], sign=slack),
    Case(scheme=proofs.SCHEMES["telegram"], sign=token("x-telegram-bot-api-secret-token"), signs_body=False),
    Case(scheme=proofs.SCHEMES["bearer"], sign=token("authorization", "Bearer "), signs_body=False),
    Case(scheme=proofs.SCHEMES["basic"], sign=basic, signs_body=False, shape=lambda secret: f"monitor:{secret}"),
    Case(scheme=proofs.scheme("header", header="X-Api-Key"), sign=token("x-api-key"), signs_body=False),
    Case(scheme=proofs.SCHEMES["url"], sign=token(proofs.URL_TOKEN), signs_body=False),
]


def each(cases):
    return [pytest.param(case, id=f"{CASES.index(case)}-{case.scheme.name}") for case in cases]


ALL = each(CASES)
SIGNED = each(case for case in CASES if case.signs_body)
TIMED = each(case for case in CASES if case.scheme.timestamped)


def ask(case: Case, headers, body=BODY, secrets=(FIRST,), now=NOW):
    return case.scheme.verify(headers, body, [case.shape(s) if s else s for s in secrets], now)


def signed(case: Case, secret=FIRST, body=BODY, at=NOW):
    return dict(case.sign(case.shape(secret), body, at))


def refused(answer) -> None:
    assert isinstance(answer, BadProof)
    for secret in (FIRST, SECOND, FOREIGN):
        assert secret not in str(answer)


def test_every_scheme_is_tried_here():
    elsewhere = {"statuscake", "routing_key"}
    assert {case.scheme.name for case in CASES} | elsewhere >= set(proofs.SCHEMES) | set(proofs.CONFIGURED)


@pytest.mark.parametrize("case", ALL)
def test_good(case):
    assert ask(case, signed(case)) is None


@pytest.mark.parametrize("case", SIGNED)
def test_a_tampered_body_is_refused(case):
    headers = signed(case)
    for body in (BODY + b" ", BODY[:-1], BODY.replace(b"firing", b"Firing"), BODY.replace(b"\r\n", b"\n"), b""):
        refused(ask(case, headers, body))


@pytest.mark.parametrize("case", ALL)
def test_a_wrong_secret_is_refused(case):
    refused(ask(case, signed(case, FOREIGN)))


@pytest.mark.parametrize("case", ALL)
def test_without_a_live_secret_everything_is_refused(case):
    for secrets in ((), ("",)):
        refused(ask(case, signed(case), secrets=secrets))
    refused(ask(case, dict(case.sign(case.shape(""), BODY, NOW)), secrets=("",)))


@pytest.mark.parametrize("case", ALL)
def test_both_secrets_are_good_while_one_is_being_changed(case):
    for secret in (FIRST, SECOND):
        assert ask(case, signed(case, secret), secrets=(FIRST, SECOND)) is None
    refused(ask(case, signed(case, FIRST), secrets=(SECOND,)))
    refused(ask(case, signed(case, FOREIGN), secrets=(FIRST, SECOND)))


@pytest.mark.parametrize("case", ALL)
def test_a_missing_or_empty_header_is_refused(case):
    for name in signed(case):
        headers = signed(case)
        del headers[name]
        refused(ask(case, headers))
        refused(ask(case, headers | {name: " "}))


@pytest.mark.parametrize("case", ALL)
def test_a_malformed_header_is_a_wrong_one(case):
    for name, value in signed(case).items():
        for wrong in (
            value + "0",
            value[:-1],
            value[:-1] + ("0" if value[-1] != "0" else "1"),
            value + "\n",
            "é" + value,
            value.upper() + "Z",
            "\udcff",
            "=",
            ",",
            "v1=",
            "v1,",
            "sha256=",
            "t=,v1=",
            "Basic ",
            "." * 50,
            "9" * 400,
            "٣" * 64,
        ):
            if wrong.strip() != value:
                refused(ask(case, signed(case) | {name: wrong}))


@pytest.mark.parametrize("case", TIMED)
@pytest.mark.parametrize("minutes", [-5.1, 5.1, -60 * 24 * 365])
def test_an_old_or_future_time_is_refused(case, minutes):
    refused(ask(case, signed(case, at=NOW + timedelta(minutes=minutes))))


@pytest.mark.parametrize("case", TIMED)
@pytest.mark.parametrize("minutes", [-4.9, 0, 4.9])
def test_five_minutes_either_way_are_accepted(case, minutes):
    assert ask(case, signed(case, at=NOW + timedelta(minutes=minutes))) is None


@pytest.mark.parametrize("case", TIMED)
def test_a_replayed_delivery_is_refused_whether_its_time_is_kept_or_moved(case):
    old = signed(case)
    later = NOW + timedelta(minutes=6)
    refused(ask(case, old, now=later))
    before, after = str(int(NOW.timestamp())), str(int(later.timestamp()))
    refused(ask(case, {name: value.replace(before, after) for name, value in old.items()}, now=later))


@pytest.mark.parametrize("case", ALL)
def test_the_log_can_say_which_secret_it_was(case):
    secrets = {"old": case.shape(FIRST), "new": case.shape(SECOND)}
    assert proofs.prove(case.scheme, signed(case, SECOND), BODY, secrets, NOW) == "new"
    with pytest.raises(BadProof):
        proofs.prove(case.scheme, signed(case, FOREIGN), BODY, secrets, NOW)
    with pytest.raises(BadProof):
        proofs.prove(case.scheme, signed(case), BODY, {}, NOW)


@pytest.mark.parametrize("name", ["pagerduty_v3", "circleci"])
def test_one_good_signature_among_several_is_enough(name):
    case = next(c for c in CASES if c.scheme.name == name)
    ((header, good),) = signed(case).items()
    other = signed(case, FOREIGN)[header]
    assert ask(case, {header: f"{other},{good}"}) is None
    assert ask(case, {header: f"v2=00, {good}"}) is None
    refused(ask(case, {header: other}))
    refused(ask(case, {header: ",".join([other] * 1000 + [good])}))


def test_standard_webhooks_takes_one_good_signature_and_its_id_is_signed():
    case = next(c for c in CASES if c.scheme.name == "standard_webhooks")
    headers = signed(case)
    good, other = headers["webhook-signature"], signed(case, FOREIGN)["webhook-signature"]
    assert ask(case, headers | {"webhook-signature": f"v1a,AAAA {other} {good}"}) is None
    refused(ask(case, headers | {"webhook-id": "msg_2"}))
    refused(case.scheme.verify(headers, BODY, ["whsec_not base64"], NOW))


def test_rootly_signs_with_nothing_between_time_and_body():
    seconds = str(int(NOW.timestamp()))
    dotted = digest(FIRST, seconds.encode() + b"." + BODY).hexdigest()
    headers = {"x-rootly-signature": f"t={seconds},v1={dotted}"}
    refused(proofs.SCHEMES["rootly"].verify(headers, BODY, [FIRST], NOW))


def test_github_is_not_proven_by_the_older_header():
    headers = {"x-hub-signature": "sha1=" + digest(FIRST, BODY, "sha1").hexdigest()}
    refused(proofs.SCHEMES["github"].verify(headers, BODY, [FIRST], NOW))


def test_netlify_is_refused_for_another_issuer_or_algorithm():
    verify = proofs.SCHEMES["netlify"].verify
    refused(verify(netlify(FIRST, BODY, NOW, iss="other"), BODY, [FIRST], NOW))
    refused(verify(netlify(FIRST, BODY, NOW, sha256=None), BODY, [FIRST], NOW))
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    parts = netlify(FIRST, BODY, NOW)["x-webhook-signature"].split(".")
    refused(verify({"x-webhook-signature": f"{none}.{parts[1]}."}, BODY, [FIRST], NOW))
    refused(verify({"x-webhook-signature": f"{none}.{parts[1]}.{parts[2]}"}, BODY, [FIRST], NOW))


def test_statuscake_sends_its_token_in_the_form():
    verify = proofs.SCHEMES["statuscake"].verify
    sent = {"Name": "shop", "Token": hashlib.md5(FIRST.encode(), usedforsecurity=False).hexdigest()}
    assert verify({}, urlencode(sent).encode(), [SECOND, FIRST], NOW) is None
    refused(verify({}, urlencode(sent).encode(), [SECOND], NOW))
    refused(verify({}, urlencode(sent | {"Token": FIRST}).encode(), [FIRST], NOW))
    for body in (b"", b"\xff=\xff", b"Token=", urlencode([*sent.items(), *sent.items()]).encode()):
        refused(verify({}, body, [FIRST], NOW))


def test_netdata_is_answered_with_a_proof_that_we_hold_the_secret():
    expected = base64.b64encode(digest(FIRST, b"challenge").digest()).decode()
    assert challenges.netdata("challenge", FIRST) == {"response_token": f"sha256={expected}"}
    for token_, secret in (("", FIRST), ("x" * 2000, FIRST), ("challenge", "")):
        with pytest.raises(BadProof):
            challenges.netdata(token_, secret)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nonsense", {}),
        ("header", {}),
        ("grafana_timed", {}),
        ("github", {"header": "X-Mine"}),
        ("header", {"header": "X Mine"}),
        ("header", {"header": ":token"}),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(name, options):
    with pytest.raises(BadInput):
        proofs.scheme(name, **options)


def test_a_scheme_is_found_by_name():
    assert proofs.scheme("github") is proofs.SCHEMES["github"]
    assert proofs.scheme("grafana", timestamp_header="X-At").timestamped
