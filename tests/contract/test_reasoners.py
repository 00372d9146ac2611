"""One suite for whoever is a Reasoner: the scripted double, and LangChain over each provider's own wire format."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from agents.deliberation import answers
from agents.deliberation.budgets import Off
from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused, Transient
from agents.incident.finding import FindingState
from agents.ports import Reasoner, Task
from agents.reasoners.langchain import LangChain, load
from agents.reasoners.scripted import Scripted
from tests.stubs.models import API_KEY
from tests.stubs.models.client import ModelsStub
from tests.unit.agents.thinking import ABSTAIN, Case, plan, query

INC = "INC_0123456789ABCDEFGHJKMNPQRS"
VIEW = View(incident=INC, text=json.dumps({"incident": INC, "entities": []}))
PLAN = {"version": 1, "incident": INC, "status": "abstain", "queries": []}
PROVIDERS = ("openai", "anthropic", "ollama")
BRIEF = timedelta(seconds=20)


@pytest.fixture(scope="module")
def running() -> Iterator[ModelsStub]:
    with ModelsStub() as stub:
        yield stub


@pytest.fixture
def stub(running: ModelsStub) -> ModelsStub:
    running.reset()
    return running


def model(stub: ModelsStub, provider: str, key: str = API_KEY) -> LangChain:
    return LangChain(model=f"{provider}:some-model", api_key=key, base_url=stub.base_url(provider))


def ask(reasoner: Reasoner, timeout: timedelta = BRIEF, task: Task = Task.PLAN):
    return reasoner.reason(task, VIEW, timeout=timeout, output_tokens=500)


def test_the_double_gives_what_was_recorded():
    said = ask(Scripted(answers={Task.PLAN: [PLAN]}))
    assert answers.read(answers.PlanAnswer, said.body, INC).status == "abstain"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_comes_with_what_it_took(stub, provider):
    stub.order({"json": PLAN, "input_tokens": 321, "output_tokens": 45})
    said = ask(model(stub, provider))
    assert answers.read(answers.PlanAnswer, said.body, INC) == answers.PlanAnswer.model_validate_json(
        json.dumps(PLAN)
    )
    assert (said.input_tokens, said.output_tokens) == (321, 45)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_shape_is_asked_for_and_the_view_is_all_that_is_shown(stub, provider):
    stub.order({"json": PLAN})
    ask(model(stub, provider))
    (call,) = stub.calls(provider)
    assert call["task"] == "plan"
    assert '"additionalProperties": false' in json.dumps(call["args"])
    written = json.dumps(call["args"].get("messages"))
    assert json.dumps(VIEW.text)[1:-1] in written.replace("\\\\", "\\")
    assert API_KEY not in json.dumps(call["args"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_would_be_sent_is_told_before(stub, provider):
    stub.order({"json": PLAN})
    told = model(stub, provider).prompt(Task.PLAN, VIEW)
    ask(model(stub, provider))
    (call,) = stub.calls(provider)
    messages = [m["content"] for m in call["args"]["messages"]]
    system = call["args"].get("system")
    texts = [*messages, *([system] if isinstance(system, str) else [])]
    assert all(text in told for text in texts if isinstance(text, str))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_wrong_with_the_last_answer_is_told(stub, provider):
    stub.order({"json": PLAN}, {"json": PLAN})
    for view in (VIEW, replace(VIEW, refused="an answer of the wrong shape at queries.0.back")):
        model(stub, provider).reason(Task.PLAN, view, timeout=BRIEF, output_tokens=500)
    first, second = (json.dumps(call["args"]) for call in stub.calls(provider))
    assert "not taken" not in first
    assert "not taken: an answer of the wrong shape at queries.0.back." in second


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_provider_may_be_tried_again_another_time(stub, provider, status):
    stub.fail(status=status)
    with pytest.raises(Transient):
        ask(model(stub, provider))
    assert len(stub.calls(provider)) == 1  # the loop's budgets count calls: none is repeated below it


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cut_connection_is_transient(stub, provider):
    stub.fail(kind="reset")
    with pytest.raises(Transient):
        ask(model(stub, provider))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_says_nothing_is_late(stub, provider):
    stub.fail(kind="hang", delay_s=5.0)
    with pytest.raises(TimeoutError):
        ask(model(stub, provider), timedelta(seconds=1))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_drips_is_late_too(stub, provider):
    stub.order({"json": PLAN})
    ask(model(stub, provider))  # what is imported and opened once is not what is judged here
    stub.reset()
    stub.order({"drip": 0.2})
    with pytest.raises(TimeoutError):  # read to its end, two minutes later, it would be BadInput
        ask(model(stub, provider), timedelta(seconds=1))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "answer", [{"text": "I think it was the deploy."}, {"truncated": PLAN}, {"huge": True}, {"text": ""}]
)
def test_what_is_no_answer_is_bad_input(stub, provider, answer):
    stub.order(answer)
    with pytest.raises(BadInput) as met:
        answers.read(answers.PlanAnswer, ask(model(stub, provider)).body, INC)
    assert "deploy" not in str(met.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_no_answer(stub, provider):
    stub.order({"refusal": "I cannot help with that."})
    with pytest.raises((Refused, BadInput)):
        answers.read(answers.PlanAnswer, ask(model(stub, provider)).body, INC)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_wrong_key_is_refused_and_not_repeated_to_anyone(stub, provider):
    with pytest.raises(Refused) as met:
        ask(model(stub, provider, key="wrong-key-canary"))
    assert "wrong-key-canary" not in str(met.value)
    assert "wrong-key-canary" not in repr(model(stub, provider, key="wrong-key-canary"))
    assert stub.url not in str(met.value)


def test_nobody_there_is_transient():
    with pytest.raises(Transient):
        ask(LangChain(model="openai:some-model", api_key="k", base_url="http://127.0.0.1:9/v1"))


def test_a_provider_whose_package_is_missing_is_named_with_the_command():
    with pytest.raises(BadInput, match="pip install langchain-google-genai"):
        load("google_genai:some-model")


def test_a_model_is_written_with_its_provider():
    with pytest.raises(BadInput, match="provider:name"):
        load("some-model")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_deliberation_over_the_wire_ends_in_the_engines_diagnosis(stub, provider):
    case = Case(missing=("request_rate",))
    stub.order({"json": plan(query("quantity:request_rate", "gateway")), "input_tokens": 2900}, task="plan")
    stub.order({"json": ABSTAIN, "input_tokens": 3100}, task="propose")
    thought = case.think(model(stub, provider))
    assert thought.record.off is None
    assert thought.finding.state is FindingState.DIAGNOSED
    assert thought.record.spent.input_tokens == 6000
    assert [c["task"] for c in stub.calls(provider)] == ["plan", "propose"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_is_down_costs_the_finding_nothing(stub, provider):
    case = Case(missing=("request_rate",))
    stub.fail(status=500)
    thought = case.think(model(stub, provider))
    assert thought.record.off is Off.UNREACHABLE
    assert thought.finding == case.finding()
