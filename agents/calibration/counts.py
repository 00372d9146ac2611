"""From a raw score to a probability with a lower bound, by counting how often such scores were right.

Coarse Beta-binomial bins with a Beta(2, 2) prior carry small numbers of labelled incidents; the lower bound is
always read from them. Where a curve was fitted to many labels (``tests/evals/calibrators.py``), it gives the mean.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from types import MappingProxyType

from agents.calibration.beta import LOWER, beta_quantile

PRIOR = 2

BORROWED = 24
"""Up to so many labels a family takes from the others in a bin; each of its own displaces one. It shrinks a family
with few labels to the rate of all, and lets one with many speak for itself."""

_EDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Labelled incidents whose raw score fell in [low, high); ``local`` of them were labelled here."""

    low: float
    high: float
    right: int
    total: int
    local: int = 0

    @property
    def replayed(self) -> int:
        """How many came with the release."""
        return self.total - self.local


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One finding that named a cause, and whether that was the cause."""

    score: float
    right: bool
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """A logistic curve over the logit of the score."""

    slope: float
    intercept: float

    def read(self, score: float) -> float:
        """The probability at *score*."""
        at = self.slope * logit(score) + self.intercept
        return 1 / (1 + exp(-at)) if at >= 0 else exp(at) / (1 + exp(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """A rising curve through *knots* (score, probability), straight between them and level outside."""

    knots: tuple[tuple[float, float], ...]

    def read(self, score: float) -> float:
        """The probability at *score*."""
        scores = [at for at, _ in self.knots]
        place = bisect_left(scores, score)
        if place == 0:
            return self.knots[0][1]
        if place == len(scores):
            return self.knots[-1][1]
        (left, low), (right, high) = self.knots[place - 1], self.knots[place]
        return low + (high - low) * (score - left) / (right - left)


Curve = Platt | Isotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """``p`` is the mean, ``p_low`` the 5% quantile, ``n`` the labelled incidents behind both.

    ``replayed`` of them came with the release, the others were labelled here.
    """

    p: float
    p_low: float
    n: int
    replayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The counts of one table and where they come from: pooled, and by family of signatures where that is known.

    ``families`` count labels that ``bins`` count too. ``curve`` was fitted to the shipped labels.
    """

    source: str
    bins: tuple[Bin, ...]
    families: Mapping[str, tuple[Bin, ...]] = field(default_factory=lambda: MappingProxyType({}))
    curve: Curve | None = None

    def read(self, score: float, family: str = "") -> Calibrated:
        """The probability that a hypothesis of this *family* with this raw score is right.

        Where no family is named, or none is counted by itself, it is read from all together.
        """
        pooled = _at(self.bins, score)
        if pooled is None:
            return Calibrated(p=0.5, p_low=beta_quantile(LOWER, PRIOR, PRIOR), n=0)
        counted = pooled
        if family and self.families:
            own = _at(self.families.get(family, ()), score)
            counted = shrunk(own or replace(pooled, right=0, total=0, local=0), pooled)
        right, wrong = counted.right + PRIOR, counted.total - counted.right + PRIOR
        p_low = beta_quantile(LOWER, right, wrong)
        p = right / (right + wrong)
        if self.curve is not None and counted.local == 0:
            p = max(self.curve.read(score), p_low)
        return Calibrated(p=p, p_low=p_low, n=counted.total, replayed=counted.replayed)


def logit(score: float) -> float:
    """Log-odds of *score*, which is kept a millionth away from both ends."""
    kept = min(max(score, _EDGE), 1 - _EDGE)
    return log(kept / (1 - kept))


def shrunk(own: Bin, pooled: Bin) -> Bin:
    """*own* counts of a family, filled up to BORROWED labels at the rate at which the others were right.

    What is borrowed is called replayed: nobody here labelled it for this family.
    """
    total = max(0, pooled.total - own.total)
    # Rounding after displacement can leave the rest a label short or over.
    right = min(total, max(0, pooled.right - own.right))
    some = _thinned(replace(pooled, right=right, total=total), max(0, min(total, BORROWED - own.total)))
    return replace(own, right=own.right + some.right, total=own.total + some.total)


def merged(shipped: Calibration, local: Iterable[Label]) -> Calibration:
    """*shipped* with the labels given here: in each bin every one of them displaces one that was shipped.

    What is left of the shipped ones keeps their rate, rounded against us.
    """
    labels = tuple(local)
    if not labels:
        return shipped
    empty = tuple(replace(b, right=0, total=0) for b in shipped.bins)
    families = {
        name: _displaced(_filled(bins, empty), [x for x in labels if x.family == name])
        for name, bins in shipped.families.items()
    }
    for name in sorted({x.family for x in labels} - {"", *families}):
        families[name] = _displaced(empty, [x for x in labels if x.family == name])
    return replace(shipped, bins=_displaced(shipped.bins, labels), families=MappingProxyType(families))


def _filled(own: Sequence[Bin], empty: Sequence[Bin]) -> tuple[Bin, ...]:
    """All bins of a family: those that it counts, and empty ones where it counts nothing yet."""
    known = {(b.low, b.high): b for b in own}
    return tuple(known.get((b.low, b.high), b) for b in empty)


def _displaced(bins: Sequence[Bin], labels: Sequence[Label]) -> tuple[Bin, ...]:
    out = []
    for b in bins:
        mine = [x for x in labels if b.low <= x.score < b.high]
        left = _thinned(b, max(0, b.total - len(mine)))
        right = left.right + sum(x.right for x in mine)
        out.append(replace(b, right=right, total=left.total + len(mine), local=len(mine)))
    return tuple(out)


def _thinned(b: Bin, total: int) -> Bin:
    """*b* with *total* of its labels, as many of them right as its rate says, rounded down."""
    return replace(b, right=b.right * total // b.total if b.total else 0, total=total)


def _at(bins: Iterable[Bin], score: float) -> Bin | None:
    return next((b for b in bins if b.low <= score < b.high), None)
