"""Values → HTML. Every value is escaped and made plain on its way out; nothing here marks text as safe."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.page import words

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

# What changes how other text reads, or cannot be sent: controls, direction marks, lone surrogates.
_UNPLAIN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)


def plain(text: str) -> str:
    """*text* with every character that hides, reorders or breaks text written out as its number."""
    return _UNPLAIN.sub(lambda found: f"⟨{ord(found.group()):04X}⟩", text)


def cut(text: str, most: int = 300) -> str:
    """*text*, no longer than *most* characters, and saying so where it was longer."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that pages load, addressed by its content."""

    body: bytes
    media_type: str
    version: str
    integrity: str


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).digest()
    return Asset(body, TYPES[path.suffix], digest.hex()[:16], "sha256-" + base64.b64encode(digest).decode())


ASSETS: Mapping[str, Asset] = {p.name: _asset(p) for p in sorted((HERE / "static").iterdir()) if p.suffix in TYPES}


@cache
def _environment() -> "Environment":
    """Loaded when somebody first looks: a receiver that serves no reader does not carry the library."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "cut": cut,
        "clock": lambda at: f"{at:%H:%M:%S}",
        "day": lambda at: f"{at:%d %b %Y}",
        "iso": lambda at: at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "span": words.span,
        "pieces": words.pieces,
        "count": words.count,
    }
    made.globals["assets"] = ASSETS
    return made


def page(template: str, **values: Any) -> str:
    """A whole page, or a part of one."""
    return _environment().get_template(template).render(values)


def stamp(at: datetime) -> str:
    """A moment for tables: date and time, UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
