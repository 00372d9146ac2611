"""Alertmanager's webhook, version 4 (prometheus.io/docs/alerting/latest/configuration/#webhook_config).

Unknown keys are ignored, and so is the version: senders in the field write 3, 4 and 0 over the same alerts.
Each alert carries its own status; the group's stands in only where one has none.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ValidationError

from agents.incident.errors import BadInput
from agents.incident.incident import Alert, AlertStatus, Severity
from bot.configuration import Source
from bot.receiver.parsers.values import Alerts, plain, short

NOT_ENDED = datetime(1, 1, 2, tzinfo=UTC)
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
MAX_TEXT = 2000


class _Alert(BaseModel):
    status: AlertStatus | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    startsAt: AwareDatetime  # noqa: N815  # the sender's name
    endsAt: AwareDatetime | None = None  # noqa: N815
    generatorURL: str | None = None  # noqa: N815
    fingerprint: str | None = None


class _Payload(BaseModel):
    status: AlertStatus = AlertStatus.FIRING
    alerts: list[_Alert]


def parse(source: str, configured: Source, body: bytes) -> Alerts:
    """Every alert of one notification."""
    try:
        payload = _Payload.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "the body"
        raise BadInput(f"not an Alertmanager notification: {where}: {first['msg']}") from error
    return Alerts(items=tuple(_alert(source, configured, a, a.status or payload.status) for a in payload.alerts))


def _alert(source: str, configured: Source, alert: _Alert, status: AlertStatus) -> Alert:
    labels = {k: plain(v) for k, v in alert.labels.items()}
    title = labels.get("alertname") or alert.annotations.get("summary") or "alert without a name"
    ended = alert.endsAt if alert.endsAt is not None and alert.endsAt > NOT_ENDED else None
    return Alert(
        source=source,
        # A fingerprint over no labels is FNV's offset: such alerts would all be one. Fall back to what is said.
        identity=short(alert.fingerprint or (fingerprint(labels) if labels else f"{title} {alert.startsAt}")),
        status=status,
        title=plain(title)[:MAX_TEXT],
        severity=Severity.read(labels.get("severity")),
        service=labels.get(configured.service_label) or labels.get("job") or None,
        environment=labels.get(configured.environment_label) or configured.environment,
        started_at=alert.startsAt.astimezone(UTC),
        ended_at=ended.astimezone(UTC) if ended and status is AlertStatus.RESOLVED else None,
        summary=plain(alert.annotations.get("summary") or alert.annotations.get("description") or "")[:MAX_TEXT],
        link=alert.generatorURL or None,
        labels=labels,
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' fingerprint: FNV-1a, 64 bit, over names and values in order, each ended by 0xff."""
    digest = FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"
