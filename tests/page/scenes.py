"""Incidents to look at: an ordinary one from alert to verified fix, a long one, an empty one, and a storm."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from actions import steps
from actions.approval import Press, Verdict
from actions.policy import Windows
from actions.proposal import Proposal
from actions.steps import SetRevision
from actions.verification import Measured, Sample
from agents.deliberation.budgets import Spent
from agents.deliberation.record import Deliberation, Fact, Step
from agents.identity import identified
from agents.incident.claims import FactName, Op, Where
from agents.incident.evidence import Evidence, FetchedBy
from agents.incident.finding import Criterion, Dropped, Finding, FindingState, Suspect
from agents.incident.ids import ApprovalId, EvidenceId, FindingId, IncidentId, RunId, VerificationId, new_id
from agents.incident.incident import Incident, Severity
from agents.incident.lifecycle import ActionState, IncidentState
from bot.journal import approvals, evidence, incidents, runs, spending, verifications
from bot.journal import tables as t
from bot.journal.codec import dump
from bot.journal.journal import Journal, Tx
from tests.builders import PEOPLE, a_finding, a_policy, a_proposal, open_incident
from tests.unit.agents import world

A, S = ActionState, IncidentState

NO_RUN = RunId("")
SUMMARY = "More than one order in ten fails at the edge; see the runbook <https://runbooks.example/edge>"
WINDOWS = Windows(
    settle=timedelta(0),
    interval=timedelta(milliseconds=1),
    horizon=timedelta(0),
    good_samples=5,
    give_up=timedelta(hours=1),
)


def criterion(role: str, quantity: str, service: str, op: Op, threshold: float, **named: Any) -> Criterion:
    usual: dict[str, Any] = {"environment": "shop", "where": Where(), "fact": FactName.RECENT}
    return Criterion(role=role, quantity=quantity, service=service, op=op, threshold=threshold, **(usual | named))


CRITERIA = (
    (criterion("mechanism", "pool_waiters", "checkout", Op.EQ, 0, fact=FactName.MAX), 7.0),
    (criterion("user_facing", "server_error_ratio", "gateway", Op.LT, 0.01), 0.35),
    (criterion("capacity", "request_rate", "gateway", Op.GE, 8), 16.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An incident and what was made for it."""

    incident_id: IncidentId
    finding: Finding | None = None
    proposal: Proposal | None = None
    run_id: RunId = NO_RUN
    verification_id: str = ""


def opened(journal: Journal, state: IncidentState = S.TRIAGING, **named: Any) -> Incident:
    usual: dict[str, Any] = {
        "title": "EdgeErrorRatioHigh",
        "service": "gateway",
        "environment": "shop",
        "summary": SUMMARY,
    }
    with journal.write("test.opened") as tx:
        return open_incident(tx, state, **(usual | named))


def an_id(of: str) -> EvidenceId:
    return EvidenceId("ev_" + base64.b32encode(hashlib.sha256(of.encode()).digest()).decode().lower()[:20])


def held(store: world.Store, incident: Incident) -> tuple[Evidence, ...]:
    """The store's evidence, as gathered for *incident*."""
    store.items = [identified(replace(e, incident_id=incident.id)) for e in store.items]
    return tuple(store.items)


def found(journal: Journal, incident: Incident, store: world.Store, **named: Any) -> Finding:
    """The finding on *store*, kept with its evidence."""
    held(store, incident)
    finding = store.finding(about=replace(world.incident(), id=incident.id), at=world.NOW)
    finding = replace(finding, id=FindingId(new_id("FI")), attempt=incident.attempt, look=incident.look, **named)
    with journal.write("test.found") as tx:
        evidence.keep(tx, store.items, store.blobs, attempt=incident.attempt, look=incident.look, purpose="triage")
        evidence.save_finding(tx, finding)
        counts = {"saw this": len(store.items), "could not look": 2}
        tx.event(incident.id, "triage", "evidence.gathered", readings=counts)
        incidents.move(tx, incident, S.REPORTED, actor="triage", finding_state=finding.state.value)
    return finding


def asked(journal: Journal, *, quorum: int = 1, store: world.Store | None = None, **named: Any) -> Scene:
    """A diagnosed incident with a rollback that waits for people."""
    incident = opened(journal, **named)
    extra = {"dropped": (Dropped(code="ENTITY", what="shop/cart is not among shop/checkout"),)}
    finding = found(journal, incident, store or world.pool_leak(), **extra)
    policy = a_policy(windows=WINDOWS, quorum={"rollback_deployment": quorum})
    proposal = a_proposal("rollback_deployment", finding=finding, criteria=CRITERIA, policy=policy)
    with journal.write("test.asked") as tx:
        now = incidents.move(tx, incidents.load(tx, incident.id), S.PROPOSED, actor="triage")
        run_id = runs.save(tx, now, proposal, policy)
    return Scene(incident_id=incident.id, finding=finding, proposal=proposal, run_id=run_id)


def vote(journal: Journal, scene: Scene, who: str, verdict: Verdict = Verdict.APPROVE, reason: str = "") -> None:
    assert scene.proposal is not None
    with journal.write("test.voted") as tx:
        row = tx.one(select(t.approvals.c.id).where(t.approvals.c.run_id == scene.run_id))
        assert row is not None
        approvals.press(
            tx,
            Press(
                surface="console",
                account=who,
                verdict=verdict,
                approval_id=ApprovalId(row["id"]),
                hash8=scene.proposal.plan_hash[:8],
                reason=reason,
            ),
            PEOPLE,
        )


def move(tx: Tx, run_id: RunId, *states: ActionState) -> None:
    for state in states:
        runs.move(tx, run_id, state, version=runs.view(tx, run_id).version, actor="runner")


def executed(journal: Journal, scene: Scene) -> Scene:
    """The rollback carried out, and its window open."""
    assert scene.proposal is not None
    step = SetRevision(service="shop/checkout", from_revision=42, to_revision=41)
    back = SetRevision(service="shop/checkout", from_revision=41, to_revision=42)
    verification_id = new_id("VER")
    with journal.write("test.executed") as tx:
        move(tx, scene.run_id, A.RESERVED, A.PREFLIGHT)
        tx.run(
            t.undo.insert().values(
                run_id=scene.run_id,
                number=1,
                request=steps.dump(back),
                captured={"revision": 42},
                written_at=tx.now,
            )
        )
        move(tx, scene.run_id, A.EXECUTING)
        tx.run(
            t.steps.insert().values(
                run_id=scene.run_id,
                kind="do",
                number=1,
                state="done",
                key=f"{scene.run_id}:do:1",
                request=steps.dump(step),
                answer={"rollout": "complete"},
                intended_at=tx.now,
                done_at=tx.now + timedelta(seconds=4),
            )
        )
        tx.event(scene.incident_id, "runner", "step.done", part="do", step=steps.dump(step))
        move(tx, scene.run_id, A.EXECUTED, A.VERIFYING)
        tx.run(
            t.verifications.insert().values(
                id=verification_id,
                run_id=scene.run_id,
                criteria=dump(scene.proposal.check),
                opened_at=tx.now,
                next_at=tx.now,
            )
        )
    return replace(scene, verification_id=verification_id)


def sampled(journal: Journal, scene: Scene, number: int, values: tuple[float | None, ...]) -> None:
    """One sample, with its evidence, *number* × 5 s after the finding."""
    shift = timedelta(seconds=5 * number)
    store = world.Store()
    end = world.NOW + shift
    cited: list[tuple[EvidenceId, ...]] = []
    asked_of = ((world.CHECKOUT, "pool_waiters"), (world.GATEWAY, "server_error_ratio"))
    for (service, name), value in zip(asked_of, values, strict=False):
        if value is None:
            cited.append(())
            continue
        per = 16.0 if name == "server_error_ratio" else None
        points = [[p[0] + shift.total_seconds() * 1000, *p[1:]] for p in world.line(value, None, per=per)[-5:]]
        item = store.quantity(service, name, {f"{service.name}-1": points})
        window = replace(item.window, start=item.window.start + shift, end=end)
        item = replace(
            item,
            id=an_id(f"{scene.incident_id} {name} {number}"),
            incident_id=scene.incident_id,
            window=window,
        )
        store.items[-1] = item
        cited.append((item.id,))
    cited += [()] * (len(values) - len(cited))
    with journal.write("test.sampled") as tx:
        evidence.keep(tx, store.items, store.blobs, attempt=1, look=1, purpose="verification")
        verifications.add(
            tx,
            VerificationId(scene.verification_id),
            Sample(
                at=end,
                measured=tuple(Measured(value=v, evidence=e) for v, e in zip(values, cited, strict=True)),
            ),
        )


GETTING_BETTER: tuple[tuple[float | None, ...], ...] = (
    (4.0, 0.12, 14.0),
    (1.0, None, 15.5),
    (0.0, 0.004, 16.0),
    (0.0, 0.0, 16.2),
    (0.0, 0.0, 16.1),
    (0.0, 0.0, 15.9),
    (0.0, 0.0, 16.0),
)


def verified(journal: Journal) -> Scene:
    """Alert to verified fix."""
    scene = asked(journal)
    vote(journal, scene, "ana")
    scene = executed(journal, scene)
    for number, values in enumerate(GETTING_BETTER, 1):
        sampled(journal, scene, number, values)
    return scene


def unclear(journal: Journal) -> Scene:
    """Nothing fits, something could not be looked at, and a person is asked for."""
    incident = opened(journal)
    finding = found(
        journal,
        incident,
        world.well(world.Store()),
        not_checked=("`inventory` (prometheus: no answer within 8 s)",),
    )
    with journal.write("test.unclear") as tx:
        now = incidents.load(tx, incident.id)
        incidents.move(tx, now, S.NEEDS_HUMAN, actor="triage", reason="no known fault fits what was seen")
    return Scene(incident_id=incident.id, finding=finding)


def deliberated(journal: Journal, bad: str = "shop/cart", **named: Any) -> Scene:
    """Suspects that a model looked into: it asked, suggested, and had some of that dropped."""
    scene = asked(journal)
    assert scene.finding is not None
    incident_id, store = scene.incident_id, world.Store()
    whose = {"in_flight": FetchedBy.MODEL_PLAN, "request_rate": FetchedBy.ENGINE}
    items = [
        identified(
            replace(
                store.quantity(world.INVENTORY, name, {"inventory-1": world.line(3.0, 1.0)}),
                incident_id=incident_id,
                fetched_by=who,
            )
        )
        for name, who in whose.items()
    ]
    claim = next(s for s in scene.finding.claims if s.claim.type == "METRIC_VALUE")
    usual: dict[str, Any] = {
        "incident_id": incident_id,
        "finding_id": scene.finding.id,
        "attempt": 1,
        "look": 2,
        "model": "openai:some-model",
        "off": None,
        "steps": tuple(Step),
        "rounds": 2,
        "suspects": (Suspect(signature="F14", title="a hung replica", entity="shop/inventory", score=0.4),),
        "facts": (Fact(claim=claim.claim, text=claim.text),),
        "settle": ("database connections in use",),
        "dropped": (
            Dropped(code="ENTITY", what=f"F11 cannot be on {bad} for this alert"),
            Dropped(code="NUMBER_MISMATCH", what="the number that was given is not in the bytes"),
        ),
        "refused": {"already_answered": 2, "unknown_entity": 1},
        "spent": Spent(
            calls=4, tool_calls=3, input_tokens=12345, output_tokens=678, seconds=9.25, cost_usd=0.0123
        ),
    }
    record = Deliberation(**(usual | named))
    with journal.write("test.deliberated") as tx:
        evidence.keep(tx, items, store.blobs, attempt=1, look=2, purpose="triage")
        incident = incidents.load(tx, incident_id)
        spending.order(tx, incident)
        spending.finish(tx, record)
    return scene


def long(journal: Journal, events: int = 260) -> Scene:
    """An incident that went on all night, with a title and a summary that do not end."""
    title = (
        "Checkout answers slowly for a part of the customers in the northern region since the last campaign " * 3
    )
    scene = asked(journal, quorum=3, title=title, summary="What is known so far. " * 120)
    vote(journal, scene, "ana", reason="looks right")
    finding = scene.finding
    assert finding is not None
    with journal.write("test.long") as tx:
        for n in range(events):
            tx.event(scene.incident_id, "alertmanager", "alert.firing", title=title, summary=f"still so, {n} " * 8)
        for look in range(2, 6):
            tx.run(
                t.findings.insert().values(
                    id=new_id("FI"),
                    incident_id=scene.incident_id,
                    attempt=1,
                    look=look,
                    record=dump(replace(finding, look=look)),
                    made_at=tx.now,
                )
            )
    return scene


TITLES: Mapping[str, str] = {
    "gateway": "EdgeErrorRatioHigh",
    "checkout": "CheckoutLatencyHigh",
    "inventory": "InventoryDown",
    "payments": "PaymentsQueueGrows",
    "search": "SearchIndexStale",
}


def storm(journal: Journal, count: int = 60) -> list[IncidentId]:
    """Many incidents at once, in every state there is."""
    out = []
    levels = (Severity.CRITICAL, Severity.WARNING, Severity.WARNING, Severity.INFO, Severity.UNKNOWN)
    states = (S.TRIAGING, S.REPORTED, S.NEEDS_HUMAN, S.RESOLVED, S.PROPOSED, S.MITIGATED, S.RECEIVED)
    for n in range(count):
        service, title = list(TITLES.items())[n % len(TITLES)]
        state = states[n % len(states)]
        incident = opened(
            journal, state, title=title, service=service, severity=levels[n % len(levels)], summary=""
        )
        out.append(incident.id)
        if state in {S.REPORTED, S.MITIGATED, S.PROPOSED}:
            told = a_finding(
                incident_id=incident.id,
                state=FindingState.DIAGNOSED if n % 2 else FindingState.SUSPECTS,
                signature="F11",
                title="connection pool exhausted",
                entity=f"shop/{service}",
            )
            with journal.write("test.storm") as tx:
                evidence.save_finding(tx, told)
    return out
