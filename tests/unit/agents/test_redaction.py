"""Planted secrets do not come out again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.incident.redaction import redact, redact_tree

PLANTED = [
    "Authorization: Bearer abcDEF123456789xyz",
    "postgres://app:s3cr3tpass@db:5432/x",
    "password=hunter2secret",
    '"api_key": "k-1234567890abcdef"',
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefghijkl",
    "123456789:AAabcdefghijklmnopqrstuvwxyzABCDEF123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcDEF",
    "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
    "mail ana@example.com now",
]
SECRETS = [
    "abcDEF123456789xyz",
    "s3cr3tpass",
    "hunter2secret",
    "k-1234567890abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012",
    "AAabcdefghijklmnopqrstuvwxyz",
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    "MIIabc",
    "ana@example.com",
]


@pytest.mark.parametrize(("text", "secret"), list(zip(PLANTED, SECRETS, strict=True)))
def test_a_planted_secret_is_gone(text, secret):
    assert secret not in redact(f"before {text} after")


@given(st.text(max_size=300), st.sampled_from(PLANTED), st.text(max_size=50))
def test_redacting_twice_changes_nothing_more(before, planted, after):
    once = redact(before + planted + after)
    assert redact(once) == once


def test_a_value_under_a_secrets_name_goes_whatever_it_looks_like():
    assert redact_tree({"db_password": "plain words", "n": 1}) == {"db_password": "[redacted named]", "n": 1}


def test_ordinary_text_stays():
    text = "pool timeout: no connection within 2.0 s (size 4, in use 4, waiting 9)"
    assert redact(text) == text
