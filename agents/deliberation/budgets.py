"""What one incident may cost in thinking, what it has cost, and the check before every call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

BYTES_PER_TOKEN = 3
"""Guesses the tokens of a text on the high side: English and JSON have four bytes a token or more."""

MOST_BYTES_PER_TOKEN = 8
"""No provider counts fewer tokens than this for a prompt of ours; a smaller number leaves something out."""

MOST_TOKENS = 100_000_000
"""More than any call can take: what tells more tells nonsense."""


class Off(StrEnum):
    """Why the model had no part in a finding. The value is what a person reads after "model: off"."""

    UNREACHABLE = "its provider did not answer"
    SLOW = "its provider was too slow"
    REFUSED = "its provider refused, or cannot hold what it would be shown"
    MALFORMED = "two answers were not in the form that was asked for"
    TOOL_CALLS = "its budget of queries was used up"
    INPUT_TOKENS = "its budget of tokens was used up"
    WALL_CLOCK = "its time was used up"
    COST = "its budget of money was used up"
    SECRET = "what it would have been shown looked like it held a secret"  # noqa: S105  # words for people
    INJECTION = "something in the telemetry reads like an instruction"
    INTERRUPTED = "it was interrupted and is not asked again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens, and where that was read."""

    input_usd: float
    output_usd: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one incident may take. ``output_tokens`` and ``call_timeout`` are of one call."""

    rounds: int = 3
    tool_calls: int = 30
    input_tokens: int = 60_000
    wall_clock: timedelta = timedelta(seconds=120)
    cost_usd: float = 0.30
    output_tokens: int = 2_000
    call_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was taken so far. ``cost_usd`` is ``None`` where the model's price is not known."""

    calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost_usd: float | None = None

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        known = [c for c in (self.cost_usd, other.cost_usd) if c is not None]
        return Spent(
            calls=self.calls + other.calls,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            seconds=self.seconds + other.seconds,
            cost_usd=sum(known) if known else None,
        )


def tokens_in(text: str) -> int:
    """How many tokens *text* costs at most, as far as can be said without the provider's own tokenizer."""
    return _size(text) // BYTES_PER_TOKEN + 1


def counted(told: object, text: str) -> int:
    """What *text* is charged: what the server *told*; by size where that is no count, or too small to be one."""
    if type(told) is not int or not 0 < told <= MOST_TOKENS:
        return tokens_in(text)
    return max(told, _size(text) // MOST_BYTES_PER_TOKEN)


def _size(text: str) -> int:
    """Bytes; half a character, as an answer that was cut may end in, counts too."""
    return len(text.encode(errors="surrogatepass"))


class Meter:
    """The budgets of one incident, held against what was spent before, here and earlier.

    Args:
        before: What earlier looks of the same incident took.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: Limits, price: Price | None, before: Spent, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._price = price
        self._before = before
        self._clock = clock
        self._began = clock()
        self._here = Spent(cost_usd=0.0 if price is not None else None)

    @property
    def spent(self) -> Spent:
        """What was taken here, without what was taken before."""
        return replace(self._here, seconds=self._clock() - self._began)

    def before_call(self, prompt: str) -> Off | None:
        """Why *prompt* may not be sent, or ``None``. A call that would end over a limit is not begun."""
        total, more = self._before.plus(self.spent), tokens_in(prompt)
        if self.left <= timedelta(0):
            return Off.WALL_CLOCK
        if total.input_tokens + more > self._limits.input_tokens:
            return Off.INPUT_TOKENS
        if self._price is not None:
            worst = (total.cost_usd or 0.0) + self._cost(more, self._limits.output_tokens)
            if worst > self._limits.cost_usd:
                return Off.COST
        return None

    def before_queries(self, count: int) -> Off | None:
        """Why *count* further queries may not be run, or ``None``."""
        if self.left <= timedelta(0):
            return Off.WALL_CLOCK
        return Off.TOOL_CALLS if count > self.queries_left else None

    @property
    def queries_left(self) -> int:
        """How many further queries may be run."""
        return max(self._limits.tool_calls - self._before.tool_calls - self._here.tool_calls, 0)

    def called(self, input_tokens: int, output_tokens: int) -> None:
        """Write one call down, whether it was answered or not."""
        cost = None if self._price is None else self._cost(input_tokens, output_tokens)
        self._here = self._here.plus(
            Spent(calls=1, input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost)
        )

    def queried(self, count: int) -> None:
        """Write *count* queries down."""
        self._here = self._here.plus(Spent(tool_calls=count))

    @property
    def left(self) -> timedelta:
        """How much of the wall clock is left."""
        return self._limits.wall_clock - timedelta(seconds=self._before.seconds + self.spent.seconds)

    @property
    def timeout(self) -> timedelta:
        """How long the next call may take."""
        return max(min(self._limits.call_timeout, self.left), timedelta(0))

    def _cost(self, input_tokens: int, output_tokens: int) -> float:
        assert self._price is not None  # noqa: S101  # asked only where a price is known
        return (input_tokens * self._price.input_usd + output_tokens * self._price.output_usd) / 1_000_000
