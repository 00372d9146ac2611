"""What the door makes of a corpus of payloads: ``python -m tests.evals.payloads --index PATH/index.jsonl``.

Of each line of the index only ``file``, ``system``, ``content_type`` and ``headers`` are read. ``--json`` prints
one line a file: ``{file, system, category, items, error}``, an item holds what is stated. ``--auto``
withholds the system and lets the door recognise it. Without ``--json`` a table, and a score where the index says
what is expected.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

from agents.incident.errors import BadInput
from bot.receiver import parse_cli
from bot.receiver.systems.reading import Category

COMPARED = (
    "status",
    "title",
    "severity_raw",
    "service",
    "entity",
    "environment",
    "started_at",
    "ended_at",
    "event_at",
    "dedup_key",
    "link",
)
"""The fields of an item that an index states wherever the payload does; elsewhere a parser invented them."""

_WRAPPED = re.compile(r"^(?P<type>[^\s;]+).*?\bwith (?P<field>[A-Za-z0-9_]+)=<this JSON>\s*$", re.DOTALL)

Line = Mapping[str, object]


def lines(index: Path) -> Iterator[Line]:
    """The lines of an index."""
    for number, text in enumerate(index.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError as error:
            raise BadInput(f"{index}: line {number}: not JSON ({error})") from error
        if not isinstance(line, dict) or not isinstance(line.get("file"), str):
            raise BadInput(f"{index}: line {number}: an object with a file is needed")
        yield line


def delivery(folder: Path, line: Line) -> tuple[dict[str, str], bytes]:
    """Headers (lower case) and body as the sender of this line posts them."""
    path = folder / str(line["file"])
    try:
        body = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    content_type = str(line.get("content_type") or "application/json")
    wrapped = _WRAPPED.match(content_type)
    if wrapped:
        content_type = wrapped["type"]
        body = urlencode({wrapped["field"]: body}).encode()
    elif content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        body = body.strip()  # a file ends with a newline, a form does not
    given = line.get("headers")
    headers = {str(k).lower(): str(v) for k, v in given.items()} if isinstance(given, Mapping) else {}
    return {"content-type": content_type, **headers}, body


def outcome(folder: Path, line: Line, *, auto: bool) -> dict[str, object]:
    """What is printed for one line."""
    named = line.get("system")
    system = parse_cli.AUTO if auto else str(named)
    try:
        headers, body = delivery(folder, line)
        parsed = parse_cli.parse(system, headers, body)
    except BadInput as error:
        return {
            "file": line["file"],
            "system": None if auto else named,
            "category": Category.OTHER.value,
            "items": [],
            "error": str(error),
        }
    return {
        "file": line["file"],
        "system": parsed.system,
        "category": parsed.reading.category.value,
        "items": [parse_cli.stated(item) for item in parsed.reading.items],
        "error": parsed.reading.error or None,
    }


def differences(line: Line, found: Mapping[str, object]) -> list[str]:
    """Where what was found is not what the index expects; nothing where it expects nothing."""
    expect = line.get("expect")
    items = found["items"]
    if not isinstance(expect, Mapping) or not isinstance(items, list):
        return []
    wrong = [f"{found['error']}"] if found["error"] else []
    if line.get("system") != found["system"]:
        wrong.append(f"system: {found['system']}")
    if expect.get("category") != found["category"]:
        wrong.append(f"category: {found['category']!r}, expected {expect.get('category')!r}")
    if "n" in expect and expect["n"] != len(items):
        wrong.append(f"n: {len(items)}, expected {expect['n']}")
    for number, (wanted, got) in enumerate(zip(expect.get("items") or (), items, strict=False)):
        for field in dict.fromkeys((*wanted, *(f for f in COMPARED if f in got))):
            if field == "dedup_from":
                continue
            if field not in wanted:
                wrong.append(f"[{number}].{field}: {_short(got[field])} is not expected")
            elif wanted[field] != got.get(field) and not (
                field == "dedup_key" and refines(str(wanted[field]), str(got.get(field)))
            ):
                wrong.append(f"[{number}].{field}: {_short(got.get(field))}, expected {_short(wanted[field])}")
    return wrong


def refines(wanted: str, got: str) -> bool:
    """Whether an identity is the index's own, made narrower: what it joins counts, not how it is spelt.

    A push is its repository and ref as well, a saved search its host, so that two of them are not taken for one.
    """
    return wanted in re.split(r"[:|]", got)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 90 else text[:87] + "…"


def main() -> int:
    """Read, print, and with expectations say how many are as expected."""
    asked = argparse.ArgumentParser(
        prog="python -m tests.evals.payloads", description=(__doc__ or "").split("\n")[0]
    )
    asked.add_argument("--index", type=Path, required=True, help="the corpus's index.jsonl")
    asked.add_argument("--json", action="store_true", help="one JSON line a file")
    asked.add_argument("--auto", action="store_true", help="withhold the system")
    asked.add_argument("--system", default="", help="only this system's files")
    wish = asked.parse_args()
    scores: dict[str, Counter[str]] = {}
    try:
        for line in lines(wish.index):
            if wish.system and line.get("system") != wish.system:
                continue
            found = outcome(wish.index.parent, line, auto=wish.auto)
            if wish.json:
                print(parse_cli.printed(found), flush=True)
                continue
            wrong = differences(line, found)
            count = scores.setdefault(str(line.get("system")), Counter())
            count["files"] += 1
            count["as expected"] += not wrong and isinstance(line.get("expect"), Mapping)
            items = found["items"] if isinstance(found["items"], list) else []
            print(f"{'differs' if wrong else 'ok':<8} {line['file']!s:<75} {found['category']!s:<18} {len(items)}")
            for difference in wrong:
                print(f"           {difference}")
    except (BadInput, OSError, UnicodeDecodeError) as error:
        print(f"payloads: {error}", file=sys.stderr)
        return 2
    if scores:
        print()
        for system, count in sorted(scores.items()):
            print(f"{system:<24} {count['as expected']:>4} of {count['files']}")
        total = sum(scores.values(), Counter())
        print(f"{'all':<24} {total['as expected']:>4} of {total['files']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
