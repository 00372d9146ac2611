"""Cards as text for a terminal. Pure."""

import re

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from agents.render import number
from bot.surfaces.ports import Card, Chart

HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control and direction characters: text from outside must not drive the terminal."""

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def spark(chart: Chart, width: int = WIDTH) -> str:
    """The newest points of a chart as one line of bars, its lowest and highest value beside it."""
    values = [v for _, v in chart.points][-width:]
    low, high = min(values), max(values)
    reach = high - low or 1.0
    bars = "".join(BARS[min(int((v - low) / reach * len(BARS)), len(BARS) - 1)] for v in values)
    return f"{chart.caption}  {bars}  {number(low, chart.quantity)} to {number(high, chart.quantity)}"


def clean(text: str) -> str:
    """*text* with what a terminal would obey made visible instead."""
    return HIDDEN.sub("·", text)


def plain(card: Card) -> str:
    """A card as lines."""
    lines = [f"{card.incident_id}  {card.headline}", f"  state: {card.state}"]
    lines += [f"  {line}" if line else "" for line in card.lines]
    if card.chart is not None:
        lines.append(f"  {spark(card.chart)}")
    return clean("\n".join(lines))


def panel(card: Card, hint: str) -> RenderableType:
    """A card as a panel, edited in place."""
    body = Text(clean("\n".join(card.lines))) if card.lines else Text("…")
    parts: list[RenderableType] = [Text(clean(f"{card.headline}\nstate: {card.state}\n")), body]
    if card.chart is not None:
        parts.append(Text("\n" + spark(card.chart), style="cyan"))
    if hint:
        parts.append(Text("\n" + hint, style="bold"))
    border = "green" if card.over else "yellow" if card.buttons else "blue"
    return Panel(Group(*parts), title=escape(card.incident_id), border_style=border)
