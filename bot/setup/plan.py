"""What setting up writes: worked out and read through before any file is touched."""

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents import calibration
from agents.incident.errors import BadInput
from agents.signatures.load import load as load_signatures
from bot import configuration
from bot.processes import PREFIX
from bot.receiver.proofs import SELF_PROVING
from bot.receiver.sources import proof_of
from bot.settings import SlackSettings, TelegramSettings
from bot.setup import files, yamls
from bot.setup.answers import Answers
from bot.setup.files import Change
from bot.setup.wish import Wish

LOADERS: Mapping[str, Callable[[Path], object]] = {
    "services.yaml": configuration.services,
    "people.yaml": configuration.people,
    "policy.yaml": configuration.policy,
    "probes.yaml": configuration.probes,
    "sources.yaml": configuration.sources,
    "calibration.yaml": lambda folder: calibration.load(folder / "calibration.yaml"),
}
TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be written, and what is to be said beside it."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    snippet: str
    next: tuple[str, ...]


def start_from(config: Path, shipped: Path) -> dict[str, str]:
    """Each file of the configuration as it is, or as it ships: name → text. Names may hold a folder."""
    names = [p.relative_to(shipped) for p in sorted((*shipped.glob("*.yaml"), *shipped.glob("signatures/*.yaml")))]
    if (config / "signatures").exists():  # what was taken out of it stays out
        names = [n for n in names if n.parent == Path()]
    found = {}
    for name in names:
        there = files.text(config / name)
        found[str(name)] = there if there is not None else (shipped / name).read_text(encoding="utf-8")
    return found


def plan(wish: Wish, answers: Answers, held: Mapping[str, str], texts: Mapping[str, str], shipped: Path) -> Plan:
    """Everything that is to be written, read once by those who will read it. Writes nothing."""
    wanted = _configured(wish, answers, texts)
    sources = _trial(wish.config, wanted)
    env, tokens = _variables(answers, held, sources)
    old_env = files.text(wish.env_file)
    base = old_env if old_env is not None else (shipped / "env.example").read_text(encoding="utf-8")
    new_env = files.with_variables(base, env)
    _held_together(files.variables(new_env, wish.env_file))
    token_file = wish.env_file.parent / f"{answers.source}.token"
    changes = [
        *(Change(path=wish.config / n, old=files.text(wish.config / n), new=t) for n, t in wanted.items()),
        Change(path=wish.env_file, old=old_env, new=new_env, private=True),
        Change(
            path=token_file,
            old=files.text(token_file),
            new=f"{tokens[answers.source][0]}\n",
            private=True,
            hidden=True,
        ),
    ]
    return Plan(
        changes=tuple(changes),
        notes=tuple(_notes(answers, wanted, wish)),
        snippet=snippet(answers.source, _receiver(files.variables(new_env, wish.env_file)), token_file),
        next=_next(wish, answers),
    )


def _configured(wish: Wish, answers: Answers, texts: Mapping[str, str]) -> dict[str, str]:
    wanted, who = dict(texts), answers.person

    def edit(file: str, how: Callable[..., str], /, *given: str, **named: Any) -> None:
        try:
            wanted[file] = how(wanted[file], *given, **named)
        except BadInput as error:
            raise BadInput(f"{wish.config / file}: {error}") from error

    edit("sources.yaml", yamls.source, answers.source)
    if answers.prometheus:
        edit("probes.yaml", yamls.prometheus, answers.prometheus, answers.environment)
    for service in answers.services:
        edit("services.yaml", yamls.service, service, answers.environment)
    if who.id:
        edit("people.yaml", yamls.person, who.id, name=who.name, roles=who.roles, accounts=who.accounts)
    return wanted


def _trial(config: Path, wanted: Mapping[str, str]) -> Mapping[str, configuration.Source]:
    """The files as they will be, read as every process will read them. BadInput names the real place."""
    with tempfile.TemporaryDirectory(prefix="fr-init-") as name:
        folder = Path(name)
        (folder / "signatures").mkdir()
        for file, text in wanted.items():
            (folder / file).write_text(text, encoding="utf-8")
        try:
            for file, load in LOADERS.items():
                if file in wanted:
                    load(folder)
            if any(file.startswith("signatures/") for file in wanted):
                load_signatures(folder / "signatures")
            return configuration.sources(folder)
        except BadInput as error:
            raise BadInput(str(error).replace(name, str(config))) from error


def _variables(
    answers: Answers, held: Mapping[str, str], sources: Mapping[str, configuration.Source]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What the settings file shall set, and the tokens of each source: a fresh one for whoever has none."""
    raw = held.get(PREFIX + "WEBHOOK_TOKENS") or "{}"
    try:
        found = json.loads(raw)
        tokens = {str(k): _live(v) for k, v in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        says = f"{PREFIX}WEBHOOK_TOKENS is not a JSON object of lists or names; config/env.example shows one"
        raise BadInput(says) from error
    for name, source in sources.items():
        if proof_of(source) in SELF_PROVING:
            continue  # no secret is shared with these
        if not any(tokens.get(name, ())) and (name == answers.source or not source.allow_unsigned):
            tokens[name] = [secrets.token_hex(TOKEN_BYTES)]
            found[name] = tokens[name]
    env = {PREFIX + name: value for name, value in answers.env.items()}
    env[PREFIX + "WEBHOOK_TOKENS"] = json.dumps(found) if found != json.loads(raw) else raw
    return {k: v for k, v in env.items() if held.get(k) != v}, tokens


def _live(given: Any) -> list[str]:
    """The secrets of one source, whether they have names or not."""
    return [str(one) for one in (given.values() if isinstance(given, dict) else given)]


def _held_together(env: Mapping[str, str]) -> None:
    """The chats' settings, refused now rather than by the receiver at its start."""
    for prefix, kind in (("SLACK__", SlackSettings), ("TELEGRAM__", TelegramSettings)):
        given: dict[str, Any] = {
            field: env[name]
            for field in kind.model_fields
            if (name := PREFIX + prefix + field.upper()) in env and field not in {"channels", "chats"}
        }
        try:
            kind.model_validate(given)
        except ValidationError as error:
            says = "; ".join(f"{'.'.join(str(p) for p in e['loc'])} {e['msg']}".strip() for e in error.errors())
            raise BadInput(f"these settings do not hold together: {says}") from None


def _receiver(env: Mapping[str, str]) -> str:
    host = env.get(PREFIX + "HOST") or "127.0.0.1"
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not listened on
    own = f"http://{host}:{env.get(PREFIX + 'PORT') or '8080'}"
    return (env.get(PREFIX + "PAGE__URL") or own).rstrip("/")


def snippet(source: str, receiver: str, token_file: Path) -> str:
    """For alertmanager.yml; the token stays in its file."""
    return "\n".join(
        (
            "receivers:",
            "  - name: firstresponder",
            "    webhook_configs:",
            f"      - url: {receiver}/v1/webhooks/{source}",
            "        send_resolved: true",
            "        http_config:",
            "          authorization:",
            "            type: Bearer",
            f"            credentials_file: {token_file.absolute()}",
        )
    )


def _notes(answers: Answers, wanted: Mapping[str, str], wish: Wish) -> Iterator[str]:
    yield (
        f"Alertmanager must be able to read {wish.env_file.parent / (answers.source + '.token')}, which is yours"
        " alone: copy it to where Alertmanager runs and name that place, or give its user the right to read it"
    )
    if not yamls.names(wanted["services.yaml"], "services"):
        yield f"no service is known yet: add yours to {wish.config / 'services.yaml'} (or init --service NAME)"
    if not yamls.names(wanted["people.yaml"], "people"):
        yield "nobody may approve anything yet: init --person ID --person-name NAME --person-role approver"
    who = answers.person
    if who.id and not any(yamls.entry(wanted["people.yaml"], "people", who.id).get("accounts", {}).values()):
        link = (
            f"{program()} link {who.id} gives a code to send to the bot"
            if answers.chats
            else "init --console-user"
        )
        yield f"{who.id} has no account yet: {link}"
    if not yamls.prometheus_targets(wanted["probes.yaml"]):
        yield "no Prometheus is known: only /metrics, health and logs named in services.yaml are read"


def program() -> str:
    """How this program is called from here."""
    if shutil.which("firstresponder"):
        return "firstresponder"
    beside = Path(sys.executable).with_name("firstresponder")
    if not beside.exists():
        return f"{sys.executable} -m bot"
    here = Path(os.path.relpath(beside))
    return str(here if len(here.parts) <= 4 and here.parts[0] != ".." else beside)


def _next(wish: Wish, answers: Answers) -> tuple[str, ...]:
    env = str(wish.env_file)
    env = env if "/" in env else f"./{env}"
    state = "" if wish.state == Path("var") else f" --state {wish.state}"
    first = f"set -a; . {env}; set +a; {program()} up{state}"
    look = f"set -a; . {env}; set +a; {program()} doctor" + (" --chat" if answers.chats else "")
    return first, look
