"""docker-compose.yml, Dockerfile and config/env.example keep to what bot/settings.py says a process may hold."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from pydantic import BaseModel

from bot.processes import PREFIX
from bot.settings import (
    ActionSettings,
    ClockSettings,
    ConsoleSettings,
    ReceiverSettings,
    Settings,
    TriageSettings,
)

S = TypeVar("S", bound=Settings)
ROOT = Path(__file__).parents[2]
COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / "config" / "env.example").read_text()

KINDS: Mapping[tuple[str, ...], type[Settings]] = {
    ("serve",): ReceiverSettings,
    ("work", "triage"): TriageSettings,
    ("work", "actions"): ActionSettings,
    ("clock",): ClockSettings,
    ("console",): ConsoleSettings,
    ("migrate",): Settings,
}
OURS = {name: s for name, s in SERVICES.items() if s["image"] == "firstresponder"}
OPTIONAL = (
    "SLACK__BOT_TOKEN",
    "SLACK__APP_TOKEN",
    "SLACK__SIGNING_SECRET",
    "TELEGRAM__TOKEN",
    "TELEGRAM__WEBHOOK_SECRET",
    "PAGERDUTY__ROUTING_KEY",
    "OPSGENIE__API_KEY",
    "MODEL__API_KEY",
)
"""Secrets of what need not be there. Empty is a choice: half a chat is refused by settings.py at the start."""

HOLDER = {
    "WEBHOOK_TOKENS": "receiver",
    "PROBE_TOKENS": "triage",
    "SUPERVISOR_TOKEN": "actions",
    **dict.fromkeys(OPTIONAL, "receiver"),
    "MODEL__API_KEY": "triage",
}
SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|KEY")
REFERENCE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<rest>:?[?-][^}]*)?\}")


def variables(kind: type[Settings]) -> set[str]:
    return {PREFIX + name for name in named(kind)}


def named(kind: type[BaseModel]) -> set[str]:
    """A field that is itself a group of settings is set by its parts: SLACK__CHANNEL."""
    found = set()
    for field, info in kind.model_fields.items():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            found |= {f"{field.upper()}__{part}" for part in named(group)}
        else:
            found.add(field.upper())
    return found


def read_as(kind: type[S], **environment: str) -> S:
    with pytest.MonkeyPatch.context() as patch:
        for variable in [v for v in os.environ if v.startswith(PREFIX)]:
            patch.delenv(variable)
        for variable, value in environment.items():
            patch.setenv(variable, value)
        return kind()


def leaf_strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [s for part in node.values() for s in leaf_strings(part)]
    if isinstance(node, list):
        return [s for part in node for s in leaf_strings(part)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("name", OURS)
def test_a_process_is_given_only_variables_that_it_reads(name):
    kind = KINDS[tuple(OURS[name]["command"])]
    assert set(OURS[name]["environment"]) <= variables(kind)


@pytest.mark.parametrize(("variable", "holder"), HOLDER.items())
def test_a_secret_is_held_by_one_process_alone(variable, holder):
    assert [name for name, s in SERVICES.items() if PREFIX + variable in s.get("environment", {})] == [holder]
    told = [name for name, s in SERVICES.items() if any(PREFIX + variable in text for text in leaf_strings(s))]
    assert told == [holder]


def test_every_process_has_a_container():
    assert {tuple(s["command"]) for s in OURS.values()} == set(KINDS)


def test_nothing_is_reached_from_beyond_this_machine():
    published = [port for s in SERVICES.values() for port in s.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not any(s.get("network_mode") for s in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_comes_from_outside_the_file_and_must_be_there(name):
    for variable, value in SERVICES[name].get("environment", {}).items():
        passwords = re.findall(r"://[^:/]*:(.*)@", value)
        for secret in passwords + ([value] if SECRET.search(variable) else []):
            given = REFERENCE.fullmatch(secret)
            assert given is not None, f"{variable} is written out"
            if variable.removeprefix(PREFIX) in OPTIONAL:
                assert given["rest"] == ":-", f"{variable} has a value of its own"
            else:
                assert "?" in (given["rest"] or ""), f"{variable} may be forgotten"


def test_every_secret_is_known_and_none_is_optional_that_a_process_cannot_do_without():
    secrets = {v for kind in KINDS.values() for v in variables(kind) if SECRET.search(v.replace("MAX_BODY", ""))}
    assert {PREFIX + name for name in HOLDER} == secrets
    assert not read_as(ReceiverSettings).slack.bot_token.get_secret_value()


def test_what_compose_gives_when_nothing_is_said_is_what_the_settings_say():
    environment = OURS["receiver"]["environment"]
    given = {}
    for variable in variables(ReceiverSettings) & set(environment):
        found = REFERENCE.fullmatch(environment[variable])
        if found is not None and "?" not in (found["rest"] or ""):
            given[variable] = (found["rest"] or "").removeprefix(":-")
    read = read_as(ReceiverSettings, **given)
    for group in ("slack", "telegram", "pagerduty", "opsgenie"):
        assert getattr(read, group) == ReceiverSettings.model_fields[group].default
    assert variables(ReceiverSettings) - set(environment) <= {
        PREFIX + name
        for name in (
            *("CONFIG", "LOG_JSON", "CRASH_FILE", "PORT"),
            *("MAX_BODY_BYTES", "OVERLOAD_S", "SOURCE_LIMIT", "SPANS_WINDOW_S"),
        )
    }


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "compose").iterdir()), ids=lambda p: p.name)
def test_no_credential_is_written_into_the_peers_configuration(path):
    def keys(node):
        if isinstance(node, dict):
            return {*node, *(k for part in node.values() for k in keys(part))}
        return {k for part in node for k in keys(part)} if isinstance(node, list) else set()

    assert not keys(yaml.safe_load(path.read_text())) & {"credentials", "password", "bearer_token", "api_key"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_runs_without_privileges(name):
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert name == "alertmanager" or SERVICES[name]["read_only"]
    assert "privileged" not in SERVICES[name]


def test_the_example_names_every_variable_once_and_no_other():
    named = re.findall(rf"^#?({PREFIX}\w+)=", EXAMPLE, flags=re.MULTILINE)
    assert sorted(named) == sorted({v for kind in KINDS.values() for v in variables(kind)})


def test_the_example_lists_a_variable_under_a_process_that_reads_it():
    sections = re.split(r"^# == (.+)$", EXAMPLE, flags=re.MULTILINE)[1:]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        command = tuple(title.removeprefix("firstresponder ").split())
        kind = Settings if title == "every process" else KINDS.get(command)
        named = set(re.findall(rf"^#?({PREFIX}\w+)=", body, flags=re.MULTILINE))
        assert named <= (variables(kind) if kind is not None else set()), title


def test_the_example_names_what_the_compose_file_asks_for():
    asked = {r["name"] for text in leaf_strings(SERVICES) for r in REFERENCE.finditer(text)} - {"USER"}
    asked |= {s["environment"] for s in COMPOSE["secrets"].values()}
    assert asked <= set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE))


def test_the_example_holds_no_secret():
    for variable, value in re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, flags=re.MULTILINE):
        if SECRET.search(variable):
            assert re.sub(r"<random>|[\w.]+\"(?=:)|[{}\[\]\"', :]", "", value) == "", variable


def test_the_image_is_built_with_the_tools_that_developers_have():
    def pinned(text):
        return dict(re.findall(r"(UV_VERSION|SETUPTOOLS_VERSION)\s*:?=\s*([\d.]+)", text))

    image = pinned((ROOT / "Dockerfile").read_text())
    assert image == pinned((ROOT / "Makefile").read_text())
    assert len(image) == 2


def test_the_image_is_locked_and_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert not any(line.startswith("COPY") and "tests" in line for line in lines)
