"""A chart whose text is only text, and whose numbers and times can be reckoned with."""

import math
import unicodedata
from dataclasses import replace

from bot.surfaces.ports import Chart

_ABSENT = {ord("→"): "›", ord("⸺"): "—", ord("⸻"): "—"}  # not in the font, or wider than two letters
_FIRST_MS, _LAST_MS = -62_135_596_800_000.0, 253_402_300_799_000.0  # what a datetime can hold
_HUGE, _TINY = 1e300, 1e-290  # so that no sum, quotient or power leaves the floats


def tame(chart: Chart) -> Chart:
    """*chart* with text that is only text, and numbers that can be reckoned with."""
    onset = chart.onset
    return replace(
        chart,
        caption=clean(chart.caption),
        points=tuple((datable(t), _size(v)) for t, v in chart.points if math.isfinite(t) and math.isfinite(v)),
        threshold=_size(chart.threshold) if chart.threshold is not None else None,
        onset=(datable(min(onset)), datable(max(onset))) if onset is not None else None,
        marks=tuple(replace(m, at_ms=datable(m.at_ms), label=clean(m.label)) for m in chart.marks),
    )


def datable(ms: float) -> float:
    """*ms* within what a datetime can hold."""
    return min(max(ms, _FIRST_MS), _LAST_MS)


def _size(value: float) -> float:
    return 0.0 if abs(value) < _TINY else min(max(value, -_HUGE), _HUGE)


def clean(text: str) -> str:
    """*text* on one line, without what controls, reorders, joins or stacks characters."""
    flat = unicodedata.normalize("NFC", text[:2000]).translate(_ABSENT)
    kept = (
        " " if kind[0] == "Z" or char in "\t\n\r" else char
        for char in flat
        if (kind := unicodedata.category(char))[0] != "C" or char in "\t\n\r"
        if kind not in {"Mn", "Me"}
    )
    return " ".join("".join(kept).split())
