"""What may speak against a hypothesis: its refuters, and one question that tells it from the next."""

from collections.abc import Collection, Sequence

from agents.hypotheses import Hypothesis
from agents.incident.catalogue import Catalogue
from agents.incident.evidence import Question, Status
from agents.signatures.evaluate import Bench, places, question_of
from agents.signatures.model import Condition, predicates


def to_refute(
    leading: Hypothesis, runners_up: Sequence[Hypothesis], bench: Bench, catalogue: Catalogue
) -> tuple[Question, ...]:
    """Questions of its refuters that nobody has answered, then one that tells it from the next.

    Empty when all of them were answered: then they have been run.
    """
    answered = answered_by(bench)
    own = [q for r in leading.signature.refuters for q in _asked(r.condition, leading, catalogue)]
    open_ = [q for q in dict.fromkeys(own) if q not in answered]
    for rival in runners_up:
        theirs = [q for g in rival.signature.groups for q in _asked(g.condition, rival, catalogue)]
        telling = [q for q in theirs if q not in answered and q not in open_]
        if telling:
            return (*open_, telling[0])
    return tuple(open_)


def answered_by(bench: Bench) -> Collection[Question]:
    """Every question that some probe could look at."""
    return {e.question for e in bench.evidence() if e.status is not Status.ERROR}


def _asked(condition: Condition, hypothesis: Hypothesis, catalogue: Catalogue) -> list[Question]:
    return [
        question_of(p, service)
        for p in predicates(condition)
        for service, _ in places(p.on, hypothesis.entity, catalogue)
    ]
