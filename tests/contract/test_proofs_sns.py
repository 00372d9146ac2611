"""AWS SNS's signature: good, tampered, foreign, old, replayed, rotated; and what is never fetched."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from agents.incident.errors import BadInput, BadProof, Refused, Transient
from bot.receiver import proofs
from bot.receiver.proofs import sns, sns_certificates
from bot.receiver.proofs.sns_certificates import Certificates, is_certificate_address, is_confirmation_address

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
OTHER_TOPIC = "arn:aws:sns:eu-west-1:210987654321:alarms"
HOST = "https://sns.eu-west-1.amazonaws.com"
OLD_ADDRESS, NEW_ADDRESS = f"{HOST}/SimpleNotificationService-0a.pem", f"{HOST}/SimpleNotificationService-0b.pem"
SUBSCRIBE = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
SUBSCRIPTION = f"{TOPIC}:c9135db0-26c4-47ec-8998-413945fb5a96"
ANSWER = (
    '<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult>'
    f"<SubscriptionArn>{SUBSCRIPTION}</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
).encode()

OLD_KEY, NEW_KEY, FOREIGN_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))

NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "ALARM: zu spät",
    "Message": '{"AlarmName":"late",\r\n "NewStateValue":"ALARM"}',
    "Timestamp": "2026-03-04T11:59:58.655Z",
}
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": SUBSCRIBE,
    "Timestamp": "2026-03-04T11:59:58.655Z",
}
UNSUBSCRIBED = CONFIRMATION | {"Type": "UnsubscribeConfirmation"}
ORDER = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
ORDER["UnsubscribeConfirmation"] = ORDER["SubscriptionConfirmation"]
DIGESTS = {"1": hashes.SHA1, "2": hashes.SHA256}


def pem(key, *, start=NOW - timedelta(days=30), end=NOW + timedelta(days=30), issuer=None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(start).not_valid_after(end)
    return made.sign(issuer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


OLD_PEM, NEW_PEM = pem(OLD_KEY), pem(NEW_KEY)


class Recorder:
    """Bytes by address; whatever is asked for is kept."""

    def __init__(self, served: Mapping[str, bytes | Exception]) -> None:
        self.served = served
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        found = self.served[url]
        if isinstance(found, Exception):
            raise found
        return found


def sign(fields, key=OLD_KEY, version="2", address=OLD_ADDRESS, **more) -> bytes:
    text = "".join(f"{name}\n{fields[name]}\n" for name in ORDER[fields["Type"]] if name in fields)
    signature = key.sign(text.encode(), padding.PKCS1v15(), DIGESTS[version]())
    signed = {
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": address,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe",
    }
    return json.dumps({**fields, **signed, **more}, ensure_ascii=False, indent=1).encode()


def headers(body: bytes) -> dict[str, str]:
    said = json.loads(body)
    return {
        "content-type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": said["Type"],
        "x-amz-sns-message-id": said["MessageId"],
    }


def certificates(**served) -> Recorder:
    return Recorder({OLD_ADDRESS: OLD_PEM, NEW_ADDRESS: NEW_PEM, **served})


def ask(body: bytes, given=None, *, fetch=None, topics=(TOPIC,), now=NOW):
    used = sns.scheme(topics=topics, fetch=fetch or certificates())
    return used.verify(headers(body) if given is None else given, body, (), now)


def refused(answer, about: str = "") -> None:
    assert isinstance(answer, BadProof)
    assert about in str(answer)
    assert "2336412f37" not in str(answer)


NO_TEXT: tuple[object, ...] = (None, "", 7, [], {}, True)
EACH = pytest.mark.parametrize("fields", [NOTIFICATION, CONFIRMATION, UNSUBSCRIBED], ids=lambda f: f["Type"])
VERSIONS = pytest.mark.parametrize("version", ["1", "2"])


@EACH
@VERSIONS
def test_good(fields, version):
    assert ask(sign(fields, version=version)) is None


@VERSIONS
def test_a_notification_without_a_subject_is_good(version):
    fields = {name: value for name, value in NOTIFICATION.items() if name != "Subject"}
    assert ask(sign(fields, version=version)) is None
    assert ask(sign(fields, version=version, Subject=None)) is None


def test_the_proof_is_named_by_the_scheme_since_no_secret_is_shared():
    used = sns.scheme(topics=[TOPIC], fetch=certificates())
    good, bad = sign(NOTIFICATION), sign(NOTIFICATION, FOREIGN_KEY)
    for secrets in ({}, {"left-over": "a-secret"}):
        assert proofs.prove(used, headers(good), good, secrets, NOW) == "sns"
        with pytest.raises(BadProof):
            proofs.prove(used, headers(bad), bad, secrets, NOW)


@EACH
@VERSIONS
def test_every_signed_field_that_is_tampered_with_is_refused(fields, version):
    for name in ORDER[fields["Type"]]:
        said = json.loads(sign(fields, version=version))
        said[name] = {
            "Timestamp": "2026-03-04T11:59:58.656Z",
            "TopicArn": f"{TOPIC}2",
            "Type": "SubscriptionConfirmation" if fields is UNSUBSCRIBED else "UnsubscribeConfirmation",
        }.get(name, said[name] + "x")
        said |= {"Token": "t", "SubscribeURL": SUBSCRIBE} if "Token" not in said and name == "Type" else {}
        body = json.dumps(said).encode()
        refused(ask(body, topics=[TOPIC, f"{TOPIC}2"]), "signature is not one of ours")


def test_a_subject_that_is_added_or_taken_away_is_refused():
    without = {name: value for name, value in NOTIFICATION.items() if name != "Subject"}
    refused(ask(sign(without, Subject="all is well")), "signature")
    refused(ask(sign(NOTIFICATION, Subject=None)), "signature")
    refused(ask(sign(without, Subject="")), "Subject")


@pytest.mark.parametrize("name", ["MessageId", "Subject", "Timestamp", "TopicArn", "SubscribeURL", "Token"])
def test_the_same_signed_bytes_cannot_be_read_as_another_message(name):
    fields = dict(NOTIFICATION if name in NOTIFICATION else CONFIRMATION)
    fields[name] += "\nmore"
    refused(ask(sign(fields)), name)


def test_a_message_that_is_split_at_another_place_is_refused():
    real = NOTIFICATION | {"Message": "harmless\nMessageId\nanother-id\nSubject\nDOWN"}
    shifted = real | {
        "Message": "harmless",
        "MessageId": "another-id",
        "Subject": f"DOWN\nMessageId\n{real['MessageId']}\nSubject\n{real['Subject']}",
    }
    said = json.loads(sign(real))
    assert ask(sign(real)) is None
    refused(ask(json.dumps(said | shifted).encode()), "more than one line")


def test_records_beside_the_signed_message_are_refused():
    refused(ask(sign(NOTIFICATION, Records=[{"Sns": NOTIFICATION}])), "records")


@VERSIONS
def test_a_foreign_key_is_refused(version):
    refused(ask(sign(NOTIFICATION, FOREIGN_KEY, version)), "signature")


def test_the_version_that_is_said_is_the_one_that_is_checked():
    for made, said in (("1", "2"), ("2", "1")):
        refused(ask(sign(NOTIFICATION, version=made, SignatureVersion=said)), "signature")
    for unknown in ("3", "", 2, None, "sha256"):
        refused(ask(sign(NOTIFICATION, SignatureVersion=unknown)))


def test_old_and_new_certificate_are_both_good_while_they_change():
    for key, address in ((OLD_KEY, OLD_ADDRESS), (NEW_KEY, NEW_ADDRESS)):
        assert ask(sign(NOTIFICATION, key, address=address)) is None
    refused(ask(sign(NOTIFICATION, OLD_KEY, address=NEW_ADDRESS)), "signature")


@pytest.mark.parametrize("age", [-4.9, 0, 64.9])
def test_as_long_as_sns_may_try_again_a_message_is_good(age):
    assert ask(sign(at(NOW - timedelta(minutes=age)))) is None


@pytest.mark.parametrize("age", [-5.1, 65.1, 60 * 24 * 365])
def test_an_old_or_future_message_is_refused_before_anything_is_fetched(age):
    fetch = certificates()
    refused(ask(sign(at(NOW - timedelta(minutes=age))), fetch=fetch), "Timestamp")
    assert fetch.asked == []


def at(moment: datetime) -> dict[str, str]:
    return NOTIFICATION | {"Timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")}


@pytest.mark.parametrize(
    "said", ["now", "2026-03-04 11:59:58", "2026-03-04T11:59:58", "2026-13-04T11:59:58Z", "1772625598", "٢"]
)
def test_a_time_that_is_none_is_refused(said):
    refused(ask(sign(NOTIFICATION | {"Timestamp": said})), "Timestamp")


def test_a_replayed_delivery_has_the_same_signed_key_whatever_its_headers_say():
    used = sns.scheme(topics=[TOPIC], fetch=certificates())
    body = sign(NOTIFICATION)
    keys = {headers(body)[used.delivery_header] for _ in range(2) if ask(body) is None}
    assert keys == {NOTIFICATION["MessageId"]}
    refused(ask(body, headers(body) | {used.delivery_header: "another-id"}), used.delivery_header)
    remembered = timedelta(hours=72)
    assert remembered > sns.OLDEST


@pytest.mark.parametrize("name", ["x-amz-sns-message-type", "x-amz-sns-message-id"])
def test_a_header_that_is_missing_or_says_something_else_is_refused(name):
    body = sign(NOTIFICATION)
    for wrong in (None, "", " ", "SubscriptionConfirmation", "\udcff"):
        given = headers(body)
        del given[name]
        refused(ask(body, given if wrong is None else given | {name: wrong}), name)


def test_raw_delivery_is_refused():
    body = sign(NOTIFICATION)
    refused(ask(body, headers(body) | {"x-amz-sns-rawdelivery": "true"}), "raw delivery")


@EACH
def test_a_missing_or_misshapen_field_is_refused(fields):
    body = sign(fields)
    for name in json.loads(body):
        if name in {"UnsubscribeURL", "Subject"}:
            continue
        for wrong in NO_TEXT:
            said = json.loads(body) | {name: wrong}
            refused(ask(json.dumps(said).encode(), headers(body)), name)
        said = json.loads(body)
        del said[name]
        refused(ask(json.dumps(said).encode(), headers(body)), name)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"Notification"', b"{}"])
def test_what_is_no_message_is_refused(body):
    refused(ask(body, {}))


@pytest.mark.parametrize("wrong", ["x", "====", "\udcff", "é", "A" * 344, "AAAA\n"])
def test_a_malformed_signature_is_a_wrong_one(wrong):
    said = json.loads(sign(NOTIFICATION)) | {"Signature": wrong}
    refused(ask(json.dumps(said).encode()))


def test_a_topic_that_is_not_ours_is_refused_although_sns_signed_it():
    refused(ask(sign(NOTIFICATION | {"TopicArn": OTHER_TOPIC})), "TopicArn")
    refused(ask(sign(NOTIFICATION | {"TopicArn": OTHER_TOPIC}, FOREIGN_KEY)), "signature")
    refused(ask(sign(NOTIFICATION | {"TopicArn": f"{TOPIC}s"})), "TopicArn")


@pytest.mark.parametrize("topics", [(), ("",), ("*",), ("alarms",), (TOPIC, f"{TOPIC[:-6]}*"), (f"{TOPIC}\n",)])
def test_a_source_without_whole_topics_cannot_be(topics):
    with pytest.raises(BadInput, match="topic"):
        sns.scheme(topics=topics, fetch=certificates())


HOSTILE = [
    "https://evil.example/x.pem",
    "http://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.evil.amazonaws.com.evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com.evil/x.pem",
    "https://sns.eu-west-1.amazonaws.comevil.example/x.pem",
    "https://sns-eu-west-1.amazonaws.com/x.pem",
    "https://snsxeu-west-1.amazonaws.com/x.pem",
    "https://sns.s3.amazonaws.com/x.pem",
    "https://sns.s3-us-west-2.amazonaws.com/x.pem",
    "https://sns.s3-website-us-east-1.amazonaws.com/x.pem",
    "https://sns.us-east-1.elb.amazonaws.com/x.pem",
    "https://evil.sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com:443/x.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
    "https://user@sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com:x@evil.example/x.pem",
    "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
    "https://evil.example\\sns.eu-west-1.amazonaws.com/x.pem",
    "https://evil.example#sns.eu-west-1.amazonaws.com/x.pem",
    "https://evil.example/?sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-west-1.amazonaws.com/x.pem#",
    "https://sns.eu-west-1.amazonaws.com/x.pem?y",
    "https://sns.eu-west-1.amazonaws.com/x?y.pem",
    "https://sns.eu-west-1.amazonaws.com/x#y.pem",
    "https://sns.eu-west-1.amazonaws.com/../x.pem",
    "https://sns.eu-west-1.amazonaws.com/%2e%2e/x.pem",
    "https://sns.eu-west-1.amazonaws.com/x.pem\n",
    "https://sns.eu-west-1.amazonaws.com/\nx.pem",
    " https://sns.eu-west-1.amazonaws.com/x.pem",
    "https://sns.eu-wést-1.amazonaws.com/x.pem",
    "https://sns.eu-west-１.amazonaws.com/x.pem",
    "HTTPS://SNS.EU-WEST-1.AMAZONAWS.COM/x.pem",
    "https://sns.eu-west-1.amazonaws.com/y.pem.exe",
    "https://sns.eu-west-1.amazonaws.com/",
    "https://sns.eu-west-1.amazonaws.com",
    "https://169.254.169.254/x.pem",
    "https://[::1]/x.pem",
    "file:///etc/x.pem",
    "//sns.eu-west-1.amazonaws.com/x.pem",
    "x.pem",
    "https://sns.eu-west-1.amazonaws.com/" + "x" * 4000 + ".pem",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_certificate_at_a_foreign_address_is_refused_and_never_fetched(url):
    assert not is_certificate_address(url)
    fetch = Recorder({url: pem(FOREIGN_KEY)})
    refused(ask(sign(NOTIFICATION, FOREIGN_KEY, address=url), fetch=fetch), "SigningCertURL")
    with pytest.raises(BadProof):
        Certificates(fetch)(url)
    assert fetch.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "sns.us-east-1.amazonaws.com",
        "sns.us-gov-west-1.amazonaws.com",
        "sns.ap-southeast-5.amazonaws.com",
        "sns.cn-north-1.amazonaws.com.cn",
    ],
)
def test_sns_is_known_in_every_region(host):
    assert is_certificate_address(f"https://{host}/SimpleNotificationService-0a.pem")
    assert is_confirmation_address(f"https://{host}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1")


@pytest.mark.parametrize(
    "wrong",
    [
        pem(OLD_KEY, end=NOW - timedelta(seconds=1)),
        pem(OLD_KEY, start=NOW + timedelta(seconds=1)),
        pem(ed25519.Ed25519PrivateKey.generate(), issuer=OLD_KEY),
        b"",
        b"<html>not here</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
    ids=["expired", "not yet valid", "no RSA", "empty", "html", "garbage"],
)
def test_a_certificate_that_proves_nothing_is_refused(wrong):
    refused(ask(sign(NOTIFICATION), fetch=certificates(**{OLD_ADDRESS: wrong})), "SigningCertURL")


def test_a_certificate_of_a_short_key_is_refused_although_the_signature_holds():
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # so it is refused
    refused(ask(sign(NOTIFICATION, short), fetch=certificates(**{OLD_ADDRESS: pem(short)})), "2048")


def test_sns_being_down_is_not_a_bad_proof():
    down = certificates(**{OLD_ADDRESS: Transient("does not serve")})
    with pytest.raises(Transient):
        ask(sign(NOTIFICATION), fetch=down)
    with pytest.raises(Transient):
        proofs.prove(
            sns.scheme(topics=[TOPIC], fetch=down),
            headers(sign(NOTIFICATION)),
            sign(NOTIFICATION),
            {},
            NOW,
        )


def test_a_certificate_that_sns_will_not_give_is_a_bad_proof():
    refused(ask(sign(NOTIFICATION), fetch=certificates(**{OLD_ADDRESS: Refused("moved")})), "moved")


def test_a_certificate_is_fetched_once_and_another_beside_it():
    fetch = certificates()
    held = Certificates(fetch)
    for _ in range(3):
        assert ask(sign(NOTIFICATION), fetch=held) is None
        assert ask(sign(NOTIFICATION, NEW_KEY, address=NEW_ADDRESS), fetch=held) is None
    assert fetch.asked == [OLD_ADDRESS, NEW_ADDRESS]


@pytest.mark.parametrize("first", [Transient("down"), Refused("moved"), b"garbage"])
def test_what_is_no_certificate_is_not_kept(first):
    fetch = certificates(**{OLD_ADDRESS: first})
    held = Certificates(fetch)
    with pytest.raises(type(first) if isinstance(first, Exception) else BadProof):
        held(OLD_ADDRESS)
    fetch.served = {OLD_ADDRESS: OLD_PEM}
    assert held(OLD_ADDRESS) == OLD_PEM


def test_made_up_addresses_cannot_make_us_ask_without_end_nor_drive_out_what_is_held():
    seconds = [0.0]
    fetch = certificates()
    held = Certificates(fetch, clock=lambda: seconds[0])
    assert held(OLD_ADDRESS) == OLD_PEM
    made_up = [f"{HOST}/made-up-{number}.pem" for number in range(100)]
    fetch.served = {OLD_ADDRESS: OLD_PEM, NEW_ADDRESS: NEW_PEM} | dict.fromkeys(made_up, Refused("403"))
    for url in made_up:
        with pytest.raises((Refused, Transient)):
            held(url)
    assert len(fetch.asked) == sns_certificates.MOST_FETCHES
    with pytest.raises(Transient):
        held(NEW_ADDRESS)
    assert held(OLD_ADDRESS) == OLD_PEM
    seconds[0] = 60.0
    assert held(NEW_ADDRESS) == NEW_PEM


def test_only_so_many_certificates_are_held():
    seconds = [0.0]
    addresses = [f"{HOST}/{number}.pem" for number in range(sns_certificates.MOST_HELD + 1)]
    fetch = Recorder(dict.fromkeys(addresses, OLD_PEM))
    held = Certificates(fetch, clock=lambda: seconds[0])
    for url in addresses:
        seconds[0] += 60.0
        held(url)
    held(addresses[-1])
    assert len(fetch.asked) == len(addresses)
    held(addresses[0])
    assert fetch.asked[-1] == addresses[0]
    assert len(fetch.asked) == len(addresses) + 1


def confirm(body: bytes, get: Recorder, topics=(TOPIC,), fetch=None, now=NOW):
    return sns.confirm(body, topics, get, fetch=fetch or certificates(), now=now)


@VERSIONS
def test_a_subscription_is_confirmed_by_asking_sns_once(version):
    get = Recorder({SUBSCRIBE: ANSWER})
    done = confirm(sign(CONFIRMATION, version=version), get)
    assert done == sns.Confirmed(topic=TOPIC, subscription=SUBSCRIPTION, message_id=str(CONFIRMATION["MessageId"]))
    assert get.asked == [SUBSCRIBE]


def test_a_subscription_is_not_confirmed_when_the_signature_does_not_hold():
    get = Recorder({SUBSCRIBE: ANSWER})
    tampered = json.dumps(json.loads(sign(CONFIRMATION)) | {"Message": "other"}).encode()
    old = sign(CONFIRMATION | {"Timestamp": "2026-03-04T10:00:00.000Z"})
    for body in (sign(CONFIRMATION, FOREIGN_KEY), tampered, old, b"{}", b""):
        with pytest.raises(BadProof):
            confirm(body, get)
    with pytest.raises(Transient):
        confirm(sign(CONFIRMATION), get, fetch=certificates(**{OLD_ADDRESS: Transient("down")}))
    assert get.asked == []


def test_a_subscription_to_a_topic_that_is_not_ours_is_not_confirmed():
    get = Recorder({SUBSCRIBE: ANSWER})
    with pytest.raises(BadProof, match="TopicArn"):
        confirm(sign(CONFIRMATION | {"TopicArn": OTHER_TOPIC}), get)
    assert get.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *(address.replace("/x.pem", "/?Action=ConfirmSubscription&Token=1") for address in HOSTILE),
        f"{SUBSCRIBE}#",
        f"{HOST}/other?Action=ConfirmSubscription",
        f"{HOST}//evil.example/?Action=ConfirmSubscription",
    ],
)
def test_a_foreign_subscribe_url_is_never_fetched_although_it_is_signed(url):
    assert not is_confirmation_address(url)
    get = Recorder({url: ANSWER})
    with pytest.raises(BadProof, match="SubscribeURL"):
        confirm(sign(CONFIRMATION | {"SubscribeURL": url}), get)
    assert get.asked == []


@pytest.mark.parametrize("fields", [NOTIFICATION, UNSUBSCRIBED], ids=lambda f: f["Type"])
def test_nothing_but_a_subscription_is_confirmed(fields):
    get = Recorder({SUBSCRIBE: ANSWER})
    with pytest.raises(BadInput, match=str(fields["Type"])):
        confirm(sign(fields), get)
    assert get.asked == []


@pytest.mark.parametrize("answer", [b"", b"<ErrorResponse/>", b"<SubscriptionArn>pending</SubscriptionArn>"])
def test_what_sns_did_not_confirm_is_not_said_to_be(answer):
    with pytest.raises(Transient):
        confirm(sign(CONFIRMATION), Recorder({SUBSCRIBE: answer}))


def test_an_answer_that_cannot_be_had_is_told_as_it_is():
    for error in (Transient("down"), Refused("the token is too old")):
        with pytest.raises(type(error)):
            confirm(sign(CONFIRMATION), Recorder({SUBSCRIBE: error}))
