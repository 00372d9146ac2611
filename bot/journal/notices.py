"""What a source's owner has to be told, once: an unrendered template, bodies nobody can read, many refusals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import exists, func, literal_column, select

from agents.incident.redaction import redact
from bot.journal import refusals
from bot.journal import tables as t
from bot.journal.journal import Tx

AGAIN = timedelta(days=7)
"""After so long the same is told once more."""

MANY = 20
LATELY = timedelta(minutes=10)
LOUD, LOUD_WITHIN = 300, timedelta(minutes=5)
"""More alerts of one source than this, within so long, are told; they are stored and grouped all the same."""


class Trouble(StrEnum):
    """What is wrong with a source."""

    UNRENDERED = "unrendered"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    LOUD = "loud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One trouble of one source; ``detail`` is from outside: a placeholder, an error, a reason."""

    source: str
    trouble: Trouble
    detail: str


def once(tx: Tx, notice: Notice) -> None:
    """Have it told, unless the same trouble of the same source was told lately."""
    tx.run(t.notices.delete().where(t.notices.c.made_at < tx.now - AGAIN))
    detail = redact(notice.detail).encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:300]
    values = {"source": notice.source, "trouble": notice.trouble.value, "detail": detail}
    tx.run(tx.insert(t.notices).values(made_at=tx.now, **values).on_conflict_do_nothing())


def of_refusals(tx: Tx) -> None:
    """A source of which many deliveries were refused lately: its secret is wrong, or somebody tries."""
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for refusal, count in refusals.since(tx, LATELY):
        if refusal.source:
            counts[refusal.source] = counts.get(refusal.source, 0) + count
            reasons[refusal.source] = refusal.reason
    for source, count in counts.items():
        if count >= MANY:
            once(tx, Notice(source=source, trouble=Trouble.REFUSED, detail=reasons[source]))


def of_alerts(tx: Tx) -> None:
    """A source that sends so many alerts that something is wrong with it, or with everything it watches."""
    count = func.count().label("alerts")
    # An expression, not the column: else SQLite walks every episode there ever was along an index by source.
    source = t.episodes.c.source.concat(literal_column("''")).label("source")
    lately = select(source).where(t.episodes.c.last_seen_at >= tx.now - LOUD_WITHIN).subquery()
    rows = tx.all(select(lately.c.source, count).group_by(lately.c.source).having(count > LOUD))
    for row in rows:
        once(tx, Notice(source=row["source"], trouble=Trouble.LOUD, detail=f"{row['alerts']} alerts"))


def to_post(tx: Tx, surface: str) -> Sequence[Notice]:
    """What a surface has not told yet."""
    told = exists().where(
        t.notices_told.c.surface == surface,
        t.notices_told.c.source == t.notices.c.source,
        t.notices_told.c.trouble == t.notices.c.trouble,
        t.notices_told.c.made_at == t.notices.c.made_at,
    )
    rows = tx.all(select(t.notices).where(~told).order_by(t.notices.c.made_at))
    return [Notice(source=r["source"], trouble=Trouble(r["trouble"]), detail=r["detail"]) for r in rows]


def posted(tx: Tx, surface: str, notice: Notice) -> None:
    """A surface has told it."""
    same = (t.notices.c.source == notice.source) & (t.notices.c.trouble == notice.trouble.value)
    row = tx.one(select(t.notices.c.made_at).where(same))
    if row is None:
        return
    mine = (t.notices_told.c.surface == surface) & (t.notices_told.c.source == notice.source)
    tx.run(t.notices_told.delete().where(mine & (t.notices_told.c.trouble == notice.trouble.value)))
    values = {"surface": surface, "source": notice.source, "trouble": notice.trouble.value}
    tx.run(t.notices_told.insert().values(made_at=row["made_at"], **values))
