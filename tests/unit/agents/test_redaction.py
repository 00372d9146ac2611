"""Planted secrets do not come out again, and what is none stays."""

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.incident.redaction import PLACEHOLDER, Redactor, redact, redact_body, redact_tree, suspicious
from agents.incident.redaction.entropy import bits
from agents.incident.redaction.personal import luhn
from tests.unit.agents.harmless import lines
from tests.unit.agents.secrets import NAMED, PLACES, SHAPED, drawn

OURS = Redactor(salt=b"one installation")
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nshort\n-----END RSA PRIVATE KEY-----"


def clean_tree(value: object) -> Any:
    return redact_tree(value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SHAPED)
def test_a_shaped_secret_is_gone_wherever_it_stands(kind, place):
    secret = SHAPED[kind](random.Random(f"{kind} {place}"))
    text = PLACES[place](secret)
    assert suspicious(text)
    assert secret not in (clean := redact(text))
    assert secret[8:] not in clean
    assert suspicious(clean) == ()


@pytest.mark.parametrize("kind", SHAPED)
def test_a_shape_names_its_kind(kind):
    counts: Counter[str] = Counter()
    redact(SHAPED[kind](random.Random(kind)), counts)
    assert counts == {kind: 1}


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize("secret", ["hunter2x", "correct-horse", "dXNlcjpwYXNz"])
def test_a_value_is_secret_by_the_name_before_it(text, secret):
    clean = redact(text.format(secret))
    assert secret not in clean
    assert PLACEHOLDER.search(clean)
    assert suspicious(clean) == ()


@pytest.mark.parametrize(
    "text",
    [
        "https://u:p4ss@host/x",
        "mongodb+srv://app:p%40ss@cluster.example/db",
        "https://0123456789abcdef0123@o1.ingest.example/7",
        "jdbc:oracle:thin:app/p4ssword@db:1521:x",
        "routing_key: 0123456789abcdefghijklmnopqrstuv",
        "Authorization: GenieKey 12345678-1234-1234-1234-123456789012",
        "Authorization: Token token=u+AbCdEfGh12345678",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abcdEFGH1234abcdEFGH1234==;",
        "https://b.example/x?X-Amz-Signature=0123456789abcdef0123456789abcdef",
        "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx",
        "card 4111 1111 1111 1111 declined",
        "card 378282246310005",
        "mail ana@example.com now",
        PEM,
        "-----BEGIN PRIVATE KEY-----\nnever ended",
    ],
)
def test_what_else_is_taken_out(text):
    clean = redact(text)
    assert PLACEHOLDER.search(clean)
    for tail in (
        "p4ss",
        "p%40ss",
        "0123456789abcdef",
        "12345678",
        "4111",
        "3782",
        "ana@",
        "MIIE",
        "never",
        "abcdef",
    ):
        assert tail not in PLACEHOLDER.sub("", clean)


def test_a_thousand_harmless_lines_stay_as_they_are():
    wrong = [line for line in lines(1000, seed=7) if redact(line) != line or suspicious(line)]
    assert wrong == []


def test_harmless_lines_stay_in_trees_and_under_plain_names():
    tree = {f"line {n}": {"msg": line, "n": n, "x": None} for n, line in enumerate(lines(200, seed=8))}
    assert redact_tree(tree) == tree


@given(st.text(max_size=200), st.sampled_from(NAMED), st.sampled_from(sorted(SHAPED)), st.text(max_size=80))
def test_redacting_twice_changes_nothing_more(before, named, kind, after):
    once = redact(before + named.format(SHAPED[kind](random.Random(before))) + after)
    assert redact(once) == once
    assert suspicious(once) == ()


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=30), st.sampled_from(NAMED)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.sampled_from(["password", "name", "value", "token", "x", "Set-Cookie", "lines"]),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_redacting_a_tree_twice_changes_nothing_more(tree):
    once = redact_tree(tree)
    assert redact_tree(once) == once


def test_equal_secrets_stay_equal_within_an_installation_and_nowhere_else():
    text = "password=hunter2x and again password=hunter2x, not password=hunter3x"
    first, second, other = PLACEHOLDER.findall(OURS.redact(text))
    assert first == second != other
    assert OURS.redact(text) == Redactor(salt=b"one installation").redact(text)
    assert OURS.redact(text) != Redactor(salt=b"another").redact(text)


def test_a_credential_of_ours_goes_whatever_it_looks_like_unless_it_could_be_a_word():
    ours = Redactor(salt=b"", known=("plain words 1", "checkout", "short1"))
    assert ours.redact("it said plain words 1 in checkout, short1") == (
        f"it said {ours.placeholder('credential', 'plain words 1')} in checkout, short1"
    )


def test_telephone_numbers_go_only_where_that_is_asked_for():
    text = "call +49 170 1234567 at 14:05+02:00"
    assert OURS.redact(text) == text
    assert "1234567" not in Redactor(salt=b"", phones=True).redact(text)


def test_a_hit_says_where_and_what_kind_and_never_the_secret():
    (hit,) = OURS.suspicious("see AKIAIOSFODNN7EXAMPLE now")
    assert (hit.kind, hit.start, hit.end) == ("aws_key", 4, 24)
    assert "IOSFODNN7" not in repr(hit)


@pytest.mark.parametrize(
    "hidden",
    [
        "password%3Dhunter2x",
        "p\u200bassword=hunter2x",
        "ｐａｓｓｗｏｒｄ=hunter2x",
        "ana&#64;example.com",
        "AKIA&#73;OSFODNN7EXAMPLE",
    ],
)
def test_the_second_scan_sees_through_encodings(hidden):
    assert suspicious(hidden)


def test_a_placeholder_is_no_hit_as_chats_and_pages_write_it():
    for text in ("password=<SECRET:password:00ff>", "password=&lt;SECRET:password:00ff&gt;"):
        assert suspicious(text) == ()
        assert redact(text) == text
    assert (
        suspicious(json.dumps("token: <SECRET:token:00ff>").replace("<", "\\u003c").replace(">", "\\u003e")) == ()
    )


def test_letters_that_grow_when_they_are_made_small_move_nothing():
    clean = redact("İİİİİİİİ\nİ password=hunter2x\nİ")
    assert "hunter2x" not in clean
    assert clean.startswith("İİİİİİİİ\nİ password=<")
    assert clean.endswith(">\nİ")


def test_a_secret_on_the_line_after_its_name_is_found_in_a_long_text():
    text = "\n".join(lines(60, seed=9)) + "\npassword:\n  hunter2x\n" + "\n".join(lines(60, seed=10))
    assert "hunter2x" not in redact(text)


def test_a_forged_placeholder_hides_nothing_beside_it():
    assert "hunter2x" not in redact("<SECRET:x:0000>password=hunter2x<SECRET:x:0000>")


@pytest.mark.parametrize(
    "tree",
    [
        {"db_password": "planted1"},
        {"dbPassword": "planted1"},
        {"password": {"value": "planted1"}},
        {"credentials": [{"x": ["planted1"]}]},
        {"name": "DB_PASSWORD", "value": "planted1"},
        {"key": "http.request.header.authorization", "value": {"stringValue": "planted1"}},
        {"headers": [["Authorization", "planted1"], ["Accept", "*/*"]]},
        {"headers": {"Set-Cookie": "planted1"}},
        {"line": '{"token": "planted1"}'},
        {"lines": ["-----BEGIN PRIVATE KEY-----", "planted1", "-----END PRIVATE KEY-----"]},
        [{"msg": "-----BEGIN PRIVATE KEY-----"}, {"msg": "planted1"}, {"msg": "-----END PRIVATE KEY----- on"}],
        {"password=planted1": 1},
    ],
)
def test_secrets_in_trees_are_found_by_the_names_around_them(tree):
    assert "planted1" not in json.dumps(redact_tree(tree))


def test_what_follows_a_private_key_in_lines_is_read_again():
    key = ["-----BEGIN PRIVATE KEY-----", "abc", "-----END PRIVATE KEY----- ok", "pool timeout"]
    clean = clean_tree(key)
    assert clean[2].endswith(" ok")
    assert clean[3] == "pool timeout"


def test_names_that_count_secrets_keep_their_numbers():
    tree = {
        "tokens": 512,
        "max_tokens": "4096",
        "secrets": 3,
        "token": None,
        "password": True,
        "secret": "missing",
    }
    assert redact_tree(tree) == tree
    assert clean_tree({"password": 123456})["password"] != 123456


def test_a_value_under_a_secrets_name_goes_whatever_it_looks_like():
    counts: Counter[str] = Counter()
    found = redact_tree({"db_password": "plain words", "n": 1}, counts)
    assert found == {"db_password": clean_tree({"db_password": "plain words"})["db_password"], "n": 1}
    assert "plain" not in str(found)
    assert counts == {"password": 1}


def test_known_ids_are_no_secrets_however_random():
    r = random.Random(3)
    for _ in range(300):
        for n in (7, 12, 16, 32, 40, 64):
            text = f"x {drawn(r, n, '0123456789abcdef')} y"
            assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("the password is hunter2x", "hunter2x"),
        ("sign in with password hunter2x please", "hunter2x"),
        ("post to https://acme.webhook.office.com/webhookb2/0f4e-1@9c/IncomingWebhook/ab12/cd", "0f4e-1@9c"),
        ("https://discord.com/api/webhooks/123456789012345678/aVeryLong-token_of-it", "aVeryLong"),
        ("Authorization: token 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
        ("used Token 0123456789abcdef0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_a_secret_is_known_by_the_sentence_the_command_or_the_address_it_stands_in(text: str, secret: str):
    assert secret not in redact(text)
    assert not suspicious(redact(text))


@pytest.mark.parametrize(
    "text",
    [
        "password authentication failed for user checkout",
        "the password is required",
        "curl -s https://x.example/healthz",
        "mysql -h db -P 3306 shop",
        "token 0123456789abcdef expired",
        "webhook.office.com answered 429",
    ],
)
def test_words_beside_a_secrets_name_stay(text: str):
    assert redact(text) == text


def test_a_long_random_key_escapes_less_than_once_in_ten_thousand():
    r = random.Random(11)
    keys = [drawn(r, 48) for _ in range(20_000)]
    assert sum(redact(key) == key for key in keys) <= 2


@pytest.mark.parametrize(
    "key",
    [
        "lCZYyUuj9eut2UazhGXyxuZ0SUyntjomtfijvw2xh7zat0oo",  # as if of words, but full of digits
        "IgOywwMIsihcmZIhXUV48OqdzfNbEofYjNMWhnkoVULMRUhg",  # few digits, and nothing one could say
    ],
)
def test_a_random_key_that_chance_gave_vowels_is_one(key: str):
    assert redact(f"x {key} y") != f"x {key} y"


def test_long_names_put_together_from_words_stay():
    for name in (
        "com.acme.HttpRequestDurationSecondsBucketFactoryBean",
        "kubeDeploymentStatusReplicasUnavailable",
    ):
        assert redact(name) == name


def test_entropy_is_counted_in_bits_a_character():
    assert bits("aaaa") == 0
    assert bits("abcd") == pytest.approx(2)
    assert bits("0123456789abcdef") == pytest.approx(4)


def test_check_digits_are_checked():
    assert luhn([int(c) for c in "4111111111111111"])
    assert not luhn([int(c) for c in "4111111111111112"])
    assert redact("card 4111111111111112") == "card 4111111111111112"


@pytest.mark.parametrize(
    "body",
    [
        '{"alerts": [{"labels": {"token": "planted1", "x": 1}}]}',
        "token=planted1&payload=%7B%22password%22%3A%22planted1%22%7D&text=a%20password%3Dplanted1",
        '{"broken": [password=planted1',
        "password: planted1\r\n",
    ],
)
def test_a_body_keeps_its_shape_and_not_its_secrets(body):
    clean = redact_body(body.encode())
    assert clean
    assert b"planted1" not in clean
    assert redact_body(clean) == clean
    assert suspicious(clean.decode()) == ()


def test_a_body_that_cannot_be_vouched_for_is_empty():
    assert redact_body(b"\xff\xfe binary") == b""
    assert redact_body(b"x" * 300_000) == b""
    assert redact_body(b"[" * 100_000) in {b"", b"[" * 100_000}


def test_a_body_without_secrets_says_the_same():
    body = {"alerts": [{"labels": {"alertname": "A", "n": 1}, "annotations": {"summary": "é"}}], "x": None}
    assert json.loads(redact_body(json.dumps(body).encode())) == body
    assert redact_body(b"team_id=T1&text=status+checkout&user=") == b"team_id=T1&text=status+checkout&user="
