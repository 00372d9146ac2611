"""How far the times of a recording may reach: beyond, they cannot be reckoned with."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from agents.incident.clock import EARLIEST, LATEST, to_ms

LONGEST_S = timedelta(days=366).total_seconds()
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
"""When somebody looked, and at which time."""

Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
"""A span of time."""

Claimed = Annotated[AwareDatetime, Field(ge=_FIRST, le=_LAST)]
"""A time that a sender claims: any that can be written in UTC and have a clock's error added."""

Milliseconds = Annotated[float, Field(strict=True, ge=to_ms(_FIRST), le=to_ms(_LAST), allow_inf_nan=False)]
"""A claimed time as a record has it: a number, and not one in quotation marks."""


def _written(said: str) -> str:
    at = datetime.fromisoformat(said)
    if at.utcoffset() is None:
        raise ValueError("the time has no zone; add Z or an offset")
    if not _FIRST <= at <= _LAST:
        raise ValueError("the time is at the end of the calendar; correct it")
    return said


Written = Annotated[str, AfterValidator(_written)]
"""A claimed time that is kept as it was written, as a log line has it."""
