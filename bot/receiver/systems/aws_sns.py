"""AWS SNS: an envelope around an alarm, an event, a finding or a few words (docs.aws.amazon.com/sns).

The body is JSON although it is called text/plain. A subscription is never confirmed here: this only reads.
"""

from collections.abc import Mapping
from dataclasses import replace

from agents.incident.errors import BadInput
from bot.receiver.systems import aws_cloudwatch, aws_eventbridge, fields
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node, root
from bot.receiver.systems.reading import Category, Item, Reading, System, stated, unused

_TYPES = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")
_MUST = {
    "SubscriptionConfirmation": "verify signature, check TopicArn allow-list, then GET SubscribeURL "
    "(host must be sns.<region>.amazonaws.com); never create an alert",
    "UnsubscribeConfirmation": "verify signature; tell the source's owner; never create an alert",
}


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """What the message inside says; the envelope is told ``about``."""
    if headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
        return _inside(whole, Node({}, whole.where))
    if whole.has("Records"):
        return _records(whole)
    return _envelope(whole, headers.get("x-amz-sns-message-type"))


def _records(whole: Node) -> Reading:
    """A Lambda function's event: one record an envelope."""
    readings = []
    for record in whole.nodes("Records"):
        if not record.holds("Sns"):
            raise BadInput(f"{record.where}.Sns: missing")
        readings.append(_envelope(record.at("Sns"), None))
    if not readings:
        raise BadInput(f"{whole.where}: Records: empty")
    first = next((r for r in readings if r.items), readings[0])
    items = tuple(item for reading in readings if reading.category == first.category for item in reading.items)
    return replace(first, items=items, about={**first.about, "wrapper": "lambda Records[] wrapper"})


def _envelope(envelope: Node, kind: str | None) -> Reading:
    kind = kind or envelope.need("Type")
    about = stated(
        sns_type=kind,
        topic_arn=envelope.text("TopicArn"),
        message_id=envelope.text("MessageId"),
        signature_version=envelope.text("SignatureVersion"),
    )
    if kind in _MUST:
        inside = Reading(category=Category.HANDSHAKE, about={"must": _MUST[kind]})
    elif kind == "Notification":
        inside = _notification(envelope)
    else:
        inside = unused("SNS", kind)
    return replace(inside, about={**inside.about, **about}, delivery_key=envelope.text("MessageId"))


def _notification(envelope: Node) -> Reading:
    message = envelope.need("Message")
    try:
        value = fields.decode(message.encode("utf-8", "surrogatepass"), "")
    except BadInput:
        value = message
    return (
        _inside(root(value, envelope.what, exact=True), envelope)
        if isinstance(value, dict)
        else _words(envelope, message)
    )


def _inside(message: Node, envelope: Node) -> Reading:
    if message.has("AlarmName"):
        return Reading(category=Category.ALERT, items=(aws_cloudwatch.message_item(message),))
    if message.has("detail-type"):
        return aws_eventbridge.event_reading(message)
    if envelope.value:
        return _words(envelope, None)
    return unused("SNS", None)


def _words(envelope: Node, message: str | None) -> Reading:
    """A message that is no alarm and no event: told, and nothing is opened for it."""
    item = Item(
        status="info",
        title=envelope.text("Subject"),
        summary=message,
        event_at=envelope.time("Timestamp"),
        dedup_key=envelope.need("MessageId"),
        dedup_from="MessageId",
    )
    return Reading(category=Category.MESSAGE, items=(item,))


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its header, or by its type beside a topic; in Lambda's records too."""
    if "x-amz-sns-message-type" in headers or "x-amz-sns-topic-arn" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    sns = fields.get(whole, "Records", 0, "Sns")
    envelope = sns if isinstance(sns, Mapping) else whole
    return 3 if envelope.get("Type") in _TYPES and "TopicArn" in envelope else 0


SYSTEM = System(
    name="aws_sns",
    title="AWS SNS",
    read=reader("an SNS", _read, exact=True),
    recognise=_recognise,
    severities=aws_eventbridge.SEVERITIES,
    proof="sns",
)
