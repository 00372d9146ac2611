"""Valid values with only what matters named: ``an_alert(title="…")`` is an alert in every other respect."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select

from actions.approval import Press, Verdict
from actions.catalogue import CATALOGUE
from actions.policy import People, Person, Policy, Windows
from actions.proposal import Proposal, plan_hash, propose
from agents.incident.catalogue import Catalogue, Service
from agents.incident.claims import FactName, MetricValue, Op, Where
from agents.incident.evidence import Evidence, Lineage, Question, QuestionKind, Status, Window
from agents.incident.finding import Criterion, Finding, FindingState, GroupSeen, Remedy, Said
from agents.incident.ids import (
    ApprovalId,
    EvidenceId,
    FindingId,
    IncidentId,
    PersonId,
    ProposalId,
    RunId,
    new_id,
)
from agents.incident.incident import Alert, AlertStatus, Change, ChangeKind, Incident, Severity
from agents.incident.lifecycle import IncidentState
from bot.grouping import Grouping, Rules
from bot.journal import episodes, incidents, runs
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx
from bot.wiring.parts import DeskParts

S = IncidentState
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SERVICE, ENVIRONMENT, REPLICA = "checkout", "demo", "checkout-1"
ENTITY = f"{ENVIRONMENT}/{SERVICE}"


def an_alert(**named: Any) -> Alert:
    """A firing alert about the checkout service."""
    usual: dict[str, Any] = {
        "source": "alertmanager",
        "identity": "checkout-errors",
        "status": AlertStatus.FIRING,
        "title": "Checkout fails",
        "severity": Severity.CRITICAL,
        "service": SERVICE,
        "environment": ENVIRONMENT,
        "started_at": NOON,
    }
    return Alert(**(usual | named))


def a_change(**named: Any) -> Change:
    """A deploy of the checkout service, from revision 1 to 2."""
    usual: dict[str, Any] = {
        "id": "deploy-2",
        "kind": ChangeKind.DEPLOY,
        "service": SERVICE,
        "environment": ENVIRONMENT,
        "at": NOON - timedelta(minutes=10),
        "revision": 2,
        "previous_revision": 1,
    }
    return Change(**(usual | named))


def some_evidence(body: object = "5 waiters", **named: Any) -> tuple[Evidence, bytes]:
    """One stored answer and its bytes; another *body* is other evidence."""
    data = json.dumps(body).encode()
    digest = hashlib.sha256(data).hexdigest()
    usual: dict[str, Any] = {
        "id": EvidenceId(f"EV_{digest[:26]}"),
        "incident_id": IncidentId("INC_none"),
        "probe": "prometheus",
        "question": Question(
            kind=QuestionKind.QUANTITY, service=SERVICE, environment=ENVIRONMENT, name="pool_waiters"
        ),
        "query": "sum(pool_waiters)",
        "window": Window(start=NOON - timedelta(hours=1), end=NOON, recent=timedelta(seconds=4)),
        "status": Status.COMPLETE,
        "reason": "",
        "unit": "",
        "blob_sha256": digest,
        "size_bytes": len(data),
        "lineage": Lineage(producers=(SERVICE,), pipeline="prometheus", quantity="pool_waiters", place="inside"),
        "entities": (f"{ENTITY}/{REPLICA}",),
        "alive": True,
        "step": timedelta(seconds=1),
        "fetched_at": NOON,
        "latency": timedelta(milliseconds=12),
        "redactions": {"token": 1},
    }
    return Evidence(**(usual | named)), data


def a_claim(**named: Any) -> MetricValue:
    """Five waiters, read in the evidence ``EV_1``."""
    usual: dict[str, Any] = {
        "evidence": EvidenceId("EV_1"),
        "entity": ENTITY,
        "fact": FactName.RECENT,
        "where": Where(),
        "value": 5.0,
        "op": Op.GE,
        "threshold": 1.0,
    }
    return MetricValue(**(usual | named))


def a_finding(**named: Any) -> Finding:
    """A diagnosed fault of one replica, with a deploy on record."""
    usual: dict[str, Any] = {
        "id": FindingId(new_id("FI")),
        "incident_id": IncidentId("INC_none"),
        "attempt": 1,
        "look": 1,
        "state": FindingState.DIAGNOSED,
        "signature": "F34",
        "title": "One replica is bad",
        "note": "",
        "service": SERVICE,
        "environment": ENVIRONMENT,
        "entity": f"{ENTITY}/{REPLICA}",
        "replica": REPLICA,
        "p": 0.9,
        "p_low": 0.8,
        "n": 20,
        "score": 3.5,
        "claims": (Said(claim=a_claim(), text="5 waiters"),),
        "groups": (GroupSeen(id="waiters", vantage="inside", evidence=(EvidenceId("EV_1"),)),),
        "independent_groups": 2,
        "refuters": (),
        "not_checked": (),
        "suspects": (),
        "dropped": (),
        "change": a_change(),
        "chart": EvidenceId("EV_1"),
        "evidence": (EvidenceId("EV_1"),),
        "made_at": NOON,
    }
    return Finding(**(usual | named))


def a_policy(**named: Any) -> Policy:
    """One yes is enough; windows are short."""
    usual: dict[str, Any] = {
        "version": "7",
        "windows": Windows(
            settle=timedelta(0),
            interval=timedelta(milliseconds=1),
            horizon=timedelta(0),
            good_samples=1,
            give_up=timedelta(hours=1),
        ),
    }
    return Policy(**(usual | named))


def a_person(name: str, *roles: str, **accounts: str) -> Person:
    """Known as *name* at the terminal, and by *accounts* (``slack="U1"``) elsewhere."""
    known: dict[str, tuple[str, ...]] = {"console": (name,)}
    known.update({surface: (account,) for surface, account in accounts.items()})
    return Person(id=PersonId(name), name=name.capitalize(), roles=frozenset(roles), accounts=known)


PEOPLE = People(
    people=(
        a_person("ana", "approver", slack="U-ANA"),
        a_person("ben", "approver", slack="U-BEN"),
        a_person("cleo", "approver"),
        a_person("dora"),
    )
)
"""Ana, Ben and Cleo may approve; Dora may not."""

CRITERION = Criterion(
    role="user_facing",
    quantity="server_error_ratio",
    service=SERVICE,
    environment=ENVIRONMENT,
    where=Where(),
    fact=FactName.RECENT,
    op=Op.LE,
    threshold=0.01,
)


def a_proposal(
    action: str = "restart_replica",
    *,
    finding: Finding | None = None,
    policy: Policy | None = None,
    number: int = 1,
    criteria: Iterable[tuple[Criterion, float | None]] = ((CRITERION, 0.3),),
    **named: Any,
) -> Proposal:
    """What ``propose`` makes of a finding for *action*."""
    made = propose(
        finding or a_finding(),
        proposal_id=ProposalId(new_id("PR")),
        number=number,
        remedies=(Remedy(action=action),),
        criteria=tuple(criteria),
        tried=(),
        catalogue=CATALOGUE,
        policy=policy or a_policy(),
        settle=timedelta(0),
        now=NOON,
    )
    assert isinstance(made, Proposal), made
    made = replace(made, **named)
    return made if "plan_hash" in named else replace(made, plan_hash=plan_hash(made))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A proposal in the journal, its run, and the approval that is asked for (none for a runbook)."""

    incident_id: IncidentId
    proposal: Proposal
    run_id: RunId
    approval_id: ApprovalId


ALONE = Grouping(
    rules=Rules(hold=timedelta(0), uses={}, storm_incidents=10**6, storm_share=1.0),
    catalogue=Catalogue(services=()),
)
"""Every alert an incident of its own, and an end believed at once."""


def take(tx: Tx, grouping: Grouping = ALONE, **named: Any) -> IncidentId | None:
    """An alert arrives, like ``an_alert``."""
    return next(reversed(episodes.apply(tx, an_alert(**named), grouping)), None)


def open_incident(tx: Tx, state: IncidentState = S.RECEIVED, **named: Any) -> Incident:
    """An incident that an alert opened, walked on to *state*. A fresh identity unless one is named."""
    incident_id = take(tx, **({"identity": new_id("A")} | named))
    assert incident_id is not None
    incident = incidents.load(tx, incident_id)
    for step in PATHS[state]:
        incident = incidents.move(tx, incident, step, actor="test")
    return incident


PATHS: Mapping[IncidentState, tuple[IncidentState, ...]] = {
    S.RECEIVED: (),
    S.TRIAGING: (S.TRIAGING,),
    S.REPORTED: (S.TRIAGING, S.REPORTED),
    S.PROPOSED: (S.TRIAGING, S.REPORTED, S.PROPOSED),
    S.MITIGATED: (S.TRIAGING, S.REPORTED, S.PROPOSED, S.MITIGATING, S.VERIFYING, S.MITIGATED),
    S.NEEDS_HUMAN: (S.NEEDS_HUMAN,),
    S.RESOLVED: (S.RESOLVED,),
    S.CLOSED: (S.RESOLVED, S.CLOSED),
}


def ask(journal: Journal, action: str = "restart_replica", *, policy: Policy | None = None, **named: Any) -> Asked:
    """An incident with a proposal that waits for people, or runs by policy's word, as *policy* says."""
    policy = policy or a_policy()
    with journal.write("test.asked") as tx:
        incident = open_incident(tx, S.PROPOSED)
        proposal = a_proposal(action, finding=a_finding(incident_id=incident.id), policy=policy, **named)
        run_id = runs.save(tx, incident, proposal, policy)
        found = tx.one(select(t.approvals.c.id).where(t.approvals.c.run_id == run_id))
    return Asked(
        incident_id=incident.id,
        proposal=proposal,
        run_id=run_id,
        approval_id=ApprovalId(found["id"] if found is not None else ""),
    )


def a_press(
    question: Asked, account: str, verdict: Verdict = Verdict.APPROVE, surface: str = "console", **named: Any
) -> Press:
    """*account* presses a button of the newest card."""
    usual: dict[str, Any] = {
        "surface": surface,
        "account": account,
        "verdict": verdict,
        "approval_id": question.approval_id,
        "hash8": question.proposal.plan_hash[:8],
    }
    return Press(**(usual | named))


def desk_parts(journal: Journal, **named: Any) -> DeskParts:
    """A desk at which the people of ``PEOPLE`` press and type, for two services."""
    catalogue = Catalogue(
        services=(
            Service(name=SERVICE, environment=ENVIRONMENT, edge=True, objectives={"server_error_ratio": 0.02}),
            Service(name="billing", environment=ENVIRONMENT),
        )
    )
    usual: dict[str, Any] = {
        "journal": journal,
        "people": lambda: PEOPLE,
        "catalogue": lambda: catalogue,
        "log": structlog.get_logger(),
    }
    return DeskParts(**(usual | named))
