"""A model on a server of somebody's own: it speaks a provider's language, and not quite."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from agents.deliberation import answers
from agents.deliberation.budgets import Limits, Off
from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused
from agents.incident.finding import FindingState
from agents.ports import Reasoned, Task
from agents.reasoners.langchain import LangChain
from tests.stubs.models import API_KEY
from tests.stubs.models.client import ModelsStub
from tests.unit.agents.thinking import ABSTAIN, Case, plan, query

INC = "INC_0123456789ABCDEFGHJKMNPQRS"
VIEW = View(incident=INC, text=json.dumps({"incident": INC, "entities": []}))
PLAN = {"version": 1, "incident": INC, "status": "abstain", "queries": []}
PROVIDERS = ("openai", "anthropic", "ollama")
SHAPE = {"openai": "response_format", "anthropic": "tools", "ollama": "format"}
"""The parameter by which each provider is given the shape of the answer."""
BRIEF = timedelta(seconds=20)


@pytest.fixture(scope="module")
def running() -> Iterator[ModelsStub]:
    with ModelsStub() as stub:
        yield stub


@pytest.fixture
def stub(running: ModelsStub) -> ModelsStub:
    running.reset()
    return running


def model(stub: ModelsStub, provider: str, **options: object) -> LangChain:
    return LangChain(
        model=f"{provider}:some-model", api_key=API_KEY, base_url=stub.base_url(provider), options=options
    )


def ask(reasoner: LangChain, view: View = VIEW, output_tokens: int = 500) -> Reasoned:
    return reasoner.reason(Task.PLAN, view, timeout=BRIEF, output_tokens=output_tokens)


def read(said: Reasoned) -> answers.PlanAnswer:
    return answers.read(answers.PlanAnswer, said.body, INC)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "written",
    [
        "Here is my plan:\n```json\nANSWER\n```\nI hope that this helps!",
        '<think>Perhaps {"version": 2}? No.</think>\n\nANSWER',
        'A first thought was {"version": 1}, and now: ANSWER',
    ],
)
def test_prose_around_an_answer_is_left_out(stub, provider, written):
    stub.order({"text": written.replace("ANSWER", json.dumps(PLAN))})
    assert read(ask(model(stub, provider))).status == "abstain"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_prose_alone_stays_no_answer(stub, provider):
    stub.order({"text": "Restart {checkout} and all is well."})
    with pytest.raises(BadInput):
        read(ask(model(stub, provider)))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_takes_no_shape_is_told_it_in_words(stub, provider):
    stub.manners(refuses=[SHAPE[provider]])
    stub.order({"text": f"Sure: {json.dumps(PLAN)}"})
    asked = model(stub, provider)
    assert read(ask(asked)).status == "abstain"
    call = stub.calls(provider)[-1]
    assert SHAPE[provider] not in call["args"] or call["args"][SHAPE[provider]] in (None, "")
    written = json.dumps([call["args"].get("system"), call["args"]["messages"]])
    assert "additionalProperties" in written
    told = asked.prompt(Task.PLAN, VIEW)
    system = call["args"].get("system")
    texts = [m["content"] for m in call["args"]["messages"]] + ([system] if isinstance(system, str) else [])
    assert all(text in told for text in texts if isinstance(text, str))  # what is scanned is what is sent


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_way_a_server_took_is_where_the_next_call_begins(stub, provider):
    stub.manners(refuses=[SHAPE[provider]])
    stub.order({"json": PLAN})
    asked = model(stub, provider)
    ask(asked)
    before = len(stub.calls(provider))
    ask(asked)
    assert len(stub.calls(provider)) == before + 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_takes_no_way_is_refused_and_changes_nothing(stub, provider):
    stub.manners(refuses=["messages"])
    stub.order({"json": PLAN})
    asked = model(stub, provider)
    with pytest.raises(Refused):
        ask(asked)
    stub.manners()
    ask(asked)
    assert stub.calls(provider)[-1]["task"] == "plan"  # asked for the shape again, as at first


def test_nobody_is_asked_another_way_once_the_answer_is_late(stub):
    stub.manners(refuses=["messages"])
    late = threading.Event()
    late.set()
    with pytest.raises(Exception, match="Unrecognized"):
        model(stub, "openai")._asked(Task.PLAN, VIEW, BRIEF, 500, [], late)
    assert len(stub.calls("openai")) == 1


def test_the_length_of_an_answer_is_bounded_by_the_name_that_most_servers_know(stub):
    stub.order({"json": PLAN})
    ask(model(stub, "openai"), output_tokens=321)
    (call,) = stub.calls("openai")
    assert call["args"]["max_tokens"] == 321
    assert "max_completion_tokens" not in call["args"]


def test_a_server_that_knows_the_newer_name_alone_is_given_that(stub):
    stub.manners(refuses=["max_tokens"])
    stub.order({"json": PLAN})
    assert read(ask(model(stub, "openai"), output_tokens=321)).status == "abstain"
    first, second = stub.calls("openai")
    assert (first["status"], second["status"]) == (400, 200)
    assert second["args"]["max_completion_tokens"] == 321
    assert second["task"] == "plan"


def test_a_bound_of_the_users_own_stands_alone(stub):
    stub.order({"json": PLAN})
    ask(model(stub, "openai", max_tokens=99))
    (call,) = stub.calls("openai")
    bounds = {k: v for k, v in call["args"].items() if k in {"max_tokens", "max_completion_tokens"}}
    assert list(bounds.values()) == [99]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_counts_no_tokens_is_charged_by_size(stub, provider):
    case = Case(missing=("request_rate",))
    stub.manners(usage=False)
    stub.order({"json": ABSTAIN})
    thought = case.think(model(stub, provider))
    assert thought.record.spent.input_tokens > 1000
    assert thought.record.spent.output_tokens > 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_was_cut_is_paid_for(stub, provider):
    stub.order({"truncated": PLAN, "input_tokens": 321, "output_tokens": 45})
    said = ask(model(stub, provider))
    assert (said.input_tokens, said.output_tokens) == (321, 45)
    with pytest.raises(BadInput):
        read(said)


def test_an_ollama_that_streams_nothing_is_understood(stub):
    stub.manners(streams=False)
    stub.order({"json": PLAN, "input_tokens": 321, "output_tokens": 45})
    said = ask(model(stub, "ollama"))
    assert read(said).status == "abstain"
    assert (said.input_tokens, said.output_tokens) == (321, 45)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_prompt_over_the_context_is_refused_once_and_says_what_to_do(stub, provider):
    stub.manners(context=100)
    stub.order({"json": PLAN})
    with pytest.raises(Refused, match="larger context"):
        ask(model(stub, provider))
    assert len(stub.calls(provider)) == 1


@pytest.mark.parametrize(("shown", "room"), [(100, 4_096), (30_000, 16_384), (900_000, 65_536)])
def test_ollama_is_given_room_for_the_whole_prompt(stub, shown, room):
    stub.order({"json": PLAN})
    ask(model(stub, "ollama"), View(incident=INC, text="x" * shown), output_tokens=500)
    (call,) = stub.calls("ollama")
    assert call["args"]["options"]["num_ctx"] == room


def test_a_room_of_the_users_own_stands(stub):
    stub.order({"json": PLAN})
    ask(model(stub, "ollama", num_ctx=2048))
    (call,) = stub.calls("ollama")
    assert call["args"]["options"]["num_ctx"] == 2048


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_a_server_that_will_not_costs_the_finding_nothing(stub, provider, status):
    case = Case(missing=("request_rate",))
    stub.fail(status=status, count=None)
    thought = case.think(model(stub, provider))
    assert thought.record.off is Off.REFUSED
    assert thought.finding == case.finding()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_deliberation_in_words_ends_in_the_engines_diagnosis(stub, provider):
    case = Case(missing=("request_rate",))
    stub.manners(refuses=[SHAPE[provider]], usage=False)
    stub.order({"text": f"Let me look.\n{json.dumps(plan(query('quantity:request_rate', 'gateway')))}"})
    stub.order({"text": f"```json\n{json.dumps(ABSTAIN)}\n```"})
    thought = case.think(model(stub, provider), limits=Limits(rounds=1))
    assert thought.record.off is None
    assert thought.finding.state is FindingState.DIAGNOSED
