"""The Beta distribution with whole parameters: what counts of right and wrong say about a rate."""

from math import exp, lgamma, log

LOWER = 0.05


def beta_quantile(q: float, a: int, b: int) -> float:
    """The *q* quantile of Beta(a, b) for whole a and b of at least 1, to 1e-9.

    For whole parameters the distribution function is a binomial tail, so no special function is needed; terms are
    made from logarithms, so counts of many thousands neither overflow nor vanish.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        x = (low + high) / 2
        low, high = (x, high) if _below(x, a, b) < q else (low, x)
    return (low + high) / 2


def error_bound(wrong: int, total: int, confidence: float = 0.95) -> float:
    """The one-sided Clopper–Pearson upper bound on a rate of errors; 1 where all, or none at all, are counted."""
    if wrong >= total:
        return 1.0
    return beta_quantile(confidence, wrong + 1, total - wrong)


def interval(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided Clopper–Pearson interval of a rate."""
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, right, total - right + 1) if right > 0 else 0.0
    high = beta_quantile(1 - tail, right + 1, total - right) if right < total else 1.0
    return low, high


def _below(x: float, a: int, b: int) -> float:
    """The share of Beta(a, b) below *x*: at least a of a + b - 1 trials, summed over the shorter tail."""
    n = a + b - 1
    if b <= a:
        return _terms(x, n, range(a, n + 1))
    return 1 - _terms(x, n, range(a))


def _terms(x: float, n: int, counts: range) -> float:
    up, down, whole = log(x), log(1 - x), lgamma(n + 1)
    return sum(exp(whole - lgamma(j + 1) - lgamma(n - j + 1) + j * up + (n - j) * down) for j in counts)
