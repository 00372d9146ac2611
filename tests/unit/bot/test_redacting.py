"""What an installation adds to redaction: a salt that stays, and its processes' own credentials."""

import json

import pytest
from pydantic import SecretStr

from agents.incident import redaction
from agents.incident.errors import BadInput
from bot import redacting
from bot.redacting import SALT_FILE, credentials, salt
from bot.settings import ActionSettings, ReceiverSettings


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(redaction, "_in_use", list(redaction._in_use))


def test_every_process_over_one_journal_has_the_same_salt_and_another_journals_is_other(tmp_path):
    first = salt(f"sqlite:///{tmp_path / 'a' / 'journal.db'}")
    assert salt(f"sqlite:///{tmp_path / 'a' / 'journal.db'}?timeout=5") == first
    assert salt(f"sqlite:///{tmp_path / 'b' / 'journal.db'}") != first
    assert salt(f"sqlite:///file:{tmp_path / 'a' / 'journal.db'}?mode=ro&uri=true") == first
    assert len(first) == 32


def test_only_its_owner_reads_the_salt(tmp_path):
    salt(f"sqlite:///{tmp_path / 'journal.db'}")
    assert (tmp_path / SALT_FILE).stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [SALT_FILE]


def test_a_salt_that_was_cut_is_refused_with_what_to_do(tmp_path):
    (tmp_path / SALT_FILE).write_bytes(b"short")
    with pytest.raises(BadInput, match="remove it"):
        salt(f"sqlite:///{tmp_path / 'journal.db'}")


def test_a_shared_journals_salt_comes_of_its_address_and_one_in_memory_has_a_new_one_each_time():
    url = "postgresql+psycopg://app:pw@db/journal"
    assert salt(url) == salt(url) != salt(url.replace("pw", "px"))
    assert salt("sqlite://") != salt("sqlite://")


def test_the_credentials_are_all_secrets_however_deep_and_the_passwords_in_addresses():
    settings = ReceiverSettings(
        journal_url=SecretStr("postgresql://app:pass%40word@db/j"),
        redis_url=SecretStr("redis://127.0.0.1:6379/0"),
        webhook_tokens={"a": [SecretStr("list-token")], "b": {"new": SecretStr("named-token")}},
        pagerduty={"routing_key": "the-routing-key"},
    )
    found = set(credentials(settings))
    assert found >= {"pass%40word", "pass@word", "list-token", "named-token", "the-routing-key"}
    assert not any("127.0.0.1" in f for f in found)


def test_from_then_on_a_credential_of_any_form_is_taken_out(tmp_path):
    token = "Wide open: no shape 7"
    assert redaction.redact(token) == token
    redacting.begin(
        ActionSettings(
            journal_url=SecretStr(f"sqlite:///{tmp_path / 'j.db'}"), supervisor_token=SecretStr(token), lease_s=30
        )
    )
    assert token not in json.dumps(redaction.redact_tree({"said": [f"refused {token}"]}))
