"""A question that nobody is to answer: a test incident with a card, let expire on purpose, and then closed.

It is marked as a test, needs more votes than there are people, and its action is in no catalogue: whoever presses
Approve on it runs nothing.
"""

from datetime import timedelta

from sqlalchemy import select

from actions.action import Tier
from actions.approval import Approval, ApprovalState, button
from actions.policy import People, Policy
from actions.proposal import ENGINE, Mode, Proposal, plan_hash
from actions.verification import Check as Verification
from agents.incident.errors import Refused
from agents.incident.ids import FindingId, IncidentId, ProposalId, RunId, new_id
from agents.incident.incident import Severity
from agents.incident.lifecycle import IncidentState
from bot.journal import approvals, incidents, runs
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx
from bot.setup.checks import Check
from bot.surfaces.cards import card

SOURCE = "selftest"
STANDS = timedelta(minutes=2)
"""How long the question stands should whoever asked it die; it expires sooner."""

S = IncidentState


def open_one(journal: Journal, surface: str, test_id: str, people: People) -> IncidentId:
    """A test incident whose question waits."""
    incident_id = IncidentId(new_id("INC"))
    with journal.write("selftest.incident") as tx:
        tx.run(
            t.incidents.insert().values(
                id=incident_id,
                source=SOURCE,
                identity=f"{SOURCE}:{test_id}",
                title=f"Self-test of {surface}: nothing is wrong, nobody need answer",
                severity=Severity.INFO.value,
                service=SOURCE,
                environment=SOURCE,
                summary="",
                state=S.PROPOSED.value,
                attempt=1,
                version=1,
                card_version=0,
                opened_at=tx.now,
                alert_started_at=tx.now,
                alert_firing=True,
                state_since=tx.now,
                heartbeat_at=tx.now,
                asked_by=SOURCE,  # whoever asked and got no answer: nobody is called for that
            )
        )
        tx.event(incident_id, SOURCE, "incident.asked")
        policy = Policy(version=SOURCE, deadline=STANDS)
        runs.save(tx, incidents.load(tx, incident_id), _plan(tx, incident_id, len(people.people) + 1), policy)
    return incident_id


def _plan(tx: Tx, incident_id: IncidentId, quorum: int) -> Proposal:
    made = Proposal(
        id=ProposalId(new_id("PR")),
        incident_id=incident_id,
        finding_id=FindingId(""),
        number=1,
        signature=SOURCE,
        action=SOURCE,
        tier=int(Tier.SUPERVISED),
        mode=Mode.ASK,
        trusted=False,
        parameters={},
        service=f"{SOURCE}/{SOURCE}",
        effect="nothing: this is a self-test, please let it expire",
        requires=("nothing",),
        undo="nothing to undo",
        check=Verification(
            targets=(),
            settle=timedelta(0),
            interval=timedelta(seconds=1),
            horizon=timedelta(0),
            good_samples=1,
            give_up=timedelta(minutes=2),
        ),
        quorum=quorum,
        policy_version=SOURCE,
        proposed_by=ENGINE,
        runbook=(),
        plan_hash="",
        made_at=tx.now,
    )
    return Proposal(**{f: getattr(made, f) for f in made.__slots__ if f != "plan_hash"}, plan_hash=plan_hash(made))


def question(journal: Journal, incident_id: IncidentId) -> Approval:
    """The question as it stands."""
    with journal.read() as tx:
        found = approvals.approval_of(tx, _run(tx, incident_id))
    assert found is not None  # noqa: S101  # asked when the incident was opened
    return found


def _run(tx: Tx, incident_id: IncidentId) -> RunId:
    return runs.of_incident(tx, incident_id)[0].id


def approve_data(journal: Journal, incident_id: IncidentId) -> str:
    """What its Approve button carries."""
    asked = question(journal, incident_id)
    return button("a", asked.id, asked.plan_hash)


def shown(journal: Journal, surface: str, incident_id: IncidentId, *, asking: bool) -> bool | None:
    """``True`` once its card stands on *surface* and asks, or (not *asking*) asks no more; else ``None``."""
    with journal.read() as tx:
        key = f"{incident_id}/ask:{_run(tx, incident_id)}"
        row = tx.one(select(t.messages).where(t.messages.c.surface == surface, t.messages.c.key == key))
    if row is None or not row["ref"]:
        return None
    return True if row["digest"].startswith("?") is asking else None


def expire(journal: Journal, incident_id: IncidentId) -> None:
    """Its deadline is now; it expires as every question does."""
    asked = question(journal, incident_id)
    with journal.write("selftest.deadline") as tx:
        waits = t.approvals.c.state == ApprovalState.AWAITING.value
        tx.run(t.approvals.update().where(t.approvals.c.id == asked.id, waits).values(deadline=tx.now))
    with journal.write("selftest.expired") as tx:
        approvals.expire_due(tx)


def says(journal: Journal, surface: str, incident_id: IncidentId, people: People) -> Check:
    """Whether the card tells what silence did."""
    what = f"{surface} silence"
    with journal.read() as tx:
        lines = [line for ask in card(tx, incident_id, people).asks for line in ask.lines]
    told = next((line for line in lines if line.startswith("Expired by")), "")
    state = question(journal, incident_id).state
    if state is not ApprovalState.EXPIRED or not told:
        return Check(
            what=what, ok=False, says=f"the question is {state.lower()} and its card does not say Expired"
        )
    return Check(
        what=what, ok=True, says="a question that nobody answered expired, ran nothing, and its card says so"
    )


def note(journal: Journal, incident_id: IncidentId, done: Check) -> None:
    """Keep what a step came to with the test incident."""
    with journal.write("selftest.step") as tx:
        tx.event(incident_id, SOURCE, "selftest.step", step=done.what, ok=done.ok, says=done.says)


def close(journal: Journal, incident_id: IncidentId) -> None:
    """The test is over, however it went. Whoever else closes it at the same moment is right too."""
    try:
        with journal.write("selftest.closed") as tx:
            approvals.cancel_open(tx, incident_id, "the self-test is over")
            incident = incidents.load(tx, incident_id, lock=True)
            if incident.state not in incidents.OVER:
                incidents.close_asked(tx, incident, actor=SOURCE, reason="the self-test is over")
    except Refused:
        return
