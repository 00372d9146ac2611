"""The files of a recording as they stand: answers, names, the truth. Nothing of the product reads them here."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

Json = Mapping[str, Any]
WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
LINES = {"metrics.jsonl": "quantity", "traces.jsonl": "quantity", "logs.jsonl": "log", "changes.jsonl": "changes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a citation stands for: who was asked what about whom."""

    probe: str
    kind: str
    environment: str
    service: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of one file. ``recent_from`` and ``until`` are milliseconds."""

    asked: Asked
    status: str
    reason: str
    body: Json
    alive: bool | None
    step_ms: float
    recent_ms: float
    started: float
    until: float
    doubt_ms: float

    @property
    def recent_from(self) -> float:
        """Where "now" begins."""
        return self.until - self.recent_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything one recording holds, for one of its looks.

    ``text`` is all of it with plain quotation marks, ``reasons`` why probes could not look, longest first,
    ``words`` those of its names, in small letters, ``calls`` who calls whom.
    """

    told: Mapping[Asked, Told]
    names: frozenset[str]
    causes: frozenset[tuple[str, str]]
    missed: tuple[str, str] | None
    broken: bool
    text: str
    reasons: tuple[str, ...]
    words: frozenset[str]
    calls: frozenset[tuple[str, str]]


def world(files: Mapping[str, str], look: int = 1) -> World:
    """The recording in *files* (name to text) as of its look number *look*."""
    prefix = "" if look == 1 else f"later/{look}/"
    told: dict[Asked, Told] = {}
    for name, kind in LINES.items():
        for text in files.get(prefix + name, "").splitlines():
            one = _told(json.loads(text), kind)
            told[one.asked] = one
    truth, services, alert = (yaml.safe_load(files[f"{n}.yaml"]) for n in ("truth", "services", "incident"))
    broken = truth["cause"] if isinstance(truth["cause"], list) else []
    miss = truth.get("miss") or {}
    names = frozenset((*_names(services["services"], told.values()), *_alerted(alert)))
    return World(
        told=told,
        names=names,
        causes=frozenset((b.get("signature", ""), b.get("entity", "")) for b in broken),
        missed=(miss["signature"], miss["entity"]) if miss.get("signature") else None,
        broken=bool(broken),
        text=plain("\n".join(files.values())),
        reasons=tuple(sorted({t.reason for t in told.values() if t.reason}, key=len, reverse=True)),
        words=frozenset(w.lower() for n in names for w in WORD.findall(n)),
        calls=frozenset((n, c) for n, s in services["services"].items() for c in s.get("calls", ())),
    )


def plain(text: str) -> str:
    """*text* with quotation marks that end no quote."""
    return text.replace("“", '"').replace("”", '"')


def _told(line: Json, kind: str) -> Told:
    window = line["window"]
    return Told(
        asked=Asked(
            probe=line["probe"],
            kind=line.get("kind", kind),
            environment=line["environment"],
            service=line["service"],
            name=line.get("name", ""),
        ),
        status=line["status"],
        reason=line.get("reason", ""),
        body=line["body"],
        alive=line.get("alive"),
        step_ms=1000 * line.get("step_s", 0),
        recent_ms=1000 * window["recent_s"],
        started=moment(window["start"]),
        until=moment(window["end"]),
        doubt_ms=1000 * (line.get("rate_window_s", 0) + line.get("ingest_lag_s", 0) + line.get("step_s", 0)),
    )


def moment(text: str) -> float:
    """An RFC 3339 time in whole milliseconds, as samples have them."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _alerted(alert: Json) -> Iterator[str]:
    service, place = alert.get("service") or "", alert.get("environment") or ""
    yield from (service, f"{place}/{service}")


def _names(services: Json, told: Iterable[Told]) -> Iterator[str]:
    for name, service in services.items():
        place = service.get("environment", "")
        yield from (name, f"{place}/{name}", *service.get("aliases", ()))
        for replica in service.get("replicas", {}):
            yield from (replica, f"{name}/{replica}", f"{place}/{name}/{replica}")
    for one in told:
        yield from (one.asked.probe, one.asked.service, f"{one.asked.environment}/{one.asked.service}")
        for series in one.body.get("series", ()):
            yield from (str(value) for value in series["labels"].values())
        for line in one.body.get("lines", ()):
            yield str(line.get("instance", ""))
