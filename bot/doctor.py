"""What would go wrong at three in the morning, looked for now."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import redis

from agents import calibration
from agents.incident.errors import BadInput, ResponderError
from agents.signatures.load import load as load_signatures
from bot import configuration
from bot.journal.journal import check
from bot.queue import connect_briefly
from bot.settings import ActionSettings, ReceiverSettings, Settings, read

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing looked at."""

    what: str
    ok: bool
    says: str


def examine() -> Iterator[Examined]:
    """Everything, one after the other; a failure of one hides no other."""
    settings = read(Settings)
    folder = settings.config
    services = yield from _try("services.yaml", lambda: configuration.services(folder), "read")
    if services is not None:
        count = len(services.services)
        says = f"{count} known" if count else "none: every finding will be BLIND"
        yield Examined(what="services", ok=count > 0, says=says)
    people = yield from _try("people.yaml", lambda: configuration.people(folder), "read")
    if people is not None:
        names = ", ".join(p.name for p in people.approvers())
        yield Examined(what="approvers", ok=bool(names), says=names or "nobody may approve anything")
    yield from _try("policy.yaml", lambda: configuration.policy(folder), "read")
    yield from _try("probes.yaml", lambda: configuration.probes(folder), "read")
    yield from _try("signatures", lambda: load_signatures(folder / "signatures"), "read")
    yield from _try("calibration.yaml", lambda: calibration.load(folder / "calibration.yaml"), "read")
    sources = yield from _try("sources.yaml", lambda: configuration.sources(folder), "read")
    tokens = read(ReceiverSettings).webhook_tokens
    for name, source in (sources or {}).items():
        signed = bool(tokens.get(name))
        unsigned = "takes anything (allow_unsigned)" if source.allow_unsigned else "has no token: refused"
        says = "has a token" if signed else unsigned
        yield Examined(what=f"source {name}", ok=signed, says=says)
    yield from _try("journal", lambda: check(settings.journal), "at this version's tables")
    yield from _try("redis", lambda: _ping(settings.redis), "answers")
    actions = read(ActionSettings)
    named = bool(actions.supervisor_url and actions.supervisor_environment)
    of = f"supervisor of {actions.supervisor_environment}"
    yield Examined(what="actions", ok=named, says=of if named else "no supervisor is set: nothing can be run")


def _ping(url: str) -> None:
    try:
        connect_briefly(url).ping()
    except redis.RedisError as error:
        raise BadInput(f"does not answer ({type(error).__name__}); check FIRSTRESPONDER_REDIS_URL") from error


def _try(what: str, step: Callable[[], T], good: str) -> Generator[Examined, None, T | None]:
    try:
        found = step()
    except ResponderError as error:
        yield Examined(what=what, ok=False, says=str(error))
        return None
    yield Examined(what=what, ok=True, says=good)
    return found
