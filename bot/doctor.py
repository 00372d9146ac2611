"""What would go wrong at three in the morning, looked for now."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import redis

from actions.policy import People
from agents import calibration
from agents.incident.errors import BadInput, ResponderError
from agents.signatures.load import load as load_signatures
from bot import configuration
from bot.journal import directory, hearings
from bot.journal.hearings import Hearing
from bot.journal.journal import Journal, check, open_engine
from bot.queue import connect_briefly
from bot.receiver.sources import ready, weakness
from bot.settings import ActionSettings, ReceiverSettings, Settings, read
from bot.setup import local
from bot.setup.roundtrip import SURFACES, Waiting, configured, prove

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing looked at."""

    what: str
    ok: bool
    says: str


def examine(state: Path = Path("var")) -> Iterator[Examined]:
    """Everything, one after the other; a failure of one hides no other.

    Args:
        state: Where ``up`` keeps its Redis, if no address is set.
    """
    settings = read(Settings)
    folder = settings.config
    services = yield from _try("services.yaml", lambda: configuration.services(folder), "read")
    if services is not None:
        count = len(services.services)
        says = f"{count} known" if count else "none: every finding will be BLIND"
        yield Examined(what="services", ok=count > 0, says=says)
    people = yield from _try("people.yaml", lambda: configuration.people(folder), "read")
    if people is not None:
        yield from _people(people, settings.journal)
    yield from _try("policy.yaml", lambda: configuration.policy(folder), "read")
    yield from _try("probes.yaml", lambda: configuration.probes(folder), "read")
    yield from _try("signatures", lambda: load_signatures(folder / "signatures"), "read")
    yield from _try("calibration.yaml", lambda: calibration.load(folder / "calibration.yaml"), "read")
    sources = yield from _try("sources.yaml", lambda: configuration.sources(folder), "read")
    receiver = yield from _try("receiver settings", lambda: read(ReceiverSettings), "read")
    if receiver is not None and sources is not None:
        yield from _try_sources(sources, receiver)
    if receiver is not None:
        yield from _chats(receiver)
        page = local.page_url(receiver.page_url)
        yield Examined(what=page.what, ok=page.ok, says=page.says)
    yield from _try("journal", lambda: check(settings.journal), "at this version's tables")
    yield from _heard(sources or {}, settings.journal)
    yield from _try("redis", lambda: _ping(_redis(settings, state)), "answers")
    actions = read(ActionSettings)
    named = bool(actions.supervisor_url and actions.supervisor_environment)
    of = f"supervisor of {actions.supervisor_environment}"
    yield Examined(what="actions", ok=named, says=of if named else "no supervisor is set: nothing can be run")


def try_chats(surface: str, waiting: Waiting) -> Iterator[Examined]:
    """Every configured chat, or the one named, from its settings to a press that came back."""
    settings = read(ReceiverSettings)
    check(settings.journal)
    if surface and surface not in SURFACES:
        raise BadInput(f"--surface {surface[:40]!r}: it must be one of {', '.join(SURFACES)}")
    there = configured(settings)
    wanted = (surface,) if surface else there or ("chat",)
    journal = Journal(open_engine(settings.journal))
    try:
        for one in wanted:
            if one not in there:
                yield Examined(what=one, ok=False, says=f"is not configured: {_token(one)}")
                continue
            for found in prove(settings, journal, one, waiting):
                yield Examined(what=found.what, ok=found.ok, says=found.says)
    finally:
        journal.close()


def _token(surface: str) -> str:
    names = {"slack": "FIRSTRESPONDER_SLACK__BOT_TOKEN", "telegram": "FIRSTRESPONDER_TELEGRAM__TOKEN"}
    return f"{names.get(surface) or ' or '.join(names.values())} is empty; firstresponder init asks for it"


def _try_sources(rows: Mapping[str, configuration.Source], receiver: ReceiverSettings) -> Iterator[Examined]:
    """How each source proves itself, and what is weak or missing about it."""
    secrets = receiver.webhook_secrets()
    named = any(row.mapping for row in rows.values())
    mappings = configuration.mappings(receiver.config) if named else {}
    for name, sender in ready(rows, secrets, mappings, fetching=False).items():
        weak = weakness(sender)
        yield Examined(what=f"source {name}", ok=not weak, says=weak or f"proven by {sender.scheme.title}")
    for name in sorted(secrets.keys() - rows.keys()):
        says = "has a token, and sources.yaml does not have it: nothing sent to it is taken"
        yield Examined(what=f"source {name[:80]}", ok=False, says=says)


def _heard(sources: Mapping[str, configuration.Source], url: str) -> Iterator[Examined]:
    """When each source was last heard, if the journal can be read; one that is silent beyond its habit fails."""
    try:
        check(url)
        journal = Journal(open_engine(url))
        try:
            with journal.read() as tx:
                now, known = tx.now, hearings.all_known(tx)
        finally:
            journal.close()
    except ResponderError:
        return
    for name in sources:
        of = [one for one in known if one.source == name]
        if not of:
            yield Examined(what=f"heard {name}", ok=True, says="nothing yet")
        for one in of:
            what = f"heard {name}, {one.heartbeat}" if one.heartbeat else f"heard {name}"
            yield Examined(what=what, ok=not one.missed(now), says=silence(one, now))


def silence(one: Hearing, now: datetime) -> str:
    """How long ago something was heard, held against how long it is used to be silent."""
    ago = f"{told(now - one.heard_at)} ago"
    if one.habit is None:
        return f"{ago}; heard too seldom to have a habit"
    if not one.missed(now):
        return f"{ago}; missed after {told(one.habit)}"
    who = "it fires always, so its sender or the way here is broken" if one.heartbeat else "does it still send?"
    return f"{ago}, and by its habit within {told(one.habit)}: {who}"


def told(span: timedelta) -> str:
    """A span in the largest unit that leaves at least two of it."""
    seconds = max(span.total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _people(people: People, journal: str) -> Iterator[Examined]:
    known = _with_links(people, journal)
    names = ", ".join(p.name for p in known.approvers())
    yield Examined(what="approvers", ok=bool(names), says=names or "nobody may approve anything")
    called = ", ".join(p.name for p in known.called())
    if known.on_call:
        yield Examined(what="on call", ok=True, says=called)
    else:
        says = f"no on_call in people.yaml: everybody who may respond or approve is called ({called or 'nobody'})"
        yield Examined(what="on call", ok=bool(called), says=says)
    for person in known.people:
        if not any(person.accounts.values()):
            says = f"has no account anywhere: add one to people.yaml, or firstresponder link {person.id}"
            yield Examined(what=f"person {person.id}", ok=False, says=says)


def _with_links(people: People, url: str) -> People:
    """With the accounts people linked themselves, if the journal can be read."""
    try:
        check(url)
        journal = Journal(open_engine(url))
        try:
            with journal.read() as tx:
                return directory.known(tx, people)
        finally:
            journal.close()
    except ResponderError:
        return people


def _chats(settings: ReceiverSettings) -> Iterator[Examined]:
    there = configured(settings)
    for surface in there:
        place = settings.slack.channel if surface == "slack" else settings.telegram.chat
        says = f"configured for {place}; firstresponder doctor --chat tries it"
        yield Examined(what=surface, ok=True, says=says)
    if not there:
        yield Examined(what="chat", ok=True, says="neither Slack nor Telegram is configured: the console alone")


def _redis(settings: Settings, state: Path) -> str:
    socket = state / "redis" / "redis.sock"
    if "redis_url" in settings.model_fields_set or not socket.exists():
        return settings.redis
    return f"unix://{socket.resolve()}?db=0"


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
