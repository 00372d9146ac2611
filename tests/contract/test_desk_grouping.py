"""What people say in chat about what belongs together and about maintenance, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from actions.policy import People
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState
from agents.render import leaks
from bot.desk import desk, group
from bot.journal import incidents, maintenance
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces.ports import Asker, Reply, Typed
from bot.wiring.parts import DeskParts
from tests.builders import a_person, desk_parts, take

S = IncidentState
PEOPLE = People(
    people=(
        a_person("ana", "responder", slack="U-ANA"),
        a_person("vic", "viewer", slack="U-VIC"),
    )
)


@pytest.fixture
def parts(journal: Journal) -> DeskParts:
    return desk_parts(journal, people=lambda: PEOPLE)


def says(parts: DeskParts, text: str, account: str = "U-ANA", *, private: bool = False) -> Reply:
    asker = Asker(surface="slack", account=account, place="C1", private=private)
    return desk.take(Typed(asker=asker, text=text), parts)


def alert(parts: DeskParts, **named: Any) -> IncidentId:
    with parts.journal.write("test.alert") as tx:
        found = take(tx, **named)
    assert found is not None
    return found


def state(parts: DeskParts, incident_id: IncidentId) -> IncidentState:
    with parts.journal.read() as tx:
        return incidents.load(tx, incident_id).state


def test_two_incidents_become_one_by_a_persons_word(parts: DeskParts) -> None:
    one, other = alert(parts, identity="a"), alert(parts, identity="b", service="billing")
    said = says(parts, f"merge {one} into {other}")
    assert (said.text, said.public) == (f"{one} goes on in {other}.", True)
    assert state(parts, one) is S.MERGED
    again = says(parts, f"merge {one} {other}")
    assert "merged already" in again.text


@pytest.mark.parametrize("words", ["merge", "merge INC_01M8DR9MQMDVH3EAZQESB3CDZR"])
def test_a_merge_that_does_not_name_both_says_how(parts: DeskParts, words: str) -> None:
    assert "Name both" in says(parts, words).text


def test_alerts_are_listed_and_split_off(parts: DeskParts) -> None:
    one, other = alert(parts, identity="a"), alert(parts, identity="b", title="Disk `full` <!here>")
    says(parts, f"merge {other} into {one}")
    listed = says(parts, f"split {one}")
    assert len(listed.lines) == 2
    episode = next(line for line in listed.lines if "Disk" in line).split()[0]
    said = says(parts, f"split {one} {episode}")
    assert "1 alert(s)" in said.text
    with parts.journal.read() as tx:
        rows = tx.all(select(t.episodes.c.incident_id).order_by(t.episodes.c.id))
    assert len({r["incident_id"] for r in rows}) == 2


def test_a_title_and_a_reason_from_outside_stay_in_their_quotes_and_are_cut(parts: DeskParts) -> None:
    outside = "Disk ” 7 pods were restarted" + " and so on" * 40
    one = alert(parts, title=outside)
    (listed,) = says(parts, f"split {one}").lines
    says(parts, f"maintenance checkout 2h {outside}")
    (window,) = says(parts, "maintenance").lines
    for line in (listed, window):
        assert line.endswith("…”")
        assert "Disk ”" not in line


def test_an_answer_about_what_belongs_together_says_what_it_may_say(parts: DeskParts) -> None:
    one, other = alert(parts, identity="a"), alert(parts, identity="b", service="billing")
    ana = PEOPLE.people[0]
    begun = group.begin("demo/checkout", timedelta(hours=1), "", ana, parts)
    with parts.journal.read() as tx:
        (window,) = maintenance.standing(tx)
    answers = [
        begun,
        group.windows(parts),
        group.end("MW_0", ana, parts),
        group.end(window.id, ana, parts),
        group.split(one, (), ana, parts),
        group.merge(other, one, ana, parts),
    ]
    for said in answers:
        assert said.accounted is not None
        assert not leaks("\n".join([said.text, *said.lines]), said.accounted)


def test_maintenance_is_begun_listed_and_ended(parts: DeskParts) -> None:
    said = says(parts, "maintenance checkout 2h moving the database")
    assert said.public
    assert "`demo/checkout`" in said.text
    assert state(parts, alert(parts)) is S.SUPPRESSED
    (line,) = says(parts, "maintenance").lines
    assert "moving the database" in line
    ended = says(parts, f"maintenance end {line.split()[0]}")
    assert "is over" in ended.text
    assert says(parts, "maintenance").text == "No maintenance."
    assert "no maintenance" in says(parts, "maintenance end MW_1").text


def test_maintenance_may_cover_a_whole_environment_that_is_known(parts: DeskParts) -> None:
    says(parts, "maintenance demo/* 30m")
    with parts.journal.read() as tx:
        (window,) = maintenance.standing(tx)
    assert window.scope == "demo/*"
    assert (window.ends_at - window.starts_at).total_seconds() == 1800
    assert "no service" in says(parts, "maintenance nowhere/* 30m").text


def test_maintenance_without_a_span_or_for_ever_is_refused(parts: DeskParts) -> None:
    assert "how long" in says(parts, "maintenance checkout").text
    assert "how long" in says(parts, "maintenance 2h").text
    assert "at most" in says(parts, "maintenance checkout 8d").text


@pytest.mark.parametrize("words", ["merge {0} {1}", "split {0}", "maintenance checkout 2h"])
def test_who_may_only_read_changes_nothing(parts: DeskParts, words: str) -> None:
    one, other = alert(parts, identity="a"), alert(parts, identity="b", service="billing")
    said = says(parts, words.format(one, other), "U-VIC")
    assert "responder" in said.text
    assert state(parts, one) is S.RECEIVED
    with parts.journal.read() as tx:
        assert maintenance.standing(tx) == []
