"""A signature held against evidence: which conditions are true, which false, which cannot be told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agents.facts import Reader
from agents.incident.catalogue import Catalogue, Service
from agents.incident.claims import FactName, Op, Where
from agents.incident.evidence import Evidence, Question, QuestionKind, Status
from agents.incident.finding import Criterion
from agents.signatures.model import (
    LIKELIHOOD_RATIO,
    All,
    Condition,
    Group,
    On,
    Predicate,
    Signature,
    Subject,
    predicates,
)


class Truth(StrEnum):
    """Three answers; unknown is missing evidence and never a no."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What a hypothesis convicts: a service, or one replica of it."""

    service: Service
    replica: str | None = None

    @property
    def id(self) -> str:
        """``environment/service`` or ``environment/service/replica``."""
        return f"{self.service.id}/{self.replica}" if self.replica else self.service.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One predicate's answer from one piece of evidence."""

    predicate: Predicate
    reader: Reader
    where: Where
    value: float
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A condition's answer and the readings behind it."""

    truth: Truth
    seen: tuple[Seen, ...]


def entities(signature: Signature, alerted: Service, catalogue: Catalogue) -> tuple[Entity, ...]:
    """Whom this signature could convict for an alert on *alerted*: itself and what it relies on."""
    match signature.subject:
        case Subject.SERVICE:
            return tuple(Entity(service=s) for s in catalogue.below(alerted))
        case Subject.REPLICA:
            return tuple(
                Entity(service=s, replica=r.name)
                for s in catalogue.below(alerted)
                if len(s.replicas) > 1
                for r in s.replicas
            )
        case Subject.EDGE:
            return tuple(Entity(service=s) for s in catalogue.edges(alerted))


def places(on: On, entity: Entity, catalogue: Catalogue) -> tuple[tuple[Service, Where], ...]:
    """The services to ask and the series meant there."""
    service, replica = entity.service, entity.replica
    match on:
        case On.SELF:
            return ((service, Where(instance=replica)),)
        case On.PEERS:
            return ((service, Where(not_instance=replica)),) if replica else ()
        case On.CALLERS:
            where = Where(upstream=service.name, upstream_instance=replica)
            return tuple((s, where) for s in catalogue.callers(service))
        case On.CALLERS_TO_PEERS:
            where = Where(upstream=service.name, not_upstream_instance=replica)
            return tuple((s, where) for s in catalogue.callers(service)) if replica else ()
        case On.CALLEES:
            return ((service, Where()),) if catalogue.callees(service) else ()
        case On.EDGE:
            return tuple((s, Where()) for s in catalogue.edges(service))
        case On.BELOW:
            return tuple((s, Where()) for s in catalogue.below(service)[1:])


def questions(signature: Signature, alerted: Service, catalogue: Catalogue) -> set[Question]:
    """Everything this signature would like to know for an alert on *alerted*."""
    wanted: set[Question] = set()
    conditions = [g.condition for g in signature.groups] + [r.condition for r in signature.refuters]
    for entity in entities(signature, alerted, catalogue):
        for predicate in (p for c in conditions for p in predicates(c)):
            wanted |= {question_of(predicate, service) for service, _ in places(predicate.on, entity, catalogue)}
        for criterion in criteria(signature, entity, catalogue):
            wanted.add(
                Question(
                    kind=QuestionKind.QUANTITY,
                    service=criterion.service,
                    environment=criterion.environment,
                    name=criterion.quantity,
                )
            )
        if signature.change:
            wanted.add(
                Question(
                    kind=QuestionKind.CHANGES,
                    service=entity.service.name,
                    environment=entity.service.environment,
                )
            )
    return wanted


def question_of(predicate: Predicate, service: Service) -> Question:
    """What *predicate* asks of *service*."""
    return Question(
        kind=QuestionKind.QUANTITY if predicate.quantity else QuestionKind.LOG,
        service=service.name,
        environment=service.environment,
        name=predicate.quantity or predicate.log,
    )


class Bench:
    """The evidence of one incident, found by question."""

    def __init__(self, readers: Iterable[Reader]) -> None:
        self._by_question: dict[Question, list[Reader]] = {}
        self.readers: Mapping[str, Reader] = {}
        kept: dict[str, Reader] = {}
        for reader in readers:
            kept[reader.evidence.id] = reader
            self._by_question.setdefault(reader.evidence.question, []).append(reader)
        self.readers = kept

    def about(self, question: Question) -> Sequence[Reader]:
        """Every answer to *question*, one a probe."""
        return self._by_question.get(question, ())

    def evidence(self) -> tuple[Evidence, ...]:
        """Everything held."""
        return tuple(r.evidence for r in self.readers.values())


def read(reader: Reader, fact: FactName, where: Where, op: Op, threshold: float) -> tuple[Truth, float | None]:
    """A fact against a threshold under the rules of completeness.

    What was cut short may show that something is there, never that it is not. Nothing seen is a zero only
    for a source known to be alive. A ratio that was read whole and had nothing to divide by (no calls made)
    is above no threshold: false, without a number.
    """
    status = reader.evidence.status
    if status is Status.ERROR:
        return Truth.UNKNOWN, None
    if status is Status.EMPTY and reader.evidence.question.kind is not QuestionKind.LOG:
        return Truth.UNKNOWN, None
    if status is Status.EMPTY and reader.evidence.alive is not True:
        return Truth.UNKNOWN, None
    value = reader.value(fact, where)
    if value is None:
        idle = status is Status.COMPLETE and op in {Op.GT, Op.GE} and reader.idle(where)
        return (Truth.FALSE if idle else Truth.UNKNOWN), None
    if op.holds(value, threshold):
        cut = status in {Status.TRUNCATED, Status.PARTIAL}
        if cut and op not in {Op.GT, Op.GE}:
            return Truth.UNKNOWN, value
        return Truth.TRUE, value
    if status in {Status.TRUNCATED, Status.PARTIAL}:
        return Truth.UNKNOWN, value
    return Truth.FALSE, value


def judge(condition: Condition, entity: Entity, bench: Bench, catalogue: Catalogue) -> Verdict:
    """*condition* for *entity*, with every reading that was used."""
    if isinstance(condition, Predicate):
        return _leaf(condition, entity, bench, catalogue)
    verdicts = [judge(part, entity, bench, catalogue) for part in condition.parts]
    truths = [v.truth for v in verdicts]
    decisive = Truth.FALSE if isinstance(condition, All) else Truth.TRUE
    other = Truth.TRUE if decisive is Truth.FALSE else Truth.FALSE
    if decisive in truths:
        truth = decisive
    elif Truth.UNKNOWN in truths:
        truth = Truth.UNKNOWN
    else:
        truth = other
    return Verdict(truth=truth, seen=tuple(s for v in verdicts for s in v.seen))


def _leaf(predicate: Predicate, entity: Entity, bench: Bench, catalogue: Catalogue) -> Verdict:
    seen = []
    where_to = places(predicate.on, entity, catalogue)
    truths = set() if where_to else {Truth.FALSE}  # the graph knows no such place, so nothing happens there
    for service, where in where_to:
        for reader in bench.about(question_of(predicate, service)):
            truth, value = read(reader, predicate.fact, where, predicate.op, predicate.value)
            truths.add(truth)
            if value is not None and truth is not Truth.UNKNOWN:
                seen.append(Seen(predicate=predicate, reader=reader, where=where, value=value, truth=truth))
    truth = Truth.TRUE if Truth.TRUE in truths else Truth.FALSE if Truth.FALSE in truths else Truth.UNKNOWN
    return Verdict(truth=truth, seen=tuple(seen))


def weights(group: Group, verdict: Verdict) -> tuple[float, ...]:
    """The likelihood ratio of each true predicate of a true group, strongest first."""
    ratios = {
        s.predicate: LIKELIHOOD_RATIO[s.predicate.strength or group.strength]
        for s in verdict.seen
        if s.truth is Truth.TRUE
    }
    return tuple(sorted(ratios.values(), reverse=True))


def criteria(signature: Signature, entity: Entity, catalogue: Catalogue) -> tuple[Criterion, ...]:
    """The file's recovery checks, tied to *entity*."""
    return tuple(
        Criterion(
            role=check.role,
            quantity=check.quantity,
            service=service.name,
            environment=service.environment,
            where=where,
            fact=check.fact,
            op=check.op,
            threshold=check.value,
            of_baseline=check.of_baseline,
        )
        for check in signature.checks
        for service, where in places(check.on, entity, catalogue)
    )
