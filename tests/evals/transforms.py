"""Pure changes of recordings, of which it is known what they do to the truth."""

import random
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agents.incident.catalogue import Replica, Service
from agents.incident.clock import to_ms
from agents.incident.evidence import Lineage, Question, QuestionKind, Status, Trust, Window
from agents.incident.incident import ChangeKind
from bot.recordings import reading, writing
from bot.recordings.recording import Kept, Look, Recording

Change = Callable[[Kept], Kept | None]
MOMENTS = ("at_ms", "started_ms", "finished_ms")


def each(recording: Recording, change: Change) -> Recording:
    """*recording* with every answer changed, or left out."""
    looks = tuple(
        replace(look, kept=tuple(new for one in look.kept if (new := change(one)) is not None))
        for look in recording.looks
    )
    return replace(recording, looks=looks)


def without(recording: Recording, gone: Callable[[Kept], bool]) -> Recording:
    """*recording* less some answers, as if nobody had asked."""
    return each(recording, lambda one: None if gone(one) else one)


def asks(*names: str, service: str = "", probe: str = "") -> Callable[[Kept], bool]:
    """Answers to these quantities or patterns (none: all), of this service and probe (empty: any)."""

    def chosen(one: Kept) -> bool:
        q = one.answer.question
        return (not names or q.name in names) and service in {"", q.service} and probe in {"", one.probe}

    return chosen


def renamed(recording: Recording, names: Mapping[str, str]) -> Recording:
    """Services go by other names, with their replicas, in whatever is said of them."""
    words = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(map(re.escape, names)) + r")(?![A-Za-z0-9_])")

    def other(text: str) -> str:
        return words.sub(lambda found: names[found.group(1)], text)

    return _by_text(recording, other)


def _by_text(recording: Recording, change: Callable[[str], str]) -> Recording:
    with tempfile.TemporaryDirectory() as made:
        for name, text in writing.written(recording).items():
            path = Path(made) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change(text), encoding="utf-8")
        return reading.read(Path(made))


def shifted(recording: Recording, by: timedelta) -> Recording:
    """The same, at another time."""

    def later(at: datetime | None) -> datetime | None:
        return at + by if at is not None else None

    def moved(one: Kept) -> Kept:
        body = {
            **one.answer.body,
            **{
                k: [_shifted(s, by) for s in _list(one, k)] for k in ("series", "baseline") if k in one.answer.body
            },
        }
        if "lines" in body:
            body["lines"] = [
                {**line, "at": (datetime.fromisoformat(line["at"]) + by).isoformat()}
                for line in _list(one, "lines")
            ]
        if "changes" in body:
            body["changes"] = [
                {k: v + _ms(by) if k in MOMENTS and v is not None else v for k, v in record.items()}
                for record in _list(one, "changes")
            ]
        assert one.answer.window is not None
        return replace(one, answer=replace(one.answer, body=body, window=_later(one.answer.window, by)))

    made = each(recording, moved)
    return replace(
        made,
        alerts=tuple(
            replace(a, started_at=later(a.started_at), ended_at=later(a.ended_at), at=later(a.at))
            for a in made.alerts
        ),
        looks=tuple(replace(x, at=x.at + by, window=_later(x.window, by)) for x in made.looks),
    )


def _shifted(series: Mapping[str, Any], by: timedelta) -> dict[str, Any]:
    return {**series, "points": [[p[0] + _ms(by), *p[1:]] for p in series["points"]]}


def _later(window: Window, by: timedelta) -> Window:
    return replace(window, start=window.start + by, end=window.end + by)


def _ms(by: timedelta) -> int:
    return round(by.total_seconds() * 1000)


def permuted(recording: Recording, seed: int) -> Recording:
    """The same series, checks and answers in another order; probes are still asked as they were."""
    chance = random.Random(seed)

    def shuffled(items: Sequence[Any]) -> list[Any]:
        return chance.sample(list(items), len(items))

    def mixed(one: Kept) -> Kept:
        body = {
            k: shuffled(_list(one, k)) if k in {"series", "baseline", "checks"} else v
            for k, v in one.answer.body.items()
        }
        return replace(one, answer=replace(one.answer, body=body))

    def order(look: Look) -> Look:
        probes = list(dict.fromkeys(one.probe for one in look.kept))
        return replace(look, kept=tuple(sorted(shuffled(look.kept), key=lambda one: probes.index(one.probe))))

    made = each(recording, mixed)
    return replace(made, looks=tuple(order(look) for look in made.looks))


def unreachable(recording: Recording, chosen: Callable[[Kept], bool], reason: str) -> Recording:
    """These answers as "could not look"."""

    def failed(one: Kept) -> Kept:
        if not chosen(one):
            return one
        answer = replace(
            one.answer,
            status=Status.ERROR,
            reason=reason,
            body={},
            alive=None,
            entities=(one.answer.question.entity,),
            lineage=replace(one.answer.lineage, producers=()),
        )
        return replace(one, answer=answer)

    return each(recording, failed)


def stale(recording: Recording, chosen: Callable[[Kept], bool], since: timedelta) -> Recording:
    """These series end so long ago, and nobody saw their source alive since."""

    def old(one: Kept) -> Kept:
        if not chosen(one) or "series" not in one.answer.body:
            return one
        assert one.answer.window is not None
        edge = to_ms(one.answer.window.end - since)
        series = [
            {**s, "points": points}
            for s in _list(one, "series")
            if (points := [p for p in s["points"] if p[0] <= edge])
        ]
        answer = replace(one.answer, body={**one.answer.body, "series": series}, alive=None)
        return replace(one, answer=answer if series else replace(answer, status=Status.EMPTY, reason="no series"))

    return each(recording, old)


def logs_cut(recording: Recording, service: str, lost: str) -> Recording:
    """The log of *service* is cut short, and the lines that hold *lost* are among those cut off."""

    def cut(one: Kept) -> Kept:
        q = one.answer.question
        if q.kind is not QuestionKind.LOG or q.service != service:
            return one
        lines = [line for line in _list(one, "lines") if lost not in line["text"]]
        body = {**one.answer.body, "lines": lines, "matched": len(lines)}
        return replace(one, answer=replace(one.answer, body=body, status=Status.TRUNCATED, alive=True))

    return each(recording, cut)


def valued(
    recording: Recording, name: str, service: str, change: Callable[[list[float]], list[float]]
) -> Recording:
    """Every point of one quantity of one service changed; ratios have their two parts after the time."""

    def other(one: Kept) -> Kept:
        if not asks(name, service=service)(one):
            return one
        body = {
            **one.answer.body,
            **{
                k: [{**s, "points": [change(p) for p in s["points"]]} for s in _list(one, k)]
                for k in ("series", "baseline")
                if k in one.answer.body
            },
        }
        return replace(one, answer=replace(one.answer, body=body))

    return each(recording, other)


def added(recording: Recording, make: Callable[[Look], Sequence[Kept]]) -> Recording:
    """*recording* with further answers."""
    looks = tuple(replace(look, kept=(*look.kept, *make(look))) for look in recording.looks)
    return replace(recording, looks=looks)


def decoy(recording: Recording, service: str, ago: timedelta = timedelta(minutes=3)) -> Recording:
    """A deploy of *service*, which has nothing to do with anything."""

    def deployed(one: Kept) -> Kept:
        q = one.answer.question
        if q.kind is not QuestionKind.CHANGES or q.service != service:
            return one
        assert one.answer.window is not None
        record = {
            "id": f"changes:decoy-{service}",
            "kind": ChangeKind.DEPLOY.value,
            "service": service,
            "environment": q.environment,
            "at_ms": to_ms(one.answer.window.end - ago),
            "artifact": f"pkg:oci/{service}@7",
            "revision": 7,
            "previous_revision": 6,
            "schema_version": 1,
            "note": "",
        }
        body = {"changes": [*_list(one, "changes"), record]}
        return replace(one, answer=replace(one.answer, body=body, status=Status.COMPLETE))

    return each(recording, deployed)


def without_changes(recording: Recording) -> Recording:
    """Nobody told of any change."""

    def empty(one: Kept) -> Kept:
        if one.answer.question.kind is not QuestionKind.CHANGES:
            return one
        return replace(one, answer=replace(one.answer, body={"changes": []}, status=Status.EMPTY))

    return each(recording, empty)


def more_pods(recording: Recording, service: str, like: str, names: Sequence[str]) -> Recording:
    """Further replicas of *service* that behave like *like*: what they say, and what is said of them."""

    def joined(one: Kept) -> Kept:
        a = one.answer
        body: dict[str, Any] = dict(a.body)
        copied = False
        for part in ("series", "baseline", "checks"):
            if part not in body:
                continue
            extra = [_as(s, like, name) for s in body[part] for name in names if _mentions(s, like)]
            copied |= bool(extra)
            body[part] = [*body[part], *extra]
        if not copied or a.question.service != service:
            return replace(one, answer=replace(a, body=body))
        entities = (*a.entities, *(f"{a.question.entity}/{n}" for n in names))
        own = f"{a.question.entity}/{like}"
        producers = (
            *a.lineage.producers,
            *(f"{a.question.entity}/{n}" for n in names if own in a.lineage.producers),
        )
        lineage = replace(a.lineage, producers=producers)
        return replace(one, answer=replace(a, body=body, entities=entities, lineage=lineage))

    made = each(recording, joined)
    return _with_services(
        made,
        lambda s: (
            replace(s, replicas=(*s.replicas, *(Replica(name=n) for n in names))) if s.name == service else s
        ),
    )


def _mentions(item: Mapping[str, Any], instance: str) -> bool:
    labels = item.get("labels", item)
    return instance in {labels.get("instance"), labels.get("upstream_instance")}


def _as(item: Mapping[str, Any], like: str, name: str) -> dict[str, Any]:
    if "labels" in item:
        return {**item, "labels": _as(item["labels"], like, name)}
    return {k: name if v == like and k in {"instance", "upstream_instance"} else v for k, v in item.items()}


def _with_services(recording: Recording, change: Callable[[Service], Service]) -> Recording:
    services = tuple(change(s) for s in recording.catalogue.services)
    return replace(recording, catalogue=replace(recording.catalogue, services=services))


PASSED_ON = ("request_rate", "server_error_ratio", "slow_request_ratio", "calls_per_request", "in_flight")


def deeper(recording: Recording, edge: str = "gateway", front: str = "front") -> Recording:
    """A service *front* before the *edge*, which passes every request on once: users feel it there.

    What *front* says is what *edge* said of the same requests, measured by a process of its own.
    """
    instance = f"{front}-1"

    def told(look: Look) -> Sequence[Kept]:
        out = []
        for one in look.kept:
            q = one.answer.question
            if q.service != edge:
                continue
            if q.name in PASSED_ON or q.kind is not QuestionKind.QUANTITY:
                out.append(_of(one, front, instance, q.name, {}))
            if q.name == "server_error_ratio":
                calls = {"upstream": edge, "upstream_instance": f"{edge}-1"}
                out.append(_of(one, front, instance, "upstream_failure_ratio", calls))
            if q.name == "health_failing":
                out.append(_of(one, front, instance, q.name, {}))
        return out

    made = added(recording, told)
    made = _with_services(made, lambda s: replace(s, edge=False) if s.name == edge else s)
    old = next(s for s in made.catalogue.services if s.name == edge)
    first = replace(old, name=front, calls=(edge,), edge=True, replicas=(Replica(name=instance),))
    catalogue = replace(made.catalogue, services=(first, *made.catalogue.services))
    return about(replace(made, catalogue=catalogue), front)


def _of(one: Kept, service: str, instance: str, name: str, more: Mapping[str, str]) -> Kept:
    a = one.answer
    question = Question(kind=a.question.kind, service=service, environment=a.question.environment, name=name)
    body: dict[str, Any] = dict(a.body)
    for part in ("series", "baseline"):
        if part in body:
            body[part] = [
                {**s, "labels": {**s["labels"], "service": service, "instance": instance, **more}}
                for s in body[part]
            ]
    if "lines" in body:
        body |= {"lines": [], "matched": 0}
    if "changes" in body:
        body = {"changes": []}
    place = question.entity
    producers = a.lineage.producers
    if any(p.startswith(a.question.entity) for p in producers):
        producers = (f"{place}/{instance}",)
    empty = question.kind is not QuestionKind.QUANTITY
    return replace(
        one,
        answer=replace(
            a,
            question=question,
            status=Status.EMPTY if empty and a.status is not Status.ERROR else a.status,
            query=a.query.replace(a.question.service, service),
            entities=(place, f"{place}/{instance}"),
            lineage=replace(a.lineage, producers=producers, place=place, quantity=name or a.lineage.quantity),
            body=body,
        ),
    )


def about(recording: Recording, service: str) -> Recording:
    """The alert is about another service."""
    alerts = tuple(replace(a, service=service, labels={**a.labels, "service": service}) for a in recording.alerts)
    return replace(recording, service=service, alerts=alerts)


def titled(recording: Recording, title: str) -> Recording:
    """The alert goes by another name."""
    alerts = tuple(replace(a, title=title, labels={**a.labels, "alertname": title}) for a in recording.alerts)
    return replace(recording, title=title, alerts=alerts)


def level(look: Look, service: str, name: str, value: float, *, producer: str, pipeline: str) -> Kept:
    """A gauge that stood at *value* for the last minute, measured by *producer*."""
    like = next(k for k in look.kept if k.answer.question.service == service).answer
    question = replace(like.question, kind=QuestionKind.QUANTITY, name=name)
    end = to_ms(look.window.end)
    points = [[end - 1000 * s, value] for s in range(30, -1, -1)]
    return Kept(
        probe="prometheus",
        answer=replace(
            like,
            question=question,
            status=Status.COMPLETE,
            reason="",
            query=name,
            unit="",
            alive=True,
            step=timedelta(seconds=1),
            window=look.window,
            entities=(question.entity,),
            lineage=Lineage(
                producers=(producer,),
                pipeline=pipeline,
                quantity=name,
                place=question.entity,
                trust=Trust.PLATFORM,
            ),
            body={"series": [{"labels": {"service": service, "instance": producer}, "points": points}]},
        ),
    )


def _list(one: Kept, part: str) -> list[Any]:
    found = one.answer.body.get(part, ())
    return list(found) if isinstance(found, list | tuple) else []
