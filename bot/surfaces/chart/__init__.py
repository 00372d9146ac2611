"""The picture of a cited metric: one drawing, as SVG text and as the PNG made from it.

Every label has a place of its own: the y axis left of the plot, what the line and the threshold are worth right
of it, what happened when above it. So no label lies on the line or on another label. A mark whose label finds no
place keeps its line, and a legend says what such lines are.
"""

from functools import cache

from bot.surfaces.chart.drawing import draw
from bot.surfaces.chart.tame import tame
from bot.surfaces.chart.theme import Theme
from bot.surfaces.ports import Chart

MIN_WIDTH, MIN_HEIGHT = 300, 200  # below this the labels leave no room for the line
ZOOM = 2  # a phone shows a 1440 pixel picture about 360 points wide, where 14 units become 7 points or more


def svg(chart: Chart, *, theme: Theme, width: int = 720, height: int = 360) -> str:
    """*chart* as a self-contained SVG document: no script, no reference to anything outside."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        raise ValueError(f"a chart of {width}x{height} cannot be read; it takes {MIN_WIDTH}x{MIN_HEIGHT}")
    return "".join(draw(tame(chart), theme, width, height))


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
