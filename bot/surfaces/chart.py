"""The picture of a cited metric: one drawing, as SVG text and as the PNG made from it.

Every label has a place of its own: the y axis left of the plot, what the line and the threshold are worth right
of it, what happened when above it. So no label lies on the line or on another label. A mark whose label finds no
place keeps its line, and a legend says what such lines are.
"""

import html
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby, pairwise, product
from typing import Literal

from agents.incident.quantities import QUANTITIES, SHARES
from agents.render import clock, number
from bot.surfaces.ports import Chart, Mark, MarkKind

Theme = Literal["light", "dark"]
Point = tuple[float, float]
Kind = Literal["change", "action", "onset"]

MIN_WIDTH, MIN_HEIGHT = 300, 200  # below this the labels leave no room for the line
ZOOM = 2  # a phone shows a 1440 pixel picture about 360 points wide, where 14 units become 7 points or more
PAD = 16
TEXT, CAPTION, VALUE = 14, 19, 20  # font sizes, in units of the canvas
LINE = 25  # from one line of the caption to the next
LANE = 21  # height of one row of labels above the plot
LANES = 3
MANY, MOST = 12, 48  # marks: above the first, short labels only; above the second, none for the rest
FLAG = 9  # from a mark's line to its label
GAP = 2.5  # a step this many times the usual one is a hole in the data, not a line
STRETCH = 0.25  # how much longer the time axis may get for a mark outside the data
LABEL, DESC = 160, 240  # the longest label in units, the longest name in the description in characters

# Text and lines keep a contrast of 4.5:1 to the background. The hues are those of Okabe and Ito
# (jfly.uni-koeln.de/color), darkened or lightened; shapes and dashes say the same without colour.
PALETTES: dict[Theme, dict[str, str]] = {
    "light": {
        "bg": "#ffffff",
        "ink": "#1b2330",
        "muted": "#566173",
        "grid": "#e4e8ee",
        "axis": "#98a2b0",
        "line": "#0064ad",
        "threshold": "#b84300",
        "change": "#8b3a87",
        "action": "#00714f",
        "onset": "#806000",
        "band": "#e69f00",
    },
    "dark": {
        "bg": "#14181f",
        "ink": "#eef1f5",
        "muted": "#a4afbd",
        "grid": "#2a313c",
        "axis": "#606c7b",
        "line": "#5cb8f2",
        "threshold": "#ff9c5b",
        "change": "#e5a3d9",
        "action": "#3fd1a0",
        "onset": "#f0c74a",
        "band": "#e69f00",
    },
}
STYLE = """
.T text{font-family:Roboto,"Helvetica Neue",Arial,sans-serif;font-size:14px;fill:{muted}}
.T .caption{font-size:19px;font-weight:500;fill:{ink}}
.T .value{font-size:20px;font-weight:500;fill:{line}}
.T .nothing{font-size:19px;stroke:{bg};stroke-width:8;paint-order:stroke}
.T .end{text-anchor:end}
.T .middle{text-anchor:middle}
.T .bg{fill:{bg}}
.T .grid{stroke:{grid};stroke-width:1}
.T .axis{stroke:{axis};stroke-width:1.5}
.T .line{fill:none;stroke:{line};stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}
.T .area{fill:{line};fill-opacity:0.13}
.T .dot{fill:{line}}
.T .last{fill:{line};stroke:{bg};stroke-width:1.5}
.T .leader{stroke:{line};stroke-width:1.5;stroke-dasharray:1.5 4;stroke-linecap:round}
.T .threshold{stroke:{threshold};stroke-width:2;stroke-dasharray:9 6}
.T .change{stroke:{change};stroke-width:2}
.T .action{stroke:{action};stroke-width:2;stroke-dasharray:2 4;stroke-linecap:round}
.T .onset{stroke:{onset};stroke-width:1}
.T .band{fill:{band};fill-opacity:0.3}
.T path.change,.T path.action,.T path.onset{stroke:none}
.T path.change,.T text.change{fill:{change}}
.T path.action,.T text.action{fill:{action}}
.T path.onset,.T text.onset{fill:{onset}}
.T text.change,.T text.action,.T text.onset,.T text.threshold{stroke:none;font-weight:500}
.T text.threshold{fill:{threshold}}
"""

# Advances of the printable ASCII of Roboto Medium and Regular, the wider of the two, in thousandths of the size.
_ADVANCES = (
    *(249, 268, 324, 615, 568, 734, 639, 174, 349, 353, 442, 567, 220, 328, 279, 412),
    *(568, 568, 568, 568, 568, 568, 568, 568, 568, 568, 265, 237, 508, 559, 522, 486),
    *(897, 665, 631, 652, 656, 568, 552, 681, 713, 282, 555, 630, 541, 875, 713, 690),
    *(639, 690, 624, 604, 607, 652, 647, 887, 632, 609, 602, 274, 417, 274, 427, 451),
    *(322, 543, 562, 523, 564, 536, 354, 566, 555, 255, 250, 521, 255, 876, 556, 570),
    *(562, 568, 351, 516, 333, 555, 495, 751, 503, 486, 503, 338, 250, 338, 680),
)
_SLACK = 1.06  # a browser without Roboto draws with Helvetica or Arial, which run a little wider
_ABSENT = {ord("→"): "›", ord("⸺"): "—", ord("⸻"): "—"}  # not in the font, or wider than two letters
_SYMBOLS: dict[Kind, str] = {
    "change": "M{x} {a}L{r} {b}L{l} {b}Z",
    "action": "M{x} {a}L{r} {y}L{x} {b}L{l} {y}Z",
    "onset": "M{l} {a}H{r}V{b}H{l}Z",
}
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = -62_135_596_800_000.0, 253_402_300_799_000.0  # what a datetime can hold
_HUGE, _TINY = 1e300, 1e-290  # so that no sum, quotient or power leaves the floats


def svg(chart: Chart, *, theme: Theme, width: int = 720, height: int = 360) -> str:
    """*chart* as a self-contained SVG document: no script, no reference to anything outside."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        raise ValueError(f"a chart of {width}x{height} cannot be read; it takes {MIN_WIDTH}x{MIN_HEIGHT}")
    return "".join(_draw(_tamed(chart), theme, width, height))


def png(chart: Chart, *, theme: Theme, width: int = 720, height: int = 360) -> bytes:
    """The same picture as a PNG of ``ZOOM`` times *width* by *height* pixels; needs no fonts on the machine."""
    import resvg_py

    return resvg_py.svg_to_bytes(
        svg_string=svg(chart, theme=theme, width=width, height=height),
        skip_system_fonts=True,
        font_files=list(_fonts()),
        zoom=ZOOM,
    )


@cache
def _fonts() -> tuple[str, ...]:
    from importlib.resources import files

    folder = files("font_roboto") / "files"
    return tuple(str(folder / name) for name in ("Roboto-Regular.ttf", "Roboto-Medium.ttf"))


# --- what is drawn ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flag:
    """A moment with its label, in longer and shorter words with their widths.

    ``lane`` counts rows upwards from the plot; no lane, no label.
    ``beyond`` tells a moment outside the time axis, named at its edge: -1 before, 1 after.
    """

    x: float
    kind: Kind
    labels: tuple[tuple[str, float], ...]
    beyond: int = 0
    lane: int | None = None
    label: str = ""
    wide: float = 0.0
    left: bool = False

    def spread(self) -> Point:
        """From where to where the label's text reaches."""
        far = FLAG + self.wide
        return (self.x - far, self.x - FLAG + 2) if self.left else (self.x + FLAG - 2, self.x + far)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """The rectangle of the line, and what its edges stand for."""

    left: float
    right: float
    top: float
    bottom: float
    t0: float
    t1: float
    lo: float
    hi: float

    def x(self, at_ms: float) -> float:
        return self.left + (at_ms - self.t0) / (self.t1 - self.t0) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.lo) / (self.hi - self.lo) * (self.bottom - self.top)


def _draw(chart: Chart, theme: Theme, width: int, height: int) -> Iterator[str]:
    last = _shown(chart.points[-1][1], chart.quantity) if chart.points else ""
    limit = _shown(chart.threshold, chart.quantity) if chart.threshold is not None else ""
    aside = max(
        66.0,  # room for "UTC" beside the last time
        _width(last, VALUE) + 10,
        max(_width("threshold", TEXT), _width(limit, TEXT)) + 10 if limit else 0,
    )
    ticks, labels = _values(chart, count=max(2, min(5, (height - 130) // 48)))
    caption = _wrapped(chart.caption, width - 2 * PAD, CAPTION, lines=2 if height >= 250 else 1)
    head = 33 + LINE * (len(caption) - 1)  # where the caption ends
    t0, t1 = _window(chart)
    plot = _Plot(
        left=PAD + max(_width(text, TEXT) for text in labels) + 8,
        right=width - PAD - aside,
        top=head + 43,
        bottom=height - PAD - 22,
        t0=t0,
        t1=t1,
        lo=ticks[0],
        hi=ticks[-1],
    )
    room = min(LANES, (height - head - 157) // LANE)  # which leaves the plot 76 or more
    flags = _placed(list(_flags(chart, plot)), width=width, lanes=room)
    used = max((f.lane + 1 for f in flags if f.lane is not None), default=0)
    plot = replace(plot, top=plot.top + used * LANE)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="frc-{theme}" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    yield f"<title>{html.escape(chart.caption[:DESC])}</title><desc>{html.escape(_told(chart))}</desc>"
    yield f"<style>{_style(theme)}</style>"
    yield f'<rect class="bg" width="{width}" height="{height}"/>'
    for row, text in enumerate(caption):
        yield _text(PAD, 33 + LINE * row, text, "caption")
    legend, legend_width = _legend([f.kind for f in flags if f.lane is None], width - PAD, head + 22)
    yield _text(PAD, head + 22, _cut(_unit(chart), width - 2 * PAD - legend_width, TEXT), "unit")
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


def _axes(plot: _Plot, ticks: Sequence[float], labels: Sequence[str], width: int) -> Iterator[str]:
    for tick, label in zip(ticks, labels, strict=True):
        y = plot.y(tick)
        yield _rule("axis" if tick == 0 else "grid", plot.left, y, plot.right, y)
        yield _text(plot.left - 8, y + 5, label, "ytick end")
    for at_ms, label in _times(plot):
        x = plot.x(at_ms)
        yield _rule("axis", x, plot.bottom, x, plot.bottom + 5)
        yield _text(max(x, PAD + _width(label, TEXT) / 2), plot.bottom + 21, label, "xtick middle")
    yield _text(width - PAD, plot.bottom + 21, "UTC", "utc end")


def _line(chart: Chart, plot: _Plot) -> Iterator[str]:
    base = _n(plot.y(min(max(0.0, plot.lo), plot.hi)))
    strokes = list(_strokes(chart.points, plot))
    for stroke in strokes:
        if len(stroke) > 1:
            way = "L".join(f"{_n(x)} {_n(y)}" for x, y in stroke)
            yield f'<path class="area" d="M{_n(stroke[0][0])} {base}L{way}L{_n(stroke[-1][0])} {base}Z"/>'
    for stroke in strokes:
        if len(stroke) > 1:
            yield '<path class="line" d="M' + "L".join(f"{_n(x)} {_n(y)}" for x, y in stroke) + '"/>'
        else:
            yield f'<circle class="dot" cx="{_n(stroke[0][0])}" cy="{_n(stroke[0][1])}" r="2.5"/>'


def _marked(chart: Chart, plot: _Plot, flags: Iterable[_Flag]) -> Iterator[str]:
    band = _band(chart, plot)
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


def _beside(chart: Chart, plot: _Plot, last: str, limit: str) -> Iterator[str]:
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
        x -= _width(kind, TEXT)
        parts.append(_text(x, y, kind, kind))
        x -= 9
        parts.append(_rule(kind, x, y - 13, x, y + 3))
        x -= 16
    return "".join(parts), right - x


def _told(chart: Chart) -> str:
    """The picture in words, for who cannot see it."""
    words = [_unit(chart)]
    if chart.points:
        values = [v for _, v in chart.points]
        first, low, high, last = (
            _shown(v, chart.quantity) for v in (values[0], min(values), max(values), values[-1])
        )
        start, end = chart.points[0][0], chart.points[-1][0]
        words.append(f"{first} at {clock(_at(start))}, {last} at {clock(_at(end))} UTC")
        words.append(f"lowest {low}, highest {high}")
    else:
        words.append("no data")
    if chart.threshold is not None:
        words.append(f"threshold {_shown(chart.threshold, chart.quantity)}")
    if chart.onset is not None:
        words.append("onset " + "–".join(clock(_at(t)) for t in chart.onset))
    words += [f"{mark.label[:DESC]} at {clock(_at(mark.at_ms))}" for mark in chart.marks[:20]]
    return "; ".join(words)


# --- where it is drawn ------------------------------------------------------------------------------------------


def _window(chart: Chart) -> Point:
    """The time axis: the data's, a little longer if that brings a mark into view."""
    noted = [mark.at_ms for mark in chart.marks] + list(chart.onset or ())
    own = [t for t, _ in chart.points] or noted or [0.0]
    t0, t1 = min(own), max(own)
    if t1 - t0 < 1000:
        return t0 - 60_000, t1 + 60_000
    reach = (t1 - t0) * STRETCH
    margin = reach / 12
    before = [t for t in noted if t0 - reach <= t < t0]
    after = [t for t in noted if t1 < t <= t1 + reach]
    return min(before) - margin if before else t0, max(after) + margin if after else t1


def _band(chart: Chart, plot: _Plot) -> Point | None:
    if chart.onset is None or chart.onset[1] < plot.t0 or chart.onset[0] > plot.t1:
        return None
    start, end = (plot.x(min(max(t, plot.t0), plot.t1)) for t in chart.onset)
    wider = max(0.0, 4 - (end - start)) / 2
    return max(plot.left, start - wider), min(plot.right, end + wider)


def _flags(chart: Chart, plot: _Plot) -> Iterator[_Flag]:
    """The onset and the marks, those of a kind that fall on one spot as one."""
    band = _band(chart, plot)
    if band is not None and chart.onset is not None:
        yield _Flag(x=band[0], kind="onset", labels=_measured(f"onset {clock(_at(chart.onset[0]))[:5]}", "onset"))

    def spot(mark: Mark) -> tuple[str, int, int]:
        side = (mark.at_ms > plot.t1) - (mark.at_ms < plot.t0)
        return mark.kind.value, side, 0 if side else int(plot.x(mark.at_ms) / 4)

    for (_, side, _), group in groupby(sorted(chart.marks, key=lambda m: (*spot(m), m.at_ms)), key=spot):
        marks = list(group)
        first = marks[0]
        name = _cut(first.label or first.kind.value, LABEL, TEXT)
        if len(marks) > 1:
            name += f" ×{len(marks)}" if len({m.label for m in marks}) == 1 else f" +{len(marks) - 1}"
        timed = f"{name} {clock(_at(first.at_ms))[:5]}"
        sign = ("{} ›", "{}", "‹ {}")[1 - side]
        labels = tuple(sign.format(text) for text in (timed, name, _cut(name, 72, TEXT)))
        yield _Flag(
            x=plot.left if side < 0 else plot.right if side > 0 else plot.x(first.at_ms),
            kind="change" if first.kind is MarkKind.CHANGE else "action",
            labels=_measured(*labels),
            beyond=side,
        )


def _measured(*labels: str) -> tuple[tuple[str, float], ...]:
    return tuple((label, _width(label, TEXT)) for label in dict.fromkeys(labels))


def _placed(flags: list[_Flag], *, width: int, lanes: int) -> list[_Flag]:
    """The flags, each label in a lane where it meets no other label and no other line, if there is one.

    Labels right of their lines stack without meeting when they are placed from the right, and the other way
    round; near an edge only one way fits. So both are tried, and the one that places most is kept. Among many
    marks the long labels are not tried.
    """
    if lanes <= 0:
        return flags

    def arrange(brief: bool, backwards: bool, upwards: bool) -> list[_Flag]:
        done: list[_Flag] = []
        for flag in sorted(flags, key=lambda f: f.x, reverse=backwards):
            order = range(lanes) if upwards else range(lanes - 1, -1, -1)
            sides = (False, True) if backwards else (True, False)
            tries = (
                replace(flag, label=label, wide=wide, lane=lane, left=left)
                for (label, wide), lane, left in product(flag.labels[-1:] if brief else flag.labels, order, sides)
            )
            free = (t for t in tries if _inside(t, width) and not any(_meet(t, d) for d in done))
            done.append(next(free, flag) if len(done) < MOST else flag)
        return done

    def cost(tried: list[_Flag]) -> tuple[int, int, int]:
        named = [f for f in tried if f.lane is not None]
        worth = {"onset": 3, "action": 2, "change": 1}
        short = sum(f.label != f.labels[0][0] for f in named)
        return -sum(worth[f.kind] for f in named), short, max((f.lane or 0 for f in named), default=0)

    brief = (True,) if len(flags) > MANY else (False, True)
    return min((arrange(*way) for way in product(brief, (True, False), (True, False))), key=cost)


def _inside(flag: _Flag, width: int) -> bool:
    start, end = flag.spread()
    return start >= PAD and end <= width - PAD


def _meet(a: _Flag, b: _Flag) -> bool:
    if a.lane is None or b.lane is None:
        return False
    (a0, a1), (b0, b1) = a.spread(), b.spread()
    if a.lane == b.lane:
        # The symbols count too: each sits at the end of its own label.
        a0, a1 = min(a0, a.x - 6), max(a1, a.x + 6)
        b0, b1 = min(b0, b.x - 6), max(b1, b.x + 6)
        return a0 < b1 + 6 and b0 < a1 + 6
    upper, start, end = (a, b0, b1) if a.lane > b.lane else (b, a0, a1)
    return not upper.beyond and start - 2 < upper.x < end + 2


def _strokes(points: Sequence[Point], plot: _Plot) -> Iterator[list[Point]]:
    """The line's pieces between holes in the data, with what one column of pixels cannot show left out."""
    steps = sorted(b[0] - a[0] for a, b in pairwise(points))
    usual = steps[len(steps) // 2] if len(steps) > 1 else math.inf
    hole = usual * GAP if usual > 0 else math.inf
    dense = len(points) > 4 * (plot.right - plot.left)
    stroke: list[Point] = []
    before = points[0][0]
    for at, value in points:
        if at - before > hole:
            yield _thinned(stroke) if dense else stroke
            stroke = []
        stroke.append((plot.x(at), plot.y(value)))
        before = at
    yield _thinned(stroke) if dense else stroke


def _thinned(stroke: Sequence[Point]) -> list[Point]:
    kept: list[Point] = []
    for _, column in groupby(stroke, key=lambda p: int(p[0])):
        inside = list(column)
        ends = sorted((min(inside, key=_second), max(inside, key=_second)), key=lambda p: p[0])
        kept += dict.fromkeys((inside[0], *ends, inside[-1]))
    return kept


def _second(point: Point) -> float:
    return point[1]


# --- numbers, times and words -----------------------------------------------------------------------------------


def _values(chart: Chart, *, count: int) -> tuple[list[float], list[str]]:
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
    return unit if unit.startswith("/") else ""


def _shown(value: float, quantity: str) -> str:
    """*value* as the text of the finding writes it, unless that would be all zeros or a row of digits."""
    times = 100 if quantity in SHARES else 1
    seen = abs(value) * times
    if seen < 1e5 and (seen == 0 or seen >= 0.05):
        return number(value or 0.0, quantity)
    size, letter = _prefix(seen) if seen < 1e15 else (1.0, "")
    return f"{_short(value * times / size)}{letter}{_suffix(quantity)}"


def _unit(chart: Chart) -> str:
    """What the y axis counts; the quantity's name too unless the caption holds it."""
    known = QUANTITIES.get(chart.quantity)
    if chart.quantity in SHARES:
        unit = "percent"
    elif known is not None and known.unit == "/s":
        unit = "per second"
    else:
        unit = "ratio" if known is not None and known.unit == "ratio" else "count" if known is not None else ""
    title = known.title if known is not None else _clean(chart.quantity)
    return unit if unit and title in chart.caption else f"{title}, {unit}" if unit else title


def _times(plot: _Plot) -> Iterator[tuple[float, str]]:
    span_s = (plot.t1 - plot.t0) / 1000
    steps = (s for s in _STEPS_S if s / span_s * (plot.right - plot.left) >= (66 if s >= 60 else 86))
    step = next(steps, 0) or 86400 * math.ceil(span_s * 66 / (plot.right - plot.left) / 86400)
    at = math.ceil(plot.t0 / 1000 / step) * step
    while at * 1000 <= plot.t1:
        moment = _at(at * 1000.0)
        midnight = span_s > 86400 and at % 86400 == 0
        text = moment.strftime("%d %b") if midnight else clock(moment)[: 8 if step < 60 else 5]
        yield at * 1000.0, text
        at += step


def _at(ms: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=min(max(ms, _FIRST_MS), _LAST_MS))


def _tamed(chart: Chart) -> Chart:
    """*chart* with text that is only text, and numbers that can be reckoned with."""
    onset = chart.onset
    return replace(
        chart,
        caption=_clean(chart.caption),
        points=tuple((_moment(t), _size(v)) for t, v in chart.points if math.isfinite(t) and math.isfinite(v)),
        threshold=_size(chart.threshold) if chart.threshold is not None else None,
        onset=(_moment(min(onset)), _moment(max(onset))) if onset is not None else None,
        marks=tuple(replace(m, at_ms=_moment(m.at_ms), label=_clean(m.label)) for m in chart.marks),
    )


def _moment(ms: float) -> float:
    return min(max(ms, _FIRST_MS), _LAST_MS)


def _size(value: float) -> float:
    return 0.0 if abs(value) < _TINY else min(max(value, -_HUGE), _HUGE)


def _clean(text: str) -> str:
    """*text* on one line, without what controls, reorders, joins or stacks characters."""
    flat = unicodedata.normalize("NFC", text[:2000]).translate(_ABSENT)
    kept = (
        " " if kind[0] == "Z" or char in "\t\n\r" else char
        for char in flat
        if (kind := unicodedata.category(char))[0] != "C" or char in "\t\n\r"
        if kind not in {"Mn", "Me"}
    )
    return " ".join("".join(kept).split())


def _advance(char: str) -> float:
    code = ord(char)
    if 32 <= code < 127:
        return _ADVANCES[code - 32] / 1000
    base = unicodedata.normalize("NFD", char)[0]
    if "a" <= base.lower() <= "z":
        return _ADVANCES[ord(base) - 32] / 1000 + 0.1  # a hook or a caron beside the letter
    if char in "…·–—“”‘’×‹›":
        return 0.79
    return 1.03 if 0x391 <= code <= 0x44F or unicodedata.east_asian_width(char) in "WF" else 1.38


def _width(text: str, size: float) -> float:
    """How wide *text* is drawn, at most, in a font no wider than Arial."""
    return sum(map(_advance, text)) * size * _SLACK


def _cut(text: str, room: float, size: float) -> str:
    if _width(text, size) <= room:
        return text
    room -= _width("…", size)
    kept = 0
    for char in text:
        room -= _width(char, size)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + "…"


def _wrapped(text: str, room: float, size: float, *, lines: int) -> list[str]:
    """*text* in at most so many lines, broken between words, or between the parts of a name, where that fits."""
    whole = _cut(text, room, size)
    if lines == 1 or whole == text:
        return [whole]
    fits = len(whole) - 1
    ends = (text.rfind(" ", fits // 2, fits + 1), 1 + max(text.rfind(c, fits // 2, fits) for c in "-/._"))
    end = next((e for e in ends if e > 0), fits)
    return [text[:end], *_wrapped(text[end:].lstrip(), room, size, lines=lines - 1)]


@cache
def _style(theme: Theme) -> str:
    css = STYLE.replace(".T", f".frc-{theme}")
    for name, colour in PALETTES[theme].items():
        css = css.replace("{" + name + "}", colour)
    return css


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{_n(x)}" y="{_n(y)}">{html.escape(text)}</text>'


def _rule(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'
