"""Reads JSON log files from their end: lines of the last moments that match a pattern of the library."""

import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.canonical import fingerprint
from agents.gather import could_not_look
from agents.incident.catalogue import Replica, Scope, Service
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status, Window
from agents.ports import Asked
from agents.probes.reach import Reach

TAIL_BYTES = 2 * 1024 * 1024
MAX_LINES = 200
MAX_TEXT = 2000
LOOKBACK = timedelta(seconds=30)
TIME_KEYS = ("ts", "time", "timestamp", "@timestamp")
TEXT_KEYS = ("msg", "message", "event")

Line = tuple[datetime, str]


class JsonLogs:
    """The replicas of one scope whose catalogue entry names a log file."""

    name = "json_logs"

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def answers(self, question: Question, service: Service) -> bool:
        """Patterns, where a replica has a file."""
        return (
            question.kind is QuestionKind.LOG
            and any(r.log_file for r in service.replicas)
            and self._reach.holds(service)
        )

    def look(self, asked: Sequence[Asked], window: Window, budget: timedelta, scope: Scope) -> Iterable[Answer]:
        """Each file is read once and held against every pattern asked of it."""
        kept, refused = self._reach.parted(asked, scope, "files")
        yield from refused
        since = window.end - max(LOOKBACK, window.recent)
        read: dict[str, tuple[list[Line], bool] | str] = {}
        for question, service in kept:
            for replica in service.replicas:
                if replica.log_file and replica.log_file not in read:
                    read[replica.log_file] = _tail(replica, since)
            yield _answer(question, service, read, since, window)


def _tail(replica: Replica, since: datetime) -> tuple[list[Line], bool] | str:
    """(lines since then, whether older ones were cut off), or why the file could not be read."""
    try:
        with Path(replica.log_file or "").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except OSError as error:
        return f"log of {replica.name} could not be read: {error.strerror}"
    raw = data.split(b"\n")
    cut = size > TAIL_BYTES
    lines = [line for r in (raw[1:] if cut else raw) if (line := _parse(r)) is not None]
    oldest = lines[0][0] if lines else None
    return [line for line in lines if line[0] >= since], cut and oldest is not None and oldest > since


def _parse(raw: bytes) -> Line | None:
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    text = next((record[k] for k in TEXT_KEYS if isinstance(record.get(k), str)), None)
    at = next((record[k] for k in TIME_KEYS if isinstance(record.get(k), str)), None)
    if text is None or at is None:
        return None
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)), text[:MAX_TEXT]


def _answer(
    question: Question,
    service: Service,
    read: dict[str, tuple[list[Line], bool] | str],
    since: datetime,
    window: Window,
) -> Answer:
    pattern = re.compile(question.name)
    query = f"lines since {since:%H:%M:%S} that match {question.name}"
    kept: list[dict[str, str]] = []
    failures, scanned, cut, matched = [], 0, False, 0
    for replica in service.replicas:
        found = read.get(replica.log_file or "")
        if found is None:
            continue
        if isinstance(found, str):
            failures.append(found)
            continue
        lines, truncated = found
        cut |= truncated
        scanned += len(lines)
        for at, text in lines:
            if pattern.search(text):
                matched += 1
                if len(kept) < MAX_LINES:
                    kept.append({"at": at.isoformat(), "instance": replica.name, "text": text})
    if failures and not scanned:
        return could_not_look(question, "files", "; ".join(failures), query)
    if matched > MAX_LINES or cut or failures:
        status = Status.TRUNCATED if matched > MAX_LINES or cut else Status.PARTIAL
    else:
        status = Status.COMPLETE if kept else Status.EMPTY
    instances = sorted({line["instance"] for line in kept})
    return Answer(
        question=question,
        status=status,
        query=query,
        reason="; ".join(failures),
        lineage=Lineage(
            producers=tuple(f"{service.id}/{i}" for i in instances),
            pipeline="files",
            quantity="log",
            place=question.entity,
        ),
        body={"lines": kept, "scanned": scanned, "matched": matched},
        entities=(question.entity, *(f"{service.id}/{i}" for i in instances)),
        alive=True if scanned else None,
        backend=fingerprint(JsonLogs.name, service.id),
        limit=MAX_LINES,
        limit_hit=matched > MAX_LINES or cut,
        window=Window(start=since, end=window.end, recent=window.end - since),
    )
