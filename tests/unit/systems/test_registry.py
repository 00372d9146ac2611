"""The registry, and the mapper for what is not in it."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

from agents.incident.errors import BadInput
from bot.receiver import parse_cli, systems
from bot.receiver.systems import generic
from bot.receiver.systems.placeholders import unrendered
from bot.receiver.systems.reading import Category
from tests.evals import payloads
from tests.unit.systems.corpora import OWN, ROOT, all_payloads

LEVELS = {"critical", "high", "warning", "info", "unset"}
RULES = {
    "identity": "$.id",
    "status": "$.state",
    "title": ["$.subject", "$.name"],
    "severity": "$.level",
    "entity": {"all": ["$.host", "$.port"], "joined": ":"},
    "service": "$.labels[?@.key == 'app'].value",
    "started_at": "$.since",
    "ended_at": "$.until",
    "event_at": "$.at",
    "firing_when": ["ALARM", 1, True],
    "resolved_when": ["OK", 0, False],
    "severities": {"Sev1": "critical"},
}


def rules(**changes):
    return generic.Rules.model_validate({k: v for k, v in (RULES | changes).items() if v is not None})


def mapped(document, how=None, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return generic.read_with("mine", how or rules(), headers, body)


def test_a_system_is_found_by_its_module_and_says_what_it_is():
    known = systems.systems()
    assert "generic" in known
    for name, system in known.items():
        assert name == system.name == name.lower()
        assert system.title
        for word, level in system.severities.items():
            assert word == word.lower()
            assert level in LEVELS


def test_every_system_has_a_sample_of_its_own():
    assert {str(line["system"]) for line in payloads.lines(OWN)} == set(systems.systems())


def test_every_system_of_the_corpora_is_known():
    assert {p.system for p in all_payloads()} <= set(systems.systems())


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("$EVENT_TITLE", "$EVENT_TITLE"),
        ("$HOSTNAME$", "$HOSTNAME$"),
        ("$result.host$", "$result.host$"),
        (" {{ alert.title }} ", "{{ alert.title }}"),
        ("{{{title}}}", "{{{title}}}"),
        ("${{ .entity.title }}", "${{ .entity.title }}"),
        ("{ProblemTitle}", "{ProblemTitle}"),
        ("{EVENT.ID}", "{EVENT.ID}"),
        ("*monitorURL*", "*monitorURL*"),
        ("[$ALERT_TRANSITION] $EVENT_TITLE", "$ALERT_TRANSITION"),
        ("{TRIGGER.NAME}: {HOST.NAME}", "{TRIGGER.NAME}"),
        ("%%%\nCPU is high\n%%%", None),
        ("Disk of {{ host }} is full", None),
        ("costs $USD now", None),
        ("$100", None),
        ("$HOME/bin", None),
        ("{}", None),
        ('{"a": 1}', None),
        ("*bold*", None),
        ("", None),
        ("{" * 100_000, None),
        ("$A" * 100_000, None),
    ],
)
def test_a_placeholder_is_a_whole_value(value, found):
    assert unrendered(value) == found


def test_a_mapping_reads_what_it_names():
    reading = mapped(
        {
            "id": 7,
            "state": "alarm",
            "name": "Queue is long",
            "level": "sev1",
            "host": "mq-1",
            "port": 5672,
            "labels": [{"key": "team", "value": "x"}, {"key": "app", "value": "orders"}],
            "since": 1772625600000,
            "until": "2026-03-04 12:10:00",
            "at": "0001-01-01T00:00:00Z",
        }
    )
    assert reading.category is Category.ALERT
    assert reading.about == {}
    (item,) = reading.items
    assert parse_cli.stated(item) == {
        "status": "firing",
        "title": "Queue is long",
        "severity_raw": "sev1",
        "service": "orders",
        "entity": "mq-1:5672",
        "started_at": "2026-03-04T12:00:00Z",
        "ended_at": "2026-03-04T12:10:00 (no tz in source)",
        "dedup_key": "7",
        "dedup_from": "mapping",
    }
    assert rules().level(item.severity_raw) == "critical"
    assert rules().level("sev9") == rules().level(None) == "unset"


@pytest.mark.parametrize(
    ("state", "status"),
    [("ok", "resolved"), (False, "resolved"), (0, "resolved"), (True, "firing"), ("hello world", "unknown")],
)
def test_a_status_is_one_of_the_listed_words_or_unknown(state, status):
    assert mapped({"id": "a", "state": state, "subject": "s"}).items[0].status == status


def test_an_identity_that_does_not_resolve_falls_back_and_says_so():
    one, two = (mapped({"id": "", "state": 1, "subject": "s", "host": h, "port": 1}) for h in ("a", "b"))
    assert one.items[0].dedup_key == "mine/s/a:1"
    assert one.items[0].dedup_key != two.items[0].dedup_key
    assert any("identity did not resolve" in w for w in one.about["warnings"])
    with pytest.raises(BadInput, match="identity, title and entity all meet nothing"):
        mapped({"id": [], "state": 1})


def test_unrendered_core_is_refused_by_name_and_elsewhere_is_missing():
    reading = mapped({"id": "a", "state": 1, "subject": "$EVENT_TITLE"})
    assert (reading.category, reading.items) == (Category.UNRENDERED_TEMPLATE, ())
    assert reading.about["placeholder"] == "$EVENT_TITLE"
    reading = mapped({"id": "a", "state": 1, "subject": "s", "level": "{{ level }}"})
    assert reading.items[0].severity_raw is None
    assert reading.about["warnings"] == ["severity is not rendered: {{ level }}"]


def test_lists_forms_and_payload_fields_are_read():
    assert len(mapped([{"id": 1, "state": 1, "name": "n"}, {"id": 2, "state": 0, "name": "n"}]).items) == 2
    nested = {"alerts": [{"id": 1, "state": 1, "name": "n"}]}
    for items in ("$.alerts", "$.alerts[*]"):
        assert mapped(nested, rules(items=items)).items[0].dedup_key == "1"
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body in (
        urlencode({"id": 1, "state": 1, "name": "n"}),
        urlencode({"payload": json.dumps(nested["alerts"])}),
    ):
        assert mapped(body.encode(), **form).items[0].status == "firing"


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": "id"},
        {"identity": "$.a["},
        {"identity": []},
        {"title": None},
        {"title": ["$.a", "b"]},
        {"firing_when": ["x"], "resolved_when": ["X"]},
        {"firing_when": [], "resolved_when": []},
        {"items": "alerts"},
        {"unknown": "$.x"},
        {"category": "handshake"},
        {"severities": {"a": "terrible"}},
    ],
)
def test_a_mapping_that_does_not_hold_together_is_refused(changes, tmp_path):
    file = tmp_path / "mappings.yaml"
    given = {k: v for k, v in (RULES | changes).items() if v is not None}
    file.write_text(json.dumps({"schema": 1, "mappings": {"mine": given}}))
    with pytest.raises(BadInput, match=r"mappings\.yaml: mappings\.mine") as refused:
        generic.load(file)
    assert "\n" not in str(refused.value)


def test_the_shipped_mappings_and_their_example_hold_together(tmp_path):
    shipped = ROOT / "config" / "mappings.yaml"
    assert generic.load(shipped) == {}
    before, example = shipped.read_text().split("mappings: {}\n")
    file = tmp_path / "mappings.yaml"
    file.write_text(f"{before}mappings:\n" + example.replace("\n#", "\n").removeprefix("#"))
    assert set(generic.load(file)) == {"backup-checks"}


def command(*words, given=b""):
    return subprocess.run(
        [sys.executable, "-m", "bot", "parse", *words], cwd=ROOT, input=given, capture_output=True, check=False
    )


SAMPLE = ROOT / "tests" / "samples" / "webhooks" / "generic.json"


def test_the_command_prints_one_document():
    for words, given in ((("auto", str(SAMPLE)), b""), (("generic", "-"), SAMPLE.read_bytes())):
        done = command("--source", *words, given=given)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["category"] == "alert"
        assert found["items"][0]["severity"] == "warning"
        assert found["items"][0]["dedup_key"] == "nightly-backup/db-7"
        assert "ended_at" not in found["items"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"source": "gener"}, "nearest: generic"),
        ({"source": "auto", "body": b"not JSON"}, "it is not JSON"),
        ({"source": "auto", "body": b'{"a": 1}'}, "no system recognises"),
        ({"source": "auto", "body": b" \n"}, "is empty"),
        ({"source": "generic", "body": b'{"a": 1}'}, "mapping"),
        ({"source": "generic", "body": b"[" * 100_000}, "generic"),
        ({"source": "generic", "file": "none.json"}, "No such file"),
        ({"source": "generic", "headers": ["nonsense"]}, "Name: value"),
        ({"source": "auto", "mapping": "x"}, "--source generic"),
        ({"source": "generic", "mapping": "x"}, "no mapping 'x'"),
    ],
)
def test_bad_input_is_one_clear_line(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    file = tmp_path / "body"
    file.write_bytes(words.pop("body", SAMPLE.read_bytes()))
    with pytest.raises(BadInput, match=says) as refused:
        parse_cli.run(words.pop("file", str(file)), **words)
    assert "\n" not in str(refused.value)


def test_bad_input_ends_the_command_with_2(tmp_path):
    done = command("--source", "auto", "-", given=b"{")
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(parse_cli.MOST_BYTES + 1)
    with pytest.raises(BadInput, match="is larger than"):
        parse_cli.run(str(big), source="auto")


def test_half_a_surrogate_pair_is_printed(tmp_path):
    file: Path = tmp_path / "body"
    file.write_bytes(b'{"firstresponder": 1, "identity": "a", "status": "firing", "title": "\\ud800"}')
    line = parse_cli.printed(parse_cli.run(str(file), source="generic"))
    assert json.loads(line.encode())["items"][0]["title"] == "\ud800"
