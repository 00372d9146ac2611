"""The walk of an incident: diagnose, decide, settle. Before it stands ``bot/taking.py``; ``bot/acting.py`` acts.

Each step loads by id, calls one or two pure steps, saves and rings whoever goes on. It is the only place where
an incident's stage moves, save for the runs that carry it along (``journal/runs.py``).
"""

import time
from dataclasses import replace
from datetime import timedelta

from actions.approval import Decision, Press, Rejection
from actions.policy import Policy
from actions.ports import UNREADY
from actions.proposal import NoProposal, propose
from actions.verification import Measured, Outcome, Sample
from agents.facts import Reader
from agents.gather import Gathered, gather
from agents.incident.claims import FactName, Op
from agents.incident.clock import now
from agents.incident.evidence import Evidence, FetchedBy, Question, QuestionKind, Window
from agents.incident.finding import Criterion, Finding, FindingState
from agents.incident.ids import FindingId, IncidentId, PersonId, ProposalId, RunId, VerificationId, new_id
from agents.incident.incident import Incident
from agents.incident.lifecycle import ActionState, IncidentState
from agents.signatures.evaluate import Bench, Entity, Truth, criteria, read
from agents.triage import triage, wanted
from bot import relook
from bot.grouping import Kind, origin
from bot.journal import (
    approvals,
    episodes,
    evidence,
    incidents,
    runs,
    storms,
    verifications,
)
from bot.journal.journal import Tx
from bot.thinking import its_turn, think
from bot.wiring.parts import DecideParts, TriageParts

S, A = IncidentState, ActionState

HISTORY = 600
"""Telemetry intervals looked back: ten minutes at one second, two and a half hours at fifteen."""

RECENT = 4
"""Telemetry intervals that are "now"."""

UNSETTLED = frozenset({FindingState.INCONCLUSIVE, FindingState.SUSPECTS})
MAX_LOOKS = 5
"""An alert can be faster than the evidence behind it: half a "now" later there is more to see."""

RESOLVED = "the alert resolved"


def diagnose(incident_id: IncidentId, parts: TriageParts) -> None:
    """Gather, judge, report, propose: what is most urgent first, whichever incident the bell was rung for.

    Evidence already stored for this attempt is not fetched again.
    """
    with parts.journal.write("triage.begun") as tx:
        incident = incidents.load(tx, incident_id, lock=True)
        urgent = incidents.more_urgent(tx, incident)
        if urgent is not None:
            tx.ring("diagnose", incident_id)
            incident_id, incident = urgent, incidents.load(tx, urgent, lock=True)
        if episodes.flapping(tx, incident_id) and incident.state is S.REOPENED:
            return  # it was looked into once; it goes on when it is steady
        if incident.state in {S.RECEIVED, S.REOPENED}:
            incident = incidents.move(tx, incident, S.TRIAGING, actor="triage")
        held = evidence.of_look(tx, incident_id, attempt=incident.attempt, look=incident.look)
        earlier = relook.due(tx, incident)
        early = incidents.looks_later(tx, incident_id)
        if incident.kind == Kind.STORM and incident.state is S.TRIAGING and not early:
            incident = _placed(tx, incident, parts)
    if earlier is not None:
        _report(incident, held, parts, earlier)
    if incident.state is S.PROPOSED:
        settle(incident_id, parts)  # what became of the last proposal decides whether there is another
        return
    if incident.state is S.TRIAGING and not early:
        _report(incident, held, parts)
    propose_next(incident_id, parts)


def _placed(tx: Tx, incident: Incident, parts: TriageParts) -> Incident:
    """A storm is looked into at its origin, if it has one."""
    services = storms.tally(tx, incident.id).services
    service = origin(services, incident.environment, parts.knowledge.catalogue)
    if service is None or service.name == incident.service:
        return incident
    incidents.placed(tx, incident.id, service)
    return incidents.load(tx, incident.id)


def _report(
    incident: Incident, held: tuple[Evidence, ...], parts: TriageParts, earlier: Finding | None = None
) -> None:
    asked = wanted(incident, parts.knowledge)
    started = time.monotonic()
    if asked and not held:
        gathered = _gather(asked, incident, parts, incident.window)
        held = gathered.evidence
        with parts.journal.write("evidence") as tx:
            evidence.keep(
                tx,
                held,
                gathered.blobs,
                attempt=incident.attempt,
                look=incident.look,
                purpose=evidence.TRIAGE,
            )
            tx.event(incident.id, "triage", "evidence.gathered", readings=_readings(held))
    gathered_s = time.monotonic() - started
    finding = triage(
        incident,
        held,
        read_blob=parts.read_blob,
        knowledge=parts.knowledge,
        finding_id=FindingId(new_id("FI")),
        at=now(),
        earlier=earlier,
    )
    if earlier is not None:
        with parts.journal.write("finding") as tx:
            relook.keep(tx, earlier, finding)
        parts.log.info(
            "triage.looked_again", incident_id=incident.id, state=finding.state.value, look=finding.look
        )
        return
    heard = think(
        incident,
        finding,
        held,
        parts,
        lambda further, span, left: _gather(further, incident, parts, span, FetchedBy.MODEL_PLAN, left),
    )
    if heard is None:
        return
    finding = heard
    with parts.journal.write("finding") as tx:
        incident = incidents.load(tx, incident.id, lock=True)
        if incident.state is not S.TRIAGING or incident.look != finding.look:
            return  # it resolved meanwhile, or another worker looked too
        evidence.save_finding(tx, finding)
        again = finding.state in UNSETTLED and incident.look < MAX_LOOKS and incident.alert_firing
        if again:
            incidents.look_again(tx, incident, _recent(parts) / 2, "triage")
        elif its_turn(tx, incident, finding, parts):
            incidents.look_again(tx, incident, timedelta(0), "model")
        else:
            incidents.move(
                tx, incident, S.REPORTED, actor="triage", finding=finding.id, finding_state=finding.state.value
            )
    parts.log.info(
        "triage.finished",
        incident_id=incident.id,
        state=finding.state.value,
        signature=finding.signature,
        claims=len(finding.claims),
        evidence=len(held),
        dropped=len(finding.dropped),
        look=finding.look,
        gathered_s=round(gathered_s, 3),
        judged_s=round(time.monotonic() - started - gathered_s, 3),
    )


def _gather(
    asked: set[Question],
    incident: Incident,
    parts: TriageParts,
    span: timedelta | None = None,
    fetched_by: FetchedBy = FetchedBy.ENGINE,
    left: timedelta | None = None,
) -> Gathered:
    end, interval = now(), parts.knowledge.catalogue.telemetry_interval
    back = max(span or HISTORY * interval, HISTORY * interval)
    return gather(
        asked,
        incident_id=incident.id,
        catalogue=parts.knowledge.catalogue,
        probes=parts.probes,
        window=Window(start=end - back, end=end, recent=_recent(parts)),
        budget=parts.budget if left is None else min(parts.budget, left),
        scope=parts.knowledge.catalogue.scope_of(incident.service, incident.environment),
        fetched_by=fetched_by,
    )


def _recent(parts: TriageParts) -> timedelta:
    return RECENT * parts.knowledge.catalogue.telemetry_interval


def _readings(held: tuple[Evidence, ...]) -> dict[str, int]:
    out: dict[str, int] = {}
    for item in held:
        out[item.reading.value] = out.get(item.reading.value, 0) + 1
    return out


def propose_next(incident_id: IncidentId, parts: TriageParts) -> None:
    """The next candidate for an incident that was reported, or whose last one changed nothing."""
    with parts.journal.write("proposal") as tx:
        incident = incidents.load(tx, incident_id, lock=True)
        finding = evidence.latest_finding(tx, incident_id)
        earlier = runs.of_incident(tx, incident_id)
        if finding is None or incident.state not in {S.REPORTED, S.PROPOSED}:
            return
        if any(r.state in runs.LIVE for r in earlier):
            return
        if incidents.owner(tx, incident_id) is not None:
            incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason="a person has taken it over")
            return
        if not incident.alert_firing:
            if not episodes.held(tx, incident_id):
                reason = "the alert resolved; nothing was done"
                incidents.move(tx, incident, S.RESOLVED, actor="clock", reason=reason)
            return
        if episodes.flapping(tx, incident_id):
            return  # nothing is done about an alert that comes and goes; what it does is on the card
        signature = next((s for s in parts.knowledge.signatures if s.id == finding.signature), None)
        made = propose(
            finding,
            proposal_id=ProposalId(new_id("PR")),
            number=len(earlier) + 1,
            remedies=signature.remedies if signature is not None else (),
            criteria=_criteria(tx, finding, parts),
            tried=runs.tried(tx, incident_id),
            catalogue=parts.catalogue,
            policy=_policy(tx, incident, parts),
            settle=_recent(parts) + parts.knowledge.catalogue.telemetry_interval,
            now=tx.now,
            asked_by=PersonId(incident.asked_by) if incident.asked_by else None,
        )
        if isinstance(made, NoProposal) and incident.asked_by:
            incidents.close_asked(tx, incident, actor="policy", reason=f"answered; {made.reason}")
            return
        if isinstance(made, NoProposal):
            incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=made.reason)
            return
        if incident.state is S.REPORTED:
            incident = incidents.move(tx, incident, S.PROPOSED, actor="policy")
        runs.save(tx, incident, made, parts.policy)
        if made.runbook:
            reason = f"{made.action} is never run by the bot; the runbook is written out"
            incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=reason)
    parts.log.info("proposal.made", incident_id=incident_id, action=made.action, mode=made.mode.value)


def _policy(tx: Tx, incident: Incident, parts: TriageParts) -> Policy:
    """In a storm nothing runs by policy's word alone: a person sees it first."""
    if storms.active(tx, incident.environment, parts.grouping.rules) is None:
        return parts.policy
    return replace(parts.policy, trusted=frozenset())


def _criteria(tx: Tx, finding: Finding, parts: TriageParts) -> tuple[tuple[Criterion, float | None], ...]:
    """The signature's recovery checks, each with what it reads in the finding's own evidence."""
    signature = next((s for s in parts.knowledge.signatures if s.id == finding.signature), None)
    service = parts.knowledge.catalogue.find(finding.service, finding.environment)
    if signature is None or service is None or finding.entity is None:
        return ()
    replica = finding.entity.removeprefix(service.id).lstrip("/") or None
    held = evidence.of_look(tx, finding.incident_id, attempt=finding.attempt, look=finding.look)
    bench = Bench(Reader(e, evidence.blob(tx, e.blob_sha256)) for e in held)
    tied = criteria(signature, Entity(service=service, replica=replica), parts.knowledge.catalogue)
    return tuple((c, _before(c, bench)) for c in tied)


def _before(criterion: Criterion, bench: Bench) -> float | None:
    """What a criterion reads before acting. A share of a baseline is taken of the better of now and before."""
    now_ = _measure(criterion, bench).value
    if not criterion.of_baseline:
        return now_
    past = [
        value
        for reader in bench.about(_question(criterion))
        if (value := reader.value(FactName.BASELINE, criterion.where)) is not None
    ]
    best = max([*past, *([now_] if now_ is not None else [])], default=None)
    return best if best else None  # a share of nothing would always be reached


def _question(criterion: Criterion) -> Question:
    return Question(
        kind=QuestionKind.QUANTITY,
        service=criterion.service,
        environment=criterion.environment,
        name=criterion.quantity,
    )


def _measure(criterion: Criterion, bench: Bench) -> Measured:
    """One criterion as read; what was cut short is no reading. Of several probes the least recovered counts."""
    values = []
    for reader in bench.about(_question(criterion)):
        truth, value = read(reader, criterion.fact, criterion.where, criterion.op, criterion.threshold)
        if value is not None and truth is not Truth.UNKNOWN:
            values.append((value, reader.evidence.id))
    if not values:
        return Measured(value=None)
    low_is_good = criterion.op in {Op.LT, Op.LE, Op.EQ}
    value, cited = max(values) if low_is_good else min(values)
    return Measured(value=value, evidence=(cited,))


def decide(press: Press, parts: DecideParts) -> Decision | Rejection:
    """One press of a button, decided and answered; whoever goes on is rung in the same commit."""
    with parts.journal.write("decision") as tx:
        return approvals.press(tx, press, parts.people)


def sample(verification_id: VerificationId, parts: TriageParts) -> Outcome | None:
    """Read the recovery criteria once, store the sample, judge the window. Never done by whoever acted."""
    with parts.journal.read() as tx:
        window = verifications.open_window(tx, verification_id)
        if window is None:
            return None
        run = runs.view(tx, RunId(window[0]["run_id"]))
        incident = incidents.load(tx, run.incident_id)
    targets = window[1].targets
    gathered = _gather({_question(t.criterion) for t in targets}, incident, parts)
    bench = Bench(Reader(e, gathered.blobs[e.blob_sha256]) for e in gathered.evidence)
    measured = tuple(_measure(t.criterion, bench) for t in targets)
    cited = {e for m in measured for e in m.evidence}
    kept = [e for e in gathered.evidence if e.id in cited]
    blobs = {e.blob_sha256: gathered.blobs[e.blob_sha256] for e in kept}
    with parts.journal.write("sample") as tx:
        evidence.keep(tx, kept, blobs, attempt=run.incident_attempt, look=0, purpose=evidence.VERIFICATION)
        return verifications.add(tx, verification_id, Sample(at=tx.now, measured=measured))


BEFORE_ACTING = frozenset(
    {S.RECEIVED, S.TRIAGING, S.WAITING_ON, S.REPORTED, S.PROPOSED, S.REOPENED, S.NEEDS_HUMAN}
)


def settle(incident_id: IncidentId, parts: TriageParts) -> None:
    """Bring an incident to where its alert and its last run say it stands; then try the next candidate."""
    with parts.journal.write("settle") as tx:
        incident = incidents.load(tx, incident_id, lock=True)
        done = runs.of_incident(tx, incident_id)
        last = done[-1] if done else None
        if incident.asked_by and incident.state is S.MITIGATED:
            incidents.close_asked(tx, incident, actor="verifier", reason="the fix was verified")
            return
        if not incident.alert_firing and incident.state in BEFORE_ACTING | {S.MITIGATED}:
            approvals.cancel_open(tx, incident_id, RESOLVED)
            if episodes.held(tx, incident_id):
                return  # the end is not believed yet; the clock comes back to it
            if not any(r.state in runs.LIVE - runs.WAITING for r in runs.of_incident(tx, incident_id)):
                incident = incidents.load(tx, incident_id)
                incidents.move(tx, incident, S.RESOLVED, actor=incident.source, reason=RESOLVED)
            return
        if last is None or incident.state not in {S.PROPOSED, S.MITIGATING, S.VERIFYING}:
            return
        match last.state:
            case A.REJECTED | A.EXPIRED if incident.asked_by and incident.state is S.PROPOSED:
                # Somebody asked and said no, or lost interest: nobody is woken for that.
                reason = f"the proposal was {last.state.lower()}"
                incidents.close_asked(tx, incident, actor="policy", reason=reason)
            case A.CANCELLED if last.reason == RESOLVED:
                pass  # its alert was held to be over and fires again: the same may be asked again
            case A.REJECTED | A.EXPIRED | A.CANCELLED | A.STALE:
                reason = f"the proposal was {last.state.lower()}" + (f": {last.reason}" if last.reason else "")
                incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=reason)
            case A.ABORTED if last.reason.startswith(UNREADY):
                _next_candidate(tx, incident, "nothing was begun: the platform did not serve")
            case A.ABORTED if last.reason != runs.LOST:
                reason = f"nothing was done: {last.reason}"
                incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=reason)
            case A.ESCALATED:
                incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=last.reason)
            case A.UNDONE if verifications.outcome_of(tx, last.id) is not Outcome.INEFFECTIVE:
                reason = "the action made things worse or was applied in part; it was undone"
                incidents.move(tx, incident, S.NEEDS_HUMAN, actor="policy", reason=reason)
            case A.INEFFECTIVE if not verifications.has_undo(tx, last.id):
                _next_candidate(tx, incident, "the action did not help")
            case A.UNDONE:
                _next_candidate(tx, incident, "it did not help and was undone")
            case A.NOT_APPLIED:
                _next_candidate(tx, incident, "nothing was applied")
            case A.ABORTED:
                pass  # the runner was lost before any effect: the same may be proposed again
            case _:
                return
    propose_next(incident_id, parts)


def _next_candidate(tx: Tx, incident: Incident, reason: str) -> None:
    """Open the next attempt, unless an earlier settling got so far and no further."""
    if incident.state is not S.PROPOSED:
        incidents.move(tx, incident, S.PROPOSED, actor="policy", reason=reason)
