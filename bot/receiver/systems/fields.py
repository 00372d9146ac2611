"""Reading a sender's fields tolerantly: missing, null and empty are one thing; a wrong type is BadInput."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from agents.incident.errors import BadInput

NO_ZONE = " (no tz in source)"
"""Behind a time whose sender names no zone; such a time is never compared with another source's."""

_FRACTION = re.compile(r"([.,]\d+)")
_ZONE_WORD = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_OFFSET = re.compile(r"\s*([+-]\d{2}):?(\d{2})?$")


def decode(body: bytes, what: str) -> object:
    """The JSON value that *body* is. *what* begins the message of BadInput: ``not a GitHub delivery``."""
    try:
        return json.loads(body)
    except UnicodeDecodeError as error:
        raise BadInput(f"{what}: body: not text in UTF-8") from error
    except RecursionError as error:
        raise BadInput(f"{what}: body: JSON nested too deep to read") from error
    except ValueError as error:
        raise BadInput(f"{what}: body: not JSON ({error})") from error


def mapping(value: object, where: str) -> Mapping[str, object]:
    """*value* as a JSON object."""
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: an object is needed, not {_kind(value)}")
    return value


def get(data: object, *path: str | int) -> object:
    """What stands at *path*; None where nothing does or something else stands on the way."""
    for step in path:
        if isinstance(step, str) and isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(step, int) and isinstance(data, list) and -len(data) <= step < len(data):
            data = data[step]
        else:
            return None
    return data


def text(value: object, where: str) -> str | None:
    """Text or a number as text; None when missing or blank."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise BadInput(f"{where}: text is needed, not {_kind(value)}")


def whole(value: object, where: str) -> int | None:
    """A whole number, also where it is sent as text; None when missing or blank."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value, re.ASCII):
        return int(value)
    raise BadInput(f"{where}: a whole number is needed, not {_kind(value)}")


def time(value: object, where: str) -> str | None:
    """A time in the form of ``reading.Item``: ISO 8601 with or without zone, or an epoch in s, ms, µs or ns."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _epoch(float(value), where)
    if not isinstance(value, str):
        raise BadInput(f"{where}: a time is needed, not {_kind(value)}")
    if re.fullmatch(r"\s*-?\d{9,19}(\.\d+)?\s*", value, re.ASCII):
        return _epoch(float(value), where)
    found = _iso(value.strip())
    if found is None:
        raise BadInput(f"{where}: not a time: {value[:60]!r}")
    return stamp(found)


def stamp(at: datetime) -> str:
    """*at* in UTC and whole seconds, marked where it has no zone."""
    if at.utcoffset() is None:
        return at.replace(microsecond=0).isoformat() + NO_ZONE
    try:
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at.year > 999 else _early(at)
    except OverflowError:
        return _early(at)


def _early(at: datetime) -> str:
    return at.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _iso(value: str) -> datetime | None:
    # 3.11 reads most of ISO 8601; what senders add is nine digits of a second and a zone behind a space.
    plain = _ZONE_WORD.sub("Z", value)
    plain = _FRACTION.sub(lambda m: "." + (m.group(1)[1:] + "000000")[:6], plain, count=1)
    plain = (
        _OFFSET.sub(lambda m: f"{m.group(1)}:{m.group(2) or '00'}", plain)
        if "T" in plain or ":" in plain
        else plain
    )
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        return None


def _epoch(value: float, where: str) -> str:
    # A second of today has ten digits; three more are ms, six µs, nine ns. Nobody alerts before 1973.
    for factor in (1, 1e3, 1e6, 1e9):
        if abs(value) < 1e11 * factor:
            try:
                return datetime.fromtimestamp(value / factor, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            except (ValueError, OverflowError, OSError) as error:
                raise BadInput(f"{where}: not a time: {value:g}") from error
    raise BadInput(f"{where}: not a time: {value:g}")


def _kind(value: object) -> str:
    names = {
        bool: "a truth value",
        str: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)
