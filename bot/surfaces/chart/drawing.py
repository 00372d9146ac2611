"""What is drawn, as the pieces of an SVG document."""

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from agents.render import clock
from bot.surfaces.chart.flags import FLAG, Flag, Kind, flags_of, placed
from bot.surfaces.chart.lettering import CAPTION, TEXT, VALUE, cut, measure, wrapped
from bot.surfaces.chart.plot import PAD, Plot, band_of, strokes_of, window
from bot.surfaces.chart.scale import axis_title, shown, time_ticks, utc, value_ticks
from bot.surfaces.chart.theme import Theme, style
from bot.surfaces.ports import Chart

LINE = 25  # from one line of the caption to the next
LANE = 21  # height of one row of labels above the plot
LANES = 3
DESC = 240  # the longest name in the description, in characters

_SYMBOLS: dict[Kind, str] = {
    "change": "M{x} {a}L{r} {b}L{l} {b}Z",
    "action": "M{x} {a}L{r} {y}L{x} {b}L{l} {y}Z",
    "onset": "M{l} {a}H{r}V{b}H{l}Z",
}


def draw(chart: Chart, theme: Theme, width: int, height: int) -> Iterator[str]:
    """The whole picture, piece by piece."""
    last = shown(chart.points[-1][1], chart.quantity) if chart.points else ""
    limit = shown(chart.threshold, chart.quantity) if chart.threshold is not None else ""
    aside = max(
        66.0,  # room for "UTC" beside the last time
        measure(last, VALUE) + 10,
        max(measure("threshold", TEXT), measure(limit, TEXT)) + 10 if limit else 0,
    )
    ticks, labels = value_ticks(chart, count=max(2, min(5, (height - 130) // 48)))
    caption = wrapped(chart.caption, width - 2 * PAD, CAPTION, lines=2 if height >= 250 else 1)
    head = 33 + LINE * (len(caption) - 1)  # where the caption ends
    t0, t1 = window(chart)
    plot = Plot(
        left=PAD + max(measure(text, TEXT) for text in labels) + 8,
        right=width - PAD - aside,
        top=head + 43,
        bottom=height - PAD - 22,
        t0=t0,
        t1=t1,
        lo=ticks[0],
        hi=ticks[-1],
    )
    room = min(LANES, (height - head - 157) // LANE)  # which leaves the plot 76 or more
    flags = placed(list(flags_of(chart, plot)), width=width, lanes=room)
    used = max((f.lane + 1 for f in flags if f.lane is not None), default=0)
    plot = replace(plot, top=plot.top + used * LANE)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="frc-{theme}" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    yield f"<title>{html.escape(chart.caption[:DESC])}</title><desc>{html.escape(_told(chart))}</desc>"
    yield f"<style>{style(theme)}</style>"
    yield f'<rect class="bg" width="{width}" height="{height}"/>'
    for row, text in enumerate(caption):
        yield _text(PAD, 33 + LINE * row, text, "caption")
    legend, legend_width = _legend([f.kind for f in flags if f.lane is None], width - PAD, head + 22)
    yield _text(PAD, head + 22, cut(axis_title(chart), width - 2 * PAD - legend_width, TEXT), "unit")
    yield legend

    yield from _axes(plot, ticks, labels, width)
    yield from _marked(chart, plot, flags)
    if chart.threshold is not None:
        y = plot.y(chart.threshold)
        yield _rule("threshold", plot.left, y, plot.right, y)
    if chart.points:
        yield from _line(chart, plot)
    else:
        middle = (plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2
        yield _text(*middle, "no data", "nothing middle")
    yield from _beside(chart, plot, last, limit)
    yield "</svg>"


def _axes(plot: Plot, ticks: Sequence[float], labels: Sequence[str], width: int) -> Iterator[str]:
    for tick, label in zip(ticks, labels, strict=True):
        y = plot.y(tick)
        yield _rule("axis" if tick == 0 else "grid", plot.left, y, plot.right, y)
        yield _text(plot.left - 8, y + 5, label, "ytick end")
    for at_ms, label in time_ticks(plot):
        x = plot.x(at_ms)
        yield _rule("axis", x, plot.bottom, x, plot.bottom + 5)
        yield _text(max(x, PAD + measure(label, TEXT) / 2), plot.bottom + 21, label, "xtick middle")
    yield _text(width - PAD, plot.bottom + 21, "UTC", "utc end")


def _line(chart: Chart, plot: Plot) -> Iterator[str]:
    base = _n(plot.y(min(max(0.0, plot.lo), plot.hi)))
    strokes = list(strokes_of(chart.points, plot))
    for stroke in strokes:
        if len(stroke) > 1:
            way = "L".join(f"{_n(x)} {_n(y)}" for x, y in stroke)
            yield f'<path class="area" d="M{_n(stroke[0][0])} {base}L{way}L{_n(stroke[-1][0])} {base}Z"/>'
    for stroke in strokes:
        if len(stroke) > 1:
            yield '<path class="line" d="M' + "L".join(f"{_n(x)} {_n(y)}" for x, y in stroke) + '"/>'
        else:
            yield f'<circle class="dot" cx="{_n(stroke[0][0])}" cy="{_n(stroke[0][1])}" r="2.5"/>'


def _marked(chart: Chart, plot: Plot, flags: Iterable[Flag]) -> Iterator[str]:
    band = band_of(chart, plot)
    if band is not None:
        start, end = band
        yield (
            f'<rect class="band" x="{_n(start)}" y="{_n(plot.top)}" width="{_n(end - start)}" '
            f'height="{_n(plot.bottom - plot.top)}"/>'
        )
    for flag in flags:
        head = plot.top
        if flag.lane is not None:
            middle = plot.top - 4 - flag.lane * LANE - LANE / 2
            head = middle + 5
            at = {"x": flag.x, "l": flag.x - 5, "r": flag.x + 5, "y": middle, "a": middle - 5, "b": middle + 5}
            shape = _SYMBOLS[flag.kind].format(**{k: _n(v) for k, v in at.items()})
            yield f'<path class="{flag.kind}" d="{shape}"/>'
            x = flag.x - FLAG if flag.left else flag.x + FLAG
            yield _text(x, middle + 5, flag.label, f"{flag.kind} end" if flag.left else flag.kind)
        if flag.kind == "onset":
            yield _rule("onset", flag.x, head, flag.x, plot.top)
        elif not flag.beyond:
            yield _rule(flag.kind, flag.x, head, flag.x, plot.bottom)


def _beside(chart: Chart, plot: Plot, last: str, limit: str) -> Iterator[str]:
    """The last value and the threshold, right of the plot, kept apart from each other."""
    x = plot.right + 10
    value = min(max(plot.y(chart.points[-1][1]), plot.top + 4), plot.bottom - 3) if last else math.inf
    if limit and chart.threshold is not None:
        high, low = plot.top + 9, plot.bottom - 10  # where its two lines meet neither the flags nor the times
        above, below = value - 27, value + 26  # where they do not meet the value
        at = min(max(plot.y(chart.threshold), high), low)
        if above < at < below:
            at = above if above >= high and (at <= value or below > low) else below
        yield _text(x, at - 3, "threshold", "threshold")
        yield _text(x, at + 14, limit, "threshold")
    if last:
        end, height = plot.x(chart.points[-1][0]), plot.y(chart.points[-1][1])
        if plot.right - end > 8:
            yield _rule("leader", end, height, plot.right + 4, height)
        yield f'<circle class="last" cx="{_n(end)}" cy="{_n(height)}" r="6"/>'
        yield _text(x, value + 7, last, "value")


def _legend(kinds: Sequence[Kind], right: float, y: float) -> tuple[str, float]:
    """What the lines without a label are, right-aligned; and how much room that takes."""
    parts: list[str] = []
    x = right
    for kind in sorted(set(kinds)):
        x -= measure(kind, TEXT)
        parts.append(_text(x, y, kind, kind))
        x -= 9
        parts.append(_rule(kind, x, y - 13, x, y + 3))
        x -= 16
    return "".join(parts), right - x


def _told(chart: Chart) -> str:
    """The picture in words, for who cannot see it."""
    words = [axis_title(chart)]
    if chart.points:
        values = [v for _, v in chart.points]
        first, low, high, last = (
            shown(v, chart.quantity) for v in (values[0], min(values), max(values), values[-1])
        )
        start, end = chart.points[0][0], chart.points[-1][0]
        words.append(f"{first} at {clock(utc(start))}, {last} at {clock(utc(end))} UTC")
        words.append(f"lowest {low}, highest {high}")
    else:
        words.append("no data")
    if chart.threshold is not None:
        words.append(f"threshold {shown(chart.threshold, chart.quantity)}")
    if chart.onset is not None:
        words.append("onset " + "–".join(clock(utc(t)) for t in chart.onset))
    words += [f"{mark.label[:DESC]} at {clock(utc(mark.at_ms))}" for mark in chart.marks[:20]]
    return "; ".join(words)


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{_n(x)}" y="{_n(y)}">{html.escape(text)}</text>'


def _rule(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
