"""What is to be written, shown before and written whole: a file is the old one or the new one, never half."""

import difflib
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.incident.errors import BadInput

SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|KEY|JOURNAL_URL|REDIS_URL")
"""Variables whose value is not shown; an address of a store may hold a password."""

_LINE = re.compile(r"^(?P<off>#?)(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)$")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file as it is (``None``: not there) and as it is to be. ``private``: readable by its owner alone."""

    path: Path
    old: str | None
    new: str
    private: bool = False
    hidden: bool = False

    @property
    def needed(self) -> bool:
        """Whether anything would change."""
        loose = self.private and self.path.exists() and bool(self.path.stat().st_mode & 0o077)
        return self.old != self.new or loose

    def shown(self) -> Iterator[str]:
        """The lines that go and come, no secret among them."""
        if self.hidden:
            yield "+ (a secret)"
            return
        if self.old is None and not self.private:
            yield f"+ (new, {len(self.new.splitlines())} lines)"
            return
        old, new = (self.old or "").splitlines(), self.new.splitlines()
        if self.private:
            old, new = ([_masked(line) for line in _set(text)] for text in (self.old or "", self.new))
            if old == new and self.old != self.new:
                yield "~ (a secret changes)"
        for line in difflib.unified_diff(old, new, n=0, lineterm=""):
            if line[:3] not in {"---", "+++"} and line[:2] != "@@":
                yield f"{line[0]} {line[1:]}"


def write(change: Change) -> None:
    """Put the new file in the old one's place, in one step. BadInput when the disk refuses."""
    path = Path(os.path.realpath(change.path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if change.private else (path.stat().st_mode & 0o777 if path.exists() else 0o644)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # born with mode 600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(change.new)
                out.flush()
                os.fchmod(out.fileno(), mode)
                os.fsync(out.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BadInput(
            f"{change.path} could not be written ({error.strerror}); nothing of it was changed"
        ) from error


def text(path: Path) -> str | None:
    """What is in a file; ``None`` when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__})") from error


# --- variables, as a shell and docker compose read them --------------------------------------------------------


def _set(env: str) -> Iterator[str]:
    return (line for line in env.splitlines() if (found := _LINE.match(line)) and not found["off"])


def _masked(line: str) -> str:
    found = _LINE.match(line)
    if found is None or not SECRET.search(found["name"]) or found["value"] in {"", "''", '""'}:
        return line
    return f"{found['name']}=(secret)"


def variables(env: str, path: Path) -> dict[str, str]:
    """What *env* sets. BadInput names the line that no shell would read as one value."""
    found: dict[str, str] = {}
    for number, line in enumerate(env.splitlines(), start=1):
        row = _LINE.match(line)
        if row is None or row["off"]:
            continue
        try:
            words = shlex.split(row["value"], comments=True)
        except ValueError:
            words = ["", ""]
        if len(words) > 1:
            raise BadInput(f"{path}, line {number}: the value of {row['name']} is not one quoted word")
        found[row["name"]] = words[0] if words else ""
    return found


def with_variables(env: str, wanted: Mapping[str, str]) -> str:
    """*env* with these set: in their own place where the file names them, else at its end. All else is kept."""
    lines = env.splitlines()
    for name, value in wanted.items():
        row = f"{name}={_quoted(name, value)}"
        named = [
            (i, found["off"])
            for i, line in enumerate(lines)
            if (found := _LINE.match(line)) and found["name"] == name
        ]
        live = [i for i, off in named if not off]
        if live:  # the last one counts, in a shell and in compose
            lines[live[-1]] = row
        elif named:
            lines[named[0][0]] = row
        else:
            lines.append(row)
    return "\n".join(lines) + "\n"


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or not value.isprintable():
        raise BadInput(f"{name}: a quote or a character that cannot be printed is in the value; it was not taken")
    return f"'{value}'"
