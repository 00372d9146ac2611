"""The chart on an incident's card: the cited metric, and what happened while it ran."""

from collections.abc import Iterable

from sqlalchemy import select

from agents.facts import Reader
from agents.incident.claims import ChangeFact, MetricChange, MetricValue, Where
from agents.incident.clock import to_ms
from agents.incident.errors import BadInput
from agents.incident.finding import Finding, FindingState
from agents.incident.ids import IncidentId
from agents.incident.quantities import QUANTITIES
from bot.journal import evidence
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.surfaces.accounted import Accounted
from bot.surfaces.ports import Chart, Mark, MarkKind


def chart_of(tx: Tx, incident_id: IncidentId, finding: Finding, told: Accounted) -> Chart | None:
    """The cited metric with its onset, the change on record and the action that was run."""
    if finding.chart is None or finding.state in {FindingState.BLIND, FindingState.NO_FAULT}:
        return None
    try:
        item, blob = evidence.find(tx, finding.chart)
        reader = Reader(item, blob)
    except BadInput:
        return None  # a picture that cannot be drawn keeps no card back
    where = next(
        (
            s.claim.where
            for s in finding.claims
            if isinstance(s.claim, MetricValue | MetricChange) and s.claim.evidence == item.id
        ),
        Where(),
    )
    points = tuple(reader.line(where))
    if len(points) < 2:
        return None
    onset = reader.onset(where)
    threshold = next(
        (
            s.claim.threshold
            for s in finding.claims
            if isinstance(s.claim, MetricValue)
            and s.claim.evidence == item.id
            and s.claim.fact.value != "ratio_to_baseline"
        ),
        None,
    )
    return Chart(
        caption=told.words(f"{item.question.service} {QUANTITIES[item.question.name].title} ({item.probe})"),
        quantity=item.question.name,
        points=points,
        marks=tuple(_marks(tx, incident_id, finding)),
        onset=(to_ms(onset[0]), to_ms(onset[1])) if onset is not None else None,
        threshold=threshold,
    )


def _marks(tx: Tx, incident_id: IncidentId, finding: Finding) -> Iterable[Mark]:
    for said in finding.claims:
        if isinstance(said.claim, ChangeFact):
            yield Mark(at_ms=to_ms(said.claim.at), kind=MarkKind.CHANGE, label=said.claim.kind)
    for row in tx.all(
        select(t.events.c.at).where(t.events.c.incident_id == incident_id, t.events.c.kind == "run.executed")
    ):
        yield Mark(at_ms=to_ms(row["at"]), kind=MarkKind.ACTION, label="action")
