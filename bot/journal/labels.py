"""What people said of findings, as labels: they displace, one by one, those that a release ships."""

from collections.abc import Mapping

from sqlalchemy import select

from agents.calibration import Label
from bot.journal import tables as t
from bot.journal.journal import Tx


def given(tx: Tx, families: Mapping[str, str]) -> tuple[Label, ...]:
    """One label for each finding that named a cause and was judged; whoever spoke last is heard.

    "partly" counts as wrong: the bound that is read from these labels may err towards silence only.

    Args:
        families: The family of each signature; one that is known no more counts with all together.
    """
    rows = tx.all(
        select(t.feedback.c.finding_id, t.feedback.c.verdict, t.findings.c.record)
        .join(t.findings, t.findings.c.id == t.feedback.c.finding_id)
        .order_by(t.feedback.c.at, t.feedback.c.id)
    )
    out: dict[str, Label] = {}
    for row in rows:
        record = row["record"]
        if record["signature"] is not None and record["score"] is not None:
            out[row["finding_id"]] = Label(
                score=record["score"],
                right=row["verdict"] == "right",
                family=families.get(record["signature"], ""),
            )
    return tuple(out.values())
