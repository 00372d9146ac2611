"""From labels to a table: counts per bin and family, and the curve that so many labels can carry."""

from collections.abc import Callable, Sequence
from math import exp, log
from types import MappingProxyType

from agents.calibration import Bin, Calibration, Curve, Isotonic, Label, Platt, logit

BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
PLATT_FROM = 30
ISOTONIC_FROM = 1000
BENT = 0.07
"""Platt's curve is bent where a rising curve lies further from it than this, weighed over the labels."""

_STEPS = 100

Fit = Callable[[Sequence[Label]], Calibration]


def counted(labels: Sequence[Label], source: str) -> Calibration:
    """The counts of *labels*, pooled and by family, with the curve of their number."""
    families = sorted({x.family for x in labels} - {""})
    return Calibration(
        source=source,
        bins=_bins(labels),
        families=MappingProxyType({name: _bins([x for x in labels if x.family == name]) for name in families}),
        curve=curve(labels),
    )


def curve(labels: Sequence[Label]) -> Curve | None:
    """None under 30 labels or with one verdict only; Platt up to 1,000, unless it is bent; isotonic beyond."""
    if len(labels) < PLATT_FROM or len({x.right for x in labels}) < 2:
        return None
    if len(labels) > ISOTONIC_FROM:
        return isotonic(labels)
    fitted = platt(labels)
    if len(labels) >= 10 * PLATT_FROM and bend(labels, fitted) > BENT:
        return isotonic(labels)
    return fitted


def platt(labels: Sequence[Label]) -> Platt:
    """The logistic curve of greatest likelihood over the logit of the score, by Newton's steps.

    Verdicts are drawn a little towards the middle, (right + 1) / (right + 2) and 1 / (wrong + 2), as Platt
    proposed, so that labels which a score parts cleanly do not ask for an endless slope. A falling curve is held
    level.
    """
    right = sum(x.right for x in labels)
    high, low = (right + 1) / (right + 2), 1 / (len(labels) - right + 2)
    points = [(logit(x.score), high if x.right else low) for x in labels]
    slope, intercept = 0.0, log((right + 1) / (len(labels) - right + 1))
    for _ in range(_STEPS):
        step = _newton(points, slope, intercept)
        slope, intercept = slope + step[0], intercept + step[1]
        if max(map(abs, step)) < 1e-10:
            break
    if slope < 0:
        share = sum(t for _, t in points) / len(points)
        return Platt(slope=0.0, intercept=log(share / (1 - share)))
    return Platt(slope=slope, intercept=intercept)


def _newton(points: Sequence[tuple[float, float]], slope: float, intercept: float) -> tuple[float, float]:
    """One step, halved until it does not worsen the fit."""
    g0 = g1 = h00 = h01 = h11 = 0.0
    for at, target in points:
        p = _sigmoid(slope * at + intercept)
        weight = max(p * (1 - p), 1e-12)
        g0, g1 = g0 + (target - p) * at, g1 + (target - p)
        h00, h01, h11 = h00 + weight * at * at, h01 + weight * at, h11 + weight
    h00, h11 = h00 + 1e-9, h11 + 1e-9
    whole = h00 * h11 - h01 * h01
    d0, d1 = (h11 * g0 - h01 * g1) / whole, (h00 * g1 - h01 * g0) / whole
    before, share = _loss(points, slope, intercept), 1.0
    while share > 1e-6 and _loss(points, slope + share * d0, intercept + share * d1) > before + 1e-12:
        share /= 2
    return share * d0, share * d1


def _loss(points: Sequence[tuple[float, float]], slope: float, intercept: float) -> float:
    total = 0.0
    for at, target in points:
        z = slope * at + intercept
        total += max(z, 0) - target * z + log(1 + exp(-abs(z)))
    return total


def _sigmoid(z: float) -> float:
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


def isotonic(labels: Sequence[Label]) -> Isotonic:
    """The rising steps nearest to the verdicts, by pooling neighbours that fall; a knot at each step's ends."""
    at: dict[float, list[bool]] = {}
    for x in labels:
        at.setdefault(x.score, []).append(x.right)
    blocks: list[list[float]] = []  # first score, last score, right, labels
    for score in sorted(at):
        blocks.append([score, score, float(sum(at[score])), float(len(at[score]))])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][3] >= blocks[-1][2] * blocks[-2][3]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0], last[1], blocks[-1][2] + last[2], blocks[-1][3] + last[3]]
    knots: list[tuple[float, float]] = []
    for first, last_score, right, total in blocks:
        knots.append((first, right / total))
        if last_score > first:
            knots.append((last_score, right / total))
    return Isotonic(knots=tuple(knots))


def bend(labels: Sequence[Label], fitted: Platt) -> float:
    """How far a rising curve lies from Platt's, on average over the labels."""
    steps = isotonic(labels)
    return sum(abs(steps.read(x.score) - fitted.read(x.score)) for x in labels) / len(labels)


def left_out(labels: Sequence[Label], fit: Fit) -> list[float]:
    """For each label the probability that it is given by all others, so that none vouches for itself."""
    out = []
    for n, label in enumerate(labels):
        others = [*labels[:n], *labels[n + 1 :]]
        out.append(fit(others).read(label.score, label.family).p)
    return out


def _bins(labels: Sequence[Label]) -> tuple[Bin, ...]:
    return tuple(
        Bin(low=low, high=high, right=sum(x.right for x in mine), total=len(mine))
        for low, high in BINS
        for mine in ([x for x in labels if low <= x.score < high],)
    )
