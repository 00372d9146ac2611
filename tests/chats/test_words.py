"""``diagnose`` in free words through the real receiver: the answer comes where it was asked, also after a kill."""

from pathlib import Path

import pytest
from sqlalchemy import select

from agents.deliberation.budgets import Limits
from agents.incident.catalogue import Catalogue, Service
from agents.ports import Task
from agents.reasoners.scripted import Scripted
from bot import understanding
from bot.journal import incidents, wordings
from bot.journal import tables as t
from bot.thinking import Thinking, with_thinking
from tests.chats.conftest import a_receiver, until
from tests.chats.platforms import PREFIX, Platform
from tests.walk.test_take_in import made

SHOP = Catalogue(services=(Service(name="checkout", environment="demo", edge=True),))
MEANT = {"version": 1, "status": "understood", "service": "{ent:checkout}", "minutes": 90, "symptom": None}


@pytest.mark.parametrize("killed", [False, True])
def test_free_words_are_acknowledged_and_answered_where_they_were_said(
    sqlite_url: str, platform: Platform, tmp_path: Path, killed: bool
):
    receiver = a_receiver(tmp_path, sqlite_url, platform)
    try:
        receiver.start(**{PREFIX + "READS_WORDS": "true"})
        platform.say("diagnose the shop front is sluggish")

        def waiting() -> list[str]:
            with receiver.journal.read() as tx:
                return [r["id"] for r in tx.all(select(t.inbox.c.id).where(t.inbox.c.state == wordings.WORDING))]

        (row,) = until(waiting, receiver.logged())
        if killed:
            receiver.kill()
        reasoner = Scripted(answers={Task.WORDS: [MEANT]})
        parts = with_thinking(made(receiver.journal, catalogue=SHOP), Thinking(reasoner=reasoner, limits=Limits()))
        understanding.read_words(row, parts)
        if killed:
            receiver.start(**{PREFIX + "READS_WORDS": "true"})

        def answered() -> bool:
            with receiver.journal.read() as tx:
                found = tx.one(select(t.inbox.c.state).where(t.inbox.c.id == row))
            return found is not None and found["state"] == "parsed"

        until(answered, receiver.logged(), seconds=40)
        with receiver.journal.read() as tx:
            (opened,) = [i for i in incidents.recent(tx) if i.asked_by == "ana"]
        assert (opened.service, opened.environment) == ("checkout", "demo")
        assert platform.violations() == []
    finally:
        receiver.stop()
