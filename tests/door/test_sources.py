"""What a row of config/sources.yaml may say, and what is said of a row that does not hold together."""

import hashlib
import json
from pathlib import Path

import pytest

from agents.incident.errors import BadInput
from bot import configuration
from bot.receiver.sources import Sender, ready, scheme_of, weakness
from bot.receiver.systems import systems
from bot.settings import ReceiverSettings

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
TENANT = "00000000-0000-0000-0000-000000000001"
MAPPINGS = """\
schema: 1
mappings:
  backups:
    identity: $.host
    status: $.result
    firing_when: [failed]
    resolved_when: [ok]
    title: $.message
"""


def rows(folder: Path, **sources: object) -> dict[str, configuration.Source]:
    (folder / "sources.yaml").write_text(json.dumps({"schema": 1, "sources": sources}))
    (folder / "mappings.yaml").write_text(MAPPINGS)
    return dict(configuration.sources(folder))


def sender(folder: Path, row: object, secrets: dict[str, str] | None = None) -> Sender:
    found = ready(rows(folder, one=row), {"one": secrets or {}}, configuration.mappings(folder), fetching=False)
    return found["one"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"system": "githb"}, ["one", "unknown system 'githb'", "nearest: github"]),
        ({"system": "slack"}, ["one", "is a chat", "FIRSTRESPONDER_SLACK__"]),
        ({"system": "telegram"}, ["one", "is a chat"]),
        ({"system": "github", "proof": "magic"}, ["one", "no scheme 'magic'"]),
        ({"system": "github", "proof": "slack"}, ["one", "that of the chat"]),
        ({"system": "github", "header": "X-Mine"}, ["one", "takes no name of a header"]),
        ({"system": "datadog", "proof": "header"}, ["one", "needs the name of the header"]),
        (
            {"system": "datadog", "proof": "header", "header": "no header"},
            ["one", "cannot be the name"],
        ),
        ({"system": "generic", "mapping": "backup"}, ["one", "mapping 'backup'", "nearest: backups"]),
        ({"system": "github", "mapping": "backups"}, ["one", "a mapping is for system generic"]),
        ({"system": "aws_sns"}, ["one", "no topic is named"]),
        ({"system": "aws_sns", "topics": ["alarms"]}, ["one", "no ARN of a topic"]),
        ({"system": "aws_sns", "topics": [TOPIC], "header": "X-A"}, ["one", "takes no name of a header"]),
        ({"system": "github", "topics": [TOPIC]}, ["one", "topics says nothing to proof 'github'"]),
        ({"system": "gcp_monitoring", "proof": "gcp_oidc", "audience": "a"}, ["one", "needs its email"]),
        (
            {"system": "azure_monitor", "proof": "entra", "audience": "a", "issuer": "us"},
            ["one", "of a tenant"],
        ),
        ({"system": "otlp", "proof": "github"}, ["one", "spans are proven by bearer"]),
        ({"system": "github", "colour": "red"}, ["one", "colour"]),
    ],
)
def test_a_row_that_does_not_hold_together_is_refused_by_file_and_source(tmp_path, row, says):
    with pytest.raises(BadInput) as refused:
        rows(tmp_path, one=row)
    for words in ("sources.yaml", *says):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("system", "proof"),
    [
        ("github", "github"),
        ("pagerduty_webhook_v3", "pagerduty_v3"),
        ("sentry", "sentry"),
        ("rootly", "rootly"),
        ("vercel", "vercel"),
        ("netlify", "netlify"),
        ("flux", "flux"),
        ("launchdarkly", "launchdarkly"),
        ("circleci", "circleci"),
        ("gitlab", "gitlab_token"),
        ("pagerduty_events_v2", "routing_key"),
        ("alertmanager", "bearer"),
        ("datadog", "bearer"),
        ("generic", "bearer"),
        ("otlp", "bearer"),
    ],
)
def test_without_a_proof_in_its_row_a_source_is_proven_as_its_vendor_signs(tmp_path, system, proof):
    assert sender(tmp_path, {"system": system}).scheme.name == proof


@pytest.mark.parametrize("system", ["aws_sns", "aws_cloudwatch"])
def test_what_comes_by_sns_is_proven_by_sns(tmp_path, system):
    assert sender(tmp_path, {"system": system, "topics": [TOPIC]}).scheme.name == "sns"


def test_tokens_of_google_and_entra_are_made_from_what_the_row_allows(tmp_path):
    google = {"system": "gcp_monitoring", "proof": "gcp_oidc", "audience": "a", "email": "a@b.example"}
    azure = {"system": "azure_monitor", "proof": "entra", "audience": "a", "issuer": TENANT, "caller": "c"}
    assert sender(tmp_path, google).scheme.name == "gcp_oidc"
    assert sender(tmp_path, azure).scheme.name == "entra"


def test_every_system_but_the_chats_can_be_a_source(tmp_path):
    named = {
        name: {"system": name, **({"topics": [TOPIC]} if system.proof == "sns" else {})}
        for name, system in systems().items()
        if name not in {"slack", "telegram"}
    }
    assert rows(tmp_path, **named).keys() == named.keys()


@pytest.mark.parametrize(
    ("row", "secrets", "says"),
    [
        ({"system": "github"}, {"1": "s"}, ""),
        ({"system": "github"}, {}, "has no token: refused"),
        ({"system": "github", "allow_unsigned": True}, {}, "allow_unsigned"),
        ({"system": "github", "allow_unsigned": True}, {"1": "s"}, ""),
        ({"system": "datadog", "proof": "url"}, {"1": "s"}, "weak"),
        ({"system": "generic", "proof": "statuscake"}, {"1": "s"}, "weak"),
        ({"system": "aws_sns", "topics": [TOPIC]}, {}, ""),
        ({"system": "aws_sns", "topics": [TOPIC], "allow_unsigned": True}, {}, ""),
    ],
)
def test_what_is_weak_about_a_source_is_said(tmp_path, row, secrets, says):
    found = weakness(sender(tmp_path, row, secrets))
    assert says in found
    assert bool(found) == bool(says)


def test_nobody_may_leave_out_a_proof_by_keys_of_the_vendor(tmp_path):
    assert not sender(tmp_path, {"system": "aws_sns", "topics": [TOPIC], "allow_unsigned": True}).unsigned


def test_a_scheme_is_checked_without_anything_being_fetched(tmp_path):
    row = rows(tmp_path, one={"system": "aws_sns", "topics": [TOPIC]})["one"]
    assert scheme_of(row).name == "sns"


def test_secrets_have_names_given_or_counted_and_empty_ones_are_none(monkeypatch):
    given = {"a": ["x", "", "y"], "b": {"old": "o", "new": "n", "gone": ""}, "c": []}
    monkeypatch.setenv("FIRSTRESPONDER_WEBHOOK_TOKENS", json.dumps(given))
    found = ReceiverSettings().webhook_secrets()
    assert found == {"a": {"1": "x", "3": "y"}, "b": {"old": "o", "new": "n"}, "c": {}}


def test_the_secret_that_proves_a_body_from_within_is_not_kept():
    rows = {
        "pager": configuration.Source(system="pagerduty_events_v2"),
        "cake": configuration.Source(system="generic", proof="statuscake"),
        "hub": configuration.Source(system="github"),
    }
    made = ready(rows, {name: {"1": "the-secret"} for name in rows}, {})
    token = hashlib.md5(b"the-secret", usedforsecurity=False).hexdigest()
    assert made["pager"].to_keep(b'{"routing_key": "the-secret"}') == b'{"routing_key": "not-kept"}'
    assert made["cake"].to_keep(f"Token={token}&Name=x".encode()) == b"Token=not-kept&Name=x"
    assert made["hub"].to_keep(b"the-secret") == b"the-secret"  # a signature is over the body, never in it
