"""Whether a look-alike speaks against a fault at a place: the whole of the refuter, where the signature looks."""

from agents.gates.court import Court
from agents.incident.catalogue import Catalogue
from agents.signatures.evaluate import Bench, Entity, Seen, Truth, judge
from agents.signatures.model import Refuter, Subject


def firing(signature: str, entity: str, refuter: str, court: Court) -> tuple[Seen, ...]:
    """The numbers on which a hard refuter fires against *signature* on *entity*.

    None where the refuter as a whole is not true, where it only weighs, and where the fault could not be at all.
    """
    catalogue = court.catalogue
    if catalogue is None:
        return ()
    for subject, known in _refuters(signature, refuter, court):
        whom = _whom(entity, subject, catalogue)
        if whom is None:
            continue
        verdict = judge(known.condition, whom, Bench(court.readers.values()), catalogue)
        if verdict.truth is Truth.TRUE:
            return tuple(s for s in verdict.seen if s.truth is Truth.TRUE and s.predicate.quantity)
    return ()


def _refuters(signature: str, refuter: str, court: Court) -> tuple[tuple[Subject, Refuter], ...]:
    return tuple(
        (s.subject, r)
        for s in court.signatures
        if s.id == signature
        for r in s.refuters
        if r.id == refuter and r.hard
    )


def _whom(entity: str, subject: Subject, catalogue: Catalogue) -> Entity | None:
    """The service or replica of that name, if a fault of *subject* can be on it."""
    environment, _, rest = entity.partition("/")
    name, _, replica = rest.partition("/")
    service = catalogue.find(name, environment)
    if service is None:
        return None
    match subject:
        case Subject.REPLICA:
            fits = replica in {r.name for r in service.replicas}
        case Subject.EDGE:
            fits = service.edge and not replica
        case Subject.SERVICE:
            fits = not replica
    return Entity(service=service, replica=replica or None) if fits else None
