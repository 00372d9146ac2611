"""Values and times as the axes and the labels write them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from agents.incident.quantities import QUANTITIES, SHARES
from agents.render import clock, number
from bot.surfaces.chart.plot import Plot
from bot.surfaces.chart.tame import clean, datable
from bot.surfaces.ports import Chart

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def value_ticks(chart: Chart, *, count: int) -> tuple[list[float], list[str]]:
    """Round values from zero to beyond the data, and how they are written.

    The axis holds zero, and at least four times the smallest change worth the word, so that noise looks like it.
    """
    values = [v for _, v in chart.points] + ([chart.threshold] if chart.threshold is not None else [])
    known = QUANTITIES.get(chart.quantity)
    lo, hi = min(values, default=0.0), max(values, default=0.0)
    least = 4 * known.floor if known is not None else 0.0
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if hi - lo < least or hi == lo:
        lo, hi = (lo, max(hi, lo + (least or 1.0))) if hi > 0 or lo == 0 else (min(lo, -least or -1.0), hi)
    whole = known is not None and known.unit == ""
    raw = (hi - lo) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(f * size for f in (1, 2, 2.5, 5, 10) if f * size >= raw * (1 - 1e-9))
    if whole and step < 10:
        step = 5.0 if step == 2.5 else max(1.0, step)
    ticks = [n * step for n in range(math.floor(lo / step + 1e-9), math.ceil(hi / step - 1e-9) + 1)]
    return ticks, _labels(ticks, step, chart.quantity)


def _labels(ticks: Sequence[float], step: float, quantity: str) -> list[str]:
    times = 100 if quantity in SHARES else 1
    top = max(abs(t) for t in ticks) * times
    size, letter = _prefix(top)
    suffix = letter + _suffix(quantity)
    if top >= 1e15 or top < 1e-3:
        return [_short(t * times) + (_suffix(quantity) if t else "") for t in ticks]
    fine = step * times / size
    digits = next((d for d in range(9) if math.isclose(fine, round(fine, d), rel_tol=1e-6)), 9)
    return [f"{t * times / size:.{digits}f}{suffix}" if t else f"0{_suffix(quantity)}" for t in ticks]


def _prefix(top: float) -> tuple[float, str]:
    if top >= 1e4:
        for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if top >= size:
                return size, letter
    return 1.0, ""


def _short(value: float) -> str:
    return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _suffix(quantity: str) -> str:
    if quantity in SHARES:
        return "%"
    unit = QUANTITIES[quantity].unit if quantity in QUANTITIES else ""
    return unit if unit.startswith("/") else " s" if unit == "s" else ""


def shown(value: float, quantity: str) -> str:
    """*value* as the text of the finding writes it, unless that would be all zeros or a row of digits."""
    times = 100 if quantity in SHARES else 1
    seen = abs(value) * times
    least = 5e-5 if _suffix(quantity) == " s" else 0.05
    if seen < 1e5 and (seen == 0 or seen >= least):
        return number(value or 0.0, quantity)
    size, letter = _prefix(seen) if seen < 1e15 else (1.0, "")
    return f"{_short(value * times / size)}{letter}{_suffix(quantity)}"


def axis_title(chart: Chart) -> str:
    """What the y axis counts; the quantity's name too unless the caption holds it."""
    known = QUANTITIES.get(chart.quantity)
    if chart.quantity in SHARES:
        unit = "percent"
    elif known is not None and known.unit == "/s":
        unit = "per second"
    elif known is not None and known.unit == "s":
        unit = "seconds"
    else:
        unit = "ratio" if known is not None and known.unit == "ratio" else "count" if known is not None else ""
    title = known.title if known is not None else clean(chart.quantity)
    return unit if unit and title in chart.caption else f"{title}, {unit}" if unit else title


def time_ticks(plot: Plot) -> Iterator[tuple[float, str]]:
    """Round times along the plot, and how they are written."""
    span_s = (plot.t1 - plot.t0) / 1000
    steps = (s for s in _STEPS_S if s / span_s * (plot.right - plot.left) >= (66 if s >= 60 else 86))
    step = next(steps, 0) or 86400 * math.ceil(span_s * 66 / (plot.right - plot.left) / 86400)
    at = math.ceil(plot.t0 / 1000 / step) * step
    while at * 1000 <= plot.t1:
        moment = utc(at * 1000.0)
        midnight = span_s > 86400 and at % 86400 == 0
        text = moment.strftime("%d %b") if midnight else clock(moment)[: 8 if step < 60 else 5]
        yield at * 1000.0, text
        at += step


def utc(ms: float) -> datetime:
    """*ms* since 1970 as a time that a datetime can hold."""
    return _EPOCH + timedelta(milliseconds=datable(ms))
