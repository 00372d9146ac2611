"""A model in the walk: its turn comes after the engine's word, once an attempt, and is paid for once."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from agents import gather as gathering
from agents.deliberation.budgets import Limits, Off, Price, Spent
from agents.deliberation.menu import Ask
from agents.deliberation.record import Deliberation, Flag
from agents.gather import Gathered
from agents.incident.errors import Transient
from agents.incident.evidence import FetchedBy, Question, QuestionKind
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import FindingId, IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from agents.ports import Reasoned, Task
from agents.reasoners.scripted import Scripted
from agents.triage import triage
from bot import walk
from bot.journal import incidents, spending
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Journal
from bot.surfaces import thoughts
from bot.surfaces.accounted import Accounted
from bot.thinking import Thinking, with_thinking
from bot.thinking import engine as thinking_engine
from tests.builders import open_incident
from tests.stubs.models.client import ModelsStub
from tests.walk.test_take_in import made

S = IncidentState
ROOT = Path(__file__).parents[2]
PRICE = Price(input_usd=1.0, output_usd=2.0, source="test")


class Abstains:
    """A model that has nothing to add, or says so by an error."""

    name = "test:abstains"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[Task] = []

    def prompt(self, task: Task, view: Any) -> str:
        return str(view.text)

    def reason(self, task: Task, view: Any, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        self.asked.append(task)
        if self.errors:
            raise self.errors.pop(0)
        body = f'{{"version":1,"incident":"{view.incident}","status":"abstain"}}'
        return Reasoned(body=body, input_tokens=1000, output_tokens=10)


def thinking(reasoner: Any = None, **named: Any) -> Thinking:
    usual: dict[str, Any] = {"reasoner": reasoner or Abstains(), "limits": Limits(), "price": PRICE}
    return Thinking(**(usual | named))


def opened(journal: Journal) -> IncidentId:
    with journal.write("test.opened") as tx:
        return open_incident(tx, service="checkout", environment="demo").id


def loaded(journal: Journal, incident_id: IncidentId) -> Incident:
    with journal.read() as tx:
        return incidents.load(tx, incident_id)


def found(journal: Journal, incident_id: IncidentId) -> list[Finding]:
    with journal.read() as tx:
        rows = tx.all(
            select(t.findings.c.record).where(t.findings.c.incident_id == incident_id).order_by(t.findings.c.look)
        )
    return [load(Finding, r["record"]) for r in rows]


def recorded(journal: Journal, incident_id: IncidentId) -> Deliberation | None:
    with journal.read() as tx:
        return spending.latest(tx, incident_id)


def without_names(finding: Finding) -> dict[str, Any]:
    return {k: v for k, v in dump(finding).items() if k not in {"id", "look", "made_at"}}


def test_without_a_model_there_is_one_look_and_no_turn(journal: Journal) -> None:
    incident_id = opened(journal)
    walk.diagnose(incident_id, made(journal))
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN
    assert len(found(journal, incident_id)) == 1
    assert recorded(journal, incident_id) is None


def test_the_engines_word_is_out_before_the_model_is_asked(journal: Journal) -> None:
    incident_id, reasoner = opened(journal), Abstains()
    parts = with_thinking(made(journal), thinking(reasoner))
    walk.diagnose(incident_id, parts)
    assert reasoner.asked == []
    assert [f.state for f in found(journal, incident_id)] == [FindingState.BLIND]
    assert loaded(journal, incident_id).state is S.TRIAGING

    walk.diagnose(incident_id, parts)
    assert reasoner.asked == [Task.PLAN, Task.PROPOSE]
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN


def test_with_a_model_that_adds_nothing_the_finding_is_the_same(journal: Journal) -> None:
    first, second = opened(journal), opened(journal)
    walk.diagnose(first, made(journal))
    parts = with_thinking(made(journal), thinking())
    walk.diagnose(second, parts)
    walk.diagnose(second, parts)
    (alone,), (_, beside) = found(journal, first), found(journal, second)
    ours, theirs = without_names(alone), without_names(beside)
    assert {k: v for k, v in ours.items() if k not in {"incident_id", "evidence"}} == {
        k: v for k, v in theirs.items() if k not in {"incident_id", "evidence"}
    }


def test_what_a_model_asks_for_is_kept_as_asked_for_by_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[FetchedBy] = []
    budgets: list[timedelta] = []

    def noted(*questions: Any, **named: Any) -> Any:
        asked.append(named["fetched_by"])
        budgets.append(named["budget"])
        return gathering.gather(*questions, **named)

    class Asks(Abstains):
        def reason(self, task: Task, view: Any, *, timeout: timedelta, output_tokens: int) -> Reasoned:
            if task is not Task.PLAN:
                return super().reason(task, view, timeout=timeout, output_tokens=output_tokens)
            shown = json.loads(view.text)
            queries = [
                {
                    "template": one["template"],
                    "args": {"service": e["id"]},
                    "window": {"from": "now-30m", "to": "now"},
                }
                for one in shown["menu"]
                for e in shown["entities"]
                if one["template"] == "quantity:in_flight" and e["kind"] == "service"
            ]
            body = {"version": 1, "incident": view.incident, "status": "plan", "queries": queries}
            return Reasoned(body=json.dumps(body), input_tokens=1000, output_tokens=10)

    monkeypatch.setattr(walk, "gather", noted)
    incident_id = opened(journal)
    most = made(journal).budget / 2
    parts = with_thinking(made(journal), thinking(Asks(), limits=Limits(wall_clock=most)))
    walk.diagnose(incident_id, parts)
    assert asked == [FetchedBy.ENGINE]
    walk.diagnose(incident_id, parts)
    assert asked[-1] is FetchedBy.MODEL_PLAN
    assert budgets[-1] < most < budgets[0], "a model's questions get what is left of its wall clock"


def test_a_turn_comes_once_an_attempt(journal: Journal) -> None:
    incident_id, reasoner = opened(journal), Abstains()
    parts = with_thinking(made(journal), thinking(reasoner))
    for _ in range(4):
        walk.diagnose(incident_id, parts)
    assert reasoner.asked == [Task.PLAN, Task.PROPOSE]


def test_a_model_that_is_down_is_written_down_and_stops_nothing(journal: Journal) -> None:
    incident_id = opened(journal)
    parts = with_thinking(made(journal), thinking(Abstains(Transient("busy"))))
    walk.diagnose(incident_id, parts)
    walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.UNREACHABLE
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN


def test_a_turn_that_broke_off_is_not_paid_for_twice(journal: Journal) -> None:
    incident_id, reasoner = opened(journal), Abstains()
    parts = with_thinking(made(journal), thinking(reasoner))
    walk.diagnose(incident_id, parts)
    with journal.write("test.killed") as tx:
        turn = spending.begin(tx, incidents.load(tx, incident_id), timedelta(seconds=1))
        tx.run(t.deliberations.update().values(begun_at=tx.now - timedelta(minutes=10)))
    assert turn is not None
    assert turn.standing is spending.Standing.OURS
    walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.INTERRUPTED
    assert reasoner.asked == []
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN


class Meanwhile(Abstains):
    """Another job for the same incident comes while this model thinks."""

    def __init__(self, other: Callable[[], None]) -> None:
        super().__init__()
        self.other = other

    def reason(self, task: Task, view: Any, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        if not self.asked:
            self.other()
        return super().reason(task, view, timeout=timeout, output_tokens=output_tokens)


def test_a_second_job_leaves_a_turn_to_the_worker_that_is_in_it(journal: Journal) -> None:
    incident_id, second = opened(journal), Abstains()
    parts = with_thinking(made(journal), thinking(second))
    first = Meanwhile(lambda: walk.diagnose(incident_id, parts))
    walk.diagnose(incident_id, parts)
    walk.diagnose(incident_id, with_thinking(made(journal), thinking(first)))
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is None
    assert record.finding_id == found(journal, incident_id)[-1].id
    assert second.asked == []
    with journal.read() as tx:
        assert [e["kind"] for e in tx.all(select(t.events)) if e["kind"].startswith("model")] == ["model.heard"]


def test_of_workers_that_come_at_once_one_has_the_turn(journal: Journal) -> None:
    together = threading.Barrier(6)

    def begun(incident_id: IncidentId) -> spending.Standing:
        together.wait(10)
        with journal.write("test.begun") as tx:
            turn = spending.begin(tx, incidents.load(tx, incident_id), timedelta(seconds=120))
        assert turn is not None
        return turn.standing

    with ThreadPoolExecutor(6) as workers:
        for _ in range(10):
            incident_id = opened(journal)
            walk.diagnose(incident_id, with_thinking(made(journal), thinking()))
            standings = list(workers.map(begun, [incident_id] * 6))
            assert sorted(standings) == [spending.Standing.OURS, *[spending.Standing.TAKEN] * 5]


def test_a_turn_that_was_given_up_and_ends_after_all_adds_what_it_took(journal: Journal) -> None:
    incident_id = opened(journal)
    parts = with_thinking(made(journal), thinking())

    def given_up() -> None:
        with journal.write("test.late") as tx:
            tx.run(t.deliberations.update().values(begun_at=tx.now - timedelta(minutes=10)))
        walk.diagnose(incident_id, parts)

    walk.diagnose(incident_id, parts)
    walk.diagnose(incident_id, with_thinking(made(journal), thinking(Meanwhile(given_up))))
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.INTERRUPTED
    assert record.finding_id == found(journal, incident_id)[-1].id
    with journal.read() as tx:
        assert spending.spent(tx, incident_id).calls == 2


def test_a_finding_of_a_look_that_another_worker_has_ended_is_not_kept(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id = opened(journal)

    def overtaken(*asked: Any, **named: Any) -> Any:
        with journal.write("test.overtaken") as tx:
            incidents.look_again(tx, incidents.load(tx, incident_id), timedelta(0), "test")
        return triage(*asked, **named)

    monkeypatch.setattr(walk, "triage", overtaken)
    walk.diagnose(incident_id, made(journal))
    assert loaded(journal, incident_id).state is S.TRIAGING
    assert found(journal, incident_id) == []


def test_what_broke_off_does_not_write_over_what_ended(journal: Journal) -> None:
    incident_id = opened(journal)
    parts = with_thinking(made(journal), thinking())
    for _ in range(2):
        walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    with journal.write("test.late") as tx:
        spending.finish(tx, replace(record, off=Off.INTERRUPTED, spent=Spent()))
        assert spending.spent(tx, incident_id).calls == 2
    assert recorded(journal, incident_id) == record


@pytest.mark.parametrize(
    "said",
    [
        Reasoned(body='{"a":"\ud83d"}'),
        Reasoned(body='{"a":"\ud83d"}', input_tokens=10, output_tokens=10),
        Reasoned(body="x", input_tokens=10**30, output_tokens=2**63),
        Reasoned(body="x", input_tokens=10**400, output_tokens=1),
        Reasoned(body="x", input_tokens=cast("int", "abc"), output_tokens=cast("int", [1])),
        Reasoned(body="x", input_tokens=cast("int", float("inf")), output_tokens=cast("int", True)),
    ],
    ids=["half-a-character", "half-and-counted", "huge", "larger-than-a-float", "no-numbers", "infinite"],
)
def test_nonsense_from_a_server_costs_the_finding_nothing(journal: Journal, said: Reasoned) -> None:
    class Says(Abstains):
        def reason(self, task: Task, view: Any, *, timeout: timedelta, output_tokens: int) -> Reasoned:
            return said

    incident_id = opened(journal)
    parts = with_thinking(made(journal), thinking(Says()))
    for _ in range(2):
        walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.MALFORMED
    assert 0 < record.spent.input_tokens < 10_000
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN


def test_what_a_model_asks_for_takes_no_longer_than_is_left(journal: Journal) -> None:
    incident_id = opened(journal)
    lefts: list[timedelta] = []

    def ran(_asked: set[Question], _back: timedelta | None, left: timedelta) -> Gathered:
        lefts.append(left)
        time.sleep(0.2)
        return Gathered(evidence=(), blobs={}, unasked={})

    engine = thinking_engine(loaded(journal, incident_id), made(journal), ran)
    asked = Question(kind=QuestionKind.QUANTITY, environment="demo", service="checkout", name="in_flight")
    engine.ask(
        (Ask(question=asked, back=None), Ask(question=asked, back=timedelta(hours=1))), timedelta(seconds=1)
    )
    assert lefts[0] == timedelta(seconds=1)
    assert timedelta(0) <= lefts[1] <= timedelta(seconds=0.8)
    engine.ask(
        (Ask(question=asked, back=None), Ask(question=asked, back=timedelta(hours=1))), timedelta(seconds=0.1)
    )
    assert lefts[3] == timedelta(0)


def test_nobody_else_is_rung_while_a_turn_lasts(journal: Journal) -> None:
    incident_id = opened(journal)
    walk.diagnose(incident_id, with_thinking(made(journal), thinking()))
    with journal.write("test.begun") as tx:
        spending.begin(tx, incidents.load(tx, incident_id), timedelta(seconds=120))
        beat = tx.run(select(t.incidents.c.heartbeat_at)).scalar_one()
        assert beat > tx.now + timedelta(seconds=100)


def test_the_ledger_adds_up(journal: Journal) -> None:
    for _ in range(2):
        incident_id = opened(journal)
        parts = with_thinking(made(journal), thinking())
        walk.diagnose(incident_id, parts)
        walk.diagnose(incident_id, parts)
    with journal.read() as tx:
        (total,) = spending.totals(tx)
        took = spending.spent(tx, incident_id)
    assert (took.calls, took.input_tokens, took.output_tokens) == (2, 2000, 20)
    assert took.cost_usd == pytest.approx(0.00204)
    assert (total.model, total.off, total.times) == ("test:abstains", "", 2)
    assert total.spent.input_tokens == 4000


def test_what_earlier_attempts_took_counts(journal: Journal) -> None:
    incident_id, reasoner = opened(journal), Abstains()
    parts = with_thinking(made(journal), thinking(reasoner, limits=Limits(input_tokens=5_000)))
    walk.diagnose(incident_id, parts)
    with journal.write("test.earlier") as tx:
        row = {"incident_id": incident_id, "attempt": 0, "look": 1, "state": spending.DONE, "due_at": tx.now}
        tx.run(t.deliberations.insert().values(**row, input_tokens=4_900))
    walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.INPUT_TOKENS
    assert reasoner.asked == []


def test_whoever_asks_why_is_told(journal: Journal) -> None:
    incident_id = opened(journal)
    parts = with_thinking(made(journal), thinking(Abstains(Transient("busy"))))
    walk.diagnose(incident_id, parts)
    walk.diagnose(incident_id, parts)
    told = Accounted()
    lines = list(thoughts.reasons(recorded(journal, incident_id), told))
    assert lines[0].startswith("model: off (`test:abstains`: its provider did not answer)")
    assert any("call(s)" in line for line in lines)
    assert list(thoughts.reasons(None, told)) == []
    assert thoughts.notice(recorded(journal, incident_id), told) == "model: off (its provider did not answer)"
    assert thoughts.notice(None, told) == ""


def test_every_number_that_is_told_is_accounted_for() -> None:
    from agents.render import leaks

    told = Accounted()
    record = Deliberation(
        incident_id=IncidentId("INC_1"),
        finding_id=FindingId("FI_1"),
        attempt=1,
        look=2,
        model="openai:some-4",
        off=Off.INJECTION,
        steps=(),
        rounds=3,
        flags=(Flag(rule="hidden_characters", where="ev_x"),),
        refused={"unknown_entity": 7},
        spent=Spent(calls=12, tool_calls=9, input_tokens=34567, output_tokens=89, seconds=1.25, cost_usd=0.125),
    )
    text = "\n".join(thoughts.reasons(record, told))
    assert leaks(text, told.known) == []
    assert "Suspected injection" in text
    assert thoughts.notice(record, told).startswith("Suspected injection")
    assert "34567" in text


SCRIPT = """
import sys
from agents.incident.lifecycle import IncidentState
from bot import walk
from bot.journal import evidence, migrate, spending
from bot.settings import TriageSettings
from bot.wiring import triage as wiring
import bot.jobs.triage
from tests.builders import open_incident
migrate.upgrade(TriageSettings().journal)
wiring.prepare(TriageSettings())
with wiring.open_parts() as parts:
    with parts.journal.write("test") as tx:
        incident_id = open_incident(tx, service="gateway", environment="demo").id
    for _ in range(int(sys.argv[1])):
        walk.diagnose(incident_id, parts)
    with parts.journal.read() as tx:
        record = spending.latest(tx, incident_id)
        state = evidence.latest_finding(tx, incident_id).state
print("found:", state, record.off.name if record and record.off else "none")
named = ("langchain", "langsmith", "openai", "anthropic", "ollama", "tiktoken", "agents.reasoners")
print("loaded:", sorted(m for m in sys.modules if m.startswith(named)))
"""


SERVICES = """
schema: 1
services:
  gateway: {environment: demo, edge: true, objectives: {server_error_ratio: 0.02}, calls: [checkout]}
  checkout: {environment: demo, replicas: {checkout-1: {metrics: "http://127.0.0.1:9/metrics"}}}
"""


def a_job(tmp_path: Path, looks: int = 1, **more: str) -> str:
    """What a triage worker of its own says after one incident, with a shop that nobody can look at."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "services.yaml").write_text(SERVICES)
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "FIRSTRESPONDER_CONFIG": str(config),
        "FIRSTRESPONDER_JOURNAL_URL": f"sqlite:///{tmp_path}/journal.db",
        "FIRSTRESPONDER_REDIS_URL": f"unix://{tmp_path}/none.sock",
        "FIRSTRESPONDER_GATHER_BUDGET_S": "1",
        **{f"FIRSTRESPONDER_MODEL__{k}": v for k, v in more.items()},
    }
    command = [sys.executable, "-c", SCRIPT, str(looks)]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_without_a_model_a_triage_job_loads_nothing_of_one(tmp_path: Path) -> None:
    said = a_job(tmp_path)
    assert "found: BLIND none" in said
    assert "loaded: []" in said


def test_with_a_model_the_job_asks_its_provider_and_nobody_else(tmp_path: Path) -> None:
    with ModelsStub() as stub:
        stub.order({"json": {"version": 1, "incident": "INC_OTHER", "status": "plan"}, "input_tokens": 777})
        said = a_job(tmp_path, 2, NAME="openai:m", API_KEY=stub.key, BASE_URL=stub.base_url("openai"))
        calls = stub.calls("openai")
    assert "found: BLIND MALFORMED" in said
    assert [c["status"] for c in calls] == [200, 200]
    assert '"template":"quantity:pool_waiters"' in calls[0]["args"]["messages"][1]["content"]


def test_a_worker_with_a_script_for_a_model_thinks_by_it(tmp_path: Path) -> None:
    from bot.settings import ModelSettings
    from bot.wiring.thinking import thinking_of

    script = tmp_path / "script.yaml"
    script.write_text("plan:\n- raises: busy\n")
    ready = thinking_of(ModelSettings(name=f"scripted:{script}", wall_clock_s=60), tmp_path)
    assert ready is not None
    assert isinstance(ready.reasoner, Scripted)
    assert ready.limits.wall_clock == timedelta(seconds=60)
    assert thinking_of(ModelSettings(), tmp_path) is None
