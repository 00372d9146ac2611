"""Edits of config/*.yaml that keep comments and order: lines are put in, and the result is held against the data.

Each function takes a file's text and gives it back changed. What a file's own shape does not allow is a BadInput
with the lines to add by hand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from agents.incident.errors import BadInput
from bot.services import backend_name

Data = dict[str, Any]
Text = str


def person(
    text: Text,
    person_id: str,
    *,
    name: str,
    roles: Sequence[str],
    accounts: Mapping[str, str],
) -> Text:
    """people.yaml with this person, or with what is given of one who is there."""
    data = _load(text)
    known = (data.get("people") or {}).get(person_id)
    mine = {k: [v] for k, v in accounts.items() if v}
    if known is None:
        made: Data = {"name": name or person_id, "roles": list(roles) or ["approver"]}
        lines = [f"{person_id}:", *(f"  {k}: {_flow(v)}" for k, v in made.items())]
        if mine:
            made["accounts"] = mine
            lines.append(f"  accounts: {_flow(mine)}")
        return _added(text, "people", person_id, made, lines)
    wanted = dict(known)
    held = {k: list(v) for k, v in (known.get("accounts") or {}).items()}
    merged = {
        **held,
        **{k: [*held.get(k, []), *(a for a in v if a not in held.get(k, []))] for k, v in mine.items()},
    }
    if merged != held:
        wanted["accounts"] = merged
    if name:
        wanted["name"] = name
    if roles:
        wanted["roles"] = list(roles)
    for key, value in wanted.items():
        if value != known.get(key):
            text = _set_in(text, ("people", person_id, key), value)
    return text


def service(text: Text, name: str, environment: str) -> Text:
    """services.yaml with a first service; one that is there is left alone."""
    if name in (_load(text).get("services") or {}):
        return text
    lines = [
        f"{name}:",
        f"  environment: {_flow(environment)}",
        "  calls: []  # the services it calls",
        "  edge: true  # felt by users themselves; false for what stands behind another",
    ]
    return _added(text, "services", name, {"environment": environment, "calls": [], "edge": True}, lines)


def source(text: Text, name: str) -> Text:
    """sources.yaml with an Alertmanager of this name."""
    known = (_load(text).get("sources") or {}).get(name)
    if known is None:
        return _added(text, "sources", name, {"system": "alertmanager"}, [f"{name}: {{system: alertmanager}}"])
    if known.get("system") != "alertmanager":
        raise BadInput(f"sources.yaml: {name!r} is there already, for {known.get('system')}; choose another name")
    return text


def names(text: Text, key: str) -> tuple[str, ...]:
    """Who or what stands under a top-level mapping."""
    return tuple(str(k) for k in _load(text).get(key) or {})


def entry(text: Text, key: str, name: str) -> Data:
    """What stands under one of those; empty when it is not there."""
    found = (_load(text).get(key) or {}).get(name)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One Prometheus of probes.yaml. ``project`` is empty where the file gives none."""

    url: str
    environment: str
    name: str
    project: str


def prometheus_targets(text: Text) -> tuple[Target, ...]:
    """Every one, in the order of the file."""
    return tuple(
        Target(
            url=str(t.get("url") or ""),
            environment=str(t.get("environment")),
            name=backend_name(str(t.get("name") or ""), number),
            project=str(t.get("project") or ""),
        )
        for number, t in enumerate(_load(text).get("prometheus") or [], start=1)
    )


def prometheus_of(text: Text, environment: str) -> str:
    """The address probes.yaml has for an environment as a whole; empty for none."""
    found = [t.url for t in prometheus_targets(text) if t.environment == environment and not t.project]
    return found[-1] if found else ""


def prometheus(text: Text, url: str, environment: str) -> Text:
    """probes.yaml with this target; an environment has one that belongs to no project."""
    data = _load(text)
    targets: list[Data] = data.get("prometheus") or []
    there = prometheus_of(text, environment)
    if there == url:
        return text
    by_hand = f"- {{url: {_flow(url)}, environment: {_flow(environment)}}}"
    if there:
        made = _replaced(text, there, url, environment)
        wanted = [
            {**t, "url": url} if t.get("environment") == environment and not t.get("project") else t
            for t in targets
        ]
    else:
        made = _into_list(text, by_hand)
        wanted = [*targets, {"url": url, "environment": environment}]
    return _proven(made, {**data, "prometheus": wanted}, "prometheus", [by_hand])


def _replaced(text: Text, old: str, new: str, environment: str) -> Text:
    """One line at a time, until the data is right: two environments may share an address."""
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        if old not in line or line.lstrip().startswith("#"):
            continue
        tried = "".join([*lines[:i], line.replace(old, new), *lines[i + 1 :]])
        if _try(lambda made=tried: prometheus_of(made, environment)) == new:  # type: ignore[misc]
            return tried
    return text


def _into_list(text: Text, item: str) -> Text:
    lines = text.splitlines()
    at = _top(lines, "prometheus")
    if at is None:
        return "\n".join([*lines, "prometheus:", f"  {item}"]) + "\n"
    comment = _opened(lines[at], "prometheus")
    if comment is not None:
        lines[at] = f"prometheus:{comment}"
        return "\n".join([*lines[: at + 1], f"  {item}", *lines[at + 1 :]]) + "\n"
    end, indent = at + 1, "  "
    for i in range(at + 1, len(lines)):
        line = lines[i]
        if line.strip() and not line.lstrip().startswith("#") and not line.startswith((" ", "-")):
            break
        if line.lstrip().startswith("-"):
            indent = line[: len(line) - len(line.lstrip())]
        if line.strip() and not line.lstrip().startswith("#"):
            end = i + 1
    return "\n".join([*lines[:end], f"{indent}{item}", *lines[end:]]) + "\n"


# --- how --------------------------------------------------------------------------------------------------------


def _load(text: Text) -> Data:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"not YAML: {error}") from error
    if not isinstance(data, dict):
        raise BadInput("not a mapping")
    return data


def _try(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except BadInput:
        return None


def _flow(value: Any) -> str:
    """A value on one line, quoted where YAML needs it."""
    made = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return made.strip().removesuffix("...").strip()


def _proven(made: Text, wanted: Data, key: str, by_hand: Sequence[str]) -> Text:
    """*made*, if it says what was meant and nothing else."""
    if _try(lambda: _load(made)) != wanted:
        lines = "\n".join(f"  {line}" for line in by_hand)
        raise BadInput(
            f"the file's shape does not let this be added without losing its comments; under {key}:\n{lines}"
        )
    return made


def _top(lines: Sequence[str], key: str) -> int | None:
    return next((i for i, line in enumerate(lines) if re.match(rf"{key}\s*:(\s|$)", line)), None)


def _opened(line: str, key: str) -> str | None:
    """The comment behind an empty mapping, list or nothing; ``None`` when something stands there."""
    found = re.fullmatch(rf"{key}\s*:\s*(?:\{{\s*\}}|\[\s*\]|~|null)(\s*#.*)?\s*", line)
    return (found[1] or "") if found else None


def _added(text: Text, key: str, name: str, value: Data, lines: Sequence[str]) -> Text:
    """An entry at the end of a top-level mapping."""
    data = _load(text)
    wanted = {**data, key: {**(data.get(key) or {}), name: value}}
    return _proven(_inserted(text, key, lines), wanted, key, lines)


def _inserted(text: Text, key: str, added: Sequence[str]) -> Text:
    lines = text.splitlines()
    at = _top(lines, key)
    if at is None:
        return "\n".join([*lines, f"{key}:", *(f"  {line}" for line in added)]) + "\n"
    comment = _opened(lines[at], key)
    if comment is not None:
        lines[at] = f"{key}:{comment}"
    end, indent = _block(lines, at, "")
    return "\n".join([*lines[:end], *(f"{indent}{line}" for line in added), *lines[end:]]) + "\n"


def _block(lines: Sequence[str], at: int, outer: str) -> tuple[int, str]:
    """Where the mapping under line *at* ends (behind its last line of data), and how its keys are indented."""
    end, indent = at + 1, ""
    for i in range(at + 1, len(lines)):
        line = lines[i]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = line[: len(line) - len(line.lstrip())]
        if len(depth) <= len(outer):
            break
        indent = indent or depth
        end = i + 1
    return end, indent or f"{outer}  "


def _set_in(text: Text, path: tuple[str, str, str], value: Any) -> Text:
    """One key of an entry set, on one line."""
    top, name, key = path
    data = _load(text)
    wanted = {**data, top: {**data[top], name: {**data[top][name], key: value}}}
    by_hand = [f"{name}:", f"  {key}: {_flow(value)}"]
    lines = text.splitlines()
    at = _top(lines, top)
    end, indent = _block(lines, at, "") if at is not None else (0, "")
    pattern = re.compile(rf"{indent}(['\"]?){re.escape(name)}\1\s*:\s*(#.*)?")
    here = next((i for i in range((at or 0) + 1, end) if pattern.fullmatch(lines[i])), None)
    if here is not None:
        stop, inner = _block(lines, here, indent)
        row = f"{inner}{key}: {_flow(value)}"
        old = next((i for i in range(here + 1, stop) if lines[i].startswith(f"{inner}{key}:")), None)
        if old is not None:
            comment = re.search(r"\s+#.*$", lines[old])
            lines[old] = row + (comment[0] if comment else "")
        else:
            lines.insert(stop, row)
    return _proven("\n".join(lines) + "\n", wanted, top, by_hand)
