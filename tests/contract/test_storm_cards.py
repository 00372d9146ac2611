"""What a chat is told of alerts that belong together: one card, few calls, nothing of what is merged away."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from agents.incident.ids import IncidentId
from agents.incident.incident import AlertStatus, Severity
from agents.incident.lifecycle import IncidentState
from agents.render import leaks
from bot.grouping import Rules
from bot.journal import incidents, maintenance, merging
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces.cards import card
from bot.surfaces.layout import messages
from bot.surfaces.limits import Budget
from bot.surfaces.ports import Card, Message
from bot.surfaces.speaker import Speech, speak
from tests.builders import ALONE, NOON, PEOPLE, take

S = IncidentState
STORMY = replace(ALONE, rules=Rules(storm_incidents=5, uses={}, flapping_turns=2))


class Wall:
    """A patient chat that keeps what it is told."""

    name, patient = "slack", True

    def __init__(self) -> None:
        self.budget = Budget({}, lambda: 0.0)
        self.calls: list[str] = []
        self.root: dict[str, Message] = {}

    def layout(self, made: Card) -> Any:
        return messages(made)

    async def post(self, message: Message, root: str | None) -> str:
        self.calls.append(f"post {message.key.partition('/')[2]}")
        self.root[message.key.partition("/")[0]] = message
        return message.key

    async def find(self, key: str, root: str | None) -> str | None:
        return None

    async def edit(self, ref: str, message: Message) -> None:
        self.calls.append(f"edit {ref.partition('/')[2]}")
        self.root[ref.partition("/")[0]] = message

    async def detail(self, root: str, lines: Any, link: str = "") -> None:
        self.calls.append("detail")

    async def answer(self, asker: Any, reply: Any) -> None:
        raise NotImplementedError


class Room:
    """A journal and the chat that is held against it."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.wall = journal, Wall()
        self.speech = Speech(journal=journal, people=lambda: PEOPLE)

    def take(self, **named: Any) -> IncidentId:
        with self.journal.write("test.alert") as tx:
            found = take(tx, STORMY, **named)
        assert found is not None
        return found

    def speak(self) -> list[str]:
        self.wall.calls.clear()
        asyncio.run(speak(self.speech, self.wall))
        return list(self.wall.calls)

    def later(self, span: timedelta) -> None:
        self.speech.quiet.clear()
        with self.journal.write("test.later") as tx:
            for row in tx.all(t.messages.select()):
                same = t.messages.c.key == row["key"]
                tx.run(update(t.messages).where(same).values(shown_at=row["shown_at"] - span))

    def card(self, incident_id: IncidentId) -> Card:
        with self.journal.read() as tx:
            return card(tx, incident_id, PEOPLE)


@pytest.fixture
def room(journal: Journal) -> Room:
    return Room(journal)


def flood(room: Room, count: int = 6) -> IncidentId:
    for n in range(count):
        last = room.take(identity=f"i{n}", service=f"s{n % 4}", severity=Severity.WARNING)
    return last


def test_a_storm_is_one_card_with_its_tally_and_its_members_are_never_posted(room: Room) -> None:
    storm = flood(room)
    room.take(identity="loud", service="s0", severity=Severity.CRITICAL)
    assert [c for c in room.speak() if c.startswith("post")] == ["post root"]
    said = room.card(storm)
    assert "Alerts: 7 of 4 services, of which 7 fire now" in said.summary
    assert "How loud: 1 critical, 6 warning" in said.summary
    assert any(line.startswith("Most: `s0` 3 · `s1` 2") for line in said.summary)
    assert not leaks("\n".join(said.summary), said.accounted)


def test_a_card_of_a_storm_is_edited_seldom_and_the_rest_is_told_then(room: Room) -> None:
    flood(room)
    room.speak()
    room.later(timedelta(seconds=14))
    for n in range(5):
        room.take(identity=f"more{n}", service="s1")
    assert room.speak() == []
    assert room.speak() == []  # and it is not even looked at again before its time
    room.later(timedelta(seconds=2))
    assert "edit root" in room.speak()
    assert "12" not in "".join(room.wall.calls)


def test_a_storm_that_lasts_is_told_less_often(room: Room) -> None:
    storm = flood(room)
    with room.journal.write("test.old") as tx:
        opened = incidents.load(tx, storm).opened_at - timedelta(hours=1)
        tx.run(update(t.incidents).where(t.incidents.c.id == storm).values(opened_at=opened))
    assert room.card(storm).apart > timedelta(minutes=5)


def test_alerts_that_join_an_incident_are_counted_on_its_card_and_post_nothing(room: Room) -> None:
    one = room.take(identity="a")
    room.speak()
    with room.journal.write("test.joined") as tx:
        tx.event(one, "grouping", "alert.joined", title="b", rule="service")
    room.later(timedelta(seconds=10))
    assert "detail" not in room.speak()


def test_what_is_under_maintenance_is_told_to_nobody(room: Room) -> None:
    with room.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/*", reason="", lasts=timedelta(hours=1), made_by="ana")
    room.take()
    assert room.speak() == []


def test_a_card_that_was_shown_says_where_its_incident_went(room: Room) -> None:
    one, other = room.take(identity="a"), room.take(identity="b", service="billing")
    room.speak()
    with room.journal.write("test.merged") as tx:
        merging.merge(tx, one, other, actor="Ana", reason="the same")
    room.later(timedelta(seconds=10))
    assert "edit root" in room.speak()
    assert any(other in line for line in room.wall.root[one].lines)
    assert [b.label for b in room.wall.root[one].buttons] == ["Details"]
    assert any("Alerts: 2" in line for line in room.card(other).summary)


def test_a_card_says_that_its_incident_waits_flaps_or_is_held(room: Room) -> None:
    one, other = room.take(identity="a"), room.take(identity="b", service="billing")
    with room.journal.write("test.waits") as tx:
        incidents.wait(tx, incidents.load(tx, one), other, actor="grouping")
    assert any(f"Waits for `{other}`" in line for line in room.card(one).summary)
    room.take(identity="b", service="billing", status=AlertStatus.RESOLVED)
    assert any("believed once it has lasted" in line for line in room.card(other).summary)
    room.take(identity="b", service="billing", started_at=NOON + timedelta(minutes=1))
    assert any("Flapping" in line for line in room.card(other).summary)
