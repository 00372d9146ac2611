"""When each source was last heard, and how long it is used to be silent. Nothing heard is not nothing wrong.

The habit is a source's own: twice its longest silence of seven days. A source that is hardly ever heard has none.
All numbers are starting values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from bot.journal import tables as t
from bot.journal.journal import Tx

STEP = timedelta(seconds=30)
"""What comes sooner after the last is not counted: a burst is no habit, and not each delivery of it is written."""

DAYS = 7
TIMES = 2
"""How often its longest silence a source may be silent."""

LEAST, AT_LEAST = 10, timedelta(hours=1)
"""Heard less often than this in seven days a source has no habit; and none is missed sooner than this."""

LEAST_BEATS, BEAT_AT_LEAST = 3, timedelta(minutes=5)
"""The same of an alert that always fires: it is missed after a few times, and soon."""

Day = tuple[int, float]
"""How often something was heard in a day, and its longest silence before one of these, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """A source, or (``heartbeat``) the always-firing alert of it that is so named; ``days`` by ISO date, UTC."""

    source: str
    heartbeat: str
    heard_at: datetime
    days: Mapping[str, Day]

    @property
    def habit(self) -> timedelta | None:
        """How long it may be silent; ``None`` while too little is known of it."""
        least, floor = (LEAST_BEATS, BEAT_AT_LEAST) if self.heartbeat else (LEAST, AT_LEAST)
        if sum(count for count, _ in self.days.values()) < least:
            return None
        return max(TIMES * timedelta(seconds=max(gap for _, gap in self.days.values())), floor)

    def missed(self, now: datetime) -> bool:
        """Whether it has been silent for longer than its habit."""
        return self.habit is not None and now - self.heard_at > self.habit


def heard(known: Hearing, at: datetime, now: datetime) -> Hearing:
    """*known* with one more time it was heard; unchanged where that is no later than a moment after the last.

    What was heard in what is still to come was heard by a clock that was wrong: it is begun again from *at*.
    """
    if known.heard_at > now + STEP:
        days = {day: told for day, told in known.days.items() if day <= at.date().isoformat()}
        return Hearing(source=known.source, heartbeat=known.heartbeat, heard_at=at, days=days)
    gap = at - known.heard_at
    if gap < STEP:
        return known
    today = at.date()
    since = today - timedelta(days=DAYS - 1)
    days = {day: told for day, told in known.days.items() if date.fromisoformat(day) >= since}
    count, longest = days.get(today.isoformat(), (0, 0.0))
    days[today.isoformat()] = count + 1, max(longest, gap.total_seconds())
    return Hearing(source=known.source, heartbeat=known.heartbeat, heard_at=at, days=days)


def note(tx: Tx, source: str, at: datetime, heartbeat: str = "") -> None:
    """A source was heard at *at*, or the heartbeat so named of it."""
    heartbeat = heartbeat[:60]
    h = t.hearings.c
    same = (h.source == source) & (h.heartbeat == heartbeat)
    row = tx.one(select(t.hearings).where(same).with_for_update())
    if row is None:
        values = {"heard_at": at, "days": {at.date().isoformat(): [1, 0.0]}}
        first = tx.insert(t.hearings).values(source=source, heartbeat=heartbeat, **values)
        tx.run(first.on_conflict_do_nothing())
        return
    known = _hearing(row)
    again = heard(known, at, tx.now)
    if again is not known:
        days = {day: list(told) for day, told in again.days.items()}
        tx.run(t.hearings.update().where(same).values(heard_at=at, days=days))


def all_known(tx: Tx) -> Sequence[Hearing]:
    """Everything that was ever heard, by source; its heartbeats after it."""
    rows = tx.all(select(t.hearings).order_by(t.hearings.c.source, t.hearings.c.heartbeat))
    return [_hearing(row) for row in rows]


def _hearing(row: Mapping[str, object]) -> Hearing:
    heard_at, days = row["heard_at"], row["days"]
    assert isinstance(heard_at, datetime)  # noqa: S101  # what its column holds
    assert isinstance(days, dict)  # noqa: S101
    told = {str(day): (int(count), float(gap)) for day, (count, gap) in days.items()}
    return Hearing(source=str(row["source"]), heartbeat=str(row["heartbeat"]), heard_at=heard_at, days=told)
