"""config/calibration.yaml: read and checked. ``tests/evals/calibrate.py`` writes it."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents import documents
from agents.calibration.counts import Bin, Calibration, Curve, Isotonic, Platt
from agents.incident.errors import BadInput


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Bin(_Strict):
    low: float
    high: float
    right: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class _Platt(_Strict):
    kind: Literal["platt"]
    slope: Annotated[float, Field(ge=0)]
    intercept: float


class _Isotonic(_Strict):
    kind: Literal["isotonic"]
    knots: Annotated[list[tuple[float, Annotated[float, Field(ge=0, le=1)]]], Field(min_length=1)]


class Provenance(_Strict):
    """Which labels were counted, how many, when, and with which code."""

    data: str
    labels: Annotated[int, Field(ge=0)]
    made: str
    commit: str


class _File(_Strict):
    schema_: Annotated[int, Field(alias="schema", ge=1, le=1)]
    source: str
    provenance: Provenance | None = None
    bins: list[_Bin]
    families: dict[str, list[_Bin]] = {}
    curve: Annotated[_Platt | _Isotonic, Field(discriminator="kind")] | None = None


def load(path: Path) -> Calibration:
    """The table in *path*; ``BadInput`` when counts, bins or the curve do not hold together."""
    try:
        file = _File.model_validate(documents.read(path))
    except (FileNotFoundError, ValidationError) as error:
        raise BadInput(f"{path}: {error}") from error
    bins = _bins(path, "", file.bins)
    families = {name: _bins(path, f"{name}: ", given) for name, given in file.families.items()}
    for name, own in families.items():
        _within(path, name, own, bins)
    return Calibration(
        source=file.source, bins=bins, families=MappingProxyType(families), curve=_curve(path, file.curve)
    )


def _bins(path: Path, where: str, given: Sequence[_Bin]) -> tuple[Bin, ...]:
    for b in given:
        if b.right > b.total or b.low >= b.high:
            raise BadInput(f"{path}: {where}bin {b.low}–{b.high} has {b.right} right of {b.total}")
    for before, after in pairwise(given):
        if before.high > after.low:
            raise BadInput(
                f"{path}: {where}bin {after.low}–{after.high} overlaps the one before it; sort and part them"
            )
    return tuple(Bin(low=b.low, high=b.high, right=b.right, total=b.total) for b in given)


def _within(path: Path, name: str, own: Sequence[Bin], pooled: Sequence[Bin]) -> None:
    """A family counts what all together count too."""
    whole = {(b.low, b.high): b for b in pooled}
    for b in own:
        of = whole.get((b.low, b.high))
        if of is None or b.right > of.right or b.total - b.right > of.total - of.right:
            raise BadInput(
                f"{path}: family {name} has labels in {b.low}–{b.high} that the pooled bins do not have"
            )


def _curve(path: Path, given: _Platt | _Isotonic | None) -> Curve | None:
    match given:
        case None:
            return None
        case _Platt():
            return Platt(slope=given.slope, intercept=given.intercept)
        case _Isotonic():
            for (left, low), (right, high) in pairwise(given.knots):
                if left >= right or low > high:
                    raise BadInput(f"{path}: the isotonic curve falls, or its knots are not in order, at {right}")
            return Isotonic(knots=tuple(given.knots))
