"""Signatures held against entities: which hypotheses there are, how they score, which of them stands first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents import scoring
from agents.incident.catalogue import Catalogue, Service
from agents.incident.claims import FactName, Op, Where
from agents.incident.clock import from_ms
from agents.incident.evidence import Evidence, Question, QuestionKind, Reading
from agents.incident.incident import Change, ChangeKind, ChangeOutcome
from agents.signatures.evaluate import Bench, Entity, Seen, Truth, entities, judge, read, weights
from agents.signatures.model import Group, Refuter, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A signature on an entity: what is true of it, what speaks against it, how it scores.

    ``late`` are a symptom and a mechanism that began only after it. ``local``: the mechanism was observed at this
    very entity, and not only where its symptoms show. ``changed_at`` is when anything was last changed there.
    """

    signature: Signature
    entity: Entity
    true_groups: tuple[tuple[Group, tuple[Seen, ...]], ...]
    ratios: tuple[tuple[float, ...], ...]
    refuters: tuple[tuple[Refuter, Truth, tuple[Seen, ...]], ...]
    change: tuple[Change, Evidence] | None
    prior: float
    soft: int
    score: float
    late: tuple[Seen, Seen] | None = None
    local: bool = False
    changed_at: datetime | None = None

    @property
    def refuted(self) -> bool:
        """Whether a hard refuter fired, or it began only after what it would have caused."""
        return self.late is not None or any(r.hard and truth is Truth.TRUE for r, truth, _ in self.refuters)


def weigh(signature: Signature, entity: Entity, bench: Bench, catalogue: Catalogue, at: datetime) -> Hypothesis:
    """*signature* held against *entity*."""
    verdicts = [(g, judge(g.condition, entity, bench, catalogue)) for g in signature.groups]
    true = [(g, v) for g, v in verdicts if v.truth is Truth.TRUE]
    refuters = [(r, judge(r.condition, entity, bench, catalogue)) for r in signature.refuters]
    change = _change(signature, entity, bench, at)
    prior = min(signature.base_rate * (signature.change_boost if change else 1.0), 0.5)
    ratios = tuple(weights(g, v) for g, v in true)
    soft = sum(1 for r, v in refuters if v.truth is Truth.TRUE and not r.hard)
    seen = [(g, tuple(s for s in v.seen if s.truth is Truth.TRUE)) for g, v in true]
    return Hypothesis(
        signature=signature,
        entity=entity,
        true_groups=tuple(seen),
        ratios=ratios,
        refuters=tuple((r, v.truth, v.seen) for r, v in refuters),
        change=change,
        prior=prior,
        soft=soft,
        score=scoring.score(prior, ratios, soft),
        changed_at=max((c.at for c, _ in _changes(entity, bench) if c.at <= at), default=None),
        late=_late(seen),
        local=any(
            g.mechanism and any(s.reader.evidence.question.entity == entity.service.id for s in of)
            for g, of in seen
        ),
    )


def weigh_all(
    signatures: Iterable[Signature], alerted: Service, bench: Bench, catalogue: Catalogue, at: datetime
) -> Iterable[Hypothesis]:
    """Every signature on every entity that it could convict for an alert on *alerted*."""
    for signature in signatures:
        for entity in entities(signature, alerted, catalogue):
            yield weigh(signature, entity, bench, catalogue, at)


UNSTATED = 4
"""Steps over which a value is taken to be smoothed where its probe does not say."""


def _late(groups: Sequence[tuple[Group, tuple[Seen, ...]]]) -> tuple[Seen, Seen] | None:
    """The symptom that was there last and the mechanism that began first, if even that began after it: a refuter.

    A mechanism any part of which cannot be dated refutes nothing.
    """
    causes = [s for g, seen in groups if g.mechanism for s in seen if not s.predicate.log]
    symptoms = [s for g, seen in groups if not g.mechanism for s in seen if not s.predicate.log]
    began = [(onset[0] - _smoothing(s.reader.evidence), s) for s in causes if (onset := s.reader.onset(s.where))]
    shown = [(onset[1], s) for s in symptoms if (onset := s.reader.onset(s.where))]
    logged = any(s.predicate.log for g, seen in groups if g.mechanism for s in seen)
    if logged or not shown or not began or len(began) < len(causes):
        return None
    first, last = min(began, key=lambda b: b[0]), max(shown, key=lambda b: b[0])
    return (last[1], first[1]) if first[0] > last[0] else None


def _smoothing(evidence: Evidence) -> timedelta:
    return timedelta(0) if evidence.rate_window else UNSTATED * evidence.step


def ranked(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Best first; of two that score alike, the one whose mechanism was observed at its own entity."""
    return sorted(hypotheses, key=lambda h: (-round(h.score, 9), not h.local))


def explained(rival: Hypothesis, best: Hypothesis) -> float:
    """The score of *rival* when the symptoms it shares with *best* are already explained by that.

    Only symptoms are shared: what is specific to the mechanism of one is not explained by another.
    """
    taken = {
        s.reader.evidence.id: max(ratios, default=1.0)
        for (g, seen), ratios in zip(best.true_groups, best.ratios, strict=True)
        if not g.mechanism
        for s in seen
    }
    left = []
    for (group, seen), ratios in zip(rival.true_groups, rival.ratios, strict=True):
        by = [taken.get(s.reader.evidence.id) for s in seen]
        if group.mechanism or not seen or None in by:
            left.append(ratios)
        else:
            other = max(b for b in by if b is not None)
            left.append(tuple(scoring.explained_away(r, other) for r in ratios))
    return scoring.score(rival.prior, left, rival.soft)


def _change(signature: Signature, entity: Entity, bench: Bench, at: datetime) -> tuple[Change, Evidence] | None:
    """The newest change of the signature's kind on the entity inside its lookback."""
    if signature.change is None:
        return None
    found = [
        (change, evidence)
        for change, evidence in _changes(entity, bench)
        if change.kind is signature.change and at - signature.lookback <= change.at <= at
    ]
    return max(found, key=lambda pair: pair[0].at, default=None)


def _changes(entity: Entity, bench: Bench) -> Iterable[tuple[Change, Evidence]]:
    """Every change of the entity's service on record, with the answer that tells of it."""
    question = Question(
        kind=QuestionKind.CHANGES, service=entity.service.name, environment=entity.service.environment
    )
    for reader in bench.about(question):
        for record in reader.changes():
            yield _read_change(record), reader.evidence


def _read_change(record: object) -> Change:
    assert isinstance(record, dict)  # noqa: S101  # the changes probe writes records
    return Change(
        id=record["id"],
        kind=ChangeKind(record["kind"]),
        service=record["service"],
        environment=record["environment"],
        at=from_ms(record["at_ms"]),
        source=record.get("source", ""),
        subject=record.get("subject", ""),
        outcome=ChangeOutcome(record.get("outcome", ChangeOutcome.UNKNOWN)),
        word=record.get("word", ""),
        started_at=_moment(record.get("started_ms")),
        finished_at=_moment(record.get("finished_ms")),
        artifact=record.get("artifact"),
        commit=record.get("commit"),
        version=record.get("version"),
        previous_version=record.get("previous_version"),
        revision=record.get("revision"),
        previous_revision=record.get("previous_revision"),
        previous_derived=record.get("previous_derived", False),
        schema_version=record.get("schema_version"),
        actor=record.get("actor"),
        link=record.get("link"),
        note=record.get("note", ""),
    )


def _moment(ms: float | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def margin(best: Hypothesis, score: float, rivals: Sequence[Hypothesis]) -> float:
    """How far *best*, at *score*, stands before the next one; something else is always among the competitors."""
    return score - max([explained(h, best) for h in rivals] + [scoring.OTHER])


def reached(symptom: Service, bench: Bench, catalogue: Catalogue) -> frozenset[str]:
    """The services a symptom leads down to, itself included: every hop is in the graph and was seen."""
    found, waiting = {symptom.id}, [symptom]
    while waiting:
        at = waiting.pop()
        for callee in catalogue.callees(at):
            if callee.id not in found and _hop_seen(at, callee, bench):
                found.add(callee.id)
                waiting.append(callee)
    return frozenset(found)


def _hop_seen(caller: Service, callee: Service, bench: Bench) -> bool:
    question = asking(caller, "upstream_failure_ratio")
    return any(
        reader.evidence.reading in {Reading.SAW, Reading.SAW_SOME}
        and any(s.points for s in reader.matching(Where(upstream=callee.name)))
        for reader in bench.about(question)
    )


def coverage(cause: Service, alerted: Service, bench: Bench, catalogue: Catalogue) -> float:
    """The share of services with errors that the cause explains: itself, and whoever relies on it as was seen."""
    sick = [
        s
        for s in catalogue.below(alerted)
        if any(
            read(r, FactName.RECENT, Where(), Op.GE, 0.05)[0] is Truth.TRUE
            for r in bench.about(asking(s, "server_error_ratio"))
        )
    ]
    if not sick:
        return 1.0
    return sum(1 for s in sick if cause.id in reached(s, bench, catalogue)) / len(sick)


def asking(service: Service, quantity: str) -> Question:
    """The question for one quantity of one service."""
    return Question(
        kind=QuestionKind.QUANTITY, service=service.name, environment=service.environment, name=quantity
    )
