"""CloudWatch alarms: as SNS carries them, as an alarm's Lambda action gets them, and as EventBridge tells them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

_STATES = {"alarm": "firing", "ok": "resolved", "insufficient_data": "no_data"}


def message_item(alarm: Node) -> Item:
    """An alarm in the words of its SNS message."""
    name = alarm.need("AlarmName")
    key, source = alarm.text("AlarmArn"), "AlarmArn"
    if key is None:
        parts = ("AWSAccountId", "Region", "AlarmName")
        key = "/".join(found for part in parts if (found := alarm.text(part)))
        source = "+".join(part for part in parts if alarm.text(part))
    trigger = alarm.at("Trigger")
    return Item(
        status=look(alarm.text("NewStateValue"), _STATES),
        title=name,
        entity=_dimensions(trigger),
        summary=alarm.text("NewStateReason"),
        event_at=alarm.time("StateChangeTime"),
        dedup_key=key,
        dedup_from=source,
        extras=stated(
            region=alarm.text("Region"), metric=trigger.text("MetricName"), old_state=alarm.text("OldStateValue")
        ),
    )


def _dimensions(metric: Node) -> str | None:
    pairs = [(d.text("name", "Name"), d.text("value", "Value")) for d in metric.nodes("Dimensions")]
    return ", ".join(f"{name}={value}" for name, value in pairs if name and value) or None


def data_item(whole: Node, data: Node, *, arn: str | None) -> Item:
    """An alarm as Lambda's action (``alarmData``) and EventBridge (``detail``) tell it: the same in both."""
    name, state = data.need("alarmName"), data.at("state")
    account = (whole.text("accountId", "account"), whole.text("region"), name)
    metrics = [
        m.at("metricStat", "metric") for m in data.at("configuration").nodes("metrics") if m.holds("metricStat")
    ]
    only = metrics[0] if len(metrics) == 1 else Node({}, data.where)
    dimensions = only.at("dimensions")
    entity = ", ".join(f"{key}={value}" for key in dimensions.value if (value := dimensions.text(key)))
    return Item(
        status=look(state.text("value"), _STATES),
        title=name,
        entity=entity or None,
        summary=state.text("reason"),
        event_at=state.time("timestamp") or whole.time("time"),
        dedup_key=arn or "/".join(part for part in account if part),
        dedup_from="alarmArn" if arn else "account+region+alarmName",
        extras=stated(
            region=whole.text("region"),
            old_state=data.at("previousState").text("value"),
            metric=only.text("name") if dimensions.value else None,
        ),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One alarm's change of state."""
    if whole.holds("alarmData"):
        item = data_item(whole, whole.at("alarmData"), arn=whole.text("alarmArn"))
    elif whole.text("detail-type") is not None:
        item = data_item(whole, whole.at("detail"), arn=event_arn(whole))
    else:
        item = message_item(whole)
    return Reading(category=Category.ALERT, items=(item,))


def event_arn(event: Node) -> str | None:
    """The alarm's ARN among an event's resources."""
    return next((r for r in event.list("resources") if isinstance(r, str) and ":alarm:" in r), None)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By the source that the event names, or by the keys of the SNS message alone."""
    whole = peek(headers, body, exact=True)
    if whole.get("source") == "aws.cloudwatch":
        return 3 if "alarmData" in whole else 1
    return 2 if {"AlarmName", "NewStateValue", "OldStateValue"} <= whole.keys() else 0


SYSTEM = System(
    name="aws_cloudwatch",
    title="AWS CloudWatch alarms",
    read=reader("a CloudWatch", _read, exact=True),
    recognise=_recognise,
    proof="sns",
)
