"""What an installation adds to the rules of redaction: its salt, and the credentials its processes hold."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from agents.incident import redaction
from agents.incident.errors import BadInput
from bot.settings import Settings

SALT_BYTES = 32
SALT_FILE = "redaction.salt"
_SQLITE = "sqlite:///"


def begin(settings: Settings) -> None:
    """Redact as this installation does, from now on and in every child that is forked later."""
    redaction.use(salt=salt(settings.journal), known=credentials(settings))


def salt(journal: str) -> bytes:
    """The same 32 bytes in every process over one journal.

    Beside a SQLite journal they are a file, made once and readable by its owner only. Another journal's are
    derived from its address, whose password makes them secret. A journal in memory has new ones.
    """
    file = journal.removeprefix(_SQLITE).partition("?")[0].removeprefix("file:")
    if journal.startswith(_SQLITE) and file not in {"", ":memory:"}:
        return _kept(Path(file).with_name(SALT_FILE))
    if journal.startswith("sqlite"):
        return os.urandom(SALT_BYTES)
    return hashlib.sha256(b"redaction\0" + journal.encode()).digest()


def credentials(settings: BaseModel) -> tuple[str, ...]:
    """Every secret in *settings*, and the passwords inside addresses, each once."""
    return tuple(dict.fromkeys(_secrets({n: getattr(settings, n) for n in type(settings).model_fields})))


def _kept(file: Path) -> bytes:
    """The salt in *file*; of several processes that make it at once, one does and all read that."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(os.urandom(SALT_BYTES))
        try:
            with contextlib.suppress(FileExistsError):  # another process was first, and its salt is as good
                os.link(part, file)
        finally:
            part.unlink()
    found = file.read_bytes()
    if len(found) != SALT_BYTES:
        raise BadInput(f"{file} holds {len(found)} bytes, not {SALT_BYTES}: remove it and a new one is made")
    return found


def _secrets(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            said = value.get_secret_value()
            if "://" not in said:
                yield said
            elif password := urlsplit(said).password:
                yield from (password, unquote(password))
        case BaseModel():
            for name in type(value).model_fields:
                yield from _secrets(getattr(value, name))
        case Mapping():
            for item in value.values():
                yield from _secrets(item)
        case list() | tuple() | frozenset():
            for item in value:
                yield from _secrets(item)
