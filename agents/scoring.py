"""How strongly the evidence speaks for a hypothesis: log-odds, capped per group. Never a vote count."""

import math
from collections.abc import Sequence

OTHER = 0.30
"""The open world: the prior of "something else", which no evidence raises."""

CAP = math.log(20)
SOFT_REFUTER = math.log(1 / 6)
MARGIN = 0.25
COVERAGE = 0.7

LEAK = 0.05
"""How often a symptom shows without any of its known causes: a starting value."""


def score(prior: float, groups: Sequence[Sequence[float]], soft_refuters: int) -> float:
    """Raw probability from a prior, the likelihood ratios of each true group (strongest first), and refuters.

    Inside a group the strongest counts whole and the second a quarter: correlated readings share weight.
    """
    logit = math.log(prior / (1 - prior)) + soft_refuters * SOFT_REFUTER
    for ratios in groups:
        if ratios:
            weight = math.log(ratios[0]) + (math.log(ratios[1]) / 4 if len(ratios) > 1 else 0)
            logit += max(-CAP, min(CAP, weight))
    return 1 / (1 + math.exp(-logit))


def explained_away(ratio: float, by: float) -> float:
    """What is left of a symptom's likelihood ratio for one cause when another, with its own ratio *by*, is there.

    Noisy-OR: P(symptom | causes) = 1 - (1 - leak)(1 - w)(1 - v), each w from its ratio alone. Never above *ratio*,
    never below 1.
    """
    alone, other = _strength(ratio), _strength(by)
    both = 1 - (1 - LEAK) * (1 - alone) * (1 - other)
    return both / (1 - (1 - LEAK) * (1 - other))


def _strength(ratio: float) -> float:
    """How likely a cause alone brings the symptom about, from P(symptom | cause) / leak."""
    return 1 - (1 - min(ratio * LEAK, 0.99)) / (1 - LEAK) if ratio > 1 else 0.0
