"""Questions reach only the probes that may take them; late and failing probes become gaps, not silence."""

import time
from collections.abc import Iterable
from datetime import timedelta

from agents.gather import could_not_look, gather
from agents.incident.catalogue import Catalogue, Scope, Service
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Reading, Status
from tests.unit.agents.world import CHECKOUT, INC, SHOP, WINDOW, ask

SCOPE = Scope(environment="shop")


class Canned:
    """A probe that answers what it is told to."""

    def __init__(self, name="canned", body=None, wait_s=0.0, silent=False):
        self.name = name
        self.seen: list[Question] = []
        self._body, self._wait, self._silent = body or {"series": []}, wait_s, silent

    def answers(self, question, service):
        return question.kind is QuestionKind.QUANTITY

    def look(self, asked, window, budget, scope) -> Iterable[Answer]:
        time.sleep(self._wait)
        for question, _ in asked:
            self.seen.append(question)
            if not self._silent:
                yield Answer(
                    question=question,
                    status=Status.COMPLETE,
                    query="GET http://user:hunter2@db/x",
                    lineage=Lineage(producers=("p",), pipeline="c", quantity=question.name, place="x"),
                    body=self._body,
                    entities=(question.entity,),
                )


def run(questions, *probes, catalogue: Catalogue = SHOP, budget_s=2.0):
    return gather(
        questions,
        incident_id=INC,
        catalogue=catalogue,
        probes=probes,
        window=WINDOW,
        budget=timedelta(seconds=budget_s),
        scope=SCOPE,
    )


def test_a_question_of_another_environment_reaches_no_probe():
    probe = Canned()
    foreign = Question(kind=QuestionKind.QUANTITY, service="checkout", environment="prod", name="pool_waiters")
    gathered = run({foreign}, probe)
    assert probe.seen == []
    assert gathered.unasked == {foreign: "prod/checkout is not in config/services.yaml"}


def test_what_no_probe_takes_is_unasked_and_says_so():
    logs = Question(kind=QuestionKind.LOG, service="checkout", environment="shop", name="x")
    assert run({logs}, Canned()).unasked == {logs: "no probe is configured for it"}


def test_a_late_probe_becomes_one_gap_for_each_question_and_delays_nobody():
    started = time.monotonic()
    gathered = run({ask(CHECKOUT, "pool_waiters")}, Canned("slow", wait_s=1.5), Canned("quick"), budget_s=0.3)
    assert time.monotonic() - started < 1.0
    readings = {e.probe: e.reading for e in gathered.evidence}
    assert readings == {"slow": Reading.COULD_NOT_LOOK, "quick": Reading.SAW}


def test_two_quantities_with_the_same_bytes_are_two_pieces_of_evidence():
    gathered = run({ask(CHECKOUT, "pool_waiters"), ask(CHECKOUT, "in_flight")}, Canned())
    assert len({e.id for e in gathered.evidence}) == 2


def test_a_probe_that_breaks_is_a_gap_and_not_the_end_of_triage():
    class Broken(Canned):
        def look(self, asked, window, budget, scope):
            raise KeyError("values")

    gathered = run({ask(CHECKOUT, "pool_waiters")}, Broken("broken"), Canned("well"))
    assert {e.probe: e.reading for e in gathered.evidence} == {
        "broken": Reading.COULD_NOT_LOOK,
        "well": Reading.SAW,
    }


def test_an_answer_without_a_canonical_form_is_a_gap():
    gathered = run({ask(CHECKOUT, "pool_waiters")}, Canned(body={"n": 20261124140500123}))
    assert [e.reading for e in gathered.evidence] == [Reading.COULD_NOT_LOOK]


def test_a_probe_that_says_nothing_is_a_gap():
    gathered = run({ask(CHECKOUT, "pool_waiters")}, Canned(silent=True))
    assert [e.reading for e in gathered.evidence] == [Reading.COULD_NOT_LOOK]


def test_secrets_are_gone_before_anything_is_hashed_or_kept():
    gathered = run(
        {ask(CHECKOUT, "pool_waiters")}, Canned(body={"password": "hunter2", "text": "token=abcdef123"})
    )
    (item,) = gathered.evidence
    assert b"hunter2" not in gathered.blobs[item.blob_sha256]
    assert b"abcdef123" not in gathered.blobs[item.blob_sha256]
    assert "hunter2" not in item.query
    assert item.redactions


def test_other_bytes_are_other_evidence_and_the_same_bytes_are_the_same():
    question = {ask(CHECKOUT, "pool_waiters")}
    first = run(question, Canned(body={"series": [1]})).evidence[0]
    again = run(question, Canned(body={"series": [1]})).evidence[0]
    other = run(question, Canned(body={"series": [2]})).evidence[0]
    assert first.id == again.id != other.id
    assert first.id.startswith("ev_")
    assert len(first.id) == 23


def test_an_unknown_service_is_asked_of_nobody():
    gathered = run({ask(Service(name="ghost", environment="shop"), "pool_waiters")}, Canned())
    assert gathered.evidence == ()
    assert len(gathered.unasked) == 1


def test_could_not_look_cites_why():
    answer = could_not_look(ask(CHECKOUT, "pool_waiters"), "direct", "connection refused")
    assert (answer.status, answer.reason) == (Status.ERROR, "connection refused")
