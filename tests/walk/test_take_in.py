"""From what is stored to incidents, their ends, flapping and storms: the walk's own steps over a real journal."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from actions.catalogue import CATALOGUE
from actions.proposal import Mode
from agents.incident.catalogue import Catalogue, Service
from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from agents.incident.incident import AlertStatus, Severity
from agents.incident.lifecycle import ActionState, IncidentState
from agents.triage import Knowledge
from bot import taking, walk
from bot.configuration import Source
from bot.grouping import Grouping, Rules
from bot.journal import approvals, episodes, evidence, incidents, intake, runs
from bot.journal import tables as t
from bot.journal.intake import Delivery
from bot.journal.journal import Journal
from bot.receiver import sources
from bot.wiring.parts import TriageParts
from tests.builders import CRITERION, NOON, a_finding, a_policy, an_alert, take
from tests.conftest import Rung
from tests.unit.agents.world import SIGNATURES, SURE

S, A = IncidentState, ActionState
SERVICES = Catalogue(
    services=(
        Service(name="gateway", environment="demo", calls=("checkout",)),
        Service(name="checkout", environment="demo"),
    )
)


def made(
    journal: Journal, rules: Rules | None = None, catalogue: Catalogue = SERVICES, **named: Any
) -> TriageParts:
    """A triage worker without probes."""
    usual: dict[str, Any] = {
        "journal": journal,
        "senders": sources.ready({"am": Source(system="alertmanager")}, {}, {}, fetching=False),
        "grouping": Grouping(rules=rules or Rules(), catalogue=catalogue),
        "knowledge": Knowledge(catalogue=catalogue, signatures=SIGNATURES, calibration=SURE),
        "probes": (),
        "budget": timedelta(seconds=1),
        "catalogue": CATALOGUE,
        "policy": a_policy(trusted=frozenset({"restart_replica"})),
        "log": structlog.get_logger(),
    }
    return TriageParts(**(usual | named))


def notification(name: str, status: str = "firing", **labels: str) -> bytes:
    alert = {
        "status": status,
        "labels": {"alertname": name, "service": "checkout", "environment": "demo", **labels},
        "startsAt": "2026-03-04T12:00:00Z",
        "fingerprint": name,
    }
    return json.dumps({"version": "4", "groupKey": "g", "groupLabels": {}, "alerts": [alert]}).encode()


def stored(journal: Journal, *bodies: bytes, source: str = "am") -> None:
    with journal.write("test.stored") as tx:
        intake.store_all(
            tx, [Delivery(source=source, system="alertmanager", key=None, headers={}, body=b) for b in bodies]
        )


def states(journal: Journal) -> list[tuple[str, str]]:
    with journal.read() as tx:
        rows = tx.all(select(t.inbox.c.state, t.inbox.c.error).order_by(t.inbox.c.id))
    return [(r["state"], r["error"]) for r in rows]


def only(journal: Journal) -> Mapping[str, Any]:
    with journal.read() as tx:
        (row,) = tx.all(select(t.incidents))
    return row


def believed(journal: Journal) -> None:
    """The hold is over."""
    with journal.write("test.later") as tx:
        tx.run(t.episodes.update().values(held_until=tx.now))
        episodes.believe(tx)


# What is stored


def test_one_job_reads_everything_that_is_stored_and_what_is_unreadable_keeps_nothing_back(
    journal: Journal,
) -> None:
    stored(journal, notification("one"), b"{not json", notification("two"))
    stored(journal, notification("three"), source="gone")
    taking.take_in(made(journal))
    (first, _), (second, why), (third, _), (fourth, unknown) = states(journal)
    assert (first, second, third, fourth) == ("parsed", "unreadable", "parsed", "unreadable")
    assert "JSON" in why
    assert "no longer configured" in unknown
    with journal.read() as tx:
        assert len(tx.all(select(t.episodes))) == 2
    assert only(journal)["title"] == "one"  # the sender groups them


def test_a_job_that_has_read_long_enough_rings_for_the_next_one(
    journal: Journal, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(journal, notification("one"), notification("two"), notification("three"))
    with journal.write("test.heard") as tx:
        tx.run(t.outbox.delete())
    rung.clear()
    monkeypatch.setattr(taking, "DRAIN", timedelta(0))
    taking.take_in(made(journal))
    assert [s for s, _ in states(journal)] == ["parsed", "stored", "stored"]
    assert ("intake", "inbox") in {(job, subject) for _, job, subject in rung}


def test_what_the_database_cannot_hold_is_unreadable_and_not_tried_for_ever(journal: Journal) -> None:
    def broken(*_: object) -> object:
        raise BadInput("a value does not fit")

    stored(journal, notification("one"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episodes, "apply", broken)
        taking.take_in(made(journal))
    assert states(journal) == [("unreadable", "a value does not fit")]


def test_what_breaks_us_keeps_nothing_back_and_says_what_it_was(journal: Journal) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError

    stored(journal, notification("one"), notification("two"))
    apply = episodes.apply
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            episodes,
            "apply",
            lambda tx, alert, *rest: (broken if alert.title == "one" else apply)(tx, alert, *rest),
        )
        taking.take_in(made(journal))
    assert states(journal) == [("unreadable", "ZeroDivisionError while it was read"), ("parsed", "")]
    assert only(journal)["title"] == "two"


def test_a_large_delivery_is_applied_in_portions_and_goes_on_where_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = [json.loads(notification(f"a{n}"))["alerts"][0] for n in range(250)]
    stored(journal, json.dumps({"version": "4", "groupKey": "g", "groupLabels": {}, "alerts": alerts}).encode())
    portions: list[int] = []
    apply = taking._apply

    def counted(tx: Any, some: Any, parts: TriageParts, turn: datetime | None) -> None:
        portions.append(len(some))
        if len(portions) == 2:
            raise KeyboardInterrupt  # the process ends within its second commit
        apply(tx, some, parts, turn)

    monkeypatch.setattr(taking, "_apply", counted)
    with pytest.raises(KeyboardInterrupt):
        taking.take_in(made(journal))
    with journal.read() as tx:
        assert len(tx.all(select(t.episodes))) == 100
    taking.take_in(made(journal))
    assert portions == [100, 100, 100, 50]
    assert states(journal) == [("parsed", "")]
    with journal.read() as tx:
        assert len(tx.all(select(t.episodes))) == 250


def test_half_a_surrogate_pair_and_a_nul_are_kept_out_of_the_journal(journal: Journal) -> None:
    odd = json.dumps({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "a\ud800\u0000b"}}]})
    stored(journal, odd.encode(), notification("next"))
    taking.take_in(made(journal))
    assert [s for s, _ in states(journal)] == ["parsed", "parsed"]


# The end of an alert


def test_an_incident_is_resolved_when_its_end_is_believed_and_not_before(journal: Journal) -> None:
    parts = made(journal)
    stored(journal, notification("one"), notification("one", "resolved"))
    taking.take_in(parts)
    incident_id = IncidentId(only(journal)["id"])
    walk.settle(incident_id, parts)
    assert only(journal)["state"] == S.RECEIVED
    believed(journal)
    walk.settle(incident_id, parts)
    assert only(journal)["state"] == S.RESOLVED


def reported(journal: Journal, parts: TriageParts, **named: Any) -> IncidentId:
    """An incident with a finding whose remedy is a restart."""
    with journal.write("test.reported") as tx:
        incident_id = take(tx, parts.grouping, **named)
        assert incident_id is not None
        for state in (S.TRIAGING, S.REPORTED):
            incidents.move(tx, incidents.load(tx, incident_id), state, actor="test")
        evidence.save_finding(tx, a_finding(incident_id=incident_id))
    return incident_id


@pytest.fixture(autouse=True)
def _a_criterion(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recovery check with a reading from before, as evidence would give it."""
    monkeypatch.setattr(walk, "_criteria", lambda *_: ((CRITERION, 0.3),))


def test_a_question_is_withdrawn_at_the_end_and_asked_again_when_the_alert_comes_back(journal: Journal) -> None:
    parts = made(journal, policy=a_policy())
    incident_id = reported(journal, parts)
    walk.propose_next(incident_id, parts)
    with journal.write("test.resolved") as tx:
        taking._apply(tx, [an_alert(status=AlertStatus.RESOLVED)], parts)
    walk.settle(incident_id, parts)
    assert only(journal)["state"] == S.PROPOSED  # its end is not believed yet
    with journal.write("test.again") as tx:
        taking._apply(tx, [an_alert(started_at=NOON + timedelta(minutes=1))], parts)
    walk.diagnose(incident_id, parts)
    with journal.read() as tx:
        found = runs.of_incident(tx, incident_id)
    assert [r.state for r in found] == [A.CANCELLED, A.AWAITING_APPROVAL]
    assert {r.proposal.action for r in found} == {"restart_replica"}


def test_an_end_that_names_no_environment_withdraws_the_questions_of_all(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = made(journal)
    with journal.write("test.fires") as tx:
        both = [take(tx, parts.grouping, environment=name, service=None) for name in ("staging", "prod")]
    withdrawn: list[object] = []
    monkeypatch.setattr(approvals, "cancel_open", lambda _, incident_id, __: withdrawn.append(incident_id))
    with journal.write("test.resolved") as tx:
        taking._apply(tx, [an_alert(environment=None, service=None, status=AlertStatus.RESOLVED)], parts)
    assert len(both) == 2
    assert set(withdrawn) == set(both)


def test_a_question_that_was_answered_no_is_not_asked_again_by_another_bell(journal: Journal) -> None:
    parts = made(journal, policy=a_policy())
    incident_id = reported(journal, parts)
    walk.propose_next(incident_id, parts)
    with journal.write("test.rejected") as tx:
        (run,) = runs.of_incident(tx, incident_id)
        runs.move(tx, run.id, A.REJECTED, version=run.version, actor="Ana")
    walk.diagnose(incident_id, parts)
    with journal.read() as tx:
        assert len(runs.of_incident(tx, incident_id)) == 1
    assert only(journal)["state"] == S.NEEDS_HUMAN


# Flapping and storms


def test_nothing_is_done_about_an_alert_that_flaps_and_it_is_not_looked_into_again(journal: Journal) -> None:
    parts = made(journal, Rules(hold=timedelta(0), flapping_turns=2))
    incident_id = reported(journal, parts)
    with journal.write("test.turns") as tx:
        take(tx, parts.grouping, status=AlertStatus.RESOLVED)
        incidents.move(tx, incidents.load(tx, incident_id), S.RESOLVED, actor="test")
        take(tx, parts.grouping, started_at=NOON + timedelta(minutes=1))
        assert episodes.flapping(tx, incident_id)
    walk.diagnose(incident_id, parts)
    assert (only(journal)["state"], only(journal)["attempt"]) == (S.REOPENED, 2)
    with journal.read() as tx:
        assert runs.of_incident(tx, incident_id) == []


def test_a_flapping_alert_that_was_reported_is_proposed_nothing(journal: Journal) -> None:
    parts = made(journal, Rules(flapping_turns=2))
    incident_id = reported(journal, parts)
    with journal.write("test.turns") as tx:
        take(tx, parts.grouping, status=AlertStatus.RESOLVED)
        take(tx, parts.grouping, started_at=NOON + timedelta(minutes=1))
    walk.propose_next(incident_id, parts)
    with journal.read() as tx:
        assert runs.of_incident(tx, incident_id) == []
    assert only(journal)["state"] == S.REPORTED


@pytest.mark.parametrize("storm", [False, True])
def test_in_a_storm_nothing_runs_by_policys_word_alone(journal: Journal, storm: bool) -> None:
    parts = made(journal, Rules(storm_incidents=3))
    incident_id = reported(journal, parts)
    with journal.write("test.kept") as tx:
        incidents.take_over(tx, incident_id, "ana", "Ana")  # so that the storm leaves it alone
    with journal.write("test.flood") as tx:
        for n in range(4 if storm else 1):
            take(tx, parts.grouping, identity=f"i{n}", service=f"s{n}")
        incidents.give_back(tx, incident_id, "ana", "Ana")
    walk.propose_next(incident_id, parts)
    with journal.read() as tx:
        (run,) = runs.of_incident(tx, incident_id)
    assert run.proposal.mode is (Mode.ASK if storm else Mode.POLICY)


def test_a_storm_is_looked_into_at_the_service_that_most_others_rely_on(journal: Journal) -> None:
    callers = tuple(Service(name=f"s{n}", environment="demo", calls=("orders",)) for n in range(5))
    catalogue = Catalogue(services=(*callers, Service(name="orders", environment="demo")))
    parts = made(journal, Rules(storm_incidents=3, storm_gather=timedelta(0)), catalogue)
    with journal.write("test.flood") as tx:
        for n in range(5):
            last = take(tx, parts.grouping, identity=f"i{n}", service=f"s{n}")
        take(tx, parts.grouping, identity="o", service="orders")
    assert last is not None
    walk.diagnose(last, parts)
    with journal.read() as tx:
        storm = incidents.load(tx, last)
    assert (storm.kind, storm.service) == ("storm", "orders")


def test_the_most_urgent_incident_is_looked_into_first_and_the_other_keeps_its_bell(
    journal: Journal, rung: Rung
) -> None:
    parts = made(journal)
    with journal.write("test.alerts") as tx:
        slow = take(tx, parts.grouping, identity="a", service="gateway", severity=Severity.INFO)
        quick = take(tx, parts.grouping, identity="b", service="checkout")
        tx.run(t.outbox.delete())
    assert slow is not None
    assert quick is not None
    rung.clear()
    walk.diagnose(slow, parts)
    with journal.read() as tx:
        assert incidents.load(tx, slow).state is S.RECEIVED
        assert incidents.load(tx, quick).state is not S.RECEIVED
    assert ("diagnose", slow) in {(job, subject) for _, job, subject in rung}
