"""Codes and sessions in the journal: once, for a time, and kept as hashes."""

import threading
from datetime import timedelta

from sqlalchemy import select

from agents.incident.ids import PersonId
from bot.journal import access
from bot.journal import tables as t
from bot.journal.journal import Journal

ANA, BEN = PersonId("ana"), PersonId("ben")
SHORT = timedelta(minutes=5)


def test_a_code_opens_once_and_for_its_purpose_alone(journal: Journal):
    with journal.write("test") as tx:
        code = access.make_code(tx, ANA, "login", SHORT)
        assert access.redeem(tx, code, "link") is None
        assert access.redeem(tx, code, "login") == ANA
        assert access.redeem(tx, code, "login") is None
        assert access.redeem(tx, "no such code", "login") is None
        assert access.redeem(tx, "\ud800", "login") is None


def test_a_code_is_long_and_only_its_hash_is_kept(journal: Journal):
    with journal.write("test") as tx:
        codes = {access.make_code(tx, ANA, "login", SHORT) for _ in range(20)}
        token = access.open_session(tx, ANA, SHORT)
        kept = str(tx.all(select(t.codes))) + str(tx.all(select(t.sessions)))
    assert len(codes) == 20
    assert all(len(code) >= 22 for code in codes)  # 6 bits each
    assert not any(secret in kept for secret in (*codes, token))


def test_of_many_who_redeem_at_once_one_gets_in(journal: Journal):
    with journal.write("test") as tx:
        code = access.make_code(tx, ANA, "login", SHORT)
    got: list[PersonId | None] = []
    together = threading.Barrier(6)

    def try_it() -> None:
        together.wait()
        with journal.write("test.race") as tx:
            got.append(access.redeem(tx, code, "login"))

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(g) for g in got) == ["None"] * 5 + ["ana"]


def test_what_is_too_old_opens_nothing_and_is_forgotten(journal: Journal):
    with journal.write("test") as tx:
        code = access.make_code(tx, ANA, "login", timedelta(0))
        token = access.open_session(tx, ANA, timedelta(0))
        fresh = access.open_session(tx, BEN, SHORT)
        assert access.redeem(tx, code, "login") is None
        assert access.person_of_session(tx, token) is None
        assert access.prune(tx) == 2
        assert access.person_of_session(tx, fresh) == BEN


def test_all_sessions_of_a_person_end_with_the_links_that_would_open_another(journal: Journal):
    with journal.write("test") as tx:
        tokens = [access.open_session(tx, ANA, SHORT) for _ in range(2)]
        other = access.open_session(tx, BEN, SHORT)
        code = access.make_code(tx, ANA, "login", SHORT)
        account = access.make_code(tx, ANA, "link", SHORT)
        assert access.end_sessions(tx, ANA) == 2
        assert [access.person_of_session(tx, x) for x in (*tokens, other)] == [None, None, BEN]
        assert access.redeem(tx, code, "login") is None
        assert access.redeem(tx, account, "link") == ANA
        access.end_session(tx, other)
        assert access.person_of_session(tx, other) is None
