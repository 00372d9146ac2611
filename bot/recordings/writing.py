"""A recording → the files of its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_never

import yaml

from agents.incident.catalogue import Catalogue
from agents.incident.errors import BadInput
from agents.incident.evidence import Lineage, QuestionKind, Window
from agents.incident.incident import Alert
from bot.journal import codec
from bot.recordings.recording import (
    CHANGES,
    INCIDENT,
    KINDS,
    LATER,
    LOGS,
    LOOK,
    METRICS,
    SCHEMA,
    SERVICES,
    TRACES,
    TRUTH,
    Expected,
    Kept,
    Look,
    Recording,
    Truth,
)

UNBROKEN = 1_000_000
"""Columns: a text stands on one line, so that what looks like a secret is seen whole."""

SPANS = "otlp"
"""The pipeline of what is told from spans."""


def written(recording: Recording) -> Mapping[str, str]:
    """The files of a recording: text by its path inside the folder."""
    first, *later = recording.looks
    files = {
        INCIDENT: _as_yaml(
            {
                "schema": SCHEMA,
                "id": recording.id,
                "title": recording.title,
                "service": recording.service,
                "environment": recording.environment,
                **_moment(first),
                "telemetry_interval_s": _number(recording.catalogue.telemetry_interval),
                "alerts": [_lean(a) for a in recording.alerts],
            }
        ),
        SERVICES: _as_yaml(_services(recording.catalogue)),
        TRUTH: _as_yaml(_truth_rows(recording.truth)),
        **_answers(first.kept),
    }
    for number, look in enumerate(later, start=2):
        at = f"{LATER}/{number}"
        files[f"{at}/{LOOK}"] = _as_yaml({"schema": SCHEMA, **_moment(look)})
        files |= {f"{at}/{name}": text for name, text in _answers(look.kept).items()}
    return files


def write(recording: Recording, folder: Path) -> None:
    """Write all files. BadInput when *folder* holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something already; name a new folder")
    for name, text in written(recording).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _moment(look: Look) -> dict[str, Any]:
    return {
        "at": _instant(look.at),
        "window": _window(look.window),
        "probes": list(dict.fromkeys(one.probe for one in look.kept)),
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "start": _instant(window.start),
        "end": _instant(window.end),
        "recent_s": _number(window.recent),
    }


def _answers(kept: Sequence[Kept]) -> dict[str, str]:
    rows: dict[str, list[tuple[tuple[str, ...], str]]] = {name: [] for name in KINDS}
    for one in kept:
        question = one.answer.question
        key = (question.environment, question.service, question.name, one.probe)
        file = _file(one)
        kind = "" if question.kind is KINDS[file][0] else question.kind.value
        rows[file].append(((kind, *key), _line(one, kind)))
    return {name: "".join(f"{text}\n" for _, text in sorted(lines)) for name, lines in rows.items()}


def _file(one: Kept) -> str:
    match one.answer.question.kind:
        case QuestionKind.LOG:
            return LOGS
        case QuestionKind.CHANGES | QuestionKind.EVENTS:
            return CHANGES
        case QuestionKind.SPANS:
            return TRACES
        case QuestionKind.QUANTITY:
            return TRACES if one.answer.lineage.pipeline == SPANS else METRICS
        case unknown:
            assert_never(unknown)


def _line(one: Kept, kind: str) -> str:
    a = one.answer
    assert a.window is not None  # noqa: S101  # said of Kept
    row = {
        "kind": kind,
        "environment": a.question.environment,
        "service": a.question.service,
        "name": a.question.name,
        "probe": one.probe,
        "status": a.status.value,
        "reason": a.reason,
        "query": a.query,
        "canonical_query": "" if a.canonical_query == a.query else a.canonical_query,
        "backend": a.backend,
        "unit": a.unit,
        "limit": a.limit,
        "limit_hit": a.limit_hit or None,
        "warnings": list(a.warnings),
        "alive": a.alive,
        "step_s": _number(a.step) or None,
        "rate_window_s": _number(a.rate_window) or None,
        "ingest_lag_s": _number(a.ingest_lag) or None,
        "window": _window(a.window),
        "lineage": _lean(a.lineage),
        "entities": list(a.entities),
    }
    text = json.dumps({**_bare(row), "body": a.body}, ensure_ascii=False, separators=(",", ":"))
    # splitlines() ends a line at these as well; inside a JSON string they may stand as escapes.
    return "".join(f"\\u{ord(c):04x}" if c in "\x85\u2028\u2029" else c for c in text)


def _services(catalogue: Catalogue) -> dict[str, Any]:
    """Without addresses, owners and backends: nobody is asked again, and they are nobody's business."""
    rows = {
        s.name: _bare(
            {
                "environment": s.environment,
                "project": s.project,
                "calls": list(s.calls),
                "edge": s.edge or None,
                "replicas": {r.name: {} for r in s.replicas},
            }
        )
        | {"objectives": dict(s.objectives)}
        for s in catalogue.services
    }
    return {
        "schema": SCHEMA,
        "telemetry_interval_s": _number(catalogue.telemetry_interval),
        "symptoms": dict(catalogue.symptoms),
        "services": rows,
    }


def _truth_rows(truth: Truth) -> dict[str, Any]:
    cause: Any = "unknown" if truth.cause is None else "none"
    if truth.cause:
        cause = [_bare({"what": b.what, "signature": b.signature, "entity": b.entity}) for b in truth.cause]
    return {
        "schema": SCHEMA,
        **_bare({"says": truth.says}),
        "cause": cause,
        **_bare(
            {
                "expected": _expected(truth.expected),
                "miss": _expected(truth.miss),
                "made": dict(truth.made),
                "licence": truth.licence,
                "half": truth.half,
            }
        ),
    }


def _expected(expected: Expected | None) -> dict[str, Any]:
    if expected is None:
        return {}
    return _bare(
        {
            "states": [s.value for s in expected.states],
            "signature": expected.signature,
            "entity": expected.entity,
            "suspects": list(expected.suspects),
            "fired": list(expected.fired),
        }
    )


def _bare(row: Mapping[str, Any]) -> dict[str, Any]:
    """*row* without what says nothing."""
    return {k: v for k, v in row.items() if v is not None and v not in ("", [], {}, ())}


def _lean(value: Alert | Lineage) -> dict[str, Any]:
    """*value* without what is as usual."""
    rows: dict[str, Any] = codec.dump(value)
    for f in fields(value):
        usual = f.default_factory() if f.default_factory is not MISSING else f.default
        if getattr(value, f.name) == usual:
            del rows[f.name]
    return rows


def _number(span: timedelta) -> float | int:
    seconds = span.total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds


def _instant(at: datetime) -> str:
    """RFC 3339 in UTC with all its digits: the edges of a window decide which points are "now"."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=UNBROKEN)
