"""The templates that we publish: rendered they are read exactly, unrendered they are refused by name."""

import json
import re

import pytest

from agents.incident.errors import BadInput
from bot.receiver import systems
from bot.receiver.systems import published
from bot.receiver.systems.reading import Category

NAMES = ("datadog", "dynatrace", "elastic", "healthchecks", "newrelic", "uptime_kuma", "zabbix")
JSON = {"content-type": "application/json"}


def template(name):
    module = __import__(f"bot.receiver.systems.{name}", fromlist=["TEMPLATE"])
    return module.TEMPLATE


def rendered(name, **values):
    """The template as its tool fills it in, near enough: what is in *values*, and nothing for the rest."""
    text = template(name)
    text = re.sub(r"\{\{#if (\S+?)\}\}(.*?)\{\{/if\}\}\n?", r"\2\n", text)
    # Bare places take JSON, quoted ones take text; a place is quoted where a quote stands right before it.
    place = re.compile(r'"([^"\n]*)": (?:"([^"\n]*)"|(\{\{[^\n]*?\}\}|\$[A-Z_]+))(?=,|\n)')
    return place.sub(
        lambda m: f'"{m[1]}": {json.dumps(values.get(m[1], m[2] if m[1] == "from" else ""))}', text
    ).encode()


@pytest.mark.parametrize("name", NAMES)
def test_a_published_template_left_unrendered_is_refused_by_name(name):
    reading = systems.read(name, JSON, template(name).encode())
    assert reading.category is Category.UNRENDERED_TEMPLATE
    assert reading.items == ()
    assert reading.about["placeholder"] in template(name)


WORDS = {
    "datadog": ("Triggered", "Recovered"),
    "dynatrace": ("OPEN", "RESOLVED"),
    "elastic": ("metrics.threshold.fired", "recovered"),
    "healthchecks": ("down", "up"),
    "newrelic": ("ACTIVATED", "CLOSED"),
    "uptime_kuma": ("0", "1"),
    "zabbix": ("1", "0"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_published_template_is_read_field_by_field(name):
    keys = []
    for word, status in zip(WORDS[name], ("firing", "resolved"), strict=True):
        body = rendered(
            name,
            identity="id 1",
            rule="id",
            alert="1",
            status=word,
            title='Say "no"',
            severity="High",
            service="orders",
            environment="production",
            entity="db-7",
            event_at="2026-03-04T12:00:00Z",
            started_at="2026-03-04T11:00:00Z",
            link="https://example.com/1",
        )
        assert list(systems.recognise(JSON, body))[:1] == [name]
        (item,) = systems.read(name, JSON, body).items
        keys.append(item.dedup_key)
        given = json.loads(body)
        assert (item.status, item.title, item.severity_raw) == (status, 'Say "no"', "High")
        assert item.entity == (given.get("entity") or None)
        for field in ("service", "environment", "link", "event_at", "started_at"):
            assert getattr(item, field) == (given.get(field) or None), field
    assert keys[0] == keys[1]
    assert keys[0] in ("id 1", "id|1")


@pytest.mark.parametrize("name", NAMES)
def test_another_version_or_the_template_of_another_tool_is_refused(name):
    body = json.loads(rendered(name, identity="1", rule="1", title="t", status=WORDS[name][0]))
    with pytest.raises(BadInput, match="version '2' of the template is not known"):
        systems.read(name, JSON, json.dumps(body | {published.MARKER: 2}).encode())
    with pytest.raises(BadInput, match="from: this is the template of 'another'"):
        systems.read(name, JSON, json.dumps(body | {"from": "another"}).encode())


def test_what_zabbix_puts_for_no_value_is_no_value():
    body = json.loads(rendered("zabbix", identity="1", title="t", status="1", service="*UNKNOWN*"))
    (item,) = systems.read("zabbix", JSON, json.dumps(body).encode()).items
    assert item.service is None
    assert item.ended_at is None


def test_the_test_button_of_uptime_kuma_is_a_handshake_and_a_notice_is_not():
    test = json.loads(rendered("uptime_kuma", summary="mine Testing"))
    assert systems.read("uptime_kuma", JSON, json.dumps(test).encode()).category is Category.HANDSHAKE
    notice = test | {"summary": "[Shop] the certificate expires in 7 days"}
    (item,) = systems.read("uptime_kuma", JSON, json.dumps(notice).encode()).items
    assert (item.status, item.title) == ("info", notice["summary"])


def test_a_notification_of_uptime_kuma_in_a_form_of_parts_is_read():
    sent = {
        "heartbeat": {"monitorID": 3, "status": 0, "time": "2026-03-04T12:00:00Z"},
        "monitor": None,
        "msg": "down",
    }
    body = f'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n{json.dumps(sent)}\r\n--b--\r\n'.encode()
    (item,) = systems.read("uptime_kuma", {"content-type": "multipart/form-data; boundary=b"}, body).items
    assert (item.status, item.dedup_key, item.event_at) == ("firing", "3", "2026-03-04T12:00:00Z")
