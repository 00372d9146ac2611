"""Questions to whoever sets up, on a terminal; or nobody to ask."""

import math
import sys
from collections.abc import Sequence
from typing import Protocol

import typer


class Talk(Protocol):
    """Somebody to ask."""

    def ask(self, question: str, *, default: str = "", secret: bool = False) -> str:
        """A line; what is typed for a secret is not shown. Empty is an answer."""

    def choose(self, question: str, options: Sequence[str], default: str) -> str:
        """One of these."""

    def confirm(self, question: str) -> bool:
        """Yes or no."""

    def say(self, text: str) -> None:
        """A line for them."""


class Terminal:
    """Prompts; on standard error when standard output is for a program (``aside``)."""

    def __init__(self, *, aside: bool = False) -> None:
        self._aside = aside

    def ask(self, question: str, *, default: str = "", secret: bool = False) -> str:
        """Ask once."""
        said = typer.prompt(
            question,
            default=default,
            hide_input=secret,
            show_default=bool(default) and not secret,
            err=self._aside,
        )
        return str(said).strip()

    def choose(self, question: str, options: Sequence[str], default: str) -> str:
        """Ask until it is one of them."""
        while True:
            said = self.ask(f"{question} ({', '.join(options)})", default=default).lower()
            if said in options:
                return said
            self.say(f"  {said!r} is none of {', '.join(options)}")

    def confirm(self, question: str) -> bool:
        """Yes unless they say no."""
        return typer.confirm(question, default=True, err=self._aside)

    def say(self, text: str) -> None:
        """Print."""
        typer.echo(text, err=self._aside)


class Progress:
    """The seconds that are left, on standard error: on a terminal in place, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._said: tuple[str, int] | None = None

    def show(self, text: str, left: float) -> None:
        """Say it when a second, or elsewhere a quarter of a minute, is over."""
        live = sys.stderr.isatty()
        now = (text, math.ceil(left if live else left / 15))
        if now == self._said:
            return
        self._said = now
        line = f"      {text} … {math.ceil(left)} s left"
        typer.echo(f"\r\x1b[K{line}" if live else line, err=True, nl=not live)

    def clear(self) -> None:
        """Take the line away before another is printed."""
        if self._said is not None and sys.stderr.isatty():
            typer.echo("\r\x1b[K", err=True, nl=False)
        self._said = None
