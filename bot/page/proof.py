"""A claim opened: what was asked, how its number comes out, and the very bytes it rests on, marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agents.canonical import canonical, sha256
from agents.facts import Reader, Series
from agents.incident.claims import ChangeFact, Claim, FactName, LogPresent, MetricChange, MetricValue, Where
from agents.incident.clock import from_ms, to_ms
from agents.incident.evidence import Evidence, QuestionKind
from agents.incident.quantities import Across
from agents.render import number
from bot.page import words
from bot.page.excerpt import Bytes, Span, excerpt

MAX_ROWS = 40
MAX_LINES = 20
MAX_MARKS = 12

FACTS: Mapping[FactName, str] = {
    FactName.RECENT: "over the last {recent}",
    FactName.MAX: "the largest of the last {recent}",
    FactName.MIN: "the smallest of the last {recent}",
    FactName.LAST: "the last point",
    FactName.BASELINE: "before",
    FactName.RATIO_TO_BASELINE: "the last {recent} over its baseline",
    FactName.COUNT: "lines counted",
}
ACROSS: Mapping[Across, str] = {
    Across.SUM: "series added up",
    Across.MAX: "the largest series",
    Across.POOL: "numerators and denominators added up apart",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored point that was used."""

    at: datetime
    series: str
    stored: str
    value: str
    marked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stored log line, in three parts; the middle one is quoted by the claim."""

    at: str
    instance: str
    before: str
    quote: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One claim on one piece of evidence. ``result`` is the value as it comes out again, with its test."""

    evidence: Evidence
    intact: bool
    status: str
    fact: str = ""
    result: str = ""
    test: str = ""
    holds: bool = True
    baseline: str = ""
    rows: tuple[Row, ...] = ()
    rows_left_out: int = 0
    lines: tuple[Line, ...] = ()
    lines_left_out: int = 0
    excerpt: tuple[Bytes, ...] = ()
    marks: int = 0
    marks_left_out: int = 0


def prove(claim: Claim, evidence: Evidence, blob: bytes) -> Proof:
    """What *claim* rests on in *evidence*."""
    reader = Reader(evidence, blob)
    found = spans(claim, reader, blob)
    common = Proof(
        evidence=evidence,
        intact=sha256(blob) == evidence.blob_sha256,
        status=words.STATUSES[evidence.status],
        excerpt=excerpt(blob, found[:MAX_MARKS]),
        marks=len(found),
        marks_left_out=max(len(found) - MAX_MARKS, 0),
    )
    match claim:
        case MetricValue() | MetricChange() if evidence.question.kind is QuestionKind.QUANTITY:
            return _metric(claim, reader, common)
        case LogPresent():
            return _log(claim, reader, common)
        case _:
            return common


def _metric(claim: MetricValue | MetricChange, reader: Reader, common: Proof) -> Proof:
    quantity = reader.evidence.question.name
    value = reader.value(claim.fact, claim.where)
    used = _used(reader, claim.where)
    lone = claim.fact in {FactName.MAX, FactName.MIN}
    rows = [
        Row(
            at=from_ms(p[0]),
            series=_name(s),
            stored=" of ".join(f"{x:g}" for x in p[1:]),
            value=_point(p, quantity),
            marked=lone and _of(p) == value,
        )
        for s in used
        for p in s.points
    ]
    rows.sort(key=lambda r: (not r.marked, r.at, r.series))
    kept = sorted(rows[:MAX_ROWS], key=lambda r: (r.at, r.series))
    base = reader.value(FactName.BASELINE, claim.where)
    recent = words.span(reader.evidence.window.recent)
    fact = FACTS[claim.fact].format(recent=recent)
    if not lone and len(used) > 1:
        fact += f"; {ACROSS[reader.quantity.across]}"
    times = claim.fact is FactName.RATIO_TO_BASELINE
    return replace(
        common,
        fact=fact,
        result="not read" if value is None else f"{value:.2f} times" if times else number(value, quantity),
        test=f"{claim.op} {f'{claim.threshold:g} times' if times else number(claim.threshold, quantity)}",
        holds=value is not None and (claim.op.holds(value, claim.threshold) or isinstance(claim, MetricChange)),
        baseline=number(base, quantity) if base is not None else "",
        rows=tuple(kept),
        rows_left_out=len(rows) - len(kept),
    )


def _log(claim: LogPresent, reader: Reader, common: Proof) -> Proof:
    told = [line for line in reader.lines() if claim.quote and claim.quote in str(line.get("text", ""))]
    lines = []
    for line in told[:MAX_LINES]:
        before, quote, after = str(line["text"]).partition(claim.quote)
        lines.append(
            Line(
                at=str(line.get("at", "")),
                instance=str(line.get("instance", "")),
                before=before,
                quote=quote,
                after=after,
            )
        )
    return replace(
        common,
        fact="lines that match the pattern, counted again",
        result=f"{reader.count()}",
        lines=tuple(lines),
        lines_left_out=len(told) - len(lines),
    )


def _used(reader: Reader, where: Where) -> tuple[Series, ...]:
    window = reader.evidence.window
    start, end = to_ms(window.recent_start), to_ms(window.end)
    return tuple(s.within(start, end) for s in reader.matching(where))


def _name(series: Series) -> str:
    wanted = ("instance", "upstream", "upstream_instance")
    return " → ".join(series.labels[k] for k in wanted if series.labels.get(k)) or "all"


def _of(point: Sequence[float]) -> float | None:
    if len(point) == 2:
        return point[1]
    return point[1] / point[2] if point[2] else None


def _point(point: Sequence[float], quantity: str) -> str:
    value = _of(point)
    return number(value, quantity) if value is not None else "nothing happened"


def spans(claim: Claim, reader: Reader, blob: bytes) -> tuple[Span, ...]:
    """Where in the stored bytes *claim* rests, in order; empty where it cites the whole answer."""
    found: list[Span] = []
    match claim:
        case LogPresent() if claim.quote:
            found = _all(blob, canonical(claim.quote)[1:-1], 0, len(blob))
        case ChangeFact():
            for record in reader.changes():
                if record.get("id") == claim.change_id:
                    found += _all(blob, canonical(record), 0, len(blob))
        case MetricValue() | MetricChange() if reader.evidence.question.kind is QuestionKind.QUANTITY:
            found = _points(claim, reader, blob)
    return tuple(sorted(set(found)))


def _points(claim: MetricValue | MetricChange, reader: Reader, blob: bytes) -> list[Span]:
    lone = reader.value(claim.fact, claim.where) if claim.fact in {FactName.MAX, FactName.MIN} else None
    found: list[Span] = []
    for whole, used in zip(reader.matching(claim.where), _used(reader, claim.where), strict=True):
        labels = canonical(dict(whole.labels))
        at = blob.find(b'{"labels":' + labels + b',"points":[')
        end = blob.find(b"]]", at) + 2 if at >= 0 else -1
        if end < 2:
            continue
        for point in used.points:
            if lone is None or _of(point) == lone:
                found += _all(blob, canonical(list(point)), at, end)[:1]
    return found


def _all(blob: bytes, part: bytes, start: int, end: int) -> list[Span]:
    out = []
    at = blob.find(part, start, end) if part else -1
    while at >= 0:
        out.append((at, at + len(part)))
        at = blob.find(part, at + len(part), end)
    return out
