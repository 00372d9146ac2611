"""AWS SNS: messages signed with the key of a certificate that SNS itself serves, and confirming a subscription.

docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from agents.incident.errors import BadInput, BadProof, Refused, Transient
from bot.receiver.proofs.proof import SNS, SNS_SUBSCRIPTION, WINDOW, WRONG, Scheme, raw, unbase64
from bot.receiver.proofs.sns_certificates import is_certificate_address, is_confirmation_address, public_key

NAME = SNS
OLDEST = timedelta(hours=1) + WINDOW
"""SNS tries for up to 3,600 s to deliver a message, whose time stays that of its publishing. So an older one is
refused by itself, and a younger one that comes again is known by its MessageId, remembered for far longer.
docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SUBSCRIPTION = SNS_SUBSCRIPTION
SIGNED: Mapping[str, Sequence[str]] = {
    "Notification": _NOTIFICATION,
    SUBSCRIPTION: _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""What is signed, in order, by the message's type."""
_DIGESTS: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "1": hashes.SHA1,
    "2": hashes.SHA256,
}  # SNS's own default
_MORE = ("SignatureVersion", "Signature", "SigningCertURL")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII)
_TOPIC = re.compile(r"arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)
_SUBSCRIPTION = re.compile(rb"<SubscriptionArn>\s*(arn:aws[A-Za-z0-9:._-]{1,600})\s*</SubscriptionArn>")

Fetch = Callable[[str], bytes]
"""An address → the bytes there; Transient when the other side does not serve, Refused when it says no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A subscription that SNS says it has confirmed."""

    topic: str
    subscription: str
    message_id: str


def scheme(*, topics: Collection[str], fetch: Fetch) -> Scheme:
    """Proof by SNS's signature, for messages of *topics* alone; BadInput where one cannot be a topic.

    Anybody's topic is signed by SNS with the same key: the list of topics is what makes a message ours.
    There is no shared secret. The headers that repeat type and id are not signed, so they must be there and
    say what is. ``verify`` may fetch a certificate, for some seconds, and raises Transient when it cannot.
    """
    allowed = frozenset(topics)
    wrong = sorted(topic for topic in allowed if not _TOPIC.fullmatch(topic))
    if wrong or not allowed:
        met = f"{wrong[0][:80]!r} is no ARN of a topic" if wrong else "no topic is named"
        raise BadInput(f"{met}; name each whole, as in arn:aws:sns:eu-west-1:123456789012:alarms")

    def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> BadProof | None:
        del secrets
        try:
            _agree(headers, proven(body, allowed, fetch=fetch, now=now))
        except BadProof as error:
            return error
        except Refused as error:
            return BadProof(f"SigningCertURL: {error}")
        return None

    return Scheme(
        name=NAME,
        title="AWS SNS, signed by certificate",
        verify=verify,
        timestamped=True,
        delivery_header="x-amz-sns-message-id",
    )


def proven(body: bytes, topics: Collection[str], *, fetch: Fetch, now: datetime) -> Mapping[str, str]:
    """The signed fields of a message that SNS sent for one of *topics*; *fetch* reads the certificate.

    Raises:
        BadProof: not so.
        Refused, Transient: the certificate is not to be had, or not now.
    """
    fields = _read(body)
    _fresh(fields["Timestamp"], now)
    if not is_certificate_address(fields["SigningCertURL"]):
        raise BadProof("SigningCertURL: not an address of SNS's; it was not fetched")
    digest = _DIGESTS.get(fields["SignatureVersion"])
    signature = unbase64(fields["Signature"])
    if digest is None or signature is None:
        raise BadProof("the signature is not written as SNS writes it, in version 1 or 2")
    signed = [name for name in SIGNED[fields["Type"]] if name in fields]
    message = b"".join(raw(f"{name}\n{fields[name]}\n") for name in signed)
    key = public_key(fetch(fields["SigningCertURL"]), now)
    try:
        key.verify(signature, message, padding.PKCS1v15(), digest())
    except InvalidSignature:
        raise BadProof(WRONG) from None
    if fields["TopicArn"] not in topics:
        raise BadProof("TopicArn: not one of this source's topics; add it to the source if it should be")
    return {name: fields[name] for name in signed}


def confirm(body: bytes, topics: Collection[str], get: Fetch, *, fetch: Fetch, now: datetime) -> Confirmed:
    """Confirm the subscription that *body* asks to have confirmed, by asking SNS. It never opens an alert.

    *fetch* reads certificates; *get* is called once, when the signature holds, the topic is one of *topics* and
    the address is SNS's. Confirming again changes nothing.

    Raises:
        BadProof, Refused: not proven, or SNS says no; nothing is confirmed.
        BadInput: another kind of message. An UnsubscribeConfirmation's address would subscribe again.
        Transient: SNS does not serve, or did not say that it has confirmed; try again.
    """
    said = proven(body, topics, fetch=fetch, now=now)
    if said["Type"] != SUBSCRIPTION:
        raise BadInput(f"a message of type {said['Type']} asks for no confirmation")
    if not is_confirmation_address(said["SubscribeURL"]):
        raise BadProof("SubscribeURL: not an address of SNS's; it was not fetched")
    found = _SUBSCRIPTION.search(get(said["SubscribeURL"]))
    if found is None:
        raise Transient("SNS did not say that the subscription is confirmed; try again later")
    return Confirmed(topic=said["TopicArn"], subscription=found[1].decode("ascii"), message_id=said["MessageId"])


def _read(body: bytes) -> Mapping[str, str]:
    """The fields that a proof needs, each of them text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    # Whatever is not signed may have been put there: records would be read in the message's stead.
    if not isinstance(found, dict) or "Records" in found:
        raise BadProof("the body is not one message of SNS's; raw delivery and Lambda's records carry no proof")
    signed = SIGNED.get(str(found.get("Type")))
    if signed is None:
        raise BadProof(f"Type: not one of {', '.join(SIGNED)}")
    needed = [name for name in (*signed, *_MORE) if name != "Subject" or found.get(name) is not None]
    for name in needed:
        value = found.get(name)
        if not isinstance(value, str) or not value:
            raise BadProof(f"no {name}")
        # With line breaks in one more field the same signed bytes could be read as another message.
        if name != "Message" and "\n" in value:
            raise BadProof(f"{name}: more than one line")
    return {name: found[name] for name in needed}


def _fresh(timestamp: str, now: datetime) -> None:
    try:
        at = datetime.fromisoformat(timestamp) if _TIME.fullmatch(timestamp) else None
    except ValueError:
        at = None
    if at is None:
        raise BadProof("Timestamp: not a time as SNS writes it")
    if not now - OLDEST <= at <= now + WINDOW:
        raise BadProof(
            f"Timestamp: {abs(now - at).total_seconds():.0f} s from now; at most"
            f" {OLDEST.total_seconds():.0f} s of age are accepted and {WINDOW.total_seconds():.0f} s ahead"
        )


def _agree(headers: Mapping[str, str], said: Mapping[str, str]) -> None:
    if headers.get("x-amz-sns-rawdelivery", "").strip().lower() == "true":
        raise BadProof("x-amz-sns-rawdelivery: raw delivery carries no signature; switch it off")
    for header, name in (("x-amz-sns-message-type", "Type"), ("x-amz-sns-message-id", "MessageId")):
        if headers.get(header, "") != said[name]:
            raise BadProof(f"{header}: missing, or not the {name} that is signed")
