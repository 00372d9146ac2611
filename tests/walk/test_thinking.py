"""A model in the walk: its turn comes after the engine's word, once an attempt, and is paid for once."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agents import gather as gathering
from agents.deliberation.budgets import Limits, Off, Price, Spent
from agents.deliberation.record import Deliberation, Flag
from agents.incident.errors import Transient
from agents.incident.evidence import FetchedBy
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import FindingId, IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from agents.ports import Reasoned, Task
from agents.reasoners.scripted import Scripted
from bot import walk
from bot.journal import incidents, spending
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Journal
from bot.surfaces import thoughts
from bot.surfaces.accounted import Accounted
from bot.thinking import Thinking, with_thinking
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

    def noted(*questions: Any, **named: Any) -> Any:
        asked.append(named["fetched_by"])
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
    parts = with_thinking(made(journal), thinking(Asks()))
    walk.diagnose(incident_id, parts)
    assert asked == [FetchedBy.ENGINE]
    walk.diagnose(incident_id, parts)
    assert FetchedBy.MODEL_PLAN in asked


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
    assert turn is not None
    assert not turn.interrupted
    walk.diagnose(incident_id, parts)
    record = recorded(journal, incident_id)
    assert record is not None
    assert record.off is Off.INTERRUPTED
    assert reasoner.asked == []
    assert loaded(journal, incident_id).state is S.NEEDS_HUMAN


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
