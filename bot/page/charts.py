"""The cited metrics over time: when they became abnormal, what was deployed and done, and what came after."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.facts import Reader
from agents.incident.claims import FactName, MetricChange, MetricValue, Where
from agents.incident.clock import from_ms, to_ms
from agents.incident.evidence import Evidence, QuestionKind
from agents.incident.quantities import QUANTITIES
from agents.render import clock, number
from bot.page.case import Case
from bot.surfaces.ports import Chart, Mark, MarkKind

MAX_CHARTS = 4
LEAST_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One chart, its key in an address, and the same in words for whoever cannot see it."""

    key: str
    chart: Chart
    words: str


def drawn(case: Case) -> tuple[Drawn, ...]:
    """The finding's own chart first, then one for each other quantity it cites."""
    finding = case.finding
    if finding is None:
        return ()
    cited = [s.claim for s in finding.claims if isinstance(s.claim, MetricValue | MetricChange)]
    out: list[Drawn] = []
    taken: set[tuple[str, str, Where]] = set()
    if finding.chart is not None and finding.chart in case.stored:
        item, blob = case.stored[finding.chart]
        about = [c for c in cited if _question(case, c) == (item.question.entity, item.question.name)]
        where = about[0].where if about else Where()
        _add(out, taken, "main", item, blob, where, about, case)
    for i, claim in enumerate(cited, 1):
        if claim.evidence in case.stored and len(out) < MAX_CHARTS:
            item, blob = case.stored[claim.evidence]
            _add(out, taken, f"claim-{i}", item, blob, claim.where, [claim], case)
    return tuple(out)


def _question(case: Case, claim: MetricValue | MetricChange) -> tuple[str, str] | None:
    found = case.stored.get(claim.evidence)
    return (found[0].question.entity, found[0].question.name) if found is not None else None


def _add(
    out: list[Drawn],
    taken: set[tuple[str, str, Where]],
    key: str,
    item: Evidence,
    blob: bytes,
    where: Where,
    about: Sequence[MetricValue | MetricChange],
    case: Case,
) -> None:
    if (
        item.question.kind is not QuestionKind.QUANTITY
        or (item.question.entity, item.question.name, where) in taken
    ):
        return
    reader = Reader(item, blob)
    points = _continued(reader, where, case)
    if len(points) < LEAST_POINTS:
        return
    taken.add((item.question.entity, item.question.name, where))
    onset = reader.onset(where)
    chart = Chart(
        caption=_caption(item, where),
        quantity=item.question.name,
        points=points,
        marks=_marks(case, points),
        onset=(float(to_ms(onset[0])), float(to_ms(onset[1]))) if onset is not None else None,
        threshold=next((c.threshold for c in about if c.fact is not FactName.RATIO_TO_BASELINE), None),
    )
    out.append(Drawn(key=key, chart=chart, words=_words(chart)))


def _caption(item: Evidence, where: Where) -> str:
    place = where.instance or item.question.service
    if where.not_instance:
        place = f"peers of {where.not_instance}"
    target = where.upstream_instance or where.upstream
    return f"{place}{f' → {target}' if target else ''} {QUANTITIES[item.question.name].title} ({item.probe})"


def _continued(reader: Reader, where: Where, case: Case) -> tuple[tuple[float, float], ...]:
    """The finding's points, and after them those that were read to verify."""
    points = list(reader.line(where))
    step = max(reader.evidence.step.total_seconds() * 1000, 1)
    for item, blob in case.sampled:
        if item.question == reader.evidence.question and item.probe == reader.evidence.probe:
            newest = points[-1][0] if points else 0
            points += [p for p in Reader(item, blob).line(where) if p[0] >= newest + step / 2]
    return tuple(points)


def _marks(case: Case, points: Sequence[tuple[float, float]]) -> tuple[Mark, ...]:
    marks = []
    change = case.finding.change if case.finding is not None else None
    if change is not None:
        marks.append(Mark(at_ms=float(to_ms(change.at)), kind=MarkKind.CHANGE, label=change.kind.value))
    names = {run.id: run.proposal.action.partition("_")[0] for run in case.runs}  # long labels are cut
    marks += [
        Mark(at_ms=float(to_ms(e["at"])), kind=MarkKind.ACTION, label=names.get(e["data"].get("run"), "action"))
        for e in case.events
        if e["kind"] == "run.executed"
    ]
    return tuple(marks)


def _words(chart: Chart) -> str:
    def at(ms: float) -> str:
        return clock(from_ms(ms))

    values = [v for _, v in chart.points]
    said = [
        f"{chart.caption}, {at(chart.points[0][0])} to {at(chart.points[-1][0])} UTC: from "
        f"{number(values[0], chart.quantity)} to {number(values[-1], chart.quantity)}, "
        f"between {number(min(values), chart.quantity)} and {number(max(values), chart.quantity)}"
    ]
    if chart.onset is not None:
        said.append(f"became abnormal between {at(chart.onset[0])} and {at(chart.onset[1])}")
    if chart.threshold is not None:
        said.append(f"held against {number(chart.threshold, chart.quantity)}")
    said += [f"{mark.label} at {at(mark.at_ms)}" for mark in chart.marks]
    return "; ".join(said) + "."
