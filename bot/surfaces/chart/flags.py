"""What happened when: each moment with its label, and a place for it where it meets no other."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Literal

from agents.render import clock
from bot.surfaces.chart.lettering import TEXT, cut, measure
from bot.surfaces.chart.plot import PAD, Plot, Point, band_of
from bot.surfaces.chart.scale import utc
from bot.surfaces.ports import Chart, Mark, MarkKind

Kind = Literal["change", "action", "onset"]

MANY, MOST = 12, 48  # marks: above the first, short labels only; above the second, none for the rest
FLAG = 9  # from a mark's line to its label
LABEL = 160  # the longest label, in units


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
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


def flags_of(chart: Chart, plot: Plot) -> Iterator[Flag]:
    """The onset and the marks, those of a kind that fall on one spot as one."""
    band = band_of(chart, plot)
    if band is not None and chart.onset is not None:
        yield Flag(x=band[0], kind="onset", labels=_measured(f"onset {clock(utc(chart.onset[0]))[:5]}", "onset"))

    def spot(mark: Mark) -> tuple[str, int, int]:
        side = (mark.at_ms > plot.t1) - (mark.at_ms < plot.t0)
        return mark.kind.value, side, 0 if side else int(plot.x(mark.at_ms) / 4)

    for (_, side, _), group in groupby(sorted(chart.marks, key=lambda m: (*spot(m), m.at_ms)), key=spot):
        marks = list(group)
        first = marks[0]
        name = cut(first.label or first.kind.value, LABEL, TEXT)
        if len(marks) > 1:
            name += f" ×{len(marks)}" if len({m.label for m in marks}) == 1 else f" +{len(marks) - 1}"
        timed = f"{name} {clock(utc(first.at_ms))[:5]}"
        sign = ("{} ›", "{}", "‹ {}")[1 - side]
        labels = tuple(sign.format(text) for text in (timed, name, cut(name, 72, TEXT)))
        yield Flag(
            x=plot.left if side < 0 else plot.right if side > 0 else plot.x(first.at_ms),
            kind="change" if first.kind is MarkKind.CHANGE else "action",
            labels=_measured(*labels),
            beyond=side,
        )


def _measured(*labels: str) -> tuple[tuple[str, float], ...]:
    return tuple((label, measure(label, TEXT)) for label in dict.fromkeys(labels))


def placed(flags: list[Flag], *, width: int, lanes: int) -> list[Flag]:
    """The flags, each label in a lane where it meets no other label and no other line, if there is one.

    Labels right of their lines stack without meeting when they are placed from the right, and the other way
    round; near an edge only one way fits. So both are tried, and the one that places most is kept. Among many
    marks the long labels are not tried.
    """
    if lanes <= 0:
        return flags

    def arrange(brief: bool, backwards: bool, upwards: bool) -> list[Flag]:
        done: list[Flag] = []
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

    def cost(tried: list[Flag]) -> tuple[int, int, int]:
        named = [f for f in tried if f.lane is not None]
        worth = {"onset": 3, "action": 2, "change": 1}
        short = sum(f.label != f.labels[0][0] for f in named)
        return -sum(worth[f.kind] for f in named), short, max((f.lane or 0 for f in named), default=0)

    brief = (True,) if len(flags) > MANY else (False, True)
    return min((arrange(*way) for way in product(brief, (True, False), (True, False))), key=cost)


def _inside(flag: Flag, width: int) -> bool:
    start, end = flag.spread()
    return start >= PAD and end <= width - PAD


def _meet(a: Flag, b: Flag) -> bool:
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
