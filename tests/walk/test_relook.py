"""A finding that was reported, looked at again: it stands, or it is taken back together with its question."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from actions.catalogue import CATALOGUE
from agents.incident.catalogue import Scope, Service
from agents.incident.clock import to_ms
from agents.incident.errors import Refused
from agents.incident.evidence import Answer, Question, Window
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import ActionState, IncidentState
from agents.ports import Asked
from agents.triage import Knowledge
from bot import relook, walk
from bot.desk import desk
from bot.grouping import Grouping, Rules
from bot.journal import chain, evidence, incidents, runs
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces import timeline
from bot.surfaces.cards import card
from bot.surfaces.layout import messages
from bot.surfaces.ports import Asker, Typed
from bot.wiring.parts import TriageParts
from tests.builders import PEOPLE, a_policy, desk_parts, open_incident
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, NOW, SHOP, SIGNATURES, SURE, Store, line

S, A, F = IncidentState, ActionState, FindingState


class Live:
    """A probe that answers from a made-up shop as if all of it happened just now."""

    name = "live"

    def __init__(self) -> None:
        self.store = world.pool_leak()
        self.asked = 0

    def answers(self, question: Question, service: Service) -> bool:
        return any(item.question == question for item in self.store.items)

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        self.asked += 1
        for question, _ in asked:
            item = next(i for i in self.store.items if i.question == question)
            yield Answer(
                question=question,
                status=item.status,
                query=item.query,
                lineage=item.lineage,
                body=_moved(json.loads(self.store.blobs[item.blob_sha256]), to_ms(window.end) - to_ms(NOW)),
                entities=item.entities,
                alive=item.alive,
                step=item.step,
            )


def _moved(body: dict[str, Any], by_ms: float) -> dict[str, Any]:
    series = [s | {"points": [[p[0] + by_ms, *p[1:]] for p in s["points"]]} for s in body.get("series", ())]
    changes = [c | {"at_ms": c["at_ms"] + by_ms} for c in body.get("changes", ())]
    return body | ({"series": series} if series else {}) | ({"changes": changes} if changes else {})


def parts_with(journal: Journal, probe: Live) -> TriageParts:
    return TriageParts(
        journal=journal,
        senders={},
        grouping=Grouping(rules=Rules(), catalogue=SHOP),
        knowledge=Knowledge(catalogue=SHOP, signatures=SIGNATURES, calibration=SURE),
        probes=(probe,),
        budget=timedelta(seconds=5),
        catalogue=CATALOGUE,
        policy=a_policy(),
        log=structlog.get_logger(),
    )


@pytest.fixture(name="probe")
def _probe() -> Live:
    return Live()


@pytest.fixture(name="walked")
def _walked(journal: Journal, probe: Live) -> tuple[IncidentId, TriageParts]:
    """An incident with a diagnosed pool leak and a rollback that waits for an answer."""
    with journal.write("test.opened") as tx:
        incident = open_incident(tx, S.RECEIVED, title="EdgeErrorRatioHigh", service="gateway", environment="shop")
    parts = parts_with(journal, probe)
    walk.diagnose(incident.id, parts)
    return incident.id, parts


def refuted() -> Store:
    """The same, and now the pool's own upstream fails: it is not the pool."""
    store = world.pool_leak()
    store.items = [
        e for e in store.items if (e.question.service, e.question.name) != ("checkout", "upstream_failure_ratio")
    ]
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, line(0.3, 0.0, per=8.0))])
    return store


def now(journal: Journal, incident_id: IncidentId) -> tuple[IncidentState, Finding, list[ActionState]]:
    with journal.read() as tx:
        finding = evidence.latest_finding(tx, incident_id)
        assert finding is not None
        states = [r.state for r in runs.of_incident(tx, incident_id)]
        return incidents.load(tx, incident_id).state, finding, states


def again(journal: Journal, incident_id: IncidentId, parts: TriageParts) -> None:
    with journal.write("test.asked") as tx:
        relook.ask(tx, incident_id, "Ann")
    walk.diagnose(incident_id, parts)


def test_a_look_that_sees_the_same_leaves_the_question_open(journal: Journal, walked: Any) -> None:
    incident_id, parts = walked
    assert now(journal, incident_id)[0] is S.PROPOSED
    first = now(journal, incident_id)[1]
    again(journal, incident_id, parts)
    state, finding, states = now(journal, incident_id)
    assert (state, finding.state, states) == (S.PROPOSED, F.DIAGNOSED, [A.AWAITING_APPROVAL])
    assert (finding.look, finding.contests) == (first.look + 1, None)


def test_a_look_that_contradicts_it_takes_it_back_with_its_question(
    journal: Journal, walked: Any, probe: Live
) -> None:
    incident_id, parts = walked
    first = now(journal, incident_id)[1]
    probe.store = refuted()
    again(journal, incident_id, parts)
    _, finding, states = now(journal, incident_id)
    assert (finding.state, finding.contests, states) == (F.CONTESTED, first.id, [A.CANCELLED])
    walk.settle(incident_id, parts)
    assert now(journal, incident_id)[0] is S.NEEDS_HUMAN
    with journal.read() as tx:
        shown = card(tx, incident_id, PEOPLE)
    told = [m.text() for m in messages(shown)]
    assert any("Retracted: new evidence contradicts the earlier finding" in text for text in told)
    assert not any(ask.waiting for ask in shown.asks)
    walk.diagnose(incident_id, parts)
    assert now(journal, incident_id)[2] == [A.CANCELLED]  # nothing is proposed on what was taken back


def test_a_look_that_names_no_cause_any_more_withdraws_the_question(
    journal: Journal, walked: Any, probe: Live
) -> None:
    incident_id, parts = walked
    probe.store.items = [e for e in probe.store.items if e.question.name != "pool_waiters"]
    again(journal, incident_id, parts)
    _, finding, states = now(journal, incident_id)
    assert finding.state is not F.CONTESTED
    assert finding.signature is None
    assert states == [A.CANCELLED]


def test_what_was_read_again_takes_the_place_of_what_was_read(journal: Journal, walked: Any, probe: Live) -> None:
    incident_id, parts = walked
    first = now(journal, incident_id)[1]
    again(journal, incident_id, parts)
    second = now(journal, incident_id)[1]
    with journal.read() as tx:
        held = evidence.of_look(tx, incident_id, attempt=second.attempt, look=second.look)
        assert {e.supersedes for e in held} == set(first.evidence)
        assert chain.verify(tx, incident_id).whole
    assert probe.asked == 2


def test_a_look_that_was_ordered_twice_is_made_once(journal: Journal, walked: Any, probe: Live) -> None:
    incident_id, parts = walked
    for _ in range(2):
        with journal.write("test.asked") as tx:
            relook.ask(tx, incident_id, "Ann")
    walk.diagnose(incident_id, parts)
    walk.diagnose(incident_id, parts)
    assert probe.asked == 2


def test_looks_have_an_end(journal: Journal, walked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    incident_id, _ = walked
    monkeypatch.setattr(relook, "MAX_LOOKS", 1)
    with pytest.raises(Refused, match="looked at 1 times"), journal.write("test.asked") as tx:
        relook.ask(tx, incident_id, "Ann")


@pytest.mark.parametrize("state", [S.TRIAGING, S.MITIGATED, S.RESOLVED])
def test_there_is_nothing_to_look_at_again_before_a_finding_or_after_the_end(
    journal: Journal, state: IncidentState
) -> None:
    with journal.write("test.opened") as tx:
        incident = open_incident(tx, state)
    with pytest.raises(Refused, match="no finding"), journal.write("test.asked") as tx:
        relook.ask(tx, incident.id, "Ann")


def test_a_look_that_comes_too_late_is_not_kept(journal: Journal, walked: Any) -> None:
    incident_id, _ = walked
    finding = now(journal, incident_id)[1]
    with journal.write("test.resolved") as tx:
        incidents.move(tx, incidents.load(tx, incident_id), S.RESOLVED, actor="test")
    with journal.write("test.late") as tx:
        relook.keep(tx, finding, finding)
    with journal.read() as tx:
        assert len(tx.all(select(t.findings.c.id).where(t.findings.c.incident_id == incident_id))) == 1


def test_a_person_asks_for_another_look_by_the_incidents_id(journal: Journal, walked: Any) -> None:
    incident_id, parts = walked
    asked = Typed(
        asker=Asker(surface="slack", account="U-ANA", place="C1", private=False), text=f"/diagnose {incident_id}"
    )
    reply = desk.take(asked, desk_parts(journal, places={"slack": frozenset({"C1"})}))
    assert "Looking again" in reply.text
    walk.diagnose(incident_id, parts)
    assert now(journal, incident_id)[1].look == 2
    with journal.read() as tx:
        events = tx.all(select(t.events).where(t.events.c.incident_id == incident_id))
    lines = [timeline.line(e) for e in events]
    assert any("another look was asked for by" in text for text in lines)
    assert any("looked again: diagnosed" in text for text in lines)
