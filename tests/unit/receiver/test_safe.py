"""Identities that are safe to keep: of any length, without secrets, never the same for two."""

from random import Random

import pytest

from agents.incident.redaction import redact_unread
from bot.receiver import safe
from tests.unit.agents.secrets import SHAPED, drawn


@pytest.mark.parametrize("kind", SHAPED)
def test_an_identity_with_a_secret_is_the_same_once_the_secret_was_taken_out(kind: str):
    secret = SHAPED[kind](Random(3))
    raw = f"am:{secret}"
    assert secret not in safe.key(raw)
    assert safe.key(raw) == safe.key(redact_unread(raw.encode()).decode()) == safe.key(safe.key(raw))


def test_two_identities_that_seem_secret_are_two():
    r = Random(5)
    keys = {safe.key(drawn(r, 48)) for _ in range(2_000)}
    assert len(keys) == 2_000


@pytest.mark.parametrize("text", ["x" * 201, "a\x00b", "\ud800"])
def test_what_had_to_be_cut_or_replaced_is_told_apart_by_a_hash(text: str):
    kept = safe.key(text)
    assert len(kept) <= safe.MOST_IN_KEY
    assert "~" in kept
    assert kept != safe.key(text.replace("\x00", "\ufffd") + "y")


def test_a_plain_identity_stays_as_it_is():
    assert safe.key("prometheus/HighErrors/checkout-7c9d") == "prometheus/HighErrors/checkout-7c9d"
