"""The colours of the picture, and what is drawn in which."""

from functools import cache
from typing import Literal

Theme = Literal["light", "dark"]

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


@cache
def style(theme: Theme) -> str:
    """The style sheet in a theme's colours."""
    css = STYLE.replace(".T", f".frc-{theme}")
    for name, colour in PALETTES[theme].items():
        css = css.replace("{" + name + "}", colour)
    return css
