"""A real, small model through the configuration of a user, beside recorded incidents. ``make live`` installs it.

It is a very bad model: what is proved is the wire, that its answers are held to their shape, and that whatever it
says the finding is the engine's own or a better one. On other work's time its calls may be too slow; then too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.deliberation.budgets import Off
from agents.incident.finding import FindingState
from agents.loop import RANK, Thought
from agents.ports import Task
from bot.processes import PREFIX
from bot.settings import TriageSettings, read
from bot.thinking import Thinking
from bot.wiring.thinking import thinking_of
from tests.evals.adversary.cases import Stand, thought
from tests.evals.adversary.oracle.judge import judge
from tests.evals.adversary.outgoing import Outgoing
from tests.evals.adversary.runs import changed, of_itself, stand, world_of
from tests.stubs.models.heard import SHAPED, Heard
from tests.stubs.models.local_client import KEY, PEERS, LocalModel, local_model, missing
from tests.walk.test_thinking import a_job

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
NO_FAULT = ("quiet-12", "busy-12", "harmless-deploy-16", "cleared-16")
DIAGNOSED = ("pool-leak-12", "hung-replica-12", "stale-schema-12", "surge-12")
ABSTAINING = ("quiet-disk", "nothing-answers", "prometheus-down-12", "surge-16")
HELD_BACK = ("pool-leak-12+held",)
"""The one signal that settles it is left for a query: here a model, or the engine's refuters, can do better."""
SAMPLE = (*NO_FAULT, *DIAGNOSED, *ABSTAINING, *HELD_BACK)

LIMITS = {"ROUNDS": "1", "MAX_SAID": "300", "CALL_TIMEOUT_S": "60", "WALL_CLOCK_S": "90"}
"""As one would set them for so small a model on a processor."""

SLACK_S = 20.0
"""What a busy machine may add to a turn beside its calls: the provider's library is loaded once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One incident with the model and without it, and every call that was made."""

    at: Stand
    done: Thought
    heard: Heard
    thinking: Thinking


def take(name: str, thinking: Thinking) -> Turn:
    at, heard = stand(name), Heard(reasoner=thinking.reasoner)
    done = thought(at, heard, limits=thinking.limits, price=thinking.price, clock=time.monotonic)
    return Turn(at=at, done=done, heard=heard, thinking=thinking)


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    reason = missing(PEERS / "bin" / "python")
    if reason:
        pytest.fail(reason)
    with local_model() as running:
        yield running


def configured(running: LocalModel, **more: str) -> Thinking:
    """What a triage worker thinks with, when its environment says so."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in running.settings(**(LIMITS | more)).items():
            patched.setenv(name, value)
        made = thinking_of(read(TriageSettings).model, ROOT / "config")
    assert made is not None
    return made


@pytest.fixture(scope="module")
def turns(model: LocalModel) -> dict[str, Turn]:
    thinking = configured(model)
    return {name: take(name, thinking) for name in SAMPLE}


def test_the_sample_is_what_it_is_said_to_be(turns: dict[str, Turn]) -> None:
    states = {name: turn.at.finding.state for name, turn in turns.items()}
    assert {states[n] for n in NO_FAULT} == {FindingState.NO_FAULT}
    assert {states[n] for n in DIAGNOSED} == {FindingState.DIAGNOSED}
    assert all(RANK[states[n]] < RANK[FindingState.LIKELY] for n in ABSTAINING)


def test_the_model_is_asked_answers_and_is_counted(turns: dict[str, Turn]) -> None:
    calls = [call for turn in turns.values() for call in turn.heard.calls]
    assert {Task.PLAN, Task.ORDER} <= {call.task for call in calls}
    answered = [call for call in calls if call.became == SHAPED]
    assert answered, [(c.task, c.became, round(c.seconds, 1)) for c in calls]
    assert all(call.input_tokens and call.output_tokens for call in answered)


def test_it_is_not_asked_where_there_is_no_fault(turns: dict[str, Turn]) -> None:
    assert [turns[n].heard.calls for n in NO_FAULT] == [[]] * len(NO_FAULT)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_finding_is_the_engines_own_or_a_better_one(turns: dict[str, Turn], name: str) -> None:
    turn = turns[name]
    assert changed(turn.at, turn.done) == ""
    before, after = turn.at.finding, turn.done.finding
    if (after.signature, after.entity) == (before.signature, before.entity):
        return
    broken = turn.at.case.first.truth.cause or ()
    assert (after.signature, after.entity) in {(b.signature, b.entity) for b in broken}


@pytest.mark.parametrize("name", SAMPLE)
def test_nothing_leaves_that_is_not_in_the_recorded_bytes(turns: dict[str, Turn], name: str) -> None:
    turn = turns[name]
    texts = Outgoing().thought(turn.at, turn.done)
    assert judge(texts, world_of(name), of_itself(turn.at, turn.done)) == ()
    assert KEY not in "".join(texts)


@pytest.mark.parametrize("name", SAMPLE)
def test_budgets_hold(turns: dict[str, Turn], name: str) -> None:
    turn = turns[name]
    spent, limits = turn.done.record.spent, turn.thinking.limits
    assert turn.done.record.rounds <= limits.rounds
    assert spent.calls == len(turn.heard.calls)
    assert spent.tool_calls <= limits.tool_calls
    assert spent.input_tokens <= limits.input_tokens
    assert all(call.seconds <= limits.call_timeout.total_seconds() + SLACK_S for call in turn.heard.calls)
    assert spent.seconds <= limits.wall_clock.total_seconds() + SLACK_S
    assert all(c.output_tokens is None or c.output_tokens <= limits.output_tokens for c in turn.heard.calls)


def test_an_answer_that_is_too_slow_costs_the_finding_nothing(model: LocalModel) -> None:
    turn = take("surge-16", configured(model, CALL_TIMEOUT_S="0.5"))
    assert turn.done.record.off is Off.SLOW
    assert turn.done.finding == turn.at.finding


def test_a_prompt_over_the_models_context_costs_the_finding_nothing() -> None:
    with local_model(context=1_024) as small:
        turn = take("surge-16", configured(small))
    assert turn.done.record.off is Off.REFUSED
    assert [c.became for c in turn.heard.calls] == ["refused"]
    assert turn.done.finding == turn.at.finding


def test_a_model_that_ended_costs_the_finding_nothing() -> None:
    with local_model() as gone:
        thinking = configured(gone)
    turn = take("surge-16", thinking)
    assert turn.done.record.off is Off.UNREACHABLE
    assert turn.done.finding == turn.at.finding


def replayed(*words: str, **env: str) -> dict[str, object]:
    """What ``firstresponder replay`` prints as JSON."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env}
    command = [sys.executable, "-m", "bot", "replay", "--json", *words]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_replay_by_hand_takes_the_model_from_the_environment(model: LocalModel) -> None:
    folder = "tests/samples/incidents/pool-leak-12"
    env = dict(model.settings(**LIMITS))
    name = env[f"{PREFIX}MODEL__NAME"]
    alone, beside = replayed(folder, "--model", "off", **env), replayed(folder, "--model", name, **env)
    said = beside.pop("model")
    assert isinstance(said, dict)
    assert said["calls"] >= 1
    assert "model" not in alone
    same = {"state", "signature", "entity", "p", "score", "groups", "refuters", "evidence"}
    assert {k: alone[k] for k in same} == {k: beside[k] for k in same}


def test_a_triage_worker_of_its_own_asks_it_and_ends_with_the_engines_finding(
    model: LocalModel, tmp_path: Path
) -> None:
    brief = {"ROUNDS": "1", "MAX_SAID": "100", "CALL_TIMEOUT_S": "15", "WALL_CLOCK_S": "25"}
    prefix = f"{PREFIX}MODEL__"
    given = {k.removeprefix(prefix): v for k, v in model.settings(**brief).items()}
    said = a_job(tmp_path, 2, **given)
    assert "found: BLIND" in said
    assert "'langchain_openai'" in said
