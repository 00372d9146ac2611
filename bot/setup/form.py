"""One answer at a time: from a flag, from what is there, or asked; and tried as soon as it is given."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agents.incident.errors import BadInput
from bot.processes import PREFIX
from bot.setup.checks import Check
from bot.setup.talk import Talk
from bot.setup.wish import Held, Wish

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


@dataclass(slots=True, kw_only=True)
class Form:
    """The questions of one run. Without ``talk`` nothing is asked; ``missing`` and ``failed`` tell why not."""

    wish: Wish
    held: Held
    files: Mapping[str, str]
    talk: Talk | None
    missing: list[str] = field(default_factory=list)
    failed: list[Check] = field(default_factory=list)
    good: list[Check] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    def settle(
        self,
        question: str,
        flag: str,
        *,
        given: str = "",
        there: str = "",
        default: str = "",
        secret: bool = False,
        optional: bool = False,
        check: Callable[[str], Check] | None = None,
    ) -> str:
        """An answer that passes its check, if somebody can be asked; else what there is, its fault noted."""
        value = self.kept(question, flag, given, there)
        if not value and self.talk is None:
            value = default
            if not value and not optional:
                self.missing.append(flag)
        elif not value and self.talk is not None:
            value = self._asked(question, default, secret, optional)
        while value and check is not None and not self.wish.skip_checks:
            result = check(value)
            if result.ok:
                self._passed(result)
                break
            if self.talk is None:
                self.failed.append(result)
                break
            self.talk.say(f"  ✗ {result.what}: {result.says}")
            value = self._asked(question, "", secret, optional)
        return value

    def kept(self, question: str, flag: str, given: str, there: str) -> str:
        """What is there stays, unless it is said twice: by the flag, and by --force or a yes."""
        if not there or not given or given == there or self.wish.force:
            return given or there
        if self.talk is None:
            self.missing.append(f"--force, because what {flag} gives differs from what is there")
            return there
        return given if self.talk.confirm(f"{question}: another is there already. Replace it?") else there

    def _asked(self, question: str, default: str, secret: bool, optional: bool) -> str:
        assert self.talk is not None  # noqa: S101  # asked only where somebody answers
        while True:
            said = self.talk.ask(question, default=default, secret=secret)
            if said or optional:
                return said
            self.talk.say("  an answer is needed here; Ctrl-C ends without writing anything")

    def _passed(self, result: Check) -> None:
        self.good.append(result)
        if self.talk is not None:
            self.talk.say(f"  ✓ {result.what}: {result.says}")

    def tried(self, result: Check) -> None:
        """A check of something that is not asked for: it can only be said."""
        if self.wish.skip_checks:
            return
        if result.ok:
            self._passed(result)
            return
        self.failed.append(result)
        if self.talk is not None:
            self.talk.say(f"  ✗ {result.what}: {result.says}")

    def set(self, name: str, value: str, default: str = "") -> None:
        """A variable to be written: not where it is the default and nothing else was ever said."""
        if value and (value != default or self.held.file.get(PREFIX + name)):
            self.env[name] = value

    def named(self, value: str, what: str, *, ask: bool) -> str:
        if ask and self.talk is not None:
            value = self.talk.ask(f"Name of the alert {what} (an Alertmanager)", default=value)
        if not NAME.fullmatch(value):
            raise BadInput(f"{what} {value[:60]!r}: letters, digits, dots, hyphens and underscores only")
        return value
