"""In which ways a server may be asked for a shape, the strictest first; and where in its words the answer is.

Servers that speak a provider's language differ: some do not know a parameter and say so with 400, some ignore it
and write prose around the answer. A refused call took no tokens, so the next way is tried within the same call.
"""

import json
import re
from dataclasses import dataclass

from agents.deliberation.answers import MAX_ANSWER_BYTES
from agents.deliberation.budgets import tokens_in

UNKNOWN = frozenset({400, 415, 422, 501})
"""What a server says to a parameter that it does not know or cannot serve."""

MAX_OPENINGS = 200
"""Braces at which an answer is looked for: prose has few, and a flood of them is no answer."""

SMALLEST_ROOM = 4_096
LARGEST_ROOM = 65_536

_THOUGHT = re.compile(r"(?s)<(think|thinking|reasoning)>.*?</\1>")
_OVERFLOW = re.compile(
    r"(?i)context[_ ](?:length|size|window)|maximum context|(?:prompt|input|request) is too (?:long|large)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of asking. ``shaped``: the server is given the schema to hold the answer to; else it is only told.

    ``limit`` names the parameter that bounds the answer.
    """

    shaped: bool
    limit: str


def ways_of(provider: str, *, elsewhere: bool) -> tuple[Way, ...]:
    """Every way of *provider*, the best first. ``elsewhere``: it is a server of somebody's own, by its address."""
    if provider == "ollama":
        limits: tuple[str, ...] = ("num_predict",)
    elif provider == "openai" and elsewhere:
        # Most servers know the older name, some that one alone; OpenAI's reasoning models refuse it.
        limits = ("max_tokens", "max_completion_tokens")
    elif provider in {"openai", "azure_openai"}:
        limits = ("max_completion_tokens",)
    else:
        limits = ("max_tokens",)
    return tuple(Way(shaped=shaped, limit=limit) for shaped in (True, False) for limit in limits)


def overflows(message: str) -> bool:
    """Whether a refusal says that the prompt is longer than the model's context."""
    return _OVERFLOW.search(message) is not None


def room_for(prompt: str, output_tokens: int) -> int:
    """Tokens of context that hold *prompt* and its answer: a power of two, so that it seldom changes.

    Ollama cuts a longer prompt without a word, at 4096 tokens unless it is told otherwise:
    docs.ollama.com/context-length.
    """
    room = SMALLEST_ROOM
    while room < LARGEST_ROOM and room < tokens_in(prompt) + output_tokens:
        room *= 2
    return room


def answer_in(text: str) -> str:
    """The last JSON object in *text*, thoughts and prose around it left out; *text* itself where there is none.

    What comes out is untrusted as before, and is read as strictly.
    """
    if len(text) > MAX_ANSWER_BYTES:
        return text
    spoken = _THOUGHT.sub("", text).strip()
    decoder = json.JSONDecoder()
    found, at = "", spoken.find("{")
    for _ in range(MAX_OPENINGS):
        if at < 0:
            break
        try:
            _, end = decoder.raw_decode(spoken, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found = spoken[at:end]
        at = spoken.find("{", end)
    return found or text
