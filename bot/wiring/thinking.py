"""The model of a triage worker, if one is configured; nothing of a model's library is loaded otherwise."""

from pathlib import Path

from agents.deliberation.budgets import Limits
from agents.ports import Reasoner
from bot.prices import price_of
from bot.settings import ModelSettings, span
from bot.thinking import Thinking

SCRIPTED = "scripted:"


def thinking_of(settings: ModelSettings, folder: Path) -> Thinking | None:
    """What a worker thinks with, its library loaded; ``None`` without a model. No client is opened yet.

    BadInput names a package that is not installed, a script or a price list that cannot be read.
    """
    if not settings.name:
        return None
    return Thinking(
        reasoner=_reasoner(settings),
        limits=Limits(
            rounds=settings.rounds,
            tool_calls=settings.tool_calls,
            input_tokens=settings.max_shown,
            output_tokens=settings.max_said,
            wall_clock=span(settings.wall_clock_s),
            call_timeout=span(settings.call_timeout_s),
            cost_usd=settings.cost_usd,
        ),
        price=price_of(settings.name, folder / "models.yaml"),
        order=settings.order,
    )


def _reasoner(settings: ModelSettings) -> Reasoner:
    if settings.name.startswith(SCRIPTED):
        from agents.reasoners import scripted

        return scripted.load(Path(settings.name.removeprefix(SCRIPTED)))
    from agents.reasoners import langchain

    langchain.load(settings.name)
    return langchain.LangChain(
        model=settings.name,
        api_key=settings.api_key.get_secret_value(),
        base_url=settings.base_url,
        options=settings.options,
    )
