"""Any provider that LangChain speaks to, as a ``Reasoner``. The only file that imports LangChain.

It is imported when the first model is asked for, and by a worker that has one configured, before it forks.
"""

import json
import math
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from agents.deliberation.view import View
from agents.incident.errors import BadInput, Refused, Transient
from agents.ports import Reasoned, Task
from agents.reasoners.prompts import instructions, schema
from agents.reasoners.ways import UNKNOWN, Way, answer_in, overflows, room_for, ways_of

BUSY = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
DENIED = UNKNOWN | {401, 402, 403, 404, 405, 413}
LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
PACKAGES: Mapping[str, str] = {
    "openai": "langchain_openai",
    "azure_openai": "langchain_openai",
    "anthropic": "langchain_anthropic",
    "ollama": "langchain_ollama",
    "google_genai": "langchain_google_genai",
    "google_vertexai": "langchain_google_vertexai",
    "bedrock": "langchain_aws",
    "bedrock_converse": "langchain_aws",
}
"""The package that holds each provider we have a name for; others are taken as LangChain knows them."""


def load(model: str) -> None:
    """Import what *model* (``provider:name``) needs; BadInput names the package that is not installed."""
    os.environ.setdefault("LANGSMITH_TRACING", "false")  # nothing of an incident goes anywhere but to its provider
    provider = _provider(model)
    try:
        import_module("langchain.chat_models")
        if provider in PACKAGES:
            import_module(PACKAGES[provider])
    except ImportError as error:
        package = PACKAGES.get(provider, "langchain").replace("_", "-")
        raise BadInput(f"model {model!r} needs the package {package}: pip install {package}") from error


def _provider(model: str) -> str:
    provider, colon, name = model.partition(":")
    if not (provider and colon and name):
        raise BadInput(f"model {model!r} is not written as provider:name, e.g. ollama:llama3.2")
    return provider


@dataclass(slots=True, kw_only=True)
class LangChain:
    """One configured model. Clients are opened at the first call, so after a worker has forked.

    ``options`` go to the provider's class as they are. The way in which its server was last willing to be asked is
    remembered.
    """

    model: str
    api_key: str = field(default="", repr=False)
    base_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    _way: int = field(default=0, init=False, repr=False)

    @property
    def name(self) -> str:
        """Provider and model, as configured."""
        return self.model

    def prompt(self, task: Task, view: View) -> str:
        """Everything that would be sent, the shape of the answer included."""
        return f"{instructions(task, view.refused)}\n{json.dumps(schema(task))}\n{view.text}"

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """The answer to *task*, in at most *timeout* however slowly it drips."""
        box: list[Reasoned | Exception] = []
        opened: list[Any] = []
        late = threading.Event()

        def work() -> None:
            try:
                box.append(self._asked(task, view, timeout, output_tokens, opened, late))
            except Exception as error:  # noqa: BLE001  # every provider has classes of its own; they are sorted below,
                box.append(error)  # and the queue's time-out is raised in the main thread, never here

        # A thread of its own: a read time-out begins anew with every byte, and this one must not be waited for.
        thread = threading.Thread(target=work, name="reasoner", daemon=True)
        thread.start()
        thread.join(timeout.total_seconds())
        late.set()
        for chat in tuple(opened):
            _close(chat)  # also under a thread that still reads: its connection ends, and it with that
        if not box:
            raise TimeoutError(f"{self.model} gave no answer within {timeout.total_seconds():.0f} s")
        if isinstance(box[0], Exception):
            raise _sorted(box[0], self.model) from box[0]
        return box[0]

    def _asked(
        self,
        task: Task,
        view: View,
        timeout: timedelta,
        output_tokens: int,
        opened: list[Any],
        late: threading.Event,
    ) -> Reasoned:
        """The answer by the first way that the server takes, which is where the next call begins."""
        ways = ways_of(_provider(self.model), elsewhere=bool(self.base_url))
        room = room_for(self.prompt(task, view), output_tokens)
        for number, way in enumerate(ways[self._way :], start=self._way):
            opened.append(self._chat(way, timeout, output_tokens, room))
            try:
                said = _ask(opened[-1], way, task, view, self.model)
            except Exception as error:
                # Every provider has classes of its own; a status of theirs that may be about the way is read here.
                unknown = getattr(error, "status_code", None) in UNKNOWN and not overflows(str(error))
                if not unknown or late.is_set() or number + 1 == len(ways):
                    raise
            else:
                self._way = number
                return said
        raise AssertionError("the last way returns or raises")

    def _chat(self, way: Way, timeout: timedelta, output_tokens: int, room: int) -> Any:
        load(self.model)
        from langchain.chat_models import init_chat_model

        seconds = float(math.ceil(timeout.total_seconds()))  # whole ones: the libraries keep a client for each
        given: dict[str, Any] = {}
        if self.base_url:
            given["base_url"] = self.base_url
        if _provider(self.model) == "ollama":
            given |= {
                "temperature": 0,
                "num_predict": output_tokens,
                "num_ctx": room,
                "client_kwargs": {"timeout": seconds, **self._bearer()},
            }
        else:
            given |= {"timeout": seconds, "max_retries": 0} | self._limit(way, output_tokens)
            # A server of one's own may ask for no key, where the provider's class does.
            given |= {"api_key": self.api_key or "none"} if self.api_key or self.base_url else {}
        return init_chat_model(self.model, **(given | dict(self.options)))

    def _limit(self, way: Way, output_tokens: int) -> dict[str, Any]:
        """What bounds the answer. OpenAI's class renames ``max_tokens``; ``extra_body`` it leaves alone."""
        if self.options.keys() & LIMITS or _provider(self.model) != "openai" or way.limit != "max_tokens":
            return {"max_tokens": output_tokens}
        return {"extra_body": {"max_tokens": output_tokens}}

    def _bearer(self) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {self.api_key}"}} if self.api_key else {}


def _close(chat: Any) -> None:
    """Close a client that is this call's own; those of OpenAI and Anthropic are shared by their libraries."""
    if type(chat).__module__.startswith("langchain_ollama"):
        chat._client.close()


def _ask(chat: Any, way: Way, task: Task, view: View, model: str) -> Reasoned:
    told = instructions(task, view.refused)
    if not way.shaped:
        told = f"{told}\n{json.dumps(schema(task))}"
    messages = [("system", told), ("human", view.text)]
    if not way.shaped:
        return _reasoned({}, chat.invoke(messages), model)
    try:
        said: Any = chat.with_structured_output(schema(task), include_raw=True).invoke(messages)
    except Exception as error:
        # OpenAI's library raises where an answer was cut at its limit; its class is not to be imported here.
        cut = getattr(error, "completion", None)
        if cut is None:
            raise
        return _cut(cut)
    return _reasoned(said, said["raw"], model)


def _reasoned(said: Mapping[str, Any], raw: Any, model: str) -> Reasoned:
    usage = getattr(raw, "usage_metadata", None) or {}
    refusal = getattr(raw, "additional_kwargs", {}).get("refusal")
    stopped = getattr(raw, "response_metadata", {}).get("stop_reason")
    if refusal or stopped == "refusal":
        raise Refused(f"{model} refused to answer")
    return Reasoned(
        body=_body(said, raw),
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
    )


def _cut(completion: Any) -> Reasoned:
    """An answer that ended at its limit of tokens: no answer, but one that was paid for."""
    usage = completion.usage
    return Reasoned(
        body=completion.choices[0].message.content or "",
        input_tokens=getattr(usage, "prompt_tokens", None),
        output_tokens=getattr(usage, "completion_tokens", None),
    )


def _body(said: Mapping[str, Any], raw: Any) -> str:
    """The answer as text: the arguments of the tool that was called, else what was written."""
    parsed = said.get("parsed")
    if isinstance(parsed, dict):
        return json.dumps(parsed)
    text = raw.text if isinstance(getattr(raw, "text", None), str) else ""
    return answer_in(str(text) if text else str(raw.content))


def _sorted(error: Exception, model: str) -> Exception:
    """One error of ours for any of a provider's: what to do next, without addresses or keys."""
    if isinstance(error, BadInput | Refused):
        return error
    status = getattr(error, "status_code", None)
    kinds = {k.__name__ for k in type(error).__mro__}
    if "ContextOverflowError" in kinds or (status in DENIED and overflows(str(error))):
        return Refused(f"{model} cannot hold the prompt: serve it with a larger context, 16384 tokens or more")
    if status in DENIED:
        return Refused(f"{model} refused the call with {status}; check the key, the model's name and the address")
    if any("Timeout" in k for k in kinds):
        return TimeoutError(f"{model} was too slow: {type(error).__name__}")
    if status in BUSY or isinstance(error, OSError) or kinds & {"APIConnectionError", "TransportError"}:
        return Transient(f"{model} is not to be reached: {status or type(error).__name__}")
    return BadInput(f"{model} gave no usable answer: {type(error).__name__}")
