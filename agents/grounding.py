"""What a claim stands on: its facts computed once more, and the stored bytes they come from with their place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from agents.canonical import canonical, sha256
from agents.facts import Point, Reader, Series
from agents.incident.claims import (
    ChangeFact,
    Claim,
    Compare,
    EdgeFact,
    FactName,
    LogPresent,
    MetricChange,
    MetricValue,
    SpanFact,
    Where,
)
from agents.incident.clock import to_ms
from agents.incident.evidence import QuestionKind
from agents.incident.finding import Said
from agents.incident.grounds import Excerpt, Fact, LineAt, PointAt, Pointer, RecordAt, SpanAt

MAX_EXCERPTS = 12
MAX_TEXT = 400

Measured = tuple[Reader, FactName, Where]


def grounded(said: Said, readers: Mapping[str, Reader]) -> Said:
    """*said* with its facts and at most twelve excerpts, the newest where there are more."""
    measured = tuple(_measured(said.claim, readers))
    return replace(
        said,
        facts=tuple(fact for m in measured if (fact := _fact(*m)) is not None),
        excerpts=tuple(islice(_excerpts(said.claim, measured, readers), MAX_EXCERPTS)),
    )


def _measured(claim: Claim, readers: Mapping[str, Reader]) -> Iterable[Measured]:
    match claim:
        case MetricValue():
            yield readers[claim.evidence], claim.fact, claim.where
        case MetricChange():
            yield readers[claim.evidence], FactName.BASELINE, claim.where
            yield readers[claim.evidence], FactName.RECENT, claim.where
        case Compare():
            yield readers[claim.evidence], claim.fact, claim.where
            yield readers[claim.other_evidence], claim.other_fact, claim.other_where
        case EdgeFact():
            yield readers[claim.evidence], claim.fact, Where(upstream=claim.server.rpartition("/")[2])
        case LogPresent():
            yield readers[claim.evidence], FactName.COUNT, Where()
        case _:
            return


def _fact(reader: Reader, name: FactName, where: Where) -> Fact | None:
    value = reader.value(name, where)
    if value is None:
        return None
    question = reader.evidence.question
    number = question.kind is QuestionKind.QUANTITY
    return Fact(
        name=f"{question.name if number else question.kind.value}.{name.value}",
        value=value,
        unit=reader.unit(name),
        n_samples=reader.samples(name, where),
        inputs=(reader.evidence.id,),
    )


def _excerpts(claim: Claim, measured: Sequence[Measured], readers: Mapping[str, Reader]) -> Iterable[Excerpt]:
    match claim:
        case LogPresent():
            yield from _lines(claim, readers[claim.evidence])
        case ChangeFact():
            yield from _records(claim, readers[claim.evidence])
        case SpanFact():
            yield from _span(claim, readers[claim.evidence])
        case _:
            for reader, name, where in measured:
                if name is not FactName.BASELINE:
                    yield from _points(reader, name, where)


def _excerpt(reader: Reader, start: int, length: int, pointer: Pointer) -> Excerpt:
    text = reader.blob[start : start + length].decode("utf-8", "replace")
    return Excerpt(
        evidence=reader.evidence.id,
        byte_start=start,
        byte_end=start + length,
        text=text[:MAX_TEXT],
        pointer=pointer,
    )


def _points(reader: Reader, name: FactName, where: Where) -> Iterable[Excerpt]:
    window = reader.evidence.window
    lone = reader.value(name, where) if name in {FactName.MAX, FactName.MIN} else None
    for whole in reader.matching(where):
        start = _place_of(whole, reader.blob)
        used = whole.within(to_ms(window.recent_start), to_ms(window.end)).points
        for point in reversed(used):
            if lone is not None and _of(point) != lone:
                continue
            part = canonical(list(point))
            at = reader.blob.find(part, start)
            if start >= 0 and at >= 0:
                yield _excerpt(reader, at, len(part), PointAt(labels=whole.labels, at_ms=point[0]))


def _place_of(series: Series, blob: bytes) -> int:
    """Where a series begins in the canonical bytes."""
    return blob.find(b'{"labels":' + canonical(dict(series.labels)) + b',"points":[')


def _of(point: Point) -> float | None:
    if len(point) == 2:
        return point[1]
    return point[1] / point[2] if point[2] else None


def _lines(claim: LogPresent, reader: Reader) -> Iterable[Excerpt]:
    quote = canonical(claim.quote)[1:-1]
    at = 0
    for line in reader.lines():
        whole = canonical(dict(line))
        at = reader.blob.find(whole, at)
        inside = whole.find(quote, whole.find(b'"text":'))
        if at < 0:
            return
        if claim.quote in line["text"] and inside >= 0:
            labels = {k: v for k, v in line.items() if k not in {"at", "text"}}
            pointer = LineAt(labels=labels, at=line["at"], sha256=sha256(line["text"].encode()))
            yield _excerpt(reader, at + inside, len(quote), pointer)
        at += len(whole)


def _records(claim: ChangeFact, reader: Reader) -> Iterable[Excerpt]:
    for record in reader.changes():
        part = canonical(record)
        at = reader.blob.find(part)
        if record["id"] == claim.change_id and at >= 0:
            yield _excerpt(reader, at, len(part), RecordAt(id=claim.change_id))


def _span(claim: SpanFact, reader: Reader) -> Iterable[Excerpt]:
    pointer = SpanAt(trace_id=claim.trace_id, span_id=claim.span_id, attribute=claim.attribute)
    for span in reader.spans():
        whole = canonical(span)
        at = reader.blob.find(whole)
        part = canonical({claim.attribute: claim.value})[1:-1]
        inside = whole.find(part)
        if (span["trace_id"], span["span_id"]) == (claim.trace_id, claim.span_id) and at >= 0 and inside >= 0:
            yield _excerpt(reader, at + inside, len(part), pointer)
