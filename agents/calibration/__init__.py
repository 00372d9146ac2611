"""How sure a raw score may make us: counts of labelled incidents, read with the standard library alone."""

from agents.calibration.beta import beta_quantile, error_bound, interval
from agents.calibration.counts import (
    Bin,
    Calibrated,
    Calibration,
    Curve,
    Isotonic,
    Label,
    Platt,
    logit,
    merged,
)
from agents.calibration.file import load

__all__ = [
    "Bin",
    "Calibrated",
    "Calibration",
    "Curve",
    "Isotonic",
    "Label",
    "Platt",
    "beta_quantile",
    "error_bound",
    "interval",
    "load",
    "logit",
    "merged",
]
