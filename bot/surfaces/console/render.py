"""Cards as text for a terminal. Pure."""

import re

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from agents.render import number
from bot.surfaces.ports import Chart, Message

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


def plain(message: Message) -> str:
    """A message as lines."""
    lines = [f"{incident_of(message)}  {message.headline}"]
    lines += [f"  {line}" if line else "" for line in message.lines]
    if message.chart is not None:
        lines.append(f"  {spark(message.chart)}")
    return clean("\n".join(lines))


def panel(message: Message, hint: str) -> RenderableType:
    """A message as a panel, edited in place."""
    parts: list[RenderableType] = [Text(clean(f"{message.headline}\n")), Text(clean("\n".join(message.lines)))]
    if message.chart is not None:
        parts.append(Text("\n" + spark(message.chart), style="cyan"))
    if hint:
        parts.append(Text("\n" + hint, style="bold"))
    border = "green" if message.over else "yellow" if message.buttons else "blue"
    return Panel(Group(*parts), title=escape(incident_of(message)), border_style=border)


def incident_of(message: Message) -> str:
    """Whose message it is: keys begin with the incident's id."""
    return message.key.partition("/")[0]
