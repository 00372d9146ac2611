"""Some lies through a provider's own library and its wire format, told by a stub server on the loopback."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec

from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused, Transient
from agents.ports import Reasoned, Task
from agents.reasoners.langchain import LangChain
from tests.evals.adversary.lying import Liar
from tests.evals.adversary.outgoing import Outgoing
from tests.evals.adversary.runs import LIES, Ran, elsewhere, fitting, run
from tests.stubs.models import API_KEY
from tests.stubs.models.client import ModelsStub

PROVIDERS = ("openai", "anthropic", "ollama")
LATE = timedelta(seconds=1)


def installed() -> tuple[str, ...]:
    """The providers whose library is here."""
    return tuple(p for p in PROVIDERS if find_spec(f"langchain_{p}") is not None)


@dataclass(slots=True, kw_only=True)
class OverTheWire:
    """A liar whose every answer is ordered from the stub, and comes back through LangChain."""

    liar: Liar
    stub: ModelsStub
    provider: str
    name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.name = f"{self.provider}:a-model"

    def prompt(self, task: Task, view: View) -> str:
        """What would be sent."""
        return self._model().prompt(task, view)

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """What the provider's library makes of the lie."""
        self.stub.reset()
        try:
            said = self.liar.reason(task, view, timeout=timeout, output_tokens=output_tokens)
        except Refused:
            self.stub.order({"refusal": "I cannot help with that."})
        except TimeoutError:
            self.stub.order({"drip": 0.1})
            timeout = LATE
        except (Transient, BadInput):
            self.stub.fail(status=503)
        else:
            self.stub.order(_ordered(said))
        return self._model().reason(task, view, timeout=timeout, output_tokens=output_tokens)

    def _model(self) -> LangChain:
        return LangChain(model=self.name, api_key=API_KEY, base_url=self.stub.base_url(self.provider))


def _ordered(said: Reasoned) -> dict[str, object]:
    tokens = {
        k: v
        for k, v in (("input_tokens", said.input_tokens), ("output_tokens", said.output_tokens))
        if v is not None and v >= 0
    }
    text = said.body.encode(errors="replace").decode()
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {"text": text, **tokens}
    return {"json": value, **tokens} if isinstance(value, dict) else {"text": text, **tokens}


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def runs(count: int, seed: int, outgoing: Outgoing, pool: tuple[str, ...] = ()) -> Iterator[Ran]:
    """*count* lies, one provider after the other; none where no provider's library is installed."""
    providers = installed()
    if not providers:
        return
    dice = random.Random(f"wire/{seed}")
    elsewhere()
    with ModelsStub() as stub:
        for number in range(count):
            lie = dice.choice([lie for lie in LIES if lie.task is not Task.WORDS])
            provider = providers[number % len(providers)]
            name = dice.choice(fitting(lie.task, pool))

            def through(liar: Liar, provider: str = provider) -> OverTheWire:
                return OverTheWire(liar=liar, stub=stub, provider=provider)

            yield run(lie, name, seed * 1_000_000 + number, outgoing, through)
