"""The terminal behind the surface port: the newest card stays at the bottom, detail scrolls above it."""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bot.surfaces.console.render import clean, incident_of, panel, plain
from bot.surfaces.limits import Budget
from bot.surfaces.ports import Asker, Button, Card, Lane, Message, Reply

NAME = "console"


def whole(card: Card) -> Message:
    """A terminal has one message an incident, with everything on it."""
    waiting = card.asks[-1] if card.asks and card.asks[-1].waiting else None
    lines = [f"state: {card.state}", *card.finding]
    if card.asks:
        last = card.asks[-1]
        lines += ["", last.headline, *last.lines]
    lines += ["", *card.outcome] if card.outcome else []
    lines += ["", f"Why it stands here: {card.reason}"] if card.reason else []
    lines += ["", f"Page: {card.link}"] if card.link else []
    return Message(
        key="root",
        lane=Lane.ROOT,
        headline=card.headline,
        lines=tuple(lines),
        buttons=(*waiting.buttons, Button(label="Details", data=f"d:{card.incident_id}")) if waiting else (),
        chart=card.chart,
        loud=card.loud or waiting is not None,
        over=card.over,
    )


class _Terminal:
    """What plain lines and the live panel have in common."""

    name = NAME
    patient = False

    def __init__(self) -> None:
        self.budget = Budget({}, time.monotonic)

    def layout(self, card: Card) -> Sequence[Message]:
        """Everything in one message."""
        return (whole(card),)

    async def find(self, key: str, root: str | None) -> str | None:
        """A terminal that ended took its messages with it."""
        return None


class LineSurface(_Terminal):
    """Plain lines: for pipes, files and scripts. A card is printed when what it says changed."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        super().__init__()
        self._out = out
        self._said: dict[str, tuple[str, ...]] = {}

    async def post(self, message: Message, root: str | None) -> str:
        """Print it, if it is worth a line."""
        await self.edit(message.key, message)
        return message.key

    async def edit(self, ref: str, message: Message) -> None:
        """Print it again if its text is new and worth it."""
        if message.loud and self._said.get(ref) != message.lines:
            print(plain(message), file=self._out, flush=True)
            self._said[ref] = message.lines

    async def detail(self, root: str, lines: Sequence[str], link: str = "") -> None:
        """Print lines of history."""
        for line in lines:
            print(clean(f"{root.partition('/')[0]}  {line}"), file=self._out, flush=True)

    async def answer(self, asker: Asker, reply: Reply) -> None:
        """Print the answer to a press."""
        print(clean("\n".join([reply.text, *reply.lines])), file=self._out, flush=True)


class LiveSurface(_Terminal):
    """A live panel on a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(Text("Waiting for an alert …"), console=console, refresh_per_second=8)
        self.shown: Message | None = None

    def __enter__(self) -> "LiveSurface":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    async def post(self, message: Message, root: str | None) -> str:
        """Show it in the panel."""
        await self.edit(message.key, message)
        return message.key

    async def edit(self, ref: str, message: Message) -> None:
        """Edit the panel in place; the newest incident has it."""
        if self.shown is None or incident_of(message) >= incident_of(self.shown):
            self.shown = message
            self._live.update(panel(message, hint(message)))

    async def detail(self, root: str, lines: Sequence[str], link: str = "") -> None:
        """Lines above the panel."""
        for line in lines:
            self._live.console.print(Text(clean(line), style="dim"))

    async def answer(self, asker: Asker, reply: Reply) -> None:
        """Answer a press, above the panel."""
        self.say("\n".join([reply.text, *reply.lines]))

    def say(self, text: str) -> None:
        """Words above the panel."""
        self._live.console.print(Text(clean(text), style="bold magenta"))

    def pause(self) -> None:
        """Give the terminal back, to ask a question on it."""
        self._live.stop()

    def resume(self) -> None:
        """Take the terminal again."""
        shown = panel(self.shown, hint(self.shown)) if self.shown is not None else Text("")
        self._live = Live(shown, console=self._console, refresh_per_second=8)
        self._live.start()


def hint(message: Message) -> str:
    """Which keys do something now."""
    keys = ["a approve", "r reject", "h hold"] if message.buttons else []
    return " · ".join([*keys, "d details", "q quit"])
