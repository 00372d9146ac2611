"""``firstresponder parse``: what one stored body says, in the words of ``reading``; nothing is kept or sent."""

import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from agents.incident.errors import BadInput
from bot.receiver import systems
from bot.receiver.systems import generic
from bot.receiver.systems.reading import Item, Reading, level

AUTO = "auto"
MOST_BYTES = 8 * 1024 * 1024
"""More than the receiver takes by default, so that what it refused can still be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A reading and the system that made it."""

    system: str
    reading: Reading


def stated(item: Item) -> dict[str, object]:
    """The fields that *item* states, extras beside the others."""
    own = {f.name: getattr(item, f.name) for f in fields(item) if f.name not in ("extras", "level")}
    said = {name: value for name, value in own.items() if value not in (None, "")}
    return said | {name: value for name, value in item.extras.items() if name not in own and value is not None}


def parse(source: str, headers: Mapping[str, str], body: bytes) -> Parsed:
    """Read *body* as a delivery of *source*; with ``auto``, of the system that it is recognised to be from."""
    if source == AUTO:
        return _recognised(headers, body)
    if source not in systems.systems():
        raise BadInput(f"no system {source[:80]!r} is known; {_near(source, systems.systems())}")
    return Parsed(system=source, reading=systems.read(source, headers, body))


def document(parsed: Parsed, severities: Mapping[str, str] | generic.Rules) -> dict[str, object]:
    """What the command prints."""
    items = []
    for item in parsed.reading.items:
        said = stated(item)
        items.append(
            {k: v for k, v in said.items() if k in ("status", "title", "severity_raw")}
            | {"severity": _level(item.severity_raw, severities)}
            | said
        )
    shown: dict[str, object] = {"system": parsed.system, "category": parsed.reading.category.value, "items": items}
    if parsed.reading.about:
        shown["about"] = dict(parsed.reading.about)
    if parsed.reading.error:
        shown["error"] = parsed.reading.error
    return shown


def run(
    file: str, *, source: str, headers: Sequence[str] = (), mapping: str = "", mappings: Path | None = None
) -> dict[str, object]:
    """The document for one file; BadInput in one line."""
    if mapping and source != "generic":
        raise BadInput(f"--mapping goes with --source generic, not {source[:80]!r}")
    given = _headers(headers)
    body = _body(file)
    if not mapping:
        parsed = parse(source, given, body)
        return document(parsed, systems.systems()[parsed.system].severities)
    table = mappings or Path("config/mappings.yaml")
    known = generic.load(table)
    rules = known.get(mapping)
    if rules is None:
        raise BadInput(f"no mapping {mapping[:80]!r} in {table}; {_near(mapping, known)}")
    return document(Parsed(system="generic", reading=generic.read_with(mapping, rules, given, body)), rules)


def _recognised(headers: Mapping[str, str], body: bytes) -> Parsed:
    looks = systems.recognise(headers, body)
    if not looks:
        tried = [name for name in systems.systems() if name != "generic"]
        raise BadInput(
            f"no system recognises this delivery{_oddness(body)}; tried headers, marks and keys of {len(tried)}"
            f" ({', '.join(tried)}). Name one, or write a mapping (config/mappings.yaml)"
        )
    refusals = []
    for name in looks:
        try:
            return Parsed(system=name, reading=systems.read(name, headers, body))
        except BadInput as error:
            refusals.append(f"{name} ({error})")
    raise BadInput(f"it looks like {' or '.join(looks)}, but none can read it: {'; '.join(refusals)}")


def printed(found: Mapping[str, object]) -> str:
    """One line of JSON; half a surrogate pair, which JSON can carry and UTF-8 cannot, stays escaped."""
    line = json.dumps(found, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(found)
    return line


def _oddness(body: bytes) -> str:
    try:
        json.loads(body)
    except RecursionError:
        return " (it is JSON nested too deep to read)"
    except ValueError:
        return " (it is not JSON)"
    return ""


def _level(severity_raw: str | None, severities: Mapping[str, str] | generic.Rules) -> str:
    if isinstance(severities, generic.Rules):
        return severities.level(severity_raw)
    return level(severity_raw, severities)


def _near(name: str, known: Mapping[str, object]) -> str:
    low = name.lower().replace("-", "_")
    close = [k for k in known if low and (low in k.lower() or k.lower() in low)]
    close += [k for k in difflib.get_close_matches(low, known, n=3, cutoff=0.5) if k not in close]
    if close:
        return f"nearest: {', '.join(close[:5])}"
    return f"known: {', '.join(known)}" if known else "there are none"


def _headers(lines: Sequence[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise BadInput(f"a header is written 'Name: value'; this is {line[:80]!r}")
        found[name.strip().lower()] = value.strip()
    return found


def _body(file: str) -> bytes:
    try:
        if file == "-":
            body = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                body = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the name
        raise BadInput(f"{file!r} cannot be read: {error}") from error
    if len(body) > MOST_BYTES:
        raise BadInput(f"{file} is larger than {MOST_BYTES} bytes")
    if not body.strip():
        raise BadInput(f"{file} is empty")
    return body
