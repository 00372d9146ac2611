"""The terminal behind the surface port: the newest card stays at the bottom, detail scrolls above it."""

import sys
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bot.surfaces.console.render import clean, panel, plain
from bot.surfaces.ports import Card

NAME = "console"


class LineSurface:
    """Plain lines: for pipes, files and scripts. A card is printed when what it says changed."""

    name = NAME

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._said: dict[str, tuple[str, ...]] = {}

    def show(self, card: Card, ref: str | None) -> str:
        """Print the card if its text is new."""
        said = (card.state, *card.lines)
        if card.has_finding and self._said.get(card.incident_id) != said and _worth_printing(card):
            print(plain(card), file=self._out, flush=True)
            self._said[card.incident_id] = said
        return card.incident_id

    def detail(self, ref: str, line: str) -> None:
        """Print one line of history."""
        print(clean(f"{ref}  {line}"), file=self._out, flush=True)


def _worth_printing(card: Card) -> bool:
    """Not for every sample: when a question is asked, when it is over, when a person is needed."""
    return bool(card.buttons) or card.over or card.state in {"finding made", "a person is needed"}


class LiveSurface:
    """A live panel on a terminal."""

    name = NAME

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(Text("Waiting for an alert …"), console=console, refresh_per_second=8)
        self.card: Card | None = None

    def __enter__(self) -> "LiveSurface":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, card: Card, ref: str | None) -> str:
        """Edit the panel in place; the newest incident has it."""
        if self.card is None or card.incident_id >= self.card.incident_id:
            self.card = card
            self._live.update(panel(card, hint(card)))
        return card.incident_id

    def detail(self, ref: str, line: str) -> None:
        """One line above the panel."""
        self._live.console.print(Text(clean(line), style="dim"))

    def say(self, text: str) -> None:
        """Answer a press, above the panel."""
        self._live.console.print(Text(clean(text), style="bold magenta"))

    def pause(self) -> None:
        """Give the terminal back, to ask a question on it."""
        self._live.stop()

    def resume(self) -> None:
        """Take the terminal again."""
        shown = panel(self.card, hint(self.card)) if self.card is not None else Text("")
        self._live = Live(shown, console=self._console, refresh_per_second=8)
        self._live.start()


def hint(card: Card) -> str:
    """Which keys do something now."""
    keys = ["a approve", "r reject"] if card.buttons else []
    return " · ".join([*keys, "d details", "q quit"])
