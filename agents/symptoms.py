"""What users feel, and what else left its past: facts that are told where no cause can be named."""

from collections.abc import Sequence

from agents import gates
from agents.anomaly import scan
from agents.hypotheses import asking
from agents.incident.catalogue import Catalogue, Service
from agents.incident.claims import FactName, MetricChange, MetricValue, Op, Where, cites
from agents.incident.evidence import Evidence
from agents.incident.finding import Said
from agents.incident.incident import Incident
from agents.saying import say
from agents.signatures.evaluate import Bench, Truth, read


def felt_now(service: Service, bench: Bench, catalogue: Catalogue) -> bool | None:
    """Whether users feel something now; ``None`` when no objective could be read."""
    answers = [
        read(reader, FactName.RECENT, Where(), Op.GT, bound)[0]
        for edge in catalogue.edges(service)
        for quantity, bound in edge.objectives.items()
        for reader in bench.about(asking(edge, quantity))
    ]
    if Truth.TRUE in answers:
        return True
    return False if Truth.FALSE in answers else None


def symptom_read(incident: Incident, service: Service, bench: Bench, catalogue: Catalogue) -> bool:
    """Whether the alert's own quantity is known and was read: only then may it be called over."""
    quantity = catalogue.symptoms.get(incident.title)
    return quantity is not None and any(
        read(reader, FactName.RECENT, Where(), Op.LE, edge.objectives.get(quantity, 0.0))[0] is Truth.TRUE
        for edge in catalogue.edges(service)
        for reader in bench.about(asking(edge, quantity))
    )


MAX_MOVED = 3


def moved_claims(bench: Bench, court: gates.Court, told: Sequence[Said]) -> tuple[Said, ...]:
    """What else left its past, the farthest first: facts for whoever goes on where no cause can be named."""
    known = {(reader.question.entity, reader.question.name) for reader in _asked(bench, told)}
    out: list[Said] = []
    for moved in scan(bench.readers.values()):
        evidence = moved.reader.evidence
        if (evidence.question.entity, evidence.question.name) in known or len(out) == MAX_MOVED:
            continue
        rises = moved.after > moved.before
        claim = MetricChange(
            evidence=evidence.id,
            entity=evidence.question.entity,
            where=Where(),
            before=moved.before,
            after=moved.after,
            onset=moved.reader.onset(Where()),
            op=Op.GE if rises else Op.LE,
            threshold=1.0,
        )
        if gates.judge(claim, court) is None:
            known.add((evidence.question.entity, evidence.question.name))
            out.append(Said(claim=claim, text=say(claim, dict(bench.readers))))
    return tuple(out)


def _asked(bench: Bench, told: Sequence[Said]) -> Sequence[Evidence]:
    return [bench.readers[e].evidence for said in told for e in cites(said.claim)]


def felt_claims(service: Service, bench: Bench, catalogue: Catalogue, court: gates.Court) -> tuple[Said, ...]:
    """What users feel, as facts: shown where no cause can be named."""
    out = []
    for edge in catalogue.edges(service):
        for quantity, bound in edge.objectives.items():
            # Of several probes the one that knows most of its own past is cited.
            answers = sorted(bench.about(asking(edge, quantity)), key=lambda r: -len(r.line(Where())))
            for reader in answers:
                truth, value = read(reader, FactName.RECENT, Where(), Op.GT, bound)
                if value is None or truth is Truth.UNKNOWN:
                    continue
                claim = MetricValue(
                    evidence=reader.evidence.id,
                    entity=edge.id,
                    fact=FactName.RECENT,
                    where=Where(),
                    value=value,
                    op=Op.GT if truth is Truth.TRUE else Op.LE,
                    threshold=bound,
                )
                if gates.judge(claim, court) is None:
                    out.append(Said(claim=claim, text=say(claim, dict(bench.readers))))
                    break
    return tuple(out)
