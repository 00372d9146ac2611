"""Alerts from what deliveries say: statuses, identities, levels, places, times, and what is no alert at all."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.incident.incident import AlertStatus, Severity
from bot.receiver import safe, systems
from bot.receiver.systems import generic
from bot.receiver.systems.grouped import fingerprint
from bot.receiver.systems.reading import Category, Item
from tests.unit.receiver.deliveries import RECEIVED, SHOP, alert, of_body, of_item, of_reading

A, S = AlertStatus, Severity
SAMPLES = Path(__file__).parents[2] / "samples"
NOON = "2026-11-27T11:00:00Z"
NOON_AT = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)


# Statuses


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("firing", A.FIRING),
        ("resolved", A.RESOLVED),
        ("acknowledged", A.ACKNOWLEDGED),
        *((w, A.NOTED) for w in ("pending", "no_data", "unknown", "paused", "suppressed", "info", "mitigated")),
        *((w, A.NOTED) for w in ("hello world", "closed", "ok", "recovered")),
    ],
)
def test_an_alert_is_over_only_by_the_word_for_it(word, status):
    found = alert(status=word)
    assert (found.status, found.word) == (status, word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *(
            (w, A.FIRING)
            for w in ("triggered", "open", "started", "in_triage", "investigating", "identified", "detected")
        ),
        ("In Triage", A.FIRING),
        ("acknowledged", A.ACKNOWLEDGED),
        *((w, A.RESOLVED) for w in ("resolved", "closed", "completed", "cancelled", "postmortem")),
        *((w, A.NOTED) for w in ("mitigated", "monitoring", "hello world", "unknown", "suppressed")),
    ],
)
def test_an_incident_tool_has_words_of_its_own(word, status):
    assert alert(status=word, category=Category.INCIDENT).status is status


@pytest.mark.parametrize(
    "category",
    [
        Category.PROVIDER_EVENT,
        Category.MESSAGE,
        Category.HANDSHAKE,
        Category.CHAT_EVENT,
        Category.CHAT_INTERACTION,
        Category.CHAT_COMMAND,
        Category.OTHER,
    ],
)
def test_what_is_neither_an_alert_nor_a_change_is_a_note(category):
    found = of_item(Item(status="firing", title="x", dedup_key="x"), category=category)
    assert (found.alerts, found.changes) == ((), ())
    assert any(category.value in note for note in found.notes)


def test_an_unrendered_template_is_told_by_its_placeholder():
    body = b'{"firstresponder": 1, "identity": "a", "status": "firing", "title": "$EVENT_TITLE"}'
    found = of_body("generic", body)
    assert found.alerts == ()
    assert any("$EVENT_TITLE" in note for note in found.notes)


# Identity, title, group


def test_an_identity_that_is_missing_is_source_title_and_entity():
    for missing in (None, "", "  "):
        found = of_item(Item(status="firing", title="Disk is full", entity="db-7", dedup_key=missing))
        assert found.alerts[0].identity == "mine/Disk is full/db-7"
        assert any("has no identity" in note for note in found.notes)


def test_two_hosts_with_one_name_are_two_alerts():
    one, two = (alert(dedup_key=None, entity=host) for host in ("a", "b"))
    assert one.identity != two.identity


def test_alerts_that_say_nothing_have_an_identity_that_is_no_hash_of_nothing():
    found = alert(title=None, dedup_key=None)
    assert (found.identity, found.title) == ("mine/-/-", "alert without a name")


def test_a_title_that_is_missing_is_the_entity():
    assert alert(title=" ", entity="db-7").title == "db-7"
    assert alert(title=None, entity=None).title == "alert without a name"


def test_a_long_identity_is_cut_and_keeps_its_difference():
    one, two = (alert(dedup_key="x" * 10_000 + end).identity for end in "ab")
    assert len(one) == len(two) == 200
    assert one.startswith("x" * 100)
    assert one != two
    assert alert(dedup_key="x" * 200).identity == "x" * 200


def test_a_secret_is_taken_out_of_an_identity_without_joining_two():
    one, two = (alert(dedup_key=f"job token={secret}").identity for secret in ("hunter2secret", "hunter3secret"))
    assert "hunter" not in one + two
    assert one != two


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_databases_refuse_never_gets_in(text):
    found = alert(dedup_key=text, title=text, entity=text, summary=text, extras={"labels": {text: text}})
    said = (found.identity, found.title, found.entity or "", found.summary, *found.labels, *found.labels.values())
    for value in said:
        assert "\x00" not in value
        value.encode()


def test_no_secret_gets_into_what_people_read():
    secret = "password=hunter2secret"
    found = alert(
        title=secret, summary=secret, entity=secret, link=f"https://x.example.com/?{secret}", service=secret
    )
    kept = (found.title, found.summary, found.entity, found.link, found.service)
    assert not any("hunter2secret" in (value or "") for value in kept)
    labels = alert(extras={"labels": {"api_key": "k-123456", "team": "shop"}}).labels
    assert labels["api_key"].startswith("<SECRET:api_key:")
    assert labels["team"] == "shop"


@pytest.mark.parametrize(
    ("system", "said", "group"),
    [
        ("alertmanager", {"about": {"group_key": '{}:{alertname="A"}'}}, 'mine:{}:{alertname="A"}'),
        ("grafana_unified", {"about": {"group_key": '{}/{team=~"a"}:{a="b"}'}}, 'mine:{}/{team=~"a"}:{a="b"}'),
        ("alertmanager", {"about": {"group_key": 43434343434343434343}}, "mine:43434343434343434343"),
        ("alertmanager", {"about": {"group_key": 0}}, None),
        ("alertmanager", {"about": {"group_key": "{}/{}:{}"}}, None),
        ("alertmanager", {}, None),
        ("pagerduty_webhook_v3", {"category": Category.INCIDENT, "dedup_key": "Q1"}, "mine:Q1"),
        ("opsgenie", {"dedup_key": "alias"}, "mine:alias"),
        ("zabbix", {"dedup_key": "1"}, None),
    ],
)
def test_the_group_is_the_senders_own(system, said, group):
    assert alert(system=system, **said).group == group


def test_a_long_group_fits_its_column():
    found = alert(system="alertmanager", about={"group_key": "{}:{" + "x" * 5000 + "}"})
    assert found.group is not None
    assert len(found.group) == safe.MOST_IN_GROUP == 400


@pytest.mark.parametrize(
    ("system", "item", "entity"),
    [
        ("zabbix", {"entity": "db-7"}, "db-7"),
        ("datadog", {"entity": "service:shop", "extras": {"labels": {"service": "shop"}}}, None),
        ("datadog", {"entity": "host:db-7,env:prod", "extras": {"labels": {"host": "db-7"}}}, "db-7"),
        ("datadog", {"entity": "db-7"}, "db-7"),
        ("sentry", {"entity": "cart.price"}, None),
        ("netdata", {"entity": "system.load", "extras": {"chart": "system.load"}}, None),
        ("newrelic", {"entity": "orders", "service": "orders"}, None),
    ],
)
def test_the_entity_is_infrastructure_or_nothing(system, item, entity):
    assert alert(system=system, **item).entity == entity


# Levels

LEVELS = [
    *(
        ("alertmanager", w, S.CRITICAL)
        for w in ("page", "Critical", "fatal", "emergency", "disaster", "sev1", "P1")
    ),
    *(("alertmanager", w, S.HIGH) for w in ("high", "error", "major", "sev2", "p2", "P2")),
    *(("alertmanager", w, S.WARNING) for w in ("warning", "warn", "medium", "average", "p3")),
    *(("alertmanager", w, S.INFO) for w in ("info", "low", "p4", "P5")),
    *(("alertmanager", w, S.UNKNOWN) for w in (None, "", "odd", "unset", "unknown")),
    *(("azure_monitor", f"Sev{n}", s) for n, s in enumerate((S.CRITICAL, S.HIGH, S.WARNING, S.INFO, S.INFO))),
    *(("graylog", str(n), s) for n, s in ((1, S.INFO), (2, S.WARNING), (3, S.HIGH), (4, S.CRITICAL))),
    *(("zabbix", w, s) for w, s in (("Disaster", S.CRITICAL), ("High", S.HIGH), ("Average", S.WARNING))),
    *(
        ("zabbix", w, s)
        for w, s in (("Warning", S.WARNING), ("Information", S.INFO), ("Not classified", S.UNKNOWN))
    ),
    *(("aws_eventbridge", w, s) for w, s in (("9", S.CRITICAL), ("8.9", S.HIGH), ("7", S.HIGH))),
    *(("aws_sns", w, s) for w, s in (("6.9", S.WARNING), ("4.0", S.WARNING), ("3.9", S.INFO))),
    *(("opsgenie", f"P{n}", s) for n, s in ((1, S.CRITICAL), (2, S.HIGH), (3, S.WARNING), (5, S.INFO))),
    *(
        ("datadog", w, s)
        for w, s in (("P2", S.HIGH), ("error", S.HIGH), ("success", S.INFO), ("normal", S.UNKNOWN))
    ),
    *(("falco", w, s) for w, s in (("Alert", S.CRITICAL), ("Error", S.HIGH), ("Notice", S.INFO))),
    *(
        ("dynatrace", w, s)
        for w, s in (("AVAILABILITY", S.CRITICAL), ("ERROR", S.HIGH), ("PERFORMANCE", S.WARNING))
    ),
    *(("rootly", w, s) for w, s in (("SEV0", S.CRITICAL), ("SEV2", S.HIGH), ("sev3", S.WARNING))),
    *(("github", w, s) for w, s in (("high", S.HIGH), ("moderate", S.WARNING), ("note", S.INFO))),
]


@pytest.mark.parametrize(("system", "word", "severity"), LEVELS)
def test_a_level_is_read_by_the_senders_own_scale(system, word, severity):
    assert alert(system=system, severity_raw=word).severity is severity


def test_a_monitor_without_a_priority_weighs_its_alert_type():
    def body(severity):
        return (
            b'{"firstresponder": 1, "from": "datadog", "identity": "k", "status": "Triggered", "title": "t",'
            b' "severity": "' + severity + b'", "alert_type": "error"}'
        )

    assert [of_body("datadog", body(s)).alerts[0].severity for s in (b"", b"P4")] == [S.HIGH, S.INFO]


def test_a_mappings_own_table_counts_before_the_words_that_all_share():
    assert alert(severity_raw="warning", level="high").severity is S.HIGH
    assert alert(severity_raw="warning", level="unset").severity is S.UNKNOWN


def test_every_systems_table_holds_levels():
    for system in systems.systems().values():
        assert set(system.severities.values()) <= {"critical", "high", "warning", "info"}


# Places


def test_a_place_is_named_as_the_catalogue_names_it():
    found = alert(SHOP, service="checkout-api", environment="PROD")
    assert (found.service, found.environment) == ("checkout", "production")


def test_what_the_catalogue_does_not_know_is_kept_as_stated():
    found = alert(SHOP, service="payments", environment="prod", row={"service": "orders"})
    assert (found.service, found.environment) == ("payments", "production")
    found = alert(SHOP, service="checkout", environment="qa")
    assert (found.service, found.environment) == ("checkout", "qa")


def test_a_service_of_two_environments_is_not_placed_in_one_of_them():
    assert alert(SHOP, service="checkout").environment is None
    assert alert(SHOP, service="orders").environment == "production"


def test_the_sources_own_row_stands_in_where_nothing_is_named():
    row = {"service": "orders", "environment": "production"}
    assert (alert(SHOP, row=row).service, alert(SHOP, row=row).environment) == ("orders", "production")
    named = alert(SHOP, service="checkout", environment="staging", row=row)
    assert (named.service, named.environment) == ("checkout", "staging")


def test_labels_name_the_place_as_the_row_says():
    labels = {"app": "orders", "service": "orders-metrics", "stage": "prod", "job": "node"}
    row = {"service_label": "app", "environment_label": "stage"}
    found = alert(SHOP, system="alertmanager", service="orders-metrics", extras={"labels": labels}, row=row)
    assert (found.service, found.environment) == ("orders", "production")
    assert found.labels == labels


def test_a_scrape_job_is_a_service_only_where_the_catalogue_knows_it():
    for job, service in (("orders", "orders"), ("node", None)):
        assert alert(SHOP, system="alertmanager", extras={"labels": {"job": job}}).service == service


# Times


def test_the_time_of_an_event_is_the_senders():
    assert alert(event_at=NOON).at == NOON_AT
    over = alert(status="resolved", started_at="2026-11-27T10:00:00Z", ended_at=NOON)
    assert (over.at, over.ended_at) == (NOON_AT, NOON_AT)
    assert alert(started_at=NOON).at is None
    assert alert(started_at=NOON, ended_at=NOON).ended_at is None


def test_a_time_without_a_zone_orders_nothing():
    naive = "2026-11-27T11:00:00 (no tz in source)"
    found = of_item(
        Item(status="resolved", title="t", dedup_key="k", started_at=naive, ended_at=naive, event_at=naive)
    )
    (one,) = found.alerts
    assert (one.started_at, one.ended_at, one.at) == (NOON_AT, NOON_AT, None)
    assert any("names no zone" in note for note in found.notes)


def test_a_time_ahead_of_its_delivery_orders_nothing():
    for ahead, used in ((timedelta(minutes=4), True), (timedelta(minutes=6), False)):
        said = (RECEIVED + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = of_item(Item(status="firing", title="t", dedup_key="k", event_at=said))
        assert (found.alerts[0].at is not None) == used
        assert any("ahead" in note for note in found.notes) != used


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0099-01-01T00:00:00Z", "never"])
def test_times_at_the_ends_of_the_calendar_are_no_trouble(said):
    found = alert(started_at=said, event_at=said)
    assert found.at is None or found.at.utcoffset() == timedelta(0)


# Heartbeats


def grouped(*alerts):
    members = ",".join(
        f'{{"status": "{status}", "labels": {{"alertname": "{name}", "severity": "{severity}"}},'
        f' "startsAt": "{NOON}", "fingerprint": "{name}"}}'
        for name, severity, status in alerts
    )
    return f'{{"groupKey": "{{}}:{{a=1}}", "status": "firing", "alerts": [{members}]}}'.encode()


def test_a_heartbeat_is_a_note_and_no_alert():
    found = of_body(
        "alertmanager",
        grouped(("Watchdog", "none", "firing"), ("InfoInhibitor", "none", "firing"), ("A", "p1", "firing")),
    )
    assert [a.title for a in found.alerts] == ["A"]
    assert [n for n in found.notes if n.startswith("heartbeat")] == [
        "heartbeat: Watchdog is firing",
        "heartbeat: InfoInhibitor is firing",
    ]


def test_members_of_a_group_count_each_by_its_own_status():
    found = of_body("alertmanager", grouped(("A", "p1", "firing"), ("B", "p1", "resolved")))
    assert [a.status for a in found.alerts] == [A.FIRING, A.RESOLVED]
    assert {a.group for a in found.alerts} == {"mine:{}:{a=1}"}


# What else is noted


def test_oddities_of_a_body_are_told_to_the_sources_owner():
    about = {
        "warnings": ["severity is not rendered: {{ level }}"],
        "unrendered": {"entity": "{HOST.NAME}"},
        "times_disagree": {"epoch": NOON, "date": "2025-11-27T11:00:00 (no tz in source)"},
    }
    notes = of_item(Item(status="firing", title="t", dedup_key="k"), about=about).notes
    assert "severity is not rendered: {{ level }}" in notes
    assert "entity is not rendered: {HOST.NAME}" in notes
    assert any("disagree" in note for note in notes)


def test_a_note_holds_no_secret_and_ends():
    notes = of_item(
        Item(status="firing", title="t", dedup_key="k"), about={"warnings": ["token=hunter2secret" * 99]}
    )
    assert all("hunter2" not in note and len(note) <= 300 for note in notes.notes)


def test_a_fingerprint_is_prometheus_own():
    (first, _) = json.loads((SAMPLES / "alertmanager_v4.json").read_text())["alerts"]
    assert fingerprint(first["labels"]) == first["fingerprint"]
    assert fingerprint({"a": "bc"}) != fingerprint({"ab": "c"})


def test_a_mapping_says_what_its_words_weigh():
    rules = generic.Rules.model_validate(
        {
            "identity": "$.id",
            "status": {"value": "firing"},
            "title": "$.id",
            "severity": "$.level",
            "severities": {"Major": "critical", "fine": "high"},
        }
    )

    def weighed(word):
        reading = generic.read_with("mine", rules, {}, json.dumps({"id": "a", "level": word}).encode())
        return of_reading("generic", reading).alerts[0].severity

    assert [weighed(w) for w in ("major", "fine", "warning", "odd")] == [S.CRITICAL, S.HIGH, S.WARNING, S.UNKNOWN]
