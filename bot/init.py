"""``firstresponder init``: ask, try each answer, show what will be written, write it, name the next command."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.incident.errors import BadInput
from bot.processes import base_environment, root
from bot.setup import files
from bot.setup.answers import fill
from bot.setup.checks import Check
from bot.setup.files import Change
from bot.setup.form import Form
from bot.setup.plan import plan, start_from
from bot.setup.talk import Talk
from bot.setup.wish import Held, Wish


class NotYet(BadInput):
    """Nothing was written; ``missing`` and ``failed`` say why."""

    def __init__(self, missing: Sequence[str], failed: Sequence[Check]) -> None:
        self.missing, self.failed = tuple(missing), tuple(failed)
        lines = [*(f"missing: {m}" for m in missing), *(f"{c.what}: {c.says}" for c in failed)]
        super().__init__("nothing was written:\n" + "\n".join(f"  {line}" for line in lines))

    def document(self) -> dict[str, Any]:
        """For a program that reads it."""
        return {
            "ok": False,
            "missing": list(self.missing),
            "failed": [asdict(c) for c in self.failed],
            "written": [],
        }


def run(wish: Wish, talk: Talk, shipped: Path | None = None) -> dict[str, Any]:
    """Set up, and tell what was done. Nothing is written when an answer is missing or fails (NotYet, BadInput).

    Args:
        talk: Who is asked, unless the wish says that nobody is; what is done is told to them in any case.
        shipped: Where the files to start from are; the project's own if left out.
    """
    shipped = shipped or root() / "config"
    held = Held(file=_held(wish.env_file), environ=base_environment())
    texts = start_from(wish.config, shipped)
    form = Form(wish=wish, held=held, files=texts, talk=None if wish.yes else talk)
    answers = fill(form)
    for check in answers.checks if wish.yes else ():  # otherwise each was told when it was tried
        talk.say(f"  ✓ {check.what}: {check.says}")
    if form.missing or (form.failed and wish.yes):
        raise NotYet(form.missing, form.failed)
    made = plan(wish, answers, held.file, texts, shipped)
    wanted = [c for c in made.changes if c.needed]
    _show(wanted, talk)
    if wanted and not wish.yes:
        question = "Write this all the same?" if form.failed else "Write this?"
        if not talk.confirm(question):
            raise NotYet(["your yes"], form.failed)
    for change in wanted:
        files.write(change)
    return {
        "ok": not form.failed,
        "checks": [asdict(c) for c in (*answers.checks, *form.failed)],
        "written": [{"path": str(c.path), "changes": list(c.shown())} for c in wanted],
        "notes": list(made.notes),
        "alertmanager": made.snippet,
        "next": list(made.next),
    }


def _held(path: Path) -> dict[str, str]:
    return files.variables(files.text(path) or "", path)


def _show(changes: Sequence[Change], talk: Talk) -> None:
    if not changes:
        talk.say("\nEverything is written already; nothing changes.")
        return
    talk.say("\nTo be written:")
    for change in changes:
        talk.say(f"  {change.path}" + (" (for you alone, mode 600)" if change.private else ""))
        for line in change.shown():
            talk.say(f"    {line}")


def tell(done: Mapping[str, Any], talk: Talk) -> None:
    """What somebody does next."""
    for note in done["notes"]:
        talk.say(f"  · {note}")
    talk.say("\nFor alertmanager.yml, as a receiver and in its route:\n")
    talk.say("\n".join(f"  {line}" for line in done["alertmanager"].splitlines()))
    first, then = done["next"]
    talk.say(f"\nNext:\n\n  {first}\n\nand, in another terminal:\n\n  {then}")
