"""What people said of findings becomes labels, on each database."""

from datetime import timedelta

from agents.calibration import Label
from agents.incident.ids import FindingId, new_id
from bot.journal import evidence, labels
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx
from tests.builders import a_finding, open_incident


def judged(tx: Tx, *verdicts: str, **named: object) -> None:
    """A finding of an incident of its own, and what was said of it, one after the other."""
    incident = open_incident(tx)
    finding = a_finding(id=FindingId(new_id("FI")), incident_id=incident.id, **named)
    evidence.save_finding(tx, finding)
    for n, verdict in enumerate(verdicts):
        tx.run(
            t.feedback.insert().values(
                id=new_id("FB"),
                incident_id=incident.id,
                finding_id=finding.id,
                person_id="ana",
                verdict=verdict,
                cause="",
                at=tx.now + timedelta(seconds=n),
            )
        )


def given(journal: Journal) -> list[Label]:
    with journal.read() as tx:
        return list(labels.given(tx, {"F11": "connections"}))


def test_a_judged_finding_is_a_label_of_its_signatures_family(journal: Journal):
    with journal.write("test") as tx:
        judged(tx, "right", signature="F11", score=0.8)
        judged(tx, "wrong", signature="F99", score=0.6)
    assert sorted(given(journal), key=lambda x: x.score) == [
        Label(score=0.6, right=False, family=""),
        Label(score=0.8, right=True, family="connections"),
    ]


def test_whoever_spoke_last_is_heard_and_partly_is_not_right(journal: Journal):
    with journal.write("test") as tx:
        judged(tx, "wrong", "right", score=0.7)
        judged(tx, "right", "partly", score=0.8)
    assert [(x.score, x.right) for x in sorted(given(journal), key=lambda x: x.score)] == [
        (0.7, True),
        (0.8, False),
    ]


def test_a_finding_without_a_score_or_that_nobody_judged_is_no_label(journal: Journal):
    with journal.write("test") as tx:
        judged(tx, "right", score=None)
        judged(tx, score=0.8)
    assert given(journal) == []
