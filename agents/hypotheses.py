"""Signatures held against entities: which hypotheses there are, how they score, whether one carries.

G11 (independence), G12 (refuters run) and G13 (path) live here: they judge a hypothesis, not a claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents import scoring
from agents.incident.claims import FactName, Op, Where
from agents.incident.clock import from_ms
from agents.incident.evidence import Evidence, Question, QuestionKind, Reading
from agents.incident.incident import Catalogue, Change, ChangeKind, Service
from agents.signatures.evaluate import Bench, Entity, Seen, Truth, judge, read, weights
from agents.signatures.model import Group, Refuter, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A signature on an entity: what is true of it, what speaks against it, how it scores."""

    signature: Signature
    entity: Entity
    true_groups: tuple[tuple[Group, tuple[Seen, ...]], ...]
    ratios: tuple[tuple[float, ...], ...]
    refuters: tuple[tuple[Refuter, Truth, tuple[Seen, ...]], ...]
    change: tuple[Change, Evidence] | None
    prior: float
    soft: int
    score: float

    @property
    def refuted(self) -> bool:
        """Whether a hard refuter fired."""
        return any(r.hard and truth is Truth.TRUE for r, truth, _ in self.refuters)


def weigh(signature: Signature, entity: Entity, bench: Bench, catalogue: Catalogue, at: datetime) -> Hypothesis:
    """*signature* held against *entity*."""
    verdicts = [(g, judge(g.condition, entity, bench, catalogue)) for g in signature.groups]
    true = [(g, v) for g, v in verdicts if v.truth is Truth.TRUE]
    refuters = [(r, judge(r.condition, entity, bench, catalogue)) for r in signature.refuters]
    change = _change(signature, entity, bench, at)
    prior = min(signature.base_rate * (signature.change_boost if change else 1.0), 0.5)
    ratios = tuple(weights(g, v) for g, v in true)
    soft = sum(1 for r, v in refuters if v.truth is Truth.TRUE and not r.hard)
    return Hypothesis(
        signature=signature,
        entity=entity,
        true_groups=tuple((g, tuple(s for s in v.seen if s.truth is Truth.TRUE)) for g, v in true),
        ratios=ratios,
        refuters=tuple((r, v.truth, v.seen) for r, v in refuters),
        change=change,
        prior=prior,
        soft=soft,
        score=scoring.score(prior, ratios, soft),
    )


def _change(signature: Signature, entity: Entity, bench: Bench, at: datetime) -> tuple[Change, Evidence] | None:
    """The newest change of the signature's kind on the entity inside its lookback."""
    if signature.change is None:
        return None
    question = Question(
        kind=QuestionKind.CHANGES, service=entity.service.name, environment=entity.service.environment
    )
    found = [
        (change, reader.evidence)
        for reader in bench.about(question)
        for change in map(_read_change, reader.changes())
        if change.kind is signature.change and at - signature.lookback <= change.at <= at
    ]
    return max(found, key=lambda pair: pair[0].at, default=None)


def _read_change(record: object) -> Change:
    assert isinstance(record, dict)  # noqa: S101  # the changes probe writes records
    return Change(
        id=record["id"],
        kind=ChangeKind(record["kind"]),
        service=record["service"],
        environment=record["environment"],
        at=from_ms(record["at_ms"]),
        artifact=record.get("artifact"),
        revision=record.get("revision"),
        previous_revision=record.get("previous_revision"),
        schema_version=record.get("schema_version"),
        note=record.get("note", ""),
    )


def carries(
    best: Hypothesis,
    score: float,
    groups: Sequence[Group],
    signals: int,
    alerted: Service,
    bench: Bench,
    catalogue: Catalogue,
    rivals: Sequence[Hypothesis],
) -> bool:
    """G11 two independent groups, one of the mechanism, two vantages; G12, G13; coverage; margin."""
    if signals < 2 or not any(g.mechanism for g in groups) or len({g.vantage for g in groups}) < 2:
        return False
    if any(r.required and truth is Truth.UNKNOWN for r, truth, _ in best.refuters):
        return False
    if not _path(alerted, best.entity.service, bench, catalogue):
        return False
    second = max([h.score for h in rivals], default=0.0)
    if score - max(second, scoring.OTHER) < scoring.MARGIN:
        return False
    return _coverage(best.entity.service, alerted, bench, catalogue) >= scoring.COVERAGE


def _path(symptom: Service, cause: Service, bench: Bench, catalogue: Catalogue) -> bool:
    """G13: from the symptom down to the cause every hop is in the graph and was seen in this evidence."""
    reached, waiting = {symptom.id}, [symptom]
    while waiting:
        at = waiting.pop()
        for callee in catalogue.callees(at):
            if callee.id not in reached and _hop_seen(at, callee, bench):
                reached.add(callee.id)
                waiting.append(callee)
    return cause.id in reached


def _hop_seen(caller: Service, callee: Service, bench: Bench) -> bool:
    question = asking(caller, "upstream_failure_ratio")
    return any(
        reader.evidence.reading in {Reading.SAW, Reading.SAW_SOME}
        and any(s.points for s in reader.matching(Where(upstream=callee.name)))
        for reader in bench.about(question)
    )


def _coverage(cause: Service, alerted: Service, bench: Bench, catalogue: Catalogue) -> float:
    """The share of services with errors that the cause explains: itself and whoever relies on it."""
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
    explained = [s for s in sick if s == cause or cause in catalogue.below(s)]
    return len(explained) / len(sick)


def asking(service: Service, quantity: str) -> Question:
    """The question for one quantity of one service."""
    return Question(
        kind=QuestionKind.QUANTITY, service=service.name, environment=service.environment, name=quantity
    )
