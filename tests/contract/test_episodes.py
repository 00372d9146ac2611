"""What makes two deliveries one thing: episodes, their ends, flapping, incidents, storms; on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from agents.incident.catalogue import Catalogue, Service
from agents.incident.errors import BadInput, Refused
from agents.incident.ids import IncidentId
from agents.incident.incident import AlertStatus, Incident, Severity
from agents.incident.lifecycle import ActionState, IncidentState
from bot.grouping import Grouping, Kind, Rule, Rules, Use
from bot.journal import approvals, episodes, incidents, maintenance, merging, runs, stops, storms
from bot.journal import tables as t
from bot.journal.journal import Journal
from tests.builders import NOON, a_finding, a_policy, a_proposal, an_alert, take
from tests.conftest import Rung

A, S = ActionState, IncidentState
FIRING, RESOLVED, ACKED, NOTED = AlertStatus
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

CATALOGUE = Catalogue(
    services=(
        Service(name="gateway", environment="demo", calls=("checkout",)),
        Service(name="checkout", environment="demo", calls=("orders",)),
        Service(name="orders", environment="demo"),
        Service(name="search", environment="demo"),
        Service(name="checkout", environment="staging", calls=()),
    )
)
USUAL = Grouping(rules=Rules(), catalogue=CATALOGUE)


def ruled(**named: Any) -> Grouping:
    """The usual rules, but for what is named."""
    return replace(USUAL, rules=replace(USUAL.rules, **named))


class Desk:
    """A journal that alerts come to, and what stands in it."""

    def __init__(self, journal: Journal, rung: Rung) -> None:
        self.journal, self.rung = journal, rung

    def take(self, grouping: Grouping = USUAL, **named: Any) -> IncidentId | None:
        """One alert."""
        with self.journal.write("test.alert") as tx:
            return take(tx, grouping, **named)

    def opened(self, grouping: Grouping = USUAL, **named: Any) -> IncidentId:
        """One alert that has to be in an incident."""
        found = self.take(grouping, **named)
        assert found is not None
        return found

    def incident(self, incident_id: IncidentId) -> Incident:
        with self.journal.read() as tx:
            return incidents.load(tx, incident_id)

    def rows(self) -> list[dict[str, Any]]:
        with self.journal.read() as tx:
            return [dict(r) for r in tx.all(select(t.episodes).order_by(t.episodes.c.id))]

    def count(self) -> int:
        with self.journal.read() as tx:
            return int(tx.run(select(func.count()).select_from(t.incidents)).scalar_one())

    def told(self, incident_id: IncidentId) -> list[str]:
        with self.journal.read() as tx:
            query = (
                select(t.events.c.kind).where(t.events.c.incident_id == incident_id).order_by(t.events.c.number)
            )
            return list(tx.run(query).scalars())

    def jobs(self) -> list[str]:
        """What was rung since this was last asked; it has been heard by now."""
        found = [job for _, job, _ in self.rung]
        self.rung.clear()
        with self.journal.write("test.heard") as tx:
            tx.run(t.outbox.delete())
        return found

    def believe(self) -> None:
        with self.journal.write("test.believed") as tx:
            episodes.believe(tx)

    def passes(self, span: timedelta) -> None:
        """Time goes on: everything on record is that much older."""
        with self.journal.write("test.passed") as tx:
            for table in (t.episodes, t.incidents, t.maintenance):
                instants = [c for c in table.c if str(c.type) == str(t.incidents.c.opened_at.type)]
                for row in tx.all(select(table)):
                    older = {
                        c.name: row[c.name] - span
                        for c in instants
                        if isinstance(row[c.name], datetime) and c.name not in {"started_at", "at", "ended_at"}
                    }
                    if table is t.episodes:
                        older["turns"] = [(datetime.fromisoformat(x) - span).isoformat() for x in row["turns"]]
                    tx.run(table.update().where(table.c.id == row["id"]).values(**older))

    def moved(self, incident_id: IncidentId, *states: IncidentState) -> None:
        with self.journal.write("test.moved") as tx:
            for state in states:
                incidents.move(tx, incidents.load(tx, incident_id), state, actor="test")


@pytest.fixture
def desk(journal: Journal, rung: Rung) -> Iterator[Desk]:
    yield Desk(journal, rung)


# One alert


def test_an_end_is_held_before_it_is_believed(desk: Desk) -> None:
    incident_id = desk.opened()
    desk.take(status=RESOLVED)
    assert desk.rows()[0]["state"] == "holding"
    assert not desk.incident(incident_id).alert_firing  # for acting it counts as resolved at once
    desk.believe()
    assert desk.rows()[0]["state"] == "holding"
    desk.passes(2 * MINUTE + SECOND)
    desk.jobs()
    with desk.journal.read() as tx:
        assert episodes.any_due(tx)
    desk.believe()
    assert desk.rows()[0]["state"] == "ended"
    assert desk.jobs() == ["settle"]
    with desk.journal.read() as tx:
        assert not episodes.any_due(tx)


def test_firing_again_while_the_end_is_held_is_the_same_episode_and_no_new_triage(desk: Desk) -> None:
    incident_id = desk.opened()
    desk.moved(incident_id, S.TRIAGING, S.REPORTED)
    desk.take(status=RESOLVED)
    assert desk.opened(started_at=NOON + MINUTE) == incident_id
    row = desk.rows()[0]
    assert (row["state"], row["firing"], row["held_until"], len(row["turns"])) == ("open", True, None, 3)
    again = desk.incident(incident_id)
    assert (again.state, again.attempt, again.alert_firing) == (S.REPORTED, 1, True)
    assert len(desk.rows()) == 1


def test_a_new_start_while_it_fires_only_updates_the_episode(desk: Desk) -> None:
    incident_id = desk.opened()
    assert desk.opened(started_at=NOON + HOUR) == incident_id  # Prometheus was restarted
    assert [r["started_at"] for r in desk.rows()] == [NOON + HOUR]
    assert desk.told(incident_id) == ["alert.firing"]


@pytest.mark.parametrize("status", [ACKED, NOTED])
def test_what_is_neither_a_beginning_nor_an_end_is_noted_and_nothing_recovers(
    desk: Desk, status: AlertStatus
) -> None:
    assert desk.take(status=status) is None
    incident_id = desk.opened()
    assert desk.take(status=status, word="no data") == incident_id
    assert desk.incident(incident_id).alert_firing
    assert desk.told(incident_id) == ["alert.firing", f"alert.{status.value}"]


def test_an_event_older_than_the_last_one_applied_is_stored_and_not_applied(desk: Desk) -> None:
    incident_id = desk.opened(at=NOON + MINUTE)
    assert desk.take(status=RESOLVED, at=NOON) == incident_id
    assert desk.incident(incident_id).alert_firing
    assert desk.told(incident_id) == ["alert.firing", "alert.late"]


def test_an_end_that_overtook_its_beginning_is_kept_and_the_beginning_is_born_ended(desk: Desk) -> None:
    assert desk.take(status=RESOLVED, started_at=NOON, ended_at=NOON + MINUTE) is None
    assert desk.take(started_at=NOON) is None
    assert desk.count() == 0
    assert desk.take(started_at=NOON + 2 * MINUTE) is not None  # it fires again


def test_an_end_without_times_swallows_no_beginning(desk: Desk) -> None:
    assert desk.take(status=RESOLVED, started_at=None) is None
    assert desk.take(started_at=NOON) is not None


def test_an_older_beginning_than_that_which_ended_is_believed_after_ten_minutes(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    incident_id = desk.opened(quick)
    desk.take(quick, status=RESOLVED)
    desk.moved(incident_id, S.RESOLVED)
    assert desk.take(quick, started_at=NOON - MINUTE) == incident_id
    assert desk.incident(incident_id).state is S.RESOLVED  # a late delivery, and told as one
    assert "alert.late" in desk.told(incident_id)
    desk.passes(11 * MINUTE)
    desk.take(quick, started_at=NOON - MINUTE)
    assert desk.incident(incident_id).state is S.REOPENED  # the sender still says so


def test_an_older_beginning_that_is_repeated_within_the_ten_minutes_is_believed_after_them(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    incident_id = desk.opened(quick)
    desk.take(quick, status=RESOLVED)
    desk.moved(incident_id, S.RESOLVED)
    desk.passes(6 * MINUTE)
    desk.take(quick, started_at=NOON - MINUTE)
    assert desk.incident(incident_id).state is S.RESOLVED
    desk.passes(6 * MINUTE)
    desk.take(quick, started_at=NOON - MINUTE)
    assert desk.incident(incident_id).state is S.REOPENED


@pytest.mark.parametrize("after", [3, 5, 9, 11])
def test_an_alert_that_its_sender_forgot_fires_again_with_the_beginning_that_it_had(
    desk: Desk, after: int
) -> None:
    """As Alertmanager does when Prometheus could not reach it for a while; it may not say so again for hours."""
    incident_id = desk.opened()
    desk.take(status=RESOLVED)
    desk.passes(3 * MINUTE)
    desk.believe()
    desk.moved(incident_id, S.RESOLVED)
    desk.passes((after - 3) * MINUTE)
    desk.take()
    assert desk.incident(incident_id).state is S.REOPENED


def test_one_identity_in_two_environments_is_two_alerts(desk: Desk) -> None:
    staging = desk.opened(environment="staging", service=None)
    prod = desk.opened(environment="prod", service=None, severity=Severity.CRITICAL)
    assert staging != prod
    assert [desk.incident(i).environment for i in (staging, prod)] == ["staging", "prod"]
    desk.take(environment="staging", service=None, status=RESOLVED)
    assert [desk.incident(i).alert_firing for i in (staging, prod)] == [False, True]
    desk.moved(staging, S.RESOLVED)
    desk.take(environment="prod", service=None)
    assert desk.incident(staging).state is S.RESOLVED


def test_an_end_that_names_no_environment_ends_them_all(desk: Desk) -> None:
    both = [desk.opened(environment=name, service=None) for name in ("staging", "prod")]
    assert len(set(both)) == 2
    desk.take(environment=None, service=None, status=RESOLVED)
    assert [desk.incident(i).alert_firing for i in both] == [False, False]
    assert sorted(row["number"] for row in desk.rows()) == [1, 2]


def test_an_alert_that_comes_back_after_its_incident_was_closed_opens_one_that_says_so(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    old = desk.opened(quick)
    desk.take(quick, status=RESOLVED)
    desk.moved(old, S.RESOLVED, S.CLOSED)
    new = desk.opened(quick, started_at=NOON + MINUTE)
    assert new != old
    assert "incident.follows" in desk.told(new)


# Flapping


def test_an_alert_that_turns_too_often_flaps_is_told_once_and_ends_after_quiet(desk: Desk) -> None:
    incident_id = desk.opened()
    for n in range(1, 6):
        desk.take(status=RESOLVED, ended_at=NOON + n * MINUTE)
        desk.take(started_at=NOON + n * MINUTE + 30 * SECOND)
    assert desk.told(incident_id).count("alert.flapping") == 1
    assert len(desk.rows()) == 1
    with desk.journal.read() as tx:
        assert episodes.flapping(tx, incident_id)
    desk.take(status=RESOLVED)
    assert desk.rows()[0]["state"] == "open"  # it stays open until it is quiet
    assert desk.incident(incident_id).alert_firing
    desk.passes(30 * MINUTE + SECOND)
    desk.believe()
    assert desk.rows()[0]["state"] == "ended"
    assert not desk.incident(incident_id).alert_firing
    assert desk.told(incident_id)[-2:] == ["alert.steady", "alert.resolved"]


def test_turns_that_are_long_ago_make_no_flapping(desk: Desk) -> None:
    incident_id = desk.opened()
    for n in range(1, 6):
        desk.take(status=RESOLVED, ended_at=NOON + n * MINUTE)
        desk.take(started_at=NOON + n * MINUTE + 30 * SECOND)
        if n < 5:
            desk.passes(30 * MINUTE)
    assert "alert.flapping" not in desk.told(incident_id)


def test_what_stops_flapping_while_it_fires_goes_on(desk: Desk) -> None:
    rules = ruled(flapping_turns=2)
    incident_id = desk.opened(rules)
    desk.take(rules, status=RESOLVED)
    desk.take(rules, started_at=NOON + MINUTE)
    assert "alert.flapping" in desk.told(incident_id)
    desk.passes(31 * MINUTE)
    desk.jobs()
    desk.believe()
    assert desk.jobs() == ["diagnose"]
    assert desk.rows()[0]["state"] == "open"
    with desk.journal.read() as tx:
        assert not episodes.flapping(tx, incident_id)


def test_slow_flapping_counts_over_episodes(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0), flapping_turns=3)
    incident_id = desk.opened(quick)
    for n in range(1, 3):
        desk.take(quick, status=RESOLVED)
        desk.moved(incident_id, S.RESOLVED)
        desk.take(quick, started_at=NOON + n * MINUTE + 30 * SECOND)
    assert "alert.flapping" in desk.told(incident_id)


# Which incident


def test_what_the_sender_groups_is_one_incident_within_one_source(desk: Desk) -> None:
    one = desk.opened(identity="a", group="g", service="search")
    assert desk.opened(identity="b", group="g", service="orders") == one
    assert desk.opened(identity="c", group="g", service="search", source="other", environment="staging") != one
    assert desk.told(one) == ["alert.firing", "alert.joined"]


def test_a_group_whose_first_member_joined_by_service_follows_it_there(desk: Desk) -> None:
    one = desk.opened(identity="a", service="search")
    assert desk.opened(identity="b", group="g", service="search") == one
    desk.passes(2 * HOUR)  # no window of the service is open any more
    assert desk.opened(identity="c", group="g", service="orders") == one
    assert desk.opened(identity="d", group="g", service=None) == one
    assert desk.opened(identity="e", group="g", service=None, source="other") != one
    assert desk.opened(identity="f", group="h", service=None) != one


def test_a_member_whose_end_is_held_still_holds_its_group(desk: Desk) -> None:
    one = desk.opened(identity="a", service="search")
    desk.take(identity="b", group="g", service="search")
    desk.take(identity="b", group="g", service="search", status=RESOLVED)
    assert desk.opened(identity="c", group="g", service="orders") == one


def test_a_group_is_where_its_open_alerts_are_and_not_in_what_is_over(desk: Desk) -> None:
    one = desk.opened(identity="a", service="search")
    desk.take(identity="b", group="g", service="search")
    with desk.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/orders", reason="", lasts=HOUR, made_by="ana")
    quiet = desk.opened(identity="c", group="g", service="orders")
    assert desk.incident(quiet).state is S.SUPPRESSED
    assert desk.opened(identity="d", group="g", service=None) == one
    desk.moved(one, S.RESOLVED)
    assert desk.opened(identity="e", group="g", service=None) not in {one, quiet}


def test_a_group_that_was_told_later_counts_as_well(desk: Desk) -> None:
    one = desk.opened(identity="a", service="search")
    desk.take(identity="a", service="search", group="g")
    assert desk.opened(identity="c", group="g", service="orders") == one


def test_the_rule_of_the_group_in_shadow_moves_nothing(desk: Desk) -> None:
    shadow = ruled(uses={**USUAL.rules.uses, Rule.GROUP: Use.SHADOW})
    one = desk.opened(shadow, identity="a", service="search")
    desk.take(shadow, identity="b", group="g", service="search")
    assert desk.opened(shadow, identity="c", group="g", service="orders") != one
    assert "grouping.shadow" in desk.told(one)


def test_an_alert_that_comes_back_goes_where_its_group_is_by_now(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    before = desk.opened(quick, identity="a", group="g", service="search")
    desk.take(quick, identity="a", group="g", service="search", status=RESOLVED)
    desk.moved(before, S.RESOLVED)
    now = desk.opened(quick, identity="b", group="g", service="orders")
    assert now != before
    back = desk.opened(quick, identity="a", group="g", service="search", started_at=NOON + HOUR)
    assert back == now
    assert desk.incident(before).state is S.RESOLVED
    assert "incident.follows" in desk.told(now)


def test_members_of_a_group_that_is_in_a_storm_join_it_without_a_line_each(desk: Desk) -> None:
    with desk.journal.write("test.grouped") as tx:
        take(tx, USUAL, identity="first", group="g", service="search")
    storm = flood(desk, 10)[-1]
    assert desk.incident(storm).kind == Kind.STORM
    before = desk.told(storm)
    assert desk.opened(identity="second", group="g", service=None) == storm
    assert desk.told(storm) == before


@pytest.mark.parametrize("part", [0, 1])
def test_what_was_split_off_takes_none_of_the_group_that_stayed(desk: Desk, part: int) -> None:
    quick = ruled(hold=timedelta(0))
    one = desk.opened(identity="a", group="g", service="search")
    desk.take(identity="b", group="g", service="search")
    chosen = desk.rows()[part]
    with desk.journal.write("test.split") as tx:
        apart = merging.split(tx, one, [chosen["id"]], actor="ana")
    again = {"identity": chosen["identity"], "group": "g", "service": "search"}
    desk.take(quick, **again)  # a repeat does not take it back into the group
    desk.take(quick, **again, status=RESOLVED)
    assert desk.take(quick, **again) == apart  # nor does its firing again
    assert desk.opened(identity="c", group="g", service="orders") == one
    for identity, service in (("a", "search"), ("b", "search"), ("c", "orders")):
        desk.take(quick, identity=identity, group="g", service=service, status=RESOLVED)
    assert desk.opened(quick, identity="d", group="g", service=None) == one != apart


def test_a_stop_keeps_back_what_acts_and_no_alert(desk: Desk) -> None:
    with desk.journal.write("test.stop") as tx:
        stops.stop(tx, "*", "ana", "change freeze")
    assert desk.incident(desk.opened()).state is S.RECEIVED
    assert desk.jobs() == ["diagnose"]


# Read again


def test_what_was_heard_since_a_delivery_had_its_turn_is_newer(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    incident_id = desk.opened(quick)
    desk.take(quick, status=RESOLVED)
    with desk.journal.write("test.again") as tx:
        early, late = tx.now - HOUR, tx.now + HOUR
        assert episodes.apply(tx, an_alert(started_at=NOON + MINUTE), quick, seen=early) == [incident_id]
    assert desk.rows()[-1]["state"] == "ended"
    assert desk.told(incident_id)[-1] == "alert.late"
    with desk.journal.write("test.again") as tx:
        episodes.apply(tx, an_alert(started_at=NOON + MINUTE), quick, seen=late)
    assert desk.rows()[-1]["state"] == "open"
    assert desk.rows()[-1]["last_seen_at"] == late


def test_alerts_of_one_service_within_the_window_are_one_incident(desk: Desk) -> None:
    one = desk.opened(identity="a")
    desk.passes(4 * MINUTE)
    assert desk.opened(identity="b") == one
    desk.passes(4 * MINUTE)
    assert desk.opened(identity="c") == one  # each alert extends it
    desk.passes(5 * MINUTE + SECOND)
    assert desk.opened(identity="d") != one


def test_a_window_is_extended_for_an_hour_at_most(desk: Desk) -> None:
    one = desk.opened(identity="0")
    for n in range(1, 15):
        desk.passes(4 * MINUTE)
        assert desk.opened(identity=str(n)) == one
    desk.passes(4 * MINUTE)
    assert desk.opened(identity="late") != one


def test_the_same_service_of_another_environment_is_another_incident(desk: Desk) -> None:
    assert desk.opened(identity="a") != desk.opened(identity="b", environment="staging")
    assert desk.opened(identity="c", group="g") != desk.opened(identity="d", group="g", environment="staging")


def test_alerts_without_a_service_are_not_one_thing(desk: Desk) -> None:
    assert desk.opened(identity="a", service=None) != desk.opened(identity="b", service=None)


def test_an_incident_that_a_person_asked_for_takes_no_alert_in(desk: Desk) -> None:
    with desk.journal.write("test.asked") as tx:
        asked, new = incidents.open_asked(
            tx, service="checkout", environment="demo", title="asked", person_id="ana", name="Ana", window=None
        )
    assert new
    assert desk.opened() != asked


def test_an_incident_waits_for_that_of_what_it_relies_on(desk: Desk) -> None:
    below = desk.opened(identity="orders", service="orders")
    desk.jobs()
    above = desk.opened(identity="gateway", service="gateway")  # through checkout
    waiting = desk.incident(above)
    assert (waiting.state, waiting.waiting_on) == (S.WAITING_ON, below)
    assert desk.jobs() == []  # it is not looked into
    with desk.journal.write("test.waits") as tx:
        incidents.waits_over(tx, 15 * MINUTE)
    assert desk.incident(above).state is S.WAITING_ON
    desk.moved(below, S.RESOLVED)
    with desk.journal.write("test.waits") as tx:
        incidents.waits_over(tx, 15 * MINUTE)
    assert (desk.incident(above).state, desk.incident(above).attempt) == (S.TRIAGING, 2)
    assert "diagnose" in desk.jobs()


def test_nobody_waits_for_ever_and_what_no_longer_fires_is_settled(desk: Desk) -> None:
    desk.opened(identity="orders", service="orders")
    above = desk.opened(identity="checkout")
    search = desk.opened(identity="search", service="search")
    desk.passes(15 * MINUTE + SECOND)
    desk.take(identity="checkout", status=RESOLVED)
    desk.jobs()
    with desk.journal.write("test.waits") as tx:
        incidents.waits_over(tx, 15 * MINUTE)
    assert desk.incident(above).state is S.WAITING_ON
    assert desk.jobs() == ["settle"]
    assert desk.incident(search).state is S.RECEIVED


def test_what_waits_is_waited_for_by_nobody(desk: Desk) -> None:
    orders = desk.opened(identity="orders", service="orders")
    desk.opened(identity="checkout")  # waits for orders
    gateway = desk.opened(identity="gateway", service="gateway")
    assert desk.incident(gateway).waiting_on == orders


def test_a_dependency_of_another_environment_is_none(desk: Desk) -> None:
    desk.opened(identity="orders", service="orders", environment="staging")
    assert desk.incident(desk.opened(identity="checkout")).state is S.RECEIVED


def test_several_services_on_one_thing_are_an_incident_on_it(desk: Desk) -> None:
    grouping = ruled(uses={**USUAL.rules.uses, Rule.ENTITY: Use.USE, Rule.DEPENDENCY: Use.SKIP})
    first = desk.opened(grouping, identity="a", service="gateway", entity="node-1")
    second = desk.opened(grouping, identity="b", service="orders", entity="node-1")
    desk.opened(grouping, identity="x", service="search", entity="node-2")
    on_node = desk.opened(grouping, identity="c", service="checkout", entity="node-1")
    assert desk.incident(on_node).kind == Kind.ENTITY
    assert {desk.incident(i).waiting_on for i in (first, second)} == {on_node}
    assert desk.opened(grouping, identity="d", service="search", entity="node-1") != on_node  # its own is open
    desk.passes(6 * MINUTE)
    assert desk.opened(grouping, identity="e", service="other", entity="node-1") == on_node


def test_a_rule_in_shadow_says_what_it_would_have_done_and_does_nothing(desk: Desk) -> None:
    grouping = ruled(uses={Rule.SERVICE: Use.SHADOW})
    one = desk.opened(grouping, identity="a")
    assert desk.opened(grouping, identity="b") != one
    assert "grouping.shadow" in desk.told(one)


# Priority


def test_a_worse_severity_raises_the_priority_and_is_told_once(desk: Desk) -> None:
    one = desk.opened(identity="a", severity=Severity.WARNING)
    assert desk.incident(one).priority == 3
    desk.opened(identity="b", severity=Severity.CRITICAL)
    desk.opened(identity="c", severity=Severity.CRITICAL)
    raised = desk.incident(one)
    assert (raised.severity, raised.priority) == (Severity.CRITICAL, 1)
    assert desk.told(one).count("incident.raised") == 1


def test_the_same_alert_with_a_worse_severity_raises_it_too(desk: Desk) -> None:
    one = desk.opened(severity=Severity.WARNING)
    desk.opened(severity=Severity.HIGH)
    assert desk.incident(one).priority == 2


def test_the_most_urgent_is_looked_into_first(desk: Desk) -> None:
    slow = desk.opened(identity="a", service="search", severity=Severity.INFO)
    quick = desk.opened(identity="b", service="orders", severity=Severity.CRITICAL)
    with desk.journal.read() as tx:
        assert incidents.more_urgent(tx, incidents.load(tx, slow)) == quick
        assert incidents.more_urgent(tx, incidents.load(tx, quick)) is None


# Storms


def flood(desk: Desk, count: int, **named: Any) -> list[IncidentId]:
    """Alerts of as many services."""
    usual = {"severity": Severity.WARNING} | named
    return [desk.opened(identity=f"i{n}", service=f"s{n}", **usual) for n in range(count)]


def test_many_new_incidents_at_once_are_one_storm(desk: Desk) -> None:
    opened = flood(desk, 10)
    assert len(set(opened)) == 10
    storm = desk.opened(identity="i10", service="s10", severity=Severity.CRITICAL)
    found = desk.incident(storm)
    assert (found.kind, found.state, found.priority, found.service) == (Kind.STORM, S.TRIAGING, 1, None)
    assert found.severity is Severity.CRITICAL
    assert {desk.incident(i).state for i in opened} == {S.MERGED}
    assert {desk.incident(i).merged_into for i in opened} == {storm}
    assert desk.opened(identity="i11", service="s11") == storm
    with desk.journal.read() as tx:
        tally = storms.tally(tx, storm)
        assert incidents.looks_later(tx, storm)  # its alerts are gathered first
    assert (tally.alerts, tally.firing, len(tally.services)) == (12, 12, 12)
    assert tally.severities[Severity.WARNING] == 10
    assert desk.told(storm).count("alert.joined") == 0  # it counts; it is no line of its own


def test_a_storm_of_one_environment_is_none_of_another(desk: Desk) -> None:
    flood(desk, 11)
    other = desk.opened(identity="o", service="s1", environment="staging")
    assert desk.incident(other).kind == Kind.ORDINARY


def test_what_people_decide_on_stays_out_of_a_storm(desk: Desk) -> None:
    taken, asked, *_ = flood(desk, 10)
    desk.moved(asked, S.TRIAGING, S.REPORTED, S.PROPOSED)
    with desk.journal.write("test.taken") as tx:
        incidents.take_over(tx, taken, "ana", "Ana")
    desk.opened(identity="i10", service="s10")
    assert desk.incident(taken).state is S.RECEIVED
    assert desk.incident(asked).state is S.PROPOSED


def test_a_large_share_of_the_known_services_is_a_storm(desk: Desk) -> None:
    catalogue = Catalogue(services=tuple(Service(name=f"s{n}", environment="demo") for n in range(12)))
    grouping = replace(USUAL, catalogue=catalogue)
    ids = [desk.opened(grouping, identity=f"i{n}", service=f"s{n}") for n in range(6)]
    kinds = [desk.incident(i).kind for i in ids]
    assert kinds[:5] == [Kind.ORDINARY] * 5  # five of twelve are more than 40 %: the next one is a storm
    assert kinds[5] == Kind.STORM


def test_a_storm_that_went_by_takes_nothing_in(desk: Desk) -> None:
    storm = [*flood(desk, 11)][-1]
    desk.passes(5 * MINUTE + SECOND)
    assert desk.incident(desk.opened(identity="later", service="later")).kind == Kind.ORDINARY
    assert desk.incident(storm).state is S.TRIAGING


def test_an_alert_of_a_storm_that_ended_comes_back_as_an_incident_of_its_own(desk: Desk) -> None:
    quick = ruled(hold=timedelta(0))
    storm = flood(desk, 11)[-1]
    for n in range(11):
        desk.take(quick, identity=f"i{n}", status=RESOLVED, ended_at=NOON + MINUTE)
    assert not desk.incident(storm).alert_firing
    desk.moved(storm, S.RESOLVED)
    desk.passes(6 * MINUTE)
    back = desk.incident(desk.opened(quick, identity="i3", service="s3", started_at=NOON + HOUR))
    assert (back.kind, back.state) == (Kind.ORDINARY, S.RECEIVED)


# Maintenance


def test_under_maintenance_nobody_is_told_and_an_end_is_still_taken(desk: Desk) -> None:
    with desk.journal.write("test.window") as tx:
        made = maintenance.begin(tx, scope="demo/check*", reason="move", lasts=HOUR, made_by="ana")
    incident_id = desk.opened()
    assert desk.incident(incident_id).state is S.SUPPRESSED
    assert desk.jobs() == []
    assert desk.incident(desk.opened(identity="other", service="orders")).state is S.RECEIVED
    desk.take(status=RESOLVED)
    assert desk.rows()[0]["state"] == "holding"
    with desk.journal.write("test.window") as tx:
        assert [m.id for m in maintenance.standing(tx)] == [made.id]
        assert maintenance.end(tx, made.id, "ana")
        assert not maintenance.end(tx, made.id, "ana")
        assert maintenance.standing(tx) == []


def test_what_still_fires_after_maintenance_is_a_new_incident(desk: Desk) -> None:
    with desk.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/*", reason="", lasts=HOUR, made_by="ana")
    quiet = desk.opened()
    for _ in range(2):
        with desk.journal.write("test.after") as tx:
            episodes.after_maintenance(tx, USUAL)
        assert desk.count() == 1
    desk.passes(HOUR + SECOND)
    with desk.journal.write("test.after") as tx:
        episodes.after_maintenance(tx, USUAL)
    assert desk.count() == 2
    assert desk.incident(quiet).state is S.SUPPRESSED
    assert desk.jobs() == ["diagnose"]


def test_what_flapped_under_maintenance_and_ended_there_is_no_incident_after_it(desk: Desk) -> None:
    rules = ruled(flapping_turns=2)
    with desk.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/*", reason="", lasts=HOUR, made_by="ana")
    desk.opened(rules)
    desk.take(rules, status=RESOLVED)
    desk.take(rules, started_at=NOON + MINUTE)
    desk.take(rules, status=RESOLVED)
    assert desk.rows()[0]["state"] == "open"  # it may flap on
    desk.passes(HOUR + SECOND)
    for step in (lambda tx: episodes.after_maintenance(tx, rules), episodes.believe):
        with desk.journal.write("test.after") as tx:
            step(tx)
    assert desk.count() == 1
    assert [r["state"] for r in desk.rows()] == ["ended"]


def test_a_silence_covers_the_alerts_of_its_title_only(desk: Desk) -> None:
    with desk.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/*", title="Disk *", reason="", lasts=HOUR, made_by="ana")
        maintenance.begin(
            tx, scope="*", reason="", lasts=HOUR, made_by="ana", starts_at=tx.now + HOUR
        )  # still to come
    assert desk.incident(desk.opened(title="Disk full")).state is S.SUPPRESSED
    assert desk.incident(desk.opened(identity="b", title="Checkout fails")).state is S.RECEIVED


def test_an_open_incident_still_closes_under_maintenance(desk: Desk) -> None:
    incident_id = desk.opened()
    with desk.journal.write("test.window") as tx:
        maintenance.begin(tx, scope="demo/*", reason="", lasts=HOUR, made_by="ana")
    desk.take(status=RESOLVED)
    assert not desk.incident(incident_id).alert_firing


# Merging and splitting


def test_merged_incidents_are_one_and_their_questions_are_withdrawn(desk: Desk) -> None:
    one, other = desk.opened(identity="a", service="search"), desk.opened(identity="b", service="orders")
    with desk.journal.write("test.proposed") as tx:
        for state in (S.TRIAGING, S.REPORTED, S.PROPOSED):
            incidents.move(tx, incidents.load(tx, one), state, actor="test")
        made = a_proposal(finding=a_finding(incident_id=one))
        run_id = runs.save(tx, incidents.load(tx, one), made, a_policy())
    with desk.journal.write("test.merged") as tx:
        merging.merge(tx, one, other, actor="Ana", reason="the same")
    assert (desk.incident(one).state, desk.incident(one).merged_into) == (S.MERGED, other)
    with desk.journal.read() as tx:
        asked = approvals.approval_of(tx, run_id)
        assert asked is not None
        assert asked.state.value == "CANCELLED"
    assert {r["incident_id"] for r in desk.rows()} == {other}
    assert desk.told(other)[-1] == "incident.absorbed"
    assert desk.opened(identity="a", service="search", started_at=NOON + MINUTE) == other  # as it fires again
    for identity in "ab":
        desk.take(identity=identity, status=RESOLVED)
    assert not desk.incident(other).alert_firing
    assert desk.opened(identity="a", service="search", started_at=NOON + HOUR) == other


def test_what_waited_for_an_incident_and_takes_it_in_goes_on(desk: Desk) -> None:
    below = desk.opened(identity="b", service="orders")
    above = desk.opened(identity="a", service="checkout")
    assert desk.incident(above).waiting_on == below
    desk.jobs()
    with desk.journal.write("test.merged") as tx:
        merging.merge(tx, below, above, actor="Ana", reason="the same")
    assert (desk.incident(above).state, desk.incident(above).waiting_on) == (S.TRIAGING, None)
    assert desk.jobs() == ["diagnose"]


def test_two_that_are_one_are_as_urgent_as_the_more_urgent(desk: Desk) -> None:
    urgent = desk.opened(identity="a", service="search", severity=Severity.CRITICAL)
    calm = desk.opened(identity="b", service="orders", severity=Severity.WARNING)
    with desk.journal.write("test.merged") as tx:
        merging.merge(tx, urgent, calm, actor="Ana", reason="the same")
    assert (desk.incident(calm).severity, desk.incident(calm).priority) == (Severity.CRITICAL, 1)


@pytest.mark.parametrize("why", ["itself", "over", "environment", "acting"])
def test_what_must_stay_apart_is_not_merged(desk: Desk, why: str) -> None:
    one = desk.opened(identity="a", service="search")
    other = desk.opened(identity="b", service="orders", environment="staging" if why == "environment" else "demo")
    if why == "over":
        desk.moved(other, S.RESOLVED)
    if why == "acting":
        desk.moved(one, S.TRIAGING, S.REPORTED, S.PROPOSED)
        with desk.journal.write("test.acting") as tx:
            made = a_proposal(finding=a_finding(incident_id=one))
            run_id = runs.save(tx, incidents.load(tx, one), made, a_policy())
            for n, state in enumerate((A.APPROVED, A.READY, A.RESERVED), start=1):
                runs.move(tx, run_id, state, version=n, actor="test")
    into = one if why == "itself" else other
    says = {"itself": "into itself", "over": "already", "environment": "apart", "acting": "under way"}[why]
    with pytest.raises(Refused, match=says), desk.journal.write("test.merged") as tx:
        merging.merge(tx, one, into, actor="Ana", reason="")
    assert desk.incident(one).merged_into is None


def test_split_alerts_are_an_incident_of_their_own(desk: Desk) -> None:
    one = desk.opened(identity="a")
    desk.opened(identity="b")
    ids = {r["identity"]: r["id"] for r in desk.rows()}
    desk.take(identity="a", status=RESOLVED)
    desk.jobs()
    with desk.journal.write("test.split") as tx:
        new = merging.split(tx, one, [ids["b"]], actor="Ana")
    assert desk.jobs() == ["diagnose", "settle"]
    assert {r["identity"]: r["incident_id"] for r in desk.rows()} == {"a": one, "b": new}
    assert (desk.incident(one).alert_firing, desk.incident(new).alert_firing) == (False, True)


def test_a_split_that_names_no_alert_or_every_alert_is_refused(desk: Desk) -> None:
    one = desk.opened()
    with pytest.raises(BadInput, match="none of these"), desk.journal.write("test.split") as tx:
        merging.split(tx, one, ["EP_none"], actor="Ana")
    with pytest.raises(Refused, match="without an alert"), desk.journal.write("test.split") as tx:
        merging.split(tx, one, [desk.rows()[0]["id"]], actor="Ana")
