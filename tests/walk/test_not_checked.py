"""What nobody was asked, and why: said by every finding of an incident and wherever it is shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.deliberation.budgets import Limits
from agents.gather import Gathered, could_not_look, gather
from agents.incident.catalogue import Catalogue
from agents.incident.evidence import Evidence, Question
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import FindingId, IncidentId
from agents.incident.incident import Incident
from agents.probes.canned import Canned
from agents.probes.scoped import Scoped
from agents.triage import Knowledge, triage, wanted
from bot import replay, rethink, thinking, walk
from bot.desk import desk
from bot.journal import evidence, incidents
from bot.journal.journal import Journal
from bot.page import case
from bot.page.view import view
from bot.recordings import reading
from bot.surfaces.cards import card
from bot.surfaces.ports import Asker, Typed
from tests.builders import PEOPLE, desk_parts, open_incident
from tests.evals.recorded import SAMPLES
from tests.unit.agents import world
from tests.walk.test_take_in import made
from tests.walk.test_thinking import Abstains

OURS, THEIRS = replace(world.GATEWAY, project="ours"), replace(world.CHECKOUT, project="theirs")
PARTED = Catalogue(
    services=(OURS, THEIRS, replace(world.INVENTORY, project="ours")),
    telemetry_interval=world.SHOP.telemetry_interval,
)
KNOWN = Knowledge(catalogue=PARTED, signatures=world.SIGNATURES, calibration=world.SURE)
REFUSED = "shop/checkout belongs to another project (shop, project theirs); this incident is of shop, project ours"
"""As the catalogue says it: no probe of this incident may be asked about a service of another project."""


def opened(journal: Journal) -> IncidentId:
    with journal.write("test.opened") as tx:
        return open_incident(tx, service="gateway", environment="shop").id


def found(journal: Journal, incident_id: IncidentId) -> Finding:
    with journal.read() as tx:
        finding = evidence.latest_finding(tx, incident_id)
    assert finding is not None
    return finding


def says(finding: Finding) -> bool:
    return any(REFUSED in gap for gap in finding.not_checked)


def judged(held: Sequence[Evidence], blobs: dict[str, bytes], **named: Any) -> Finding:
    return triage(
        world.incident(),
        held,
        read_blob=blobs.__getitem__,
        knowledge=KNOWN,
        finding_id=FindingId("FI_TEST"),
        at=world.NOW,
        **named,
    )


def own(store: world.Store) -> list[Evidence]:
    """What an incident of ours can have read of *store*."""
    return [e for e in store.items if e.question.service != "checkout"]


def test_a_finding_gives_the_reason_that_the_probes_were_given():
    gathered = gather(
        wanted(world.incident(), KNOWN),
        incident_id=world.INC,
        catalogue=PARTED,
        probes=(Scoped(Canned("canned", ())),),
        window=world.WINDOW,
        budget=timedelta(seconds=5),
        scope=OURS.scope,
    )
    assert REFUSED in gathered.unasked.values()
    assert judged((), {}).not_checked == judged((), {}, unasked=gathered.unasked).not_checked
    assert says(judged((), {}))


def test_a_service_that_calls_no_service_of_others_says_nothing_of_scopes():
    ours = replace(KNOWN, catalogue=world.SHOP)
    finding = triage(
        world.incident(),
        (),
        read_blob=lambda _: b"",
        knowledge=ours,
        finding_id=FindingId("FI_TEST"),
        at=world.NOW,
    )
    assert not any("belongs to another" in gap for gap in finding.not_checked)


def test_what_was_read_is_not_said_to_be_unchecked():
    store = world.pool_leak()
    blind = judged((), {}).not_checked
    seeing = judged(own(store), store.blobs).not_checked
    assert any("`gateway`" in gap for gap in blind)
    assert not any("`gateway`" in gap for gap in seeing)


def test_a_named_cause_still_says_what_it_was_not_allowed_to_ask():
    asked = wanted(world.incident(), KNOWN)
    store = world.surge()
    theirs = tuple(q for q in asked if q.service == "checkout")
    with_cause = judged(store.items, store.blobs, unasked=theirs)
    assert with_cause.state in {FindingState.DIAGNOSED, FindingState.LIKELY}
    assert says(with_cause)
    assert REFUSED in with_cause.text


def test_a_look_that_is_tried_again_says_the_same(journal, monkeypatch):
    down = could_not_look(world.ask(OURS, "request_rate"), "canned", "it is down")
    incident_id = opened(journal)
    parts = made(journal, catalogue=PARTED, probes=(Scoped(Canned("canned", (down,))),))
    kept = evidence.save_finding

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence, "save_finding", killed)
    with pytest.raises(KeyboardInterrupt):
        walk.diagnose(incident_id, parts)
    monkeypatch.setattr(evidence, "save_finding", kept)
    with journal.read() as tx:
        assert evidence.of_look(tx, incident_id, attempt=1, look=1)  # it is not gathered again
    walk.diagnose(incident_id, parts)
    assert says(found(journal, incident_id))


def test_after_a_models_turn_the_finding_says_it_too(journal):
    turn = thinking.Thinking(reasoner=Abstains(), limits=Limits())
    incident_id, parts = opened(journal), thinking.with_thinking(made(journal, catalogue=PARTED), turn)
    for _ in range(2):
        walk.diagnose(incident_id, parts)
    assert says(found(journal, incident_id))


def test_the_engine_that_judges_for_a_model_gives_the_reasons(journal):
    incident_id, parts = opened(journal), made(journal, catalogue=PARTED)
    with journal.read() as tx:
        incident = incidents.load(tx, incident_id)

    def nothing(_asked: set[Question], _back: timedelta | None, _left: timedelta) -> Gathered:
        return Gathered(evidence=(), blobs={}, unasked={})

    assert says(thinking.engine(incident, parts, nothing).judge((), parts.read_blob))


def parted(name: str = "pool-leak-16") -> Any:
    """A sample in which what the service calls belongs to another project."""
    recording = reading.read(SAMPLES / name)
    services = tuple(
        replace(s, project="ours" if s.name == recording.service else "theirs")
        for s in recording.catalogue.services
    )
    return replace(recording, catalogue=replace(recording.catalogue, services=services))


def test_a_replay_says_it_with_a_model_and_without():
    recording = parted()
    knowledge = replay.knowledge_of(recording)
    judged_again: list[Finding] = []

    def think(incident: Incident, finding: Finding, gathered: Gathered) -> Finding:
        engine = rethink.engine(incident, finding, recording.looks[incident.look - 1], gathered, knowledge)
        judged_again.append(engine.judge(gathered.evidence, gathered.blobs.__getitem__))
        return finding

    replayed = replay.replay(recording, knowledge, think=think)
    gaps = [g for g in replay.document(replayed)["not_checked"] if "belongs to another project" in g]
    assert gaps
    assert gaps[0] in replay.printed(replayed)
    assert judged_again[-1].not_checked == replayed.finding.not_checked


def test_the_card_why_and_the_page_show_it(journal):
    incident_id = opened(journal)
    walk.diagnose(incident_id, made(journal, catalogue=PARTED))
    with journal.read() as tx:
        shown = card(tx, incident_id, PEOPLE)
        page = view(case.read(tx, incident_id), PEOPLE).finding
    assert REFUSED in "\n".join(shown.finding)
    asker = Asker(surface="slack", account="U-ANA", place="C1", private=False)
    why = desk.take(Typed(asker=asker, text=f"why {incident_id}"), desk_parts(journal))
    assert any(REFUSED in line for line in why.lines)
    assert page is not None
    assert any(REFUSED in gap for gap in page.not_checked)
