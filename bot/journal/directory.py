"""Who an account belongs to: config/people.yaml, and accounts that people linked themselves by a one-time code."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select

from actions.policy import People, Person
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx


def known(tx: Tx, people: People) -> People:
    """*people* with the accounts they linked. One account belongs to one person; the file comes first."""
    linked = tx.all(select(t.accounts).order_by(t.accounts.c.linked_at))
    if not linked:
        return people
    by_person: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in linked:
        if people.by_account(row["surface"], row["account"]) is None:
            mine = by_person.setdefault(row["person_id"], {})
            mine[row["surface"]] = (*mine.get(row["surface"], ()), row["account"])
    return People(people=tuple(_with(p, by_person.get(p.id, {})) for p in people.people), on_call=people.on_call)


def _with(person: Person, more: dict[str, tuple[str, ...]]) -> Person:
    accounts = dict(person.accounts)
    for surface, names in more.items():
        accounts[surface] = (*accounts.get(surface, ()), *names)
    return replace(person, accounts=accounts)


def link(tx: Tx, people: People, surface: str, account: str, person_id: str) -> bool:
    """Give an account to a person. False when it already belongs to somebody."""
    if people.by_id(person_id) is None or known(tx, people).by_account(surface, account) is not None:
        return False
    tx.run(t.accounts.insert().values(surface=surface, account=account, person_id=person_id, linked_at=tx.now))
    return True


def with_linked(journal: Journal, people: Callable[[], People]) -> Callable[[], People]:
    """The directory, read each time, with the accounts that people linked themselves."""

    def read() -> People:
        with journal.read() as tx:
            return known(tx, people())

    return read
