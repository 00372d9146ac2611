"""What the probe over the change feed records of a change."""

from dataclasses import fields
from datetime import timedelta

from agents.incident.catalogue import Service
from agents.incident.evidence import Question, QuestionKind, Status, Window
from agents.incident.incident import Change, ChangeOutcome
from agents.probes.changes import LOOKBACK, Changes
from tests.builders import ENVIRONMENT, NOON, SERVICE, a_change

WINDOW = Window(start=NOON - timedelta(hours=1), end=NOON, recent=timedelta(seconds=4))
QUESTION = Question(kind=QuestionKind.CHANGES, service=SERVICE, environment=ENVIRONMENT)
HERE = Service(name=SERVICE, environment=ENVIRONMENT)


def looked(*found):
    asked = []

    def read(services, since):
        asked.append((list(services), since))
        return found

    (answer,) = Changes(read).look([(QUESTION, HERE)], WINDOW, timedelta(seconds=1))
    assert asked == [([(ENVIRONMENT, SERVICE)], NOON - LOOKBACK)]
    return answer


def test_a_record_says_how_far_a_change_came_and_what_ran_before():
    change = a_change(
        outcome=ChangeOutcome.FAILED,
        word="failure",
        started_at=NOON - timedelta(minutes=10),
        finished_at=NOON - timedelta(minutes=5),
        version="v2",
        previous_version="v1",
        previous_derived=True,
        actor="mira",
        link="https://ci.example.com/7",
    )
    answer = looked(change)
    assert answer.status is Status.COMPLETE
    (record,) = answer.body["changes"]
    assert record["outcome"] == "failed"
    assert record["finished_ms"] - record["started_ms"] == 300_000
    assert record["at_ms"] == record["started_ms"]
    for name in ("word", "version", "previous_version", "previous_derived", "actor", "link", "revision"):
        assert record[name] == getattr(change, name)


def test_a_record_leaves_out_only_the_order_of_events():
    (record,) = looked(a_change()).body["changes"]
    told = {name.removesuffix("_ms") for name in record}
    assert {f.name.removesuffix("_at") for f in fields(Change)} - told == {"said"}
    assert (record["started_ms"], record["finished_ms"]) == (None, None)


def test_changes_elsewhere_are_no_answer_here():
    assert looked(a_change(service="orders"), a_change(environment=None)).status is Status.EMPTY
