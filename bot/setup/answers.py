"""Every answer that setting up needs, in the order in which somebody would want to be asked."""

import getpass
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.incident.errors import BadInput
from bot.setup import chats, checks, local, yamls
from bot.setup.checks import Check
from bot.setup.form import Form
from bot.setup.wish import SLACK_API, secret_in

ROLES = ("viewer", "responder", "approver", "lead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody for people.yaml; nobody when ``id`` is empty."""

    id: str = ""
    name: str = ""
    roles: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was settled. ``env`` are variables without their common prefix; empty texts are answers not given."""

    env: Mapping[str, str]
    chats: tuple[str, ...]
    source: str
    prometheus: str
    environment: str
    services: tuple[str, ...]
    person: Who
    checks: tuple[Check, ...]


def fill(form: Form) -> Answers:
    """Everything, in the order in which somebody would want to be asked."""
    _folders(form)
    wanted = chats.wanted(form)
    slack_user = chats.slack(form) if "slack" in wanted else None
    if "telegram" in wanted:
        chats.telegram(form)
    source = form.named(
        form.wish.alertmanager_source or "alertmanager", "source", ask=not form.wish.alertmanager_source
    )
    prometheus, environment = _prometheus(form)
    services = _services(form)
    if services and not environment:
        environment = _environment(form)
    person = _person(form, wanted, slack_user)
    _page(form)
    return Answers(
        env=dict(form.env),
        chats=wanted,
        source=source,
        prometheus=prometheus,
        environment=environment,
        services=services,
        checks=tuple(form.good),
        person=person,
    )


def _folders(form: Form) -> None:
    wish = form.wish
    form.tried(local.writable("configuration folder", wish.config))
    form.tried(local.writable("folder of the settings file", wish.env_file.parent))
    form.tried(local.writable("state folder", wish.state))
    journal, redis = form.held.get("JOURNAL_URL"), form.held.get("REDIS_URL")
    if not journal and wish.state != Path("var"):
        journal = f"sqlite:///{wish.state / 'journal.db'}"
    form.set("JOURNAL_URL", journal)
    if journal:
        form.tried(local.journal_answers(journal))
    form.set("REDIS_URL", redis)
    if redis:
        form.tried(local.redis_answers(redis))
    form.set("CONFIG", str(wish.config), "config")


def _environment(form: Form) -> str:
    said = form.settle(
        "Environment of these services (as alerts label it)",
        "--prometheus-environment NAME",
        given=form.wish.prometheus_environment,
        default="production",
    )
    return form.named(said, "environment", ask=False)


def _prometheus(form: Form) -> tuple[str, str]:
    wish, text = form.wish, form.files["probes.yaml"]
    targets = yamls.prometheus_targets(text)
    if wish.no_prometheus:
        return "", ""
    if targets and not wish.prometheus:
        for target in targets:
            form.tried(checks.prometheus(target.url, _target_token(form, target)))
        return "", wish.prometheus_environment or targets[0].environment
    if not wish.prometheus and form.talk is None:
        form.missing.append("--prometheus URL or --no-prometheus")
        return "", ""
    environment = wish.prometheus_environment or (targets[0].environment if targets else "production")
    token = secret_in(wish.prometheus_token_file) or _probe_token(form, environment)

    def proven(url: str) -> Check:
        nonlocal token
        result = checks.prometheus(url, token)
        if result.facts.get("needs") == "token" and form.talk is not None:
            token = form.talk.ask("It asks for a token (bearer, read-only)", secret=True)
            result = checks.prometheus(url, token)
        return result

    url = form.settle(
        "Prometheus address (empty: none)",
        "--prometheus URL",
        given=wish.prometheus.rstrip("/"),
        there=yamls.prometheus_of(text, environment),
        optional=True,
        check=proven,
    ).rstrip("/")
    if url and not wish.prometheus_environment and not targets:
        environment = _environment(form)
    wrong = checks.address(url) if url else ""
    if wrong:
        raise BadInput(f"--prometheus: {wrong}")
    if url and token:
        tokens = {**_object(form.held.get("PROBE_TOKENS"), "PROBE_TOKENS"), f"prometheus.{environment}": token}
        form.set("PROBE_TOKENS", json.dumps(tokens))
    return url, environment if url else ""


def _target_token(form: Form, target: yamls.Target) -> str:
    """What the triage worker would send there: the target's own token, else that of its environment."""
    held = _object(form.held.get("PROBE_TOKENS"), "PROBE_TOKENS")
    own = str(held.get(target.name) or "")
    return own or ("" if target.project else _probe_token(form, target.environment))


def _probe_token(form: Form, environment: str) -> str:
    held = _object(form.held.get("PROBE_TOKENS"), "PROBE_TOKENS")
    return str(held.get(f"prometheus.{environment}") or "")


def _services(form: Form) -> tuple[str, ...]:
    """Only into an empty file: after that it is for whoever knows who calls whom."""
    if yamls.names(form.files["services.yaml"], "services"):
        return ()
    said: Sequence[str] = form.wish.services
    if not said and form.talk is not None:
        said = (
            form.talk.ask("Your first services, as alerts label them (a, b; empty: later)")
            .replace(",", " ")
            .split()
        )
    return tuple(dict.fromkeys(form.named(s, "service", ask=False) for s in said))


def _person(form: Form, wanted: Sequence[str], slack_user: Callable[[str], Check] | None) -> Who:
    wish, text = form.wish, form.files["people.yaml"]
    known = yamls.names(text, "people")
    person = wish.person
    if not person and not known and form.talk is not None:
        person = form.talk.ask("Who may approve: a short name for you (empty: nobody yet)")
    if not person:
        if any((wish.slack_user, wish.telegram_user, wish.console_user, wish.person_name, wish.person_roles)):
            form.missing.append("--person ID, to whom the name, roles and accounts belong")
        return Who()
    person = form.named(person, "person", ask=False)
    new, there = person not in known, yamls.entry(text, "people", person)
    held = " ".join(there.get("roles") or ())
    roles = form.kept("Their roles", "--person-role", " ".join(wish.person_roles), held)
    name = form.kept("Their name", "--person-name", wish.person_name, str(there.get("name") or ""))
    if new and form.talk is not None:
        name = name or form.talk.ask("Their name", default=person.capitalize())
        roles = roles or form.talk.ask(f"Roles ({', '.join(ROLES)})", default="approver")
    for role in roles.split():
        if role not in ROLES:
            raise BadInput(f"role {role[:60]!r}: it must be one of {', '.join(ROLES)}")
    accounts = {}
    if wish.slack_user or (slack_user is not None and new):
        accounts["slack"] = form.settle(
            "Their Slack member ID (U…; empty: linked later)",
            "--slack-user ID",
            given=wish.slack_user,
            optional=True,
            check=slack_user or (lambda u: checks.slack_user("", SLACK_API, u)),
        )
    if wish.telegram_user or ("telegram" in wanted and new):
        accounts["telegram"] = form.settle(
            "Their Telegram account number (empty: linked later)",
            "--telegram-user NUMBER",
            given=wish.telegram_user,
            optional=True,
            check=checks.telegram_user,
        )
    accounts["console"] = wish.console_user
    if new and not any(accounts.values()) and form.talk is not None:
        accounts["console"] = form.talk.ask("Their user name on the console's machine", default=_user())
    given = {k: v for k, v in accounts.items() if v}
    return Who(id=person, name=name, roles=tuple(roles.split()), accounts=given)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _page(form: Form) -> None:
    wish, held = form.wish, form.held
    host = form.kept("The receiver's host", "--host", wish.host, held.get("HOST")) or "127.0.0.1"
    given = str(wish.port) if wish.port is not None else ""
    port = form.kept("The receiver's port", "--port", given, held.get("PORT")) or "8080"
    if not port.isdecimal():
        raise BadInput(f"FIRSTRESPONDER_PORT is {port[:20]!r}, not a number")
    url = form.kept("The page's address", "--page-url", wish.page_url, held.get("PAGE__URL"))
    form.tried(local.port_free(host, int(port)))
    form.tried(local.page_url(url or f"http://{host}:{port}"))
    form.set("HOST", host, "127.0.0.1")
    form.set("PORT", port, "8080")
    form.set("PAGE__URL", url)


def _object(text: str, name: str) -> dict[str, object]:
    """A JSON object from a variable."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"FIRSTRESPONDER_{name} is not a JSON object; config/env.example shows one")
    return found
