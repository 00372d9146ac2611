"""From a raw score to a probability with a lower bound, by counting how often such scores were right.

Coarse Beta-binomial bins with a Beta(2, 2) prior: what small numbers of labelled incidents can carry.
"""

from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.incident.errors import BadInput

PRIOR = 2
LOWER_QUANTILE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Labelled incidents whose raw score fell in [low, high)."""

    low: float
    high: float
    right: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """``p`` is the mean, ``p_low`` the 5% quantile, ``n`` the labelled incidents behind both."""

    p: float
    p_low: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The counts of one table and where they come from."""

    source: str
    bins: tuple[Bin, ...]

    def read(self, score: float) -> Calibrated:
        """The probability that a hypothesis with this raw score is right."""
        for b in self.bins:
            if b.low <= score < b.high:
                right, wrong = b.right + PRIOR, b.total - b.right + PRIOR
                return Calibrated(
                    p=right / (right + wrong), p_low=beta_quantile(LOWER_QUANTILE, right, wrong), n=b.total
                )
        return Calibrated(p=0.5, p_low=beta_quantile(LOWER_QUANTILE, PRIOR, PRIOR), n=0)


def beta_quantile(q: float, a: int, b: int) -> float:
    """The *q* quantile of Beta(a, b) for whole a and b, to 1e-9.

    For whole parameters the distribution function is a binomial tail, so no special function is needed.
    """
    n = a + b - 1
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        x = (low + high) / 2
        below = sum(comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
        low, high = (x, high) if below < q else (low, x)
    return (low + high) / 2


class _Bin(BaseModel):
    model_config = ConfigDict(extra="forbid")
    low: float
    high: float
    right: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_: Annotated[int, Field(alias="schema", ge=1, le=1)]
    source: str
    bins: list[_Bin]


def load(path: Path) -> Calibration:
    """The table in *path*; ``BadInput`` when counts or bins do not hold together."""
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: {error}") from error
    for b in file.bins:
        if b.right > b.total or b.low >= b.high:
            raise BadInput(f"{path}: bin {b.low}–{b.high} has {b.right} right of {b.total}")
    return Calibration(
        source=file.source,
        bins=tuple(Bin(low=b.low, high=b.high, right=b.right, total=b.total) for b in file.bins),
    )
